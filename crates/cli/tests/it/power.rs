//! No acknowledged write is lost when the power fails while clients write; and the test would
//! notice if one were.
//!
//! Each member's data is on a file system of its own ([`crate::support::volume`]), whose power is
//! cut while clients write: at one member, or at all of them at once. The process is killed, the
//! file system mounted again, the member restarted, and every acknowledged write is looked for at
//! its revision. The same test is made with `examples/unsynced.rs`, a member whose disk only claims
//! to sync: there acknowledged writes must be found missing, or the test proves nothing.
//!
//! It needs root, loop devices and ext4. Where there is none of that it prints `skipped` and why.
//! The whole plan runs in the release build, a sample of it in others. `QUORATE_SEED` repeats a
//! plan.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use quorate_sim::check::history::observed;

use crate::support::audit;
use crate::support::guardian::{Guardian, Notice};
use crate::support::history::{Operation, Stopwatch};
use crate::support::random::{Random, seed};
use crate::support::volume::{Volume, cut};
use crate::support::workload::{Round, Shape, Workload};
use crate::support::{Cluster, Options, Program};

const MEMBERS: usize = 3;

const SHAPE: Shape = Shape { recorders: 4, rivals: 1, request_limit: Duration::from_secs(2) };

/// Cuts in the release build, half of them at all members at once.
const CUTS_FULL: usize = 24;

/// The same on Paxos, which has the same log and disk map below it.
const CUTS_FULL_PAXOS: usize = 10;

/// Cuts in other builds.
const CUTS_SAMPLE: usize = 4;

/// Clusters without syncs that are cut before the test gives up on finding a loss.
const UNSYNCED_CLUSTERS: usize = 5;

#[derive(Clone, Copy, Debug)]
enum Cut {
    /// One member's power fails, and comes back after this many more writes.
    One { member: usize, down_writes: usize },
    /// All members' power fails at once.
    All,
}

