//! No acknowledged write is lost when members are killed and paused, and no answer was ever wrong.
//!
//! Clients of every member write and read while leaders are killed (SIGKILL), leaders are paused
//! (SIGSTOP) and all members are killed at once. Afterwards everything that really happened is read
//! back, and must explain every answer that any client got. A kill keeps the page cache, so this
//! says nothing about syncs: `power.rs` does.
//!
//! The whole plan runs in the release build, a sample of it in others. `QUORATE_SEED` repeats a
//! plan; the timing is real, so a run is never repeated exactly.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use quorate_sim::check::history::observed::{self, Tally, events_of_key};
use quorate_sim::check::history::search::{Verdict, search};

use crate::support::audit;
use crate::support::control::Control;
use crate::support::history::{Operation, Truth};
use crate::support::measure::{Fault, Gaps, gaps, percentile};
use crate::support::random::{Random, seed};
use crate::support::workload::{SHARED_KEYS, Shape, Workload};
use crate::support::{Cluster, Options, Program};

/// etcd's default, which the clusters here are started with.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(1);

const MEMBERS: usize = 3;

/// How many clients wait for each member, and how long.
///
/// What a dead leader was asked for is not answered on Multi-Paxos, for it may be chosen at any
/// later time, and who waits for that asks for nothing. So nobody waits longer than half of an
/// election timeout: else the clients' patience would be taken for the cluster's gap.
const SHAPE: Shape = Shape { recorders: 6, rivals: 2, request_limit: Duration::from_millis(500) };

/// Most operations on one key that are searched for an order.
const SEARCHED_MAX: usize = 400;

/// How many steps a search may take before it gives up.
const STEPS_MAX: usize = 20_000_000;

/// How much is done.
#[derive(Clone, Copy, Debug)]
struct Plan {
    leader_kills: usize,
    leader_pauses: usize,
    kills_of_all: usize,
    absences: usize,
    acknowledged_min: usize,
}

const FULL: Plan = Plan {
    leader_kills: 20,
    leader_pauses: 10,
    kills_of_all: 5,
    absences: 1,
    acknowledged_min: 20_000,
};

/// Paxos has another engine below the same halves and disks.
const FULL_PAXOS: Plan = Plan {
    leader_kills: 10,
    leader_pauses: 5,
    kills_of_all: 3,
    absences: 1,
    acknowledged_min: 10_000,
};

const SAMPLE: Plan = Plan {
    leader_kills: 2,
    leader_pauses: 1,
    kills_of_all: 1,
    absences: 0,
    acknowledged_min: 1_000,
};

/// The log is cut often, so that a member that is away for long must be sent the whole state.
const SNAPSHOT_COUNT: usize = 1_000;

/// Thousands of writes that a member misses at least. What is kept of the log for those who lag is
/// 5,000 entries more than the state machine's disk has.
const ABSENCE_THOUSANDS: usize = 24;

/// And at most: the disk may be two commits behind, each of 2 seconds' writes, however many.
const ABSENCE_THOUSANDS_MAX: usize = 400;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The leader is killed, and restarted after this many more writes.
    KillLeader { down_writes: usize },
    /// The leader is paused, and goes on after this many more writes.
    PauseLeader { down_writes: usize },
    /// All members are killed, and restarted at once.
    KillAll,
    /// A follower is killed and restarted so late that it is sent the state, and the leader is
    /// killed while it is.
    Absence,
}

impl Plan {
    /// The plan for the release build, a sample of it in others.
    fn for_this_build(self) -> Self {
        if cfg!(debug_assertions) { SAMPLE } else { self }
    }

    fn steps(self, random: &mut Random) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..self.leader_kills {
            steps.push(Step::KillLeader { down_writes: random.below(300) });
        }
        for _ in 0..self.leader_pauses {
            steps.push(Step::PauseLeader { down_writes: 1 + random.below(300) });
        }
        steps.extend((0..self.kills_of_all).map(|_| Step::KillAll));
        steps.extend((0..self.absences).map(|_| Step::Absence));
        random.shuffle(&mut steps);
        steps
    }

    /// Writes before each step and after the last, so that all together are enough.
    fn writes_between(self) -> usize {
        let steps = self.leader_kills + self.leader_pauses + self.kills_of_all + self.absences;
        self.acknowledged_min.div_ceil(steps + 1)
    }
}

/// When each fault of a kind was made. The quorum is lost when all are killed, and when the leader
/// is while another has just been restarted: then writes wait for processes to start.
#[derive(Default)]
struct Faults {
    leader_kills: Vec<Fault>,
    leader_pauses: Vec<Fault>,
    quorum_losses: Vec<Fault>,
}

/// What a run showed.
struct Findings {
    seed: u64,
    took: Duration,
    operations: usize,
    tally: Tally,
    searched_keys: usize,
    kill_gaps: Gaps,
    pause_gaps: Gaps,
    restart_gaps: Gaps,
    revision: i64,
    hash: u32,
}

