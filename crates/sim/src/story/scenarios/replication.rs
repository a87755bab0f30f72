//! Replication: failures that are survived, logs that differ, and entries that only seem committed.

use quorate_codec::peer::PeerMessage;
use quorate_consensus::raft::{Body, Message};
use quorate_consensus::{Index, NodeId, Role, Rule, Seed};

use super::super::Story;
use super::super::phrase::{Arg, Phrase};
use super::super::setting::Setting;
use super::super::skin::Skin;
use super::super::stage::{APPENDS, Stage};
use super::super::tale::Tale;
use super::super::text::both;
use crate::world::director::Fate;

/// The stories of this file.
pub(super) const STORIES: &[Story] = &[
    Story {
        name: "five-two",
        skin: Skin::Servers,
        title: both("Five servers, any two failures", "五台服务器，任意两台故障"),
        intro: both(
            "All ten pairs of two fail in turn, and writes go on. Then all ten triples: now \
             nothing is acknowledged, for the two that are left are no majority (Raft paper, §2).",
            "十种两台组合依次故障，写入照常进行。随后十种三台组合依次故障：什么写入也不会被确认，因为剩下的\
             两台不是多数派（Raft 论文第 2 节）。",
        ),
        play: five_two,
    },
    Story {
        name: "diverge",
        skin: Skin::Servers,
        title: both("Six followers whose logs differ", "六个日志各不相同的跟随者"),
        intro: both(
            "S1 comes to power for term 8 among six followers that lack entries, have extra ones, \
             or both. Each is led back to the last entry that agrees and repaired from there (Raft \
             paper, Figure 7).",
            "S1 在任期 8 当选，而六个跟随者有的缺日志，有的多日志，有的两者都有。每个都被带回最后一条一致的\
             日志，从那里修复（Raft 论文图 7）。",
        ),
        play: diverge,
    },
    Story {
        name: "backtrack",
        skin: Skin::Servers,
        title: both("Going back by terms", "按任期回退"),
        intro: both(
            "Two logs part early and go on in runs of terms. One by one, the leader would ask once \
             per entry; with the follower's hint it asks once per term at most (Raft paper, §5.3).",
            "两份日志很早就分道扬镳，各自又经历了几个任期。逐条回退要每条问一次；借助跟随者的提示，每个任期\
             最多问一次（Raft 论文第 5.3 节）。",
        ),
        play: backtrack,
    },
    Story {
        name: "figure-8",
        skin: Skin::Servers,
        title: both("Held by a majority, and not committed", "多数派持有，却未提交"),
        intro: both(
            "S1 brings an entry of an older term to a majority. If it counted that as committed, a \
             later leader could still overwrite it; committing an entry of its own term makes it \
             safe (Raft paper, §5.4.2, Figure 8).",
            "S1 把一条旧任期的日志复制到了多数派。如果就此算作已提交，后来的领导者仍可能覆盖它；只有提交了\
             自己任期的日志，它才安全（Raft 论文第 5.4.2 节图 8）。",
        ),
        play: figure_8,
    },
];

fn five_two(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(5, seed).open(tale);
    stage.tell_only(&[]);
    stage.run_until(5_000, |stage| stage.leader().is_some());
    stage.step(both("Each pair fails, the other three go on.", "每次两台故障，另外三台继续。"));
    let mut survived = 0;
    for failed in groups_of(2) {
        survived += usize::from(goes_on_without(&mut stage, &failed));
    }
    stage
        .step(both("Each triple fails, and the other two refuse.", "每次三台故障，另外两台拒绝。"));
    let mut refused = 0;
    for failed in groups_of(3) {
        refused += usize::from(refuses_without(&mut stage, &failed));
    }
    stage.check_equal(
        both(
            "With any two down, a write was acknowledged: ten of ten.",
            "任意两台故障时，写入都得到确认：十种全部如此。",
        ),
        survived,
        10,
    );
    stage.check_equal(
        both(
            "With any three down, none was: ten of ten.",
            "任意三台故障时，写入从未得到确认：十种全部如此。",
        ),
        refused,
        10,
    );
    let same = stage.machines_are_equal();
    stage.check(
        both("In the end all five state machines are equal.", "最后五台状态机完全相同。"),
        same,
    );
}

/// All groups of so many of the five servers.
fn groups_of(size: usize) -> Vec<Vec<u64>> {
    let members = |set: u32| (1..=5_u64).filter(|node| set & (1 << node) != 0).collect();
    let groups = (0..64_u32).step_by(2).map(members);
    groups.filter(|group: &Vec<u64>| group.len() == size).collect()
}

