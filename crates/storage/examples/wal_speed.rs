//! Measures the log beside plain writes and syncs on the same disk.
//!
//! `cargo run --release -p quorate-storage --example wal_speed [directory] [seconds]`

#![allow(clippy::print_stdout, reason = "a measurement is printed")]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use quorate_consensus::{
    Ballot, ClusterTime, Entry, Index, Members, NodeId, Payload, Write, WriteBatch, WriteId,
};
use quorate_storage::{ClusterId, EngineKind, Options, Progress, RealDisk, Reservation, Wal, open};

const ENTRY_BYTES: usize = 256;
const FILE_BYTES: u64 = 64 << 20;

/// Batches per second, and the median and 99th percentile of one in microseconds.
struct Speed {
    per_second: f64,
    median: u128,
    p99: u128,
}

/// Calls for a while; what `prepare` does is not counted.
fn measure<T>(seconds: u64, mut prepare: impl FnMut() -> T, mut call: impl FnMut(T)) -> Speed {
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        let input = prepare();
        let begin = Instant::now();
        call(input);
        times.push(begin.elapsed());
    }
    let total = times.iter().sum::<Duration>().as_secs_f64();
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_micros();
    let count = u32::try_from(times.len()).expect("a few million at most");
    Speed { per_second: f64::from(count) / total, median: at(50), p99: at(99) }
}

fn plain(directory: &Path, entries: u64, seconds: u64) -> Speed {
    let path = directory.join("plain");
    let mut options = OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).open(&path).expect("a file");
    for _ in 0..FILE_BYTES >> 20 {
        file.write_all(&vec![0; 1 << 20]).expect("a healthy disk");
    }
    file.sync_all().expect("a healthy disk");
    let bytes = vec![7; entries as usize * (ENTRY_BYTES + 70)];
    let mut offset = 0;
    let nothing = || ();
    let speed = measure(seconds, nothing, |()| {
        if FILE_BYTES < offset + bytes.len() as u64 {
            offset = 0;
        }
        file.write_all_at(&bytes, offset).expect("a healthy disk");
        file.sync_data().expect("a healthy disk");
        offset += bytes.len() as u64;
    });
    std::fs::remove_file(path).expect("it exists");
    speed
}

fn entry(index: u64) -> Write {
    Write::Put(
        Entry {
            index: Index(index),
            ballot: Ballot { round: 1, node: NodeId(1) },
            born: Ballot { round: 1, node: NodeId(1) },
            id: None,
            time: ClusterTime(index),
            payload: Payload::Command(vec![7; ENTRY_BYTES].into()),
        }
        .into(),
    )
}

/// Runs reservations beside the log, as a server does.
struct Reserver {
    orders: Sender<Reservation>,
    done: Receiver<Reservation>,
}

impl Reserver {
    fn start() -> Self {
        let (orders, inbox) = channel::<Reservation>();
        let (outbox, done) = channel();
        std::thread::spawn(move || {
            for mut reservation in inbox {
                while reservation.step() == Progress::More {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if outbox.send(reservation).is_err() {
                    return;
                }
            }
        });
        Self { orders, done }
    }

    fn serve(&self, wal: &mut Wal) {
        if let Ok(reservation) = self.done.try_recv() {
            wal.reserved(reservation);
        }
        if let Some(reservation) = wal.reservation() {
            self.orders.send(reservation).expect("it runs as long as this");
        }
    }

    fn wait(&self, wal: &mut Wal) {
        self.serve(wal);
        wal.reserved(self.done.recv().expect("it runs as long as this"));
    }
}

fn log(directory: &Path, entries: u64, seconds: u64) -> Speed {
    let members = Members::of_voters([NodeId(1)]);
    let mut options = Options::new(ClusterId(1), NodeId(1), EngineKind::Raft, members);
    options.entropy = 1;
    options.segment_bytes = FILE_BYTES;
    let path = directory.join("data");
    let mut opened = open(Arc::new(RealDisk), &path, options).expect("a new directory");
    let reserver = Reserver::start();
    reserver.wait(&mut opened.wal);
    let mut id = 0;
    let prepare = || {
        id += 1;
        let writes = (1..=entries).map(|at| entry((id - 1) * entries + at)).collect();
        WriteBatch { id: WriteId(id), writes }
    };
    let speed = measure(seconds, prepare, |batch| {
        opened.wal.append(&[batch]).expect("a healthy disk");
        reserver.serve(&mut opened.wal);
    });
    drop(opened);
    std::fs::remove_dir_all(path).expect("it exists");
    speed
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("wal-speed-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a writable directory");
    let seconds = arguments.next().map_or(2, |text| text.parse().expect("seconds"));
    println!("entries a batch | plain batches/s (p50 / p99 us) | log | log : plain");
    for entries in [1, 16, 256] {
        let mut ratios = Vec::new();
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (raw, wal) =
                (plain(&directory, entries, seconds), log(&directory, entries, seconds));
            ratios.push(wal.per_second / raw.per_second);
            one.push(raw);
            other.push(wal);
        }
        ratios.sort_by(f64::total_cmp);
        let (raw, wal) = (middle(one), middle(other));
        println!(
            "{entries:15} | {:8.0} ({} / {}) | {:8.0} ({} / {}) | {:.2} (of {:.2?})",
            raw.per_second,
            raw.median,
            raw.p99,
            wal.per_second,
            wal.median,
            wal.p99,
            ratios[1],
            ratios
        );
    }
    std::fs::remove_dir_all(directory).expect("it exists");
}

fn middle(mut speeds: Vec<Speed>) -> Speed {
    speeds.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
    speeds.swap_remove(speeds.len() / 2)
}
