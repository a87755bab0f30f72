//! Multi-Paxos: a steady leader, slots that are chosen out of order, and what happens where links
//! are missing.

use core::time::Duration;

use quorate_codec::peer::PeerMessage;
use quorate_consensus::paxos::Message;
use quorate_consensus::{Index, Seed};

use super::super::Story;
use super::super::phrase::{Arg, Phrase};
use super::super::setting::Setting;
use super::super::skin::Skin;
use super::super::stage::Stage;
use super::super::tale::Tale;
use super::super::text::both;
use crate::protocol::PaxosProtocol;
use crate::world::director::Fate;

type Council<'t> = Stage<'t, PaxosProtocol>;

/// The stories of this file.
pub(super) const STORIES: &[Story] = &[
    Story {
        name: "multi-steady",
        skin: Skin::PaxosServers,
        title: both("One round trip per write", "每次写入一个往返"),
        intro: both(
            "A leader runs phase 1 once, for all slots to come. From then on each write costs one \
             accept and one accepted per follower: phase 2 alone (Paxos Made Simple, §3).",
            "领导者只做一次第一阶段，对之后所有槽位都有效。此后每次写入，对每个跟随者只要一次接受请求和一次\
             已接受：只剩第二阶段（Paxos Made Simple 第 3 节）。",
        ),
        play: steady,
    },
    Story {
        name: "holes",
        skin: Skin::PaxosServers,
        title: both("Slots are chosen out of order", "槽位可以乱序选定"),
        intro: both(
            "The accept messages of slot 5 are lost. Slots 6 to 9 are chosen before it, for no \
             slot waits for another; but they are executed only after it (Paxos Made Simple, §3).",
            "槽位 5 的接受请求丢了。槽位 6 到 9 先被选定，因为槽位之间互不等待；但要等 5 选定之后才执行（Paxos \
             Made Simple 第 3 节）。",
        ),
        play: holes,
    },
    Story {
        name: "gap-noop",
        skin: Skin::PaxosServers,
        title: both("A new leader fills a hole with nothing", "新领导者用空操作填补空洞"),
        intro: both(
            "The leader is gone; a majority holds votes for slots 6 to 9 and none for 5. The next \
             leader adopts what was voted for, and fills slot 5 with a no-op: it cannot have been \
             chosen (Paxos Made Simple, §3).",
            "领导者不在了；多数派持有槽位 6 到 9 的票，却没有 5 的。下一个领导者沿用投过票的值，并用空操作填补\
             槽位 5：它不可能被选定过（Paxos Made Simple 第 3 节）。",
        ),
        play: gap,
    },
    Story {
        name: "qloss-paxos",
        skin: Skin::PaxosServers,
        title: both("A leader that loses its quorum, under Paxos", "失去多数派的领导者（Paxos）"),
        intro: both(
            "All links fail but those of S1. The leader S3 still hears S1, and no longer a \
             majority; S1, the only one who reaches a majority, must take over within four \
             election timeouts.",
            "除了 S1 的链路，其余全部断开。领导者 S3 仍能与 S1 通信，却够不到多数派；唯一够得到多数派的 S1 必须\
             在四个选举超时内接任。",
        ),
        play: quorum_loss,
    },
    Story {
        name: "constrained-paxos",
        skin: Skin::PaxosServers,
        title: both("The only hub has an old log, under Paxos", "唯一的枢纽日志陈旧（Paxos）"),
        intro: both(
            "The leader is gone and S1, the only one who reaches a majority, missed the last \
             write. Raft must wait for a link. Paxos goes on: S1 is elected, and learns from the \
             promises what it missed.",
            "领导者已不在，而唯一够得到多数派的 S1 错过了最后一次写入。Raft 只能等链路恢复；Paxos 可以继续：S1 \
             当选，并从承诺中得知自己错过的内容。",
        ),
        play: constrained,
    },
    Story {
        name: "chained-paxos",
        skin: Skin::PaxosServers,
        title: both("Three servers in a chain, under Paxos", "三台服务器连成一条链（Paxos）"),
        intro: both(
            "The link between S1 and S3 fails, S2 still reaches both. S2 hears the leader S1, so \
             S3 finds no majority that would follow it: leadership stays where it is.",
            "S1 与 S3 之间的链路断开，S2 两边都通。S2 听得到领导者 S1，所以 S3 找不到愿意跟随它的多数派：领导权\
             保持不动。",
        ),
        play: chained,
    },
];

/// This server leads, quietly.
fn leads(stage: &mut Council<'_>, server: u64) {
    stage.quietly(|stage| {
        stage.run(40);
        stage.campaign(server);
        stage.run(80);
    });
}