/// Kills these, writes, and starts them again. Whether the write was acknowledged.
fn goes_on_without(stage: &mut Stage<'_>, failed: &[u64]) -> bool {
    let before = stage.now();
    for node in failed {
        stage.kill(*node);
    }
    let leads = |stage: &Stage<'_>| stage.leader().is_some_and(|leader| !failed.contains(&leader));
    stage.run_until(5_000, leads);
    let leader = stage.leader().unwrap_or(1);
    let value = failed.iter().map(u64::to_string).collect::<Vec<_>>().join("+");
    let ask = stage.put(leader, "down", &value);
    stage.run_until(5_000, |stage| ask.has_ended(stage));
    let is_written = ask.is_written(stage);
    let key = if is_written { "pair.survived" } else { "pair.refused" };
    let what = Phrase::of(key)
        .with("leads", Arg::Node(NodeId(leader)))
        .with("time", Arg::Span(stage.now().since(before)));
    stage.remark(failed, what);
    for node in failed {
        stage.start(*node);
    }
    stage.run(1_000);
    is_written
}

/// Kills these and writes at one that is left. Whether that was not acknowledged.
fn refuses_without(stage: &mut Stage<'_>, failed: &[u64]) -> bool {
    for node in failed {
        stage.kill(*node);
    }
    let left = (1..=5).find(|node| !failed.contains(node)).expect("two are left");
    let ask = stage.put(left, "down", "three");
    stage.run(3_000);
    let is_written = ask.is_written(stage);
    let key = if is_written { "pair.survived" } else { "triple.refused" };
    stage.remark(failed, Phrase::of(key).with("left", Arg::Node(NodeId(left))));
    for node in failed {
        stage.start(*node);
    }
    stage.run_until(5_000, |stage| stage.leader().is_some());
    stage.run(1_000);
    !is_written
}

