//! The processor time that servers on this machine have used, and which processes they are.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

/// Processes on this machine.
#[derive(Debug)]
pub(super) struct Processes(BTreeSet<u32>);

impl Processes {
    /// This process.
    pub(super) fn own() -> Self {
        Self([std::process::id()].into())
    }

    /// Those that listen where these lead to, as far as it is this machine and they may be looked
    /// into.
    pub(super) fn listening_at(addresses: &[SocketAddr]) -> Self {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter();
        let all = tables.flat_map(|table| listeners(&read(table)));
        let is_wanted = |listener: &Listener| {
            addresses.iter().any(|address| answers(listener.address, *address))
        };
        let inodes: BTreeSet<String> =
            all.filter(is_wanted).map(|listener| listener.inode).collect();
        Self(if inodes.is_empty() { BTreeSet::new() } else { holders(&inodes) })
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The processor time they have used, in user mode and in the system; those that have ended
    /// count nothing.
    pub(super) fn used(&self) -> Duration {
        self.0.iter().filter_map(|id| used(&read(&format!("/proc/{id}/stat")))).sum()
    }
}

fn read(path: &str) -> String {
    // What has gone or belongs to another user says nothing.
    fs::read_to_string(path).unwrap_or_default()
}

/// A socket that takes connections.
#[derive(Debug, PartialEq, Eq)]
struct Listener {
    address: SocketAddr,
    inode: String,
}

/// Those of `/proc/net/tcp` or `tcp6` (proc(5)).
fn listeners(table: &str) -> Vec<Listener> {
    const LISTEN: &str = "0A";
    let listener = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let address = if *state == LISTEN { address(local) } else { None }?;
        Some(Listener { address, inode: (*inode).to_owned() })
    };
    table.lines().filter_map(listener).collect()
}

/// An address as the system writes it: words of four bytes as numbers of this machine, and a port.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let words = host.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    let host = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(SocketAddr::new(host, u16::from_str_radix(port, 16).ok()?))
}

/// Whether a listener is what answers at an address of this machine.
fn answers(listener: SocketAddr, address: SocketAddr) -> bool {
    let host = listener.ip().to_canonical();
    let is_everywhere = host == Ipv4Addr::UNSPECIFIED || host == Ipv6Addr::UNSPECIFIED;
    let is_there = host == address.ip().to_canonical() || is_everywhere;
    listener.port() == address.port() && address.ip().is_loopback() && is_there
}

/// The processes that hold one of these sockets.
fn holders(inodes: &BTreeSet<String>) -> BTreeSet<u32> {
    let holds = |id: &u32| {
        let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| {
            let inode = target.to_str().and_then(|it| it.strip_prefix("socket:["));
            inode.and_then(|it| it.strip_suffix(']')).is_some_and(|it| inodes.contains(it))
        })
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(holds).collect()
}

/// The times of `/proc/PID/stat` (proc(5)): fields 14 and 15, counted from after the name, which
/// may hold anything.
fn used(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut time = || times.next()?.parse::<u64>().ok();
    let ticks = time()? + time()?;
    let ticks_per_second = u32::try_from(clock_ticks_per_second()).ok()?;
    Some(Duration::from_secs(1) * u32::try_from(ticks).ok()? / ticks_per_second)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1
   1: 0100007F:094B 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 1235 1
   2: 00000000000000000000000000000000:0050 0:0 0A 0:0 0:0 0 0 0 77 1
   3: nonsense
";

    #[test]
    fn listeners_are_read_from_the_table() {
        let found = listeners(TABLE);
        let expected = [("127.0.0.1:2379", "1234"), ("[::]:80", "77")];
        let expected = expected.map(|(address, inode)| Listener {
            address: address.parse().unwrap(),
            inode: inode.to_owned(),
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn only_listeners_of_this_machine_answer() {
        let is_answered = |listener: &str, address: &str| {
            answers(listener.parse().unwrap(), address.parse().unwrap())
        };
        assert!(is_answered("127.0.0.1:1", "127.0.0.1:1"));
        assert!(is_answered("0.0.0.0:1", "127.0.0.1:1"));
        assert!(is_answered("[::]:1", "127.0.0.1:1"));
        assert!(!is_answered("127.0.0.2:1", "127.0.0.1:1"));
        assert!(!is_answered("127.0.0.1:2", "127.0.0.1:1"));
        assert!(!is_answered("0.0.0.0:1", "192.0.2.1:1"));
    }

    #[test]
    fn the_process_that_listens_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let found = Processes::listening_at(&[listener.local_addr().unwrap()]);
        assert_eq!(found.0, Processes::own().0);
        drop(listener);
    }

    #[test]
    fn times_are_read_whatever_the_name() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 90 0 0 0 150 50 0 0 20 0 1 0 5 0 0";
        let seconds = 200.0 / Duration::from_secs(clock_ticks_per_second()).as_secs_f64();
        assert!((used(stat).unwrap().as_secs_f64() - seconds).abs() < 1e-9);
        assert_eq!(used(""), None);
    }
}
