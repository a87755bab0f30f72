//! Elections: split votes, stepping down, deposed leaders, stale candidates, and disruption.

use quorate_consensus::{Role, Rule, Seed};

use super::super::phrase::{Arg, Phrase};
use super::super::setting::Setting;
use super::super::skin::Skin;
use super::super::stage::{Asked, Stage, VOTES};
use super::super::tale::Tale;
use super::super::text::both;
use super::super::{Story, Text};
use crate::protocol::{RaftProtocol, kind_of};
use crate::world::director::Fate;

/// The stories of this file.
pub(super) const STORIES: &[Story] = &[
    Story {
        name: "split-vote",
        skin: Skin::Servers,
        title: both("Split votes, and why timeouts are random", "选票被瓜分，以及超时为何要随机"),
        intro: both(
            "Two of four servers become candidates at the same moment and get two votes each: \
             nobody leads term 1. New random timeouts end that; where everyone waits equally \
             long, it goes on for ever (Raft paper, §5.2).",
            "四台服务器中有两台同时成为候选人，各得两票：任期 1 没有领导者。新的随机超时打破僵局；如果人人等得\
             一样久，就会永远重复下去（Raft 论文第 5.2 节）。",
        ),
        play: split_vote,
    },
    Story {
        name: "step-down",
        skin: Skin::Servers,
        title: both("A candidate meets a leader", "候选人遇到领导者"),
        intro: both(
            "A candidate that hears from a leader of its own term, or of a later one, follows it \
             at once; one of an earlier term it refuses (Raft paper, §5.2).",
            "候选人一旦收到本任期或更新任期的领导者的消息，就立刻成为跟随者；更旧任期的领导者则被拒绝\
             （Raft 论文第 5.2 节）。",
        ),
        play: step_down,
    },
    Story {
        name: "deposed-leader",
        skin: Skin::Servers,
        title: both("What a deposed leader had begun", "被废黜的领导者未完成的事"),
        intro: both(
            "S1 is cut off with S2 and goes on taking writes that it cannot commit. When it \
             returns they are removed, and no write that was acknowledged is lost (Raft paper, \
             §5.3).",
            "S1 和 S2 被隔开后仍接受写请求，却无法提交。等它回来，这些日志会被删除，而已确认的写入一条也\
             不会丢（Raft 论文第 5.3 节）。",
        ),
        play: deposed_leader,
    },
    Story {
        name: "stale-candidate",
        skin: Skin::Servers,
        title: both("A candidate with an old log", "日志陈旧的候选人"),
        intro: both(
            "S3 missed a write and asks for votes first. Those who have the write refuse: a leader \
             must hold all that is committed (Raft paper, §5.4.1).",
            "S3 错过了一次写入，却最先拉票。有这条日志的服务器拒绝投票：领导者必须持有全部已提交的日志\
             （Raft 论文第 5.4.1 节）。",
        ),
        play: stale_candidate,
    },
    Story {
        name: "disrupt",
        skin: Skin::Servers,
        title: both("A server that returns from isolation", "从隔离中归来的服务器"),
        intro: both(
            "S3 is cut off for two seconds and keeps trying to be elected. With pre-votes it \
             returns quietly; where asking raises the term, it topples a healthy leader \
             (dissertation, §9.6).",
            "S3 被隔离两秒，期间不断尝试当选。有预投票时它悄悄归队；如果一打听就提高任期，它会推翻健康的\
             领导者（博士论文第 9.6 节）。",
        ),
        play: disrupt,
    },
];

const NO_ACKNOWLEDGED_WRITE_LOST: Text = both(
    "Every acknowledged write is there, on every server.",
    "每次已确认的写入都在，每台服务器上都有。",
);