impl Findings {
    /// Times are promised of the release build, on a machine that does nothing else.
    fn assert_quick_enough(&self, plan: Plan) {
        if cfg!(debug_assertions) {
            return;
        }
        assert!(plan.acknowledged_min <= self.tally.acknowledged, "too few writes to say anything");
        let (kills, pauses) = (&self.kill_gaps.own, &self.pause_gaps.own);
        assert!(are_mostly(kills, ELECTION_TIMEOUT * 3 / 2), "without a write: {kills:?}");
        assert!(are_mostly(pauses, ELECTION_TIMEOUT * 5 / 2), "without a write: {pauses:?}");
    }
}

/// Whether nine of ten gaps are no longer than this, without what the machine kept a thread waiting
/// that has nothing to do with members.
///
/// It may keep members waiting, and that thread from nothing: hence one of ten. An election that
/// takes longer than it should does so each time.
fn are_mostly(gaps: &[Duration], limit: Duration) -> bool {
    percentile(gaps, 90) <= limit
}

#[test]
fn slow_elections_are_told_from_one_late_write() {
    let limit = ELECTION_TIMEOUT * 3 / 2;
    let usual = Duration::from_millis(74);
    let mut gaps = vec![usual; 9];
    gaps.push(Duration::from_millis(2_010));
    assert!(are_mostly(&gaps, limit), "one of ten");
    gaps[8] = Duration::from_millis(2_010);
    assert!(!are_mostly(&gaps, limit), "two of ten");
    let slower: Vec<_> = gaps.iter().map(|gap| *gap + limit).collect();
    assert!(!are_mostly(&slower, limit), "all take an election longer");
}

impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "seed {}: {} operations, {} writes acknowledged and none lost, {} unknown ({} of them \
             happened), {} linearizable and {} serializable reads, {} keys searched; \
             until the next write p50/p99: {}; {}; {}; state {:08x} at revision {}; {:.0?}",
            self.seed,
            self.operations,
            self.tally.acknowledged,
            self.tally.unknown_happened + self.tally.unknown_never,
            self.tally.unknown_happened,
            self.tally.linearizable_reads,
            self.tally.serializable_reads,
            self.searched_keys,
            spread("leader kills", &self.kill_gaps),
            spread("pauses", &self.pause_gaps),
            spread("losses of the quorum", &self.restart_gaps),
            self.hash,
            self.revision,
            self.took,
        )
    }
}