fn diverge(seed: Seed, tale: &mut Tale) {
    let logs: [&[u64]; 7] = [
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    let mut stage: Stage<'_> = Setting::of(7, seed).without_timers().logs(&logs, 7).open(tale);
    stage.run(20);
    stage.step(both(
        "The logs, as the terms of their entries. S2 to S7 are the paper's (a) to (f).",
        "各份日志（列出每条的任期）。S2 到 S7 就是论文中的 (a) 到 (f)。",
    ));
    stage.show_logs();
    let own = stage.rounds(1);
    stage.step(both(
        "S1 is elected for term 8, without the votes of S4 and S5.",
        "S1 在任期 8 当选，没有 S4 和 S5 的票。",
    ));
    stage.campaign(1);
    stage.run(200);
    stage.show_logs();
    stage.note(both(
        "A follower deletes only from the first entry that conflicts. “Delete everything after the \
         point” would let a late message destroy entries.",
        "跟随者只从第一条冲突的日志开始删除。“把之后的都删掉”会让迟到的消息毁掉日志。",
    ));
    let after = stage.rounds(1);
    stage.check(
        both("S1 never removed or changed an entry of its own.", "S1 从未删除或改动自己的日志。"),
        after.starts_with(&own),
    );
    let logs: Vec<Vec<u64>> = (1..=7).map(|node| stage.rounds(node)).collect();
    stage.check_equal(
        both("All seven logs are equal.", "七份日志完全相同。"),
        logs,
        vec![after; 7],
    );
}

fn backtrack(seed: Seed, tale: &mut Tale) {
    let logs: [&[u64]; 3] = [
        &[1, 1, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 5, 7, 7, 7, 7, 7, 7],
        &[1, 1, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 6, 6, 6, 6, 6, 6, 6, 6, 6],
        &[1, 1, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 5, 7, 7, 7, 7, 7],
    ];
    let mut stage: Stage<'_> = Setting::of(3, seed).without_timers().logs(&logs, 7).open(tale);
    stage.run(20);
    stage.step(both(
        "The logs agree up to entry 2 (S2) and 19 (S3).",
        "日志一致到第 2 条（S2）和第 19 条（S3）。",
    ));
    stage.show_logs();
    stage.step(both(
        "S1 is elected, and looks for where the others agree.",
        "S1 当选，寻找与其他人一致的位置。",
    ));
    stage.campaign(1);
    stage.run(200);
    let asked = stage.record().backtracks(2);
    stage.note(both(
        "One by one, S1 would have stepped back from entry 20 to entry 2: 18 refusals.",
        "如果逐条回退，S1 要从第 20 条退到第 2 条：18 次拒绝。",
    ));
    let claim = Phrase::from(both(
        "S2 was found after {count} refusals instead of 18.",
        "找到 S2 的一致点只用了 {count} 次拒绝，而不是 18 次。",
    ));
    stage.check(claim.with("count", Arg::Number(asked as u64)), 0 < asked && asked <= 4);
    let (first, logs) = (stage.rounds(1), [stage.rounds(2), stage.rounds(3)]);
    stage.check_equal(both("All logs are equal.", "日志完全相同。"), logs, [first.clone(), first]);
}

fn figure_8(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> =
        Setting::of(5, seed).one_entry_per_message().without_timers().open(tale);
    up_to_b(&mut stage);
    on_to_c(&mut stage);
    let is_safe = stage.value(1, "x").is_none();
    stage.step(both(
        "(d2) This time S1's own entry 3 reaches S2 and S3 as well: both entries are committed.",
        "(d2) 这一次，S1 自己的第 3 条也到了 S2 和 S3：两条都已提交。",
    ));
    stage.release();
    stage.run(20);
    stage.kill(1);
    stage.step(both(
        "S1 is killed, and S5 tries. Its log is behind now.",
        "S1 被杀，S5 参选。这时它的日志落后了。",
    ));
    s5_tries(&mut stage);
    stage.campaign(2);
    stage.run(40);
    stage.check(
        both(
            "In (c) S1 did not execute the write, though three of five held it.",
            "在 (c) 中，虽然五台里有三台持有，S1 并没有执行这次写入。",
        ),
        is_safe,
    );
    let values = [stage.value(2, "x"), stage.value(3, "x")];
    stage.check_equal(
        both("After (d2) the write is kept.", "(d2) 之后写入得以保留。"),
        values,
        [Some("1".to_owned()), Some("1".to_owned())],
    );
    let violation = stage.violation();
    stage.check_equal(both("No invariant was violated.", "没有违反任何不变式。"), violation, None);

    let broken = Setting::of(5, seed).one_entry_per_message().without_timers();
    let mut stage = broken.breaking(Rule::CommitOlderTerm).open(tale);
    stage.step(both(
        "The same again with the rule broken: an entry that a majority holds counts as committed, \
         whatever its term.",
        "打破规则再来一次：只要多数派持有就算已提交，不论是哪个任期的日志。",
    ));
    stage.quietly(up_to_b);
    on_to_c(&mut stage);
    let is_executed = stage.value(1, "x").is_some();
    stage.step(both(
        "(d1) S1 is killed, and S5 wins with the votes of S2, S3 and S4. It overwrites entry 2.",
        "(d1) S1 被杀，S5 得到 S2、S3、S4 的票而当选，覆盖了第 2 条。",
    ));
    stage.kill(1);
    s5_tries(&mut stage);
    stage.check(
        both(
            "With the rule broken, S1 executed the write in (c)…",
            "打破规则后，S1 在 (c) 中就执行了写入……",
        ),
        is_executed,
    );
    let lost = stage.value(5, "x").is_none();
    stage.check(both("… and is lost in (d1).", "……却在 (d1) 中丢失。"), lost);
    let violation = stage.violation().unwrap_or_else(|| "-".to_owned());
    let claim = Phrase::from(both("The checkers say so: {name}.", "检查器指出：{name}。"));
    let holds = violation != "-";
    stage.check(claim.with("name", Arg::Raw(violation)), holds);
}

/// Figure 8 (a) and (b): S1 has an entry 2 of term 1, and S5 another, of term 2.
fn up_to_b(stage: &mut Stage<'_>) {
    stage.run(20);
    stage.step(both(
        "(a) S1 leads term 1 and takes a write, which reaches nobody else. S1 is killed.",
        "(a) S1 是任期 1 的领导者，接下一次写入，却没有传到别处。S1 被杀。",
    ));
    stage.campaign(1);
    stage.run(40);
    stage.part(&[1], &[2, 3, 4, 5]);
    stage.put(1, "x", "1");
    stage.run(10);
    stage.kill(1);
    stage.heal();
    stage.step(both(
        "(b) S5 is elected for term 2, and killed before anybody gets its entry 2.",
        "(b) S5 在任期 2 当选，但它的第 2 条还没传出去就被杀了。",
    ));
    stage.hold(5, APPENDS);
    stage.campaign(5);
    stage.run(40);
    stage.kill(5);
    stage.drop_held();
}

/// Figure 8 (c): S1's entry 2 of term 1 is on S1, S2 and S3, its entry 3 of term 3 nowhere else.
fn on_to_c(stage: &mut Stage<'_>) {
    stage.step(both(
        "(c) S1 is back and leads term 3. Its entry 2, of term 1, reaches S2 and S3; its entry 3, \
         of term 3, is slow.",
        "(c) S1 归来，成为任期 3 的领导者。它在任期 1 的第 2 条到了 S2 和 S3；任期 3 的第 3 条走得慢。",
    ));
    stage.start(1);
    stage.run(1_500);
    stage.cut(1, 4);
    for follower in [2, 3] {
        stage.order(1, Some(follower), Fate::Pass, 1, has_entry_3);
    }
    stage.order(1, None, Fate::Hold, usize::MAX, has_entry_3);
    stage.quietly(|stage| {
        stage.campaign(1);
        stage.run(20);
    });
    stage.campaign(1);
    stage.run(60);
    stage.show_logs();
}

fn has_entry_3(message: &PeerMessage<Message>) -> bool {
    let PeerMessage::Engine(Message { body: Body::Append { entries, .. }, .. }) = message else {
        return false;
    };
    entries.iter().any(|entry| entry.index == Index(3))
}

fn s5_tries(stage: &mut Stage<'_>) {
    stage.drop_held();
    stage.heal();
    stage.start(5);
    stage.run(1_500);
    stage.quietly(|stage| {
        stage.campaign(5);
        stage.run(30);
    });
    if stage.role(5) != Some(Role::Leader) {
        stage.campaign(5);
    }
    stage.run(60);
    stage.show_logs();
}