fn split_vote(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(4, seed).open(tale);
    stage.run(40);
    stage.step(both(
        "S1 and S2 become candidates at the same moment. S1's request reaches S3 first, S2's \
         reaches S4 first.",
        "S1 和 S2 同时成为候选人。S1 的消息先到 S3，S2 的先到 S4。",
    ));
    stage.order(1, Some(4), Fate::Hold, 1, |message| {
        VOTES.contains(&kind_of::<RaftProtocol>(message))
    });
    stage.campaign(1);
    stage.campaign(2);
    stage.run(8);
    stage.release();
    stage.run(40);
    let in_term_1 = stage.record().leaders().iter().filter(|(round, _)| *round == 1).count();
    stage.step(both(
        "Each waits for a new random timeout; one ends first.",
        "各自等待新的随机超时，总有一个先到。",
    ));
    stage.run_until(5_000, |stage| stage.leader().is_some());
    stage.run(40);
    let is_settled = stage.leader().is_some() && stage.record().has_one_leader_per_term();

    let mut even: Stage<'_> = Setting::of(4, seed).breaking(Rule::NoSpread).open(stage.into_tale());
    even.step(both(
        "The same cluster with the rule broken: all wait equally long, and nobody gives way.",
        "打破规则：人人等得一样久，也没有谁让路。",
    ));
    even.run(500);
    even.quietly(|stage| stage.run(9_500));
    let (leaders, rounds) = (even.record().leaders(), even.round());
    even.check_equal(both("Term 1 had no leader.", "任期 1 没有领导者。"), in_term_1, 0);
    even.check(
        both("With random timeouts, a later term has one.", "有随机超时，后面的任期选出了领导者。"),
        is_settled,
    );
    let claim = Phrase::from(both(
        "Without, ten seconds and {count} terms passed, and none had a leader.",
        "没有随机超时，十秒过去了 {count} 个任期，都没有领导者。",
    ));
    even.check(claim.with("count", Arg::Number(rounds)), leaders.is_empty() && 10 < rounds);
}

fn step_down(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(5, seed).open(tale);
    stage.run(40);
    stage.step(both(
        "S1 and S2 become candidates of term 1 at the same time. S1's requests for votes are \
         slow, and S2 wins.",
        "S1 和 S2 同时成为任期 1 的候选人。S1 的拉票消息走得慢，S2 当选。",
    ));
    stage.hold(1, VOTES);
    stage.campaign(1);
    stage.campaign(2);
    stage.run(30);
    let follows = (stage.role(1), stage.followed(1));
    stage.check_equal(
        both(
            "The candidate of term 1 follows the leader of term 1.",
            "任期 1 的候选人跟随了任期 1 的领导者。",
        ),
        follows,
        (Some(Role::Follower), Some(2)),
    );
    stage.step(both(
        "S1's old requests arrive now. Everyone has voted in term 1.",
        "S1 的旧拉票消息这时才到，大家在任期 1 都已投过票。",
    ));
    stage.release();
    stage.run(40);
    stage.step(both(
        "S2, the leader of term 1, is cut off. The others elect one of them in a later term; S2 \
         learns of it on its return.",
        "任期 1 的领导者 S2 被隔开，其他人在更新的任期选出了领导者；S2 归来时得知此事。",
    ));
    stage.part(&[2], &[1, 3, 4, 5]);
    stage.run(400);
    stage.quietly(|stage| {
        stage.run_until(5_000, |stage| stage.leader().is_some_and(|leader| leader != 2));
    });
    stage.heal();
    stage.run(200);
    let leader = stage.leader();
    let follows = (stage.role(2), stage.followed(2));
    stage.check(
        both(
            "The leader of term 1 follows that of a later term.",
            "任期 1 的领导者跟随了更新任期的领导者。",
        ),
        follows == (Some(Role::Follower), leader) && leader.is_some_and(|leader| leader != 2),
    );
    let one_each = stage.record().has_one_leader_per_term();
    stage.check(both("No term had two leaders.", "没有哪个任期有两个领导者。"), one_each);
}

fn deposed_leader(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(5, seed).open(tale);
    stage.quietly(|stage| {
        stage.run(40);
        stage.campaign(1);
        stage.run(40);
    });
    stage.step(both(
        "S1 leads term 1 and a write is acknowledged.",
        "S1 是任期 1 的领导者，一次写入得到确认。",
    ));
    stage.put(1, "a", "1");
    stage.run(60);
    stage.step(both(
        "S1 and S2 are cut off from the other three. S1 takes two more writes.",
        "S1、S2 与另外三台隔开。S1 又接下两次写入。",
    ));
    stage.part(&[1, 2], &[3, 4, 5]);
    let lost = [stage.put(1, "b", "2"), stage.put(1, "c", "3")];
    stage.run(40);
    stage.step(both(
        "The majority elects a leader and takes a write.",
        "多数派选出领导者，也接下一次写入。",
    ));
    stage.run_until(5_000, |stage| stage.leader().is_some_and(|leader| 2 < leader));
    let leader = stage.leader().unwrap_or(1);
    stage.run(20);
    let kept = stage.put(leader, "b", "4");
    stage.run(60);
    stage.step(both(
        "The partition heals. What S1 and S2 never committed is removed.",
        "分区恢复。S1、S2 上从未提交的日志被删除。",
    ));
    stage.heal();
    stage.run(3_000);
    stage.check(
        both("The write of the majority was acknowledged.", "多数派的写入得到确认。"),
        kept.is_written(&stage),
    );
    let limit = kept.ended_at(&stage);
    let is_early = |ask: &Asked| ask.is_written(&stage) && ask.ended_at(&stage) < limit;
    let never = !lost.iter().any(is_early);
    stage.check(
        both(
            "No write of the minority was acknowledged while it was cut off.",
            "少数派的写入在隔离期间从未得到确认。",
        ),
        never,
    );
    let same = stage.machines_are_equal();
    stage.check(both("All five state machines are equal.", "五台状态机完全相同。"), same);
    let values = stage.values("a");
    stage.check_equal(NO_ACKNOWLEDGED_WRITE_LOST, values, vec![Some("1".to_owned()); 5]);
}

