//! Both engines, one seed and one schedule of faults: what each costs, and how long each is away.

use core::time::Duration;

use quorate_consensus::Seed;

use super::super::Story;
use super::super::phrase::{Arg, Phrase};
use super::super::setting::Setting;
use super::super::skin::Skin;
use super::super::stage::{Speaks, Stage};
use super::super::tale::Tale;
use super::super::text::{Text, both};
use crate::protocol::{PaxosProtocol, RaftProtocol};

/// The stories of this file.
pub(super) const STORIES: &[Story] = &[Story {
    name: "compare",
    skin: Skin::Servers,
    title: both("Raft and Multi-Paxos, side by side", "Raft 与 Multi-Paxos 对比"),
    intro: both(
        "The same five servers, the same seed, the same writes and the same faults, once under \
         each engine. In quiet times they cost the same; they differ in how they choose a leader. \
         (term ↔ ballot, vote ↔ promise, append ↔ accept, commit ↔ chosen)",
        "同样的五台服务器、同样的种子、同样的写入和故障，两个引擎各跑一遍。平时开销相同，差别在于如何产生领导者。\
         （任期 ↔ 提案编号，投票 ↔ 承诺，追加日志 ↔ 接受，提交 ↔ 选定）",
    ),
    play: compare,
}];

/// What one engine needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    /// Messages of replication for a hundred quiet writes.
    messages: u64,
    /// Syncs for them, on all servers together.
    syncs: u64,
    /// The time of the slowest of them.
    slowest: Duration,
    /// Without a leader after the leader was killed.
    killed: Duration,
    /// Without one after the leader froze.
    frozen: Duration,
    /// Writes that were acknowledged, of 102.
    written: u64,
    /// Whether all servers ended equal, with no invariant violated.
    is_sound: bool,
}

/// What is compared, and where it is found.
type Row<T> = (Text, fn(&Cost) -> T);

fn compare(seed: Seed, tale: &mut Tale) {
    let raft = measure::<RaftProtocol>(seed, &["append", "append-matched"]);
    let paxos = measure::<PaxosProtocol>(seed, &["accept", "accepted"]);
    let rows: [Row<u64>; 2] = [
        (both("messages of replication", "复制消息数"), |cost| cost.messages),
        (both("syncs, on all five servers", "落盘次数（五台合计）"), |cost| cost.syncs),
    ];
    let spans: [Row<Duration>; 1] =
        [(both("slowest write", "最慢的写入"), |cost| cost.slowest)];
    let outages: [Row<Duration>; 2] = [
        (both("outage after a kill", "被杀之后的停顿"), |cost| cost.killed),
        (both("outage after a freeze", "冻结之后的停顿"), |cost| cost.frozen),
    ];
    let engines = [("Raft", raft), ("Multi-Paxos", paxos)];
    tale.step(both("A hundred writes while all is well.", "一切正常时写一百次。"));
    for (what, count) in rows {
        for (engine, cost) in &engines {
            tale.remark(Vec::new(), row("compare.row", engine, what, "count", number(count(cost))));
        }
    }
    for (what, span) in spans {
        for (engine, cost) in &engines {
            tale.remark(
                Vec::new(),
                row("compare.span", engine, what, "time", Arg::Span(span(cost))),
            );
        }
    }
    tale.step(both(
        "The leader's process is killed; later, the next leader freezes.",
        "领导者的进程被杀；之后，下一个领导者冻结。",
    ));
    for (what, span) in outages {
        for (engine, cost) in &engines {
            tale.remark(
                Vec::new(),
                row("compare.span", engine, what, "time", Arg::Span(span(cost))),
            );
        }
    }
    judge(tale, raft, paxos);
}

fn judge(tale: &mut Tale, raft: Cost, paxos: Cost) {
    let both_are = |is: fn(&Cost) -> bool| {
        if is(&raft) && is(&paxos) { Ok(()) } else { Err(format!("{raft:?} {paxos:?}")) }
    };
    tale.check(
        both("Every write was acknowledged under both.", "两个引擎下，每次写入都得到确认。"),
        both_are(|cost| cost.written == 102),
    );
    tale.check(
        both(
            "All servers ended equal under both, with no invariant violated.",
            "两个引擎下，所有服务器最终相同，没有违反任何不变式。",
        ),
        both_are(|cost| cost.is_sound),
    );
    tale.check(
        both(
            "A quiet write costs each engine one message to and one from each follower.",
            "平时的一次写入，两个引擎都是每个跟随者一来一回。",
        ),
        both_are(|cost| (800..=820).contains(&cost.messages)),
    );
    tale.check(
        both("… and one round trip with one sync in it.", "……以及一个往返、一次落盘。"),
        both_are(|cost| cost.slowest <= Duration::from_millis(7)),
    );
    tale.check(
        both(
            "A killed leader is replaced within one election timeout, a frozen one within four.",
            "被杀的领导者在一个选举超时内被取代，冻结的在四个之内。",
        ),
        both_are(|cost| {
            cost.killed <= Duration::from_millis(300) && cost.frozen <= Duration::from_millis(1_200)
        }),
    );
}

fn row(key: &'static str, engine: &str, what: Text, place: &'static str, arg: Arg) -> Phrase {
    let engine = Arg::Raw(engine.to_owned());
    Phrase::of(key).with("engine", engine).with("what", Arg::Text(what)).with(place, arg)
}

fn number(number: u64) -> Arg {
    Arg::Number(number)
}

fn measure<P: Speaks>(seed: Seed, kinds: &[&str]) -> Cost {
    let mut unheard = Tale::default();
    let mut stage: Stage<'_, P> = Setting::of(5, seed).open(&mut unheard);
    stage.run(40);
    stage.campaign(1);
    stage.run(200);
    let (messages, syncs) = (stage.record().sent_of(kinds), stage.record().syncs());
    let mut slowest = Duration::ZERO;
    let mut written = 0;
    for number in 0..100_u64 {
        let before = stage.now();
        let ask = stage.put(1, "n", &number.to_string());
        stage.run(20);
        written += u64::from(ask.is_written(&stage));
        let took = ask.ended_at(&stage).map_or(Duration::MAX, |at| at.since(before));
        slowest = slowest.max(took);
    }
    let messages = stage.record().sent_of(kinds) - messages;
    let syncs = stage.record().syncs() - syncs;
    let killed = outage(&mut stage, 1, |stage| stage.kill(1), &mut written);
    stage.start(1);
    stage.run(500);
    let frozen = match stage.leader() {
        Some(leader) => {
            let frozen = outage(&mut stage, leader, |stage| stage.freeze(leader), &mut written);
            stage.thaw(leader);
            frozen
        }
        None => Duration::MAX,
    };
    stage.run(3_000);
    let is_sound = stage.machines_are_equal() && stage.violation().is_none();
    Cost { messages, syncs, slowest, killed, frozen, written, is_sound }
}

/// Takes a leader away, and gives the time until another leads and has done a write.
fn outage<P: Speaks>(
    stage: &mut Stage<'_, P>,
    leader: u64,
    take_away: impl FnOnce(&mut Stage<'_, P>),
    written: &mut u64,
) -> Duration {
    let before = stage.now();
    take_away(stage);
    stage.run_until(20_000, |stage| stage.leader().is_some_and(|next| next != leader));
    let Some(next) = stage.leader() else { return Duration::MAX };
    let ask = stage.put(next, "n", "after");
    stage.run_until(2_000, |stage| ask.has_ended(stage));
    *written += u64::from(ask.is_written(stage));
    stage.now().since(before)
}