fn steady(seed: Seed, tale: &mut Tale) {
    let mut stage: Council<'_> = Setting::of(3, seed).open(tale);
    stage.run(40);
    stage.step(both(
        "S1 is elected: phase 1, once for all slots.",
        "S1 当选：第一阶段，一次对所有槽位有效。",
    ));
    stage.campaign(1);
    stage.run(80);
    let accepts = stage.record().sent_of(&["accept"]);
    stage.step(both("A write: phase 2 alone.", "一次写入：只有第二阶段。"));
    let before = stage.now();
    let first = stage.put(1, "a", "1");
    stage.run_until(100, |stage| first.has_ended(stage));
    let took = first.ended_at(&stage).map(|at| at.since(before));
    stage.run(20);
    stage.step(both("Nineteen more.", "再写十九次。"));
    let mut written = usize::from(first.is_written(&stage));
    stage.quietly(|stage| {
        for number in 0..19_u64 {
            let ask = stage.put(1, "n", &number.to_string());
            stage.run(20);
            written += usize::from(ask.is_written(stage));
        }
    });
    let prepares = stage.record().sent_of(&["prepare"]);
    let accepts = stage.record().sent_of(&["accept"]) - accepts;
    stage.check_equal(both("All twenty writes were done.", "二十次写入全部完成。"), written, 20);
    stage.check_equal(
        both("One prepare per follower, ever.", "对每个跟随者一共只有一次准备请求。"),
        prepares,
        2,
    );
    stage.check_equal(
        both("One accept per write and follower.", "每次写入、每个跟随者一次接受请求。"),
        accepts,
        40,
    );
    let claim = Phrase::from(both(
        "A write took {time}: one round trip, one sync, and the client's way.",
        "一次写入用了{time}：一个往返、一次落盘，加上客户端的路程。",
    ));
    let took = took.unwrap_or(Duration::MAX);
    stage.check(claim.with("time", Arg::Span(took)), took <= Duration::from_millis(7));
}

fn is_accept_of_5(message: &PeerMessage<Message>) -> bool {
    let PeerMessage::Engine(Message::Accept { entries, .. }) = message else { return false };
    entries.iter().any(|entry| entry.index == Index(5))
}

/// Slots 1 to 4 are chosen, and the accept messages of slot 5 meet this fate. Slots 5 to 9 are
/// proposed one by one.
fn five_writes(stage: &mut Council<'_>, fate: Fate, count: usize) {
    leads(stage, 1);
    stage.quietly(|stage| {
        while stage.last(1) < 4 {
            stage.put(1, "n", "0");
            stage.run(20);
        }
    });
    stage.order(1, None, fate, count, is_accept_of_5);
    for number in 5..=9_u64 {
        stage.put(1, &format!("slot-{number}"), &number.to_string());
        stage.run(1);
    }
}

fn holes(seed: Seed, tale: &mut Tale) {
    let mut stage: Council<'_> = Setting::of(3, seed).open(tale);
    stage.step(both(
        "Five writes, one per millisecond, for slots 5 to 9. The accepts of slot 5 are lost.",
        "五次写入，每毫秒一次，占槽位 5 到 9。槽位 5 的接受请求丢失。",
    ));
    five_writes(&mut stage, Fate::Drop, usize::MAX);
    stage.run(12);
    stage.show_slots();
    let early: Vec<bool> = (6..=9).map(|slot| stage.slots(2).contains(&slot)).collect();
    let has_5 = stage.slots(2).contains(&5) || stage.slots(3).contains(&5);
    let executed = stage.value(1, "slot-9");
    let chosen = stage.record().has_event("chosen");
    stage.step(both("No more is lost: S1 sends slot 5 again.", "不再丢失：S1 重发槽位 5。"));
    stage.release();
    stage.run(1_000);
    stage.check(
        both(
            "Slots 6 to 9 were chosen while nobody but S1 had voted in slot 5.",
            "槽位 6 到 9 被选定时，除 S1 外没有人为槽位 5 投过票。",
        ),
        chosen && !has_5 && early == [true; 4],
    );
    stage.check_equal(
        both("None of them was executed before it.", "在它之前，它们都没有执行。"),
        executed,
        None,
    );
    let after: Vec<Vec<usize>> = (5..=9).map(|n| stage.executed(&format!("slot-{n}"))).collect();
    stage.check_equal(
        both(
            "In the end every server executed each of the five once.",
            "最后每台服务器都把五条各执行了一次。",
        ),
        after,
        vec![vec![1; 3]; 5],
    );
    let same = stage.machines_are_equal();
    stage.check(both("All state machines are equal.", "状态机完全相同。"), same);
}