fn stale_candidate(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).without_timers().open(tale);
    stage.quietly(|stage| {
        stage.run(40);
        stage.campaign(1);
        stage.run(40);
    });
    stage.step(both(
        "S1 leads. S3 is cut off and misses a write.",
        "S1 是领导者。S3 被隔开，错过了一次写入。",
    ));
    stage.part(&[3], &[1, 2]);
    stage.put(1, "a", "1");
    stage.run(40);
    stage.step(both(
        "S1 is killed, S3 is back, and asks for votes before anybody else.",
        "S1 被杀，S3 归队，并抢先拉票。",
    ));
    stage.kill(1);
    stage.heal();
    stage.run(100);
    stage.campaign(3);
    stage.run(30);
    let refused = stage.record().has_reason("LogBehind");
    stage.step(both(
        "S2 has the write, asks in its turn, and is elected.",
        "S2 有这条日志，随后拉票并当选。",
    ));
    stage.campaign(2);
    stage.run(100);
    stage.note(both(
        "“Newer” means: the last entry has a higher term, or the same term and a higher index. A \
         longer log of an older term loses.",
        "“更新”是指：最后一条日志的任期更大，或任期相同而索引更大。任期旧的日志再长也输。",
    ));
    stage.check(both("S3 was refused: LogBehind.", "S3 被拒绝：LogBehind。"), refused);
    let leader = stage.leader();
    stage.check_equal(both("S2 leads.", "S2 是领导者。"), leader, Some(2));
    let value = stage.value(3, "a");
    stage.check_equal(
        both("S3 has the write now.", "S3 现在也有了这条写入。"),
        value,
        Some("1".to_owned()),
    );
}

fn disrupt(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).open(tale);
    let (before, after) = isolate_s3(&mut stage);
    stage.check_equal(
        both(
            "With pre-votes, S1 leads the same term throughout.",
            "有预投票时，S1 始终领导同一个任期。",
        ),
        after,
        before,
    );
    let mut stage: Stage<'_> = Setting::of(3, seed).breaking(Rule::RaiseTermByPreVote).open(tale);
    stage.step(both(
        "The same again, but whoever asks raises the term, as in the basic algorithm.",
        "再来一次，但一打听就提高任期，如同最基本的算法。",
    ));
    let (before, after) = isolate_s3(&mut stage);
    let claim = Phrase::from(both(
        "Without, the term rises from {before} to {after} for nothing.",
        "没有预投票时，任期从 {before} 白白升到 {after}。",
    ));
    let claim = claim.with("before", Arg::Number(before.1)).with("after", Arg::Number(after.1));
    stage.check(claim, before.1 < after.1);
}

/// S1 leads, S3 is alone for two seconds and returns. The leader and its term before and after.
fn isolate_s3(stage: &mut Stage<'_>) -> ((Option<u64>, u64), (Option<u64>, u64)) {
    stage.quietly(|stage| {
        stage.run(40);
        stage.campaign(1);
        stage.run(60);
    });
    let before = (stage.leader(), stage.round());
    stage.step(both("S1 leads. S3 is cut off for two seconds.", "S1 是领导者。S3 被隔离两秒。"));
    stage.part(&[3], &[1, 2]);
    stage.run(400);
    stage.quietly(|stage| stage.run(1_600));
    stage.step(both("S3 returns.", "S3 归来。"));
    stage.heal();
    stage.run(1_000);
    (before, (stage.leader(), stage.round()))
}
