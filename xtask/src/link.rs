//! A TCP connection's way through this process, which may take time: what passes arrives late.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

/// The way to a port of this machine. Its threads end with the connections, or with the process.
#[derive(Debug)]
pub(crate) struct Link {
    port: u16,
    delay: Arc<Delay>,
}

/// How late everything arrives, in milliseconds.
#[derive(Debug, Default)]
struct Delay(AtomicU64);

/// What was read, and when it is to arrive; nothing at the end.
type Parcel = (Instant, Option<Vec<u8>>);

impl Link {
    /// A way to this port that takes no time yet.
    pub(crate) fn to(target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port for a link")?;
        let port = listener.local_addr()?.port();
        let delay = Arc::<Delay>::default();
        let shared = delay.clone();
        thread::spawn(move || {
            for inward in listener.incoming().filter_map(Result::ok) {
                // Nobody listens there for now: whoever called finds the connection closed.
                if let Ok(outward) = TcpStream::connect(("127.0.0.1", target)) {
                    drop(join(&inward, &outward, &shared));
                }
            }
        });
        Ok(Self { port, delay })
    }

    /// The port at which it begins.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on everything arrives so late, in both directions of each connection.
    pub(crate) fn delay(&self, late: Duration) {
        let millis = u64::try_from(late.as_millis()).expect("nobody waits for so long");
        self.delay.0.store(millis, Ordering::Relaxed);
    }
}

impl Delay {
    fn due(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn join(inward: &TcpStream, outward: &TcpStream, delay: &Arc<Delay>) -> Result<()> {
    for stream in [inward, outward] {
        stream.set_nodelay(true)?;
    }
    for (from, to) in [(inward, outward), (outward, inward)] {
        let (from, to, delay) = (from.try_clone()?, to.try_clone()?, delay.clone());
        let (sender, parcels) = mpsc::channel();
        thread::spawn(move || collect(from, &sender, &delay));
        thread::spawn(move || deliver(to, &parcels));
    }
    Ok(())
}

/// Reads to the end. That nobody delivers any more is found at the next piece.
fn collect(mut from: TcpStream, parcels: &mpsc::Sender<Parcel>, delay: &Delay) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        let bytes = (0 < read).then(|| buffer[..read].to_vec());
        if parcels.send((delay.due(), bytes)).is_err() || read == 0 {
            return;
        }
    }
}

/// Writes what was read, in order, each when it is due.
fn deliver(mut to: TcpStream, parcels: &mpsc::Receiver<Parcel>) {
    while let Ok((due, Some(bytes))) = parcels.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // It may be closed already.
    drop(to.shutdown(Shutdown::Both));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_arrives_in_order_and_late() -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let link = Link::to(listener.local_addr()?.port())?;
        let mut client = TcpStream::connect(("127.0.0.1", link.port()))?;
        let (mut server, _) = listener.accept()?;
        let mut pass = |text: &[u8]| -> Result<Duration> {
            let begun = Instant::now();
            client.write_all(text)?;
            let mut heard = vec![0; text.len()];
            server.read_exact(&mut heard)?;
            assert_eq!(heard, text);
            server.write_all(text)?;
            client.read_exact(&mut heard)?;
            assert_eq!(heard, text);
            Ok(begun.elapsed())
        };
        pass(b"at once")?;
        let late = Duration::from_millis(50);
        link.delay(late);
        assert!(2 * late <= pass(b"and back")?);
        drop(client);
        assert_eq!(server.read(&mut [0])?, 0, "the end passes, too");
        Ok(())
    }
}