fn plan(cuts: usize, random: &mut Random) -> Vec<Cut> {
    let mut plan = Vec::new();
    for number in 0..cuts {
        let one = Cut::One { member: random.below(MEMBERS), down_writes: random.below(200) };
        plan.push(if number < cuts / 2 { Cut::All } else { one });
    }
    random.shuffle(&mut plan);
    plan
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_the_power_fails() {
    let (cuts, seed) = (for_this_build(CUTS_FULL), seed());
    println!("power: {cuts} cuts, QUORATE_SEED={seed}");
    println!("power: {}", survive(Program::Quorate, cuts, seed).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_the_power_of_members_on_paxos_fails() {
    let (cuts, seed) = (for_this_build(CUTS_FULL_PAXOS), seed());
    println!("power on Paxos: {cuts} cuts, QUORATE_SEED={seed}");
    println!("power on Paxos: {}", survive(Program::QuoratePaxos, cuts, seed).await);
}

fn for_this_build(cuts: usize) -> usize {
    if cfg!(debug_assertions) { CUTS_SAMPLE } else { cuts }
}

/// Cuts the power so often, and loses nothing. Says what was done, or why nothing could be.
async fn survive(program: Program, cuts: usize, seed: u64) -> String {
    let begun = Instant::now();
    let mut site = match Site::build(program) {
        Ok(site) => site,
        Err(why) => return format!("skipped: this machine cannot loop-mount: {why}"),
    };
    let mut random = Random::new(seed);
    site.cluster.wait_ready().await;
    for cut in plan(cuts, &mut random) {
        let writes = 100 + random.below(100);
        let history = site.write_through(cut, writes, seed).await;
        let audited = audit::read_back(&site.cluster, &history).await;
        if let Err(lost) = audited {
            panic!("seed {seed}: lost after {cut:?}: {lost:?}");
        }
        site.history.extend(history);
    }
    let truth = audit::truth(&site.cluster).await;
    let tally = match observed::check(&site.history, &truth) {
        Ok(tally) => tally,
        Err(wrong) => panic!("seed {seed}: {wrong}"),
    };
    let (revision, hash) = audit::assert_equal_states(&site.cluster).await;
    site.cluster.assert_no_panic();
    format!(
        "seed {seed}: {cuts} cuts, {} writes acknowledged and none lost, {} unknown ({} of them \
         happened); state {hash:08x} at revision {revision}; {:.0?}",
        tally.acknowledged,
        tally.unknown_happened + tally.unknown_never,
        tally.unknown_happened,
        begun.elapsed(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_is_noticed_where_syncs_are_taken_out() {
    assert!(
        Program::Unsynced.is_installed(),
        "build it first: cargo build --package quorate-cli --example unsynced"
    );
    let seed = seed();
    println!("power without syncs: QUORATE_SEED={seed}");
    for number in 1..=UNSYNCED_CLUSTERS {
        let mut site = match Site::build(Program::Unsynced) {
            Ok(site) => site,
            Err(why) => return println!("skipped: this machine cannot loop-mount: {why}"),
        };
        if let Some((lost, acknowledged)) = site.lose(seed).await {
            println!(
                "power without syncs: seed {seed}: {lost} of {acknowledged} acknowledged writes \
                 found missing, in cluster {number}"
            );
            return;
        }
    }
    panic!("seed {seed}: no write was lost without syncs: this test would notice nothing");
}

/// A cluster on file systems whose power can be cut. Dropped in this order.
struct Site {
    cluster: Cluster,
    volumes: Vec<Volume>,
    history: Vec<Operation>,
    round: Round,
    _directory: TempDir,
}

impl Site {
    /// Makes it and starts the cluster. An error says what this machine lacks.
    fn build(program: Program) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("quorate-power-").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        let guardian = Arc::new(Guardian::new());
        guardian.tell(Notice::Directory(directory.path()));
        let volumes: Vec<Volume> = (1..=MEMBERS)
            .map(|place| Volume::new(directory.path(), &format!("v{place}"), guardian.clone()))
            .collect::<Result<_, _>>()?;
        let cluster = Cluster::start(Options {
            homes: volumes.iter().map(|volume| volume.path().to_path_buf()).collect(),
            flags: vec!["--election-timeout=500".to_owned()],
            ..Options::new(program, MEMBERS)
        });
        let round = Round::first(Stopwatch::start());
        Ok(Self { cluster, volumes, history: Vec::new(), round, _directory: directory })
    }

    /// Lets clients write, cuts the power meanwhile, brings everything back, lets them write on,
    /// and gives what they recorded.
    async fn write_through(&mut self, planned: Cut, writes: usize, seed: u64) -> Vec<Operation> {
        self.round = self.round.next();
        let workload = Workload::start_round(&self.cluster, SHAPE, seed, self.round);
        workload.more(writes).await;
        match planned {
            Cut::One { member, down_writes } => {
                cut(&[&self.volumes[member]]);
                self.cluster.kill(member);
                workload.more(down_writes).await;
                self.volumes[member].remount();
                self.cluster.restart(member);
            }
            Cut::All => {
                self.cut_all();
                self.cluster.start_all();
            }
        }
        self.cluster.wait_ready().await;
        workload.more(writes / 2).await;
        workload.finish().await
    }

    fn cut_all(&mut self) {
        let volumes: Vec<&Volume> = self.volumes.iter().collect();
        cut(&volumes);
        self.cluster.kill_all();
        for volume in &self.volumes {
            volume.remount();
        }
    }

    /// Cuts the power of a cluster whose disks only claim to sync. Gives how many acknowledged
    /// writes were found missing, of how many; nothing if none was, or if the cluster did not come
    /// back to be asked.
    async fn lose(&mut self, seed: u64) -> Option<(usize, usize)> {
        self.cluster.wait_ready().await;
        let workload = Workload::start_round(&self.cluster, SHAPE, seed, self.round);
        workload.more(200).await;
        self.history.extend(workload.finish().await);
        // As the system does by itself after a while: without it there would be nothing at all to
        // come back to.
        for volume in &self.volumes {
            volume.sync();
        }
        self.round = self.round.next();
        let workload = Workload::start_round(&self.cluster, SHAPE, seed, self.round);
        workload.more(200).await;
        self.cut_all();
        self.history.extend(workload.finish().await);
        self.cluster.start_all();
        self.cluster.try_ready().await.ok()?;
        let truth = audit::truth(&self.cluster).await;
        let acknowledged = self.history.iter().filter(|made| made.is_acknowledged_write()).count();
        let lost = observed::lost(&self.history, &truth).len();
        (0 < lost).then_some((lost, acknowledged))
    }
}