fn spread(what: &str, gaps: &Gaps) -> String {
    if gaps.all.is_empty() {
        return format!("no {what}");
    }
    let (middle, high) = (percentile(&gaps.all, 50), percentile(&gaps.all, 99));
    let own = percentile(&gaps.own, 99).as_millis();
    let (count, middle, high) = (gaps.all.len(), middle.as_millis(), high.as_millis());
    format!("{count} {what} {middle}/{high} ms, {own} without the machine's part")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_members_are_killed_and_paused() {
    let (plan, seed) = (FULL.for_this_build(), seed());
    println!("kills: {plan:?}, QUORATE_SEED={seed}");
    let found = run(Program::Quorate, plan, seed).await;
    println!("kills: {found}");
    found.assert_quick_enough(plan);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_members_on_paxos_are_killed_and_paused() {
    let (plan, seed) = (FULL_PAXOS.for_this_build(), seed());
    println!("kills on Paxos: {plan:?}, QUORATE_SEED={seed}");
    let found = run(Program::QuoratePaxos, plan, seed).await;
    println!("kills on Paxos: {found}");
    found.assert_quick_enough(plan);
}

/// The harness judges by nothing that is Quorate's own: the real etcd passes as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_passes_the_same_test() {
    if !Program::Etcd.is_installed() {
        println!("skipped: no etcd here; it is in Debian's package etcd-server");
        return;
    }
    // Without pauses: 3.4 can answer stale reads after one (fixed in 3.4.42).
    let plan = Plan { leader_pauses: 0, ..SAMPLE };
    let found = run(Program::Etcd, plan, seed()).await;
    println!("kills of etcd: {found}");
}

async fn run(program: Program, plan: Plan, seed: u64) -> Findings {
    let begun = Instant::now();
    let mut cluster = Cluster::ready(Options {
        flags: vec![format!("--snapshot-count={SNAPSHOT_COUNT}")],
        ..Options::new(program, MEMBERS)
    })
    .await;
    let workload = Workload::start(&cluster, SHAPE, seed);
    let control = Control::start(workload.clock());
    let faults = inject(&mut cluster, &workload, plan, seed).await;
    let hindrances = control.finish();
    let history = workload.finish().await;
    cluster.wait_ready().await;

    let truth = audit::truth(&cluster).await;
    let tally = match observed::check(&history, &truth) {
        Ok(tally) => tally,
        Err(wrong) => panic!("seed {seed}: {wrong}"),
    };
    let audited = audit::read_back(&cluster, &history).await;
    assert_eq!(audited, Ok(tally.acknowledged), "read back at the revision of each");
    let searched_keys = assert_searchable(&history, &truth);
    let (revision, hash) = audit::assert_equal_states(&cluster).await;
    cluster.assert_no_panic();
    for member in 0..cluster.size() {
        let ended = cluster.terminate(member);
        let is_clean = program == Program::Etcd || ended.success();
        assert!(is_clean, "member {member} did not end well after SIGTERM: {ended}");
    }
    Findings {
        seed,
        took: begun.elapsed(),
        operations: history.len(),
        tally,
        searched_keys,
        kill_gaps: gaps(&history, &faults.leader_kills, &hindrances),
        pause_gaps: gaps(&history, &faults.leader_pauses, &hindrances),
        restart_gaps: gaps(&history, &faults.quorum_losses, &hindrances),
        revision,
        hash,
    }
}

/// Makes every fault of the plan, each after some writes, and waits for writes after the last.
async fn inject(cluster: &mut Cluster, workload: &Workload, plan: Plan, seed: u64) -> Faults {
    let mut faults = Faults::default();
    for step in plan.steps(&mut Random::new(seed)) {
        workload.more(plan.writes_between()).await;
        for member in 0..cluster.size() {
            assert!(cluster.is_running(member), "member {member} ended by itself");
        }
        match step {
            Step::KillLeader { down_writes } => {
                faults.leader_kills.push(kill_leader(cluster, workload, down_writes).await);
            }
            Step::PauseLeader { down_writes } => {
                faults.leader_pauses.push(pause_leader(cluster, workload, down_writes).await);
            }
            Step::KillAll => faults.quorum_losses.push(kill_all(cluster, workload).await),
            Step::Absence => faults.quorum_losses.push(outlast(cluster, workload).await),
        }
    }
    workload.more(plan.writes_between()).await;
    faults
}

async fn kill_leader(cluster: &mut Cluster, workload: &Workload, down_writes: usize) -> Fault {
    let leader = cluster.wait_leader().await;
    let began = workload.now();
    cluster.kill(leader);
    let in_effect = workload.now();
    workload.wait_write_after(in_effect).await;
    workload.more(down_writes).await;
    cluster.restart(leader);
    cluster.wait_serving(leader).await;
    Fault { began, in_effect }
}

async fn pause_leader(cluster: &mut Cluster, workload: &Workload, down_writes: usize) -> Fault {
    let leader = cluster.wait_leader().await;
    let began = workload.now();
    cluster.stop(leader);
    let in_effect = workload.now();
    workload.wait_write_after(in_effect).await;
    workload.more(down_writes).await;
    cluster.resume(leader);
    cluster.wait_serving(leader).await;
    Fault { began, in_effect }
}

async fn kill_all(cluster: &mut Cluster, workload: &Workload) -> Fault {
    let began = workload.now();
    cluster.kill_all();
    let in_effect = workload.now();
    cluster.start_all();
    cluster.wait_ready().await;
    workload.wait_write_after(in_effect).await;
    Fault { began, in_effect }
}

async fn outlast(cluster: &mut Cluster, workload: &Workload) -> Fault {
    let leader = cluster.wait_leader().await;
    let away = (leader + 1) % cluster.size();
    cluster.kill(away);
    let missed_from = cluster.log_bounds(leader).await.last;
    miss_what_is_cut(cluster, workload, away, missed_from).await;
    cluster.restart(away);
    let fault = kill_leader(cluster, workload, 0).await;
    cluster.wait_serving(away).await;
    let installed = cluster.log(away).matches("the state of a peer is installed").count();
    assert!(0 < installed, "a member was caught up from a log that does not reach so far");
    fault
}

/// Writes until nobody else has the entries any more that a member misses.
async fn miss_what_is_cut(cluster: &Cluster, workload: &Workload, away: usize, from: u64) {
    for thousands in 1..=ABSENCE_THOUSANDS_MAX {
        workload.more(1_000).await;
        if thousands < ABSENCE_THOUSANDS {
            continue;
        }
        let mut is_kept = false;
        for member in (0..cluster.size()).filter(|member| *member != away) {
            is_kept |= cluster.log_bounds(member).await.compacted <= from;
        }
        if !is_kept {
            return;
        }
    }
    panic!("{ABSENCE_THOUSANDS_MAX},000 writes did not outlast the log");
}

/// Asserts that the history of each shared key is linearizable without regard to revisions. Gives
/// how many keys there were.
fn assert_searchable(history: &[Operation], truth: &Truth) -> usize {
    let records = truth.values().flatten();
    let happened: BTreeSet<_> = records.clone().map(|record| record.value).collect();
    let keys: BTreeSet<&str> =
        records.map(|record| &*record.key).filter(|key| key.starts_with("shared/")).collect();
    assert!(SHARED_KEYS <= keys.len(), "there are too few shared keys to say anything");
    for key in &keys {
        let events = events_of_key(history, key, |value| happened.contains(&value));
        let count = events.len();
        assert!(count <= SEARCHED_MAX, "{count} operations on {key} are too many to search");
        assert_eq!(search(None, &events, STEPS_MAX), Verdict::Linearizable, "the history of {key}");
    }
    keys.len()
}