fn gap(seed: Seed, tale: &mut Tale) {
    let mut stage: Council<'_> = Setting::of(3, seed).open(tale);
    stage.step(both(
        "Slots 6 to 9 are chosen, slot 5 is held by S1 alone. S1's power is cut for good.",
        "槽位 6 到 9 已选定，槽位 5 只有 S1 持有。S1 从此断电。",
    ));
    five_writes(&mut stage, Fate::Drop, usize::MAX);
    stage.run(12);
    stage.show_slots();
    stage.power_off(1);
    stage.step(both(
        "S2 or S3 is elected, and repairs what it finds.",
        "S2 或 S3 当选，修复它看到的空洞。",
    ));
    stage.run_until(5_000, |stage| stage.leader().is_some());
    stage.run(300);
    stage.show_slots();
    let noop = stage.record().has_reason("NoVotes");
    stage.check(
        both("Slot 5 was filled with a no-op: NoVotes.", "槽位 5 填入了空操作：NoVotes。"),
        noop,
    );
    let adopted = stage.record().has_reason("Adopted");
    stage.check(
        both("Slots 6 to 9 kept their values: Adopted.", "槽位 6 到 9 保持原值：Adopted。"),
        adopted,
    );
    let values: Vec<Option<String>> =
        (6..=9).map(|n| stage.value(2, &format!("slot-{n}"))).collect();
    let expected: Vec<Option<String>> = (6..=9).map(|n: u64| Some(n.to_string())).collect();
    stage.check_equal(both("S2 has executed them.", "S2 已执行它们。"), values, expected);
    let lost = stage.value(2, "slot-5");
    stage.check_equal(
        both("The write of slot 5 did not happen.", "槽位 5 的写入没有发生。"),
        lost,
        None,
    );
}

/// Only the links of S1 are left.
fn only_s1_is_reached(stage: &mut Council<'_>) {
    for from in 2..=5 {
        for to in (2..=5).filter(|to| *to != from) {
            stage.cut(from, to);
        }
    }
}

fn quorum_loss(seed: Seed, tale: &mut Tale) {
    let mut stage: Council<'_> = Setting::of(5, seed).open(tale);
    leads(&mut stage, 3);
    stage.step(both(
        "S3 leads. All links fail but those of S1.",
        "S3 是领导者。除 S1 的链路外全部断开。",
    ));
    let before = stage.now();
    only_s1_is_reached(&mut stage);
    stage.run_until(10_000, |stage| stage.leader() == Some(1));
    let outage = stage.now().since(before);
    stage.run(40);
    stage.step(both("A write at S1.", "在 S1 写入。"));
    let ask = stage.put(1, "b", "2");
    stage.run(60);
    let leader = stage.leader();
    stage.check_equal(both("S1 leads.", "S1 是领导者。"), leader, Some(1));
    stage.check(both("The write is acknowledged.", "写入得到确认。"), ask.is_written(&stage));
    let claim = Phrase::from(both(
        "There was no leader with a quorum for {time}: at most four election timeouts.",
        "没有多数派的领导者持续了{time}：不超过四个选举超时。",
    ));
    let in_time = outage <= Duration::from_millis(4 * 300);
    stage.check(claim.with("time", Arg::Span(outage)), in_time);
}

fn constrained(seed: Seed, tale: &mut Tale) {
    let mut stage: Council<'_> = Setting::of(5, seed).open(tale);
    leads(&mut stage, 3);
    stage.step(both(
        "S1 is cut off and misses a write. Then S3 is killed, and only the links of S1 are left.",
        "S1 被隔开，错过一次写入。随后 S3 被杀，只剩下 S1 的链路。",
    ));
    stage.part(&[1], &[2, 3, 4, 5]);
    stage.quietly(|stage| {
        stage.put(3, "b", "2");
        stage.run(60);
    });
    let before = stage.now();
    stage.kill(3);
    stage.heal();
    only_s1_is_reached(&mut stage);
    stage.run_until(10_000, |stage| stage.leader() == Some(1));
    let outage = stage.now().since(before);
    stage.run(100);
    let leader = stage.leader();
    stage.check_equal(both("S1 leads.", "S1 是领导者。"), leader, Some(1));
    let value = stage.value(1, "b");
    stage.check_equal(
        both("S1 has the write that it missed.", "S1 有了它错过的写入。"),
        value,
        Some("2".to_owned()),
    );
    let claim = Phrase::from(both(
        "It took {time}: at most four election timeouts.",
        "用了{time}：不超过四个选举超时。",
    ));
    let in_time = outage <= Duration::from_millis(4 * 300);
    stage.check(claim.with("time", Arg::Span(outage)), in_time);
}

fn chained(seed: Seed, tale: &mut Tale) {
    let mut stage: Council<'_> = Setting::of(3, seed).open(tale);
    leads(&mut stage, 1);
    let before = stage.round();
    stage.step(both(
        "S1 leads. The link between S1 and S3 fails.",
        "S1 是领导者。S1 与 S3 之间的链路断开。",
    ));
    stage.cut(1, 3);
    stage.cut(3, 1);
    stage.run(500);
    let ask = stage.put(1, "a", "1");
    stage.quietly(|stage| stage.run(5_000));
    let during = (stage.leader(), stage.round());
    stage.check_equal(
        both("S1 led the same ballot throughout.", "S1 始终领导同一个提案编号。"),
        during,
        (Some(1), before),
    );
    stage.check(both("Writes went on.", "写入照常进行。"), ask.is_written(&stage));
}
