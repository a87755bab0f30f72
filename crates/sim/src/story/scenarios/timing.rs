//! Time and topology: how fast is fast enough, clocks that disagree, and links that are missing.

use core::time::Duration;

use quorate_consensus::Seed;

use super::super::Story;
use super::super::phrase::{Arg, Phrase};
use super::super::setting::Setting;
use super::super::skin::Skin;
use super::super::stage::Stage;
use super::super::tale::Tale;
use super::super::text::both;

/// The stories of this file.
pub(super) const STORIES: &[Story] = &[
    Story {
        name: "timing",
        skin: Skin::Servers,
        title: both("Broadcast time ≪ election timeout", "广播时间 ≪ 选举超时"),
        intro: both(
            "Safety never depends on timing, but progress does. Slower messages at the same \
             timeout bring useless elections; longer timeouts bring longer outages (Raft paper, \
             §5.6).",
            "安全性从不依赖时间，但进展依赖。超时不变而消息变慢，会引发无谓的选举；超时变长，则停顿变长\
             （Raft 论文第 5.6 节）。",
        ),
        play: timing,
    },
    Story {
        name: "skew",
        skin: Skin::Servers,
        title: both("Clocks that run ten times too fast or too slow", "快十倍和慢十倍的时钟"),
        intro: both(
            "S1's clock runs at a tenth of the speed, S3's ten times as fast. The cluster elects \
             more than it needs to, and stays consistent: no rule of Raft reads a clock (Raft \
             paper, §5.6).",
            "S1 的时钟慢十倍，S3 的快十倍。选举会多一些，但始终一致：Raft 的安全规则都不看时钟（Raft 论文\
             第 5.6 节）。",
        ),
        play: skew,
    },
    Story {
        name: "qloss",
        skin: Skin::Servers,
        title: both("A leader that loses its quorum", "失去多数派的领导者"),
        intro: both(
            "All links fail but those of S1. The leader S3 still hears S1, and no longer a \
             majority: it must step down, and S1, the only one who reaches a majority, must take \
             over.",
            "除了 S1 的链路，其余全部断开。领导者 S3 仍能与 S1 通信，却够不到多数派：它必须退位，由唯一够得到\
             多数派的 S1 接任。",
        ),
        play: quorum_loss,
    },
    Story {
        name: "constrained",
        skin: Skin::Servers,
        title: both("The only hub has an old log", "唯一的枢纽日志陈旧"),
        intro: both(
            "As before, but the leader is gone and S1 missed the last write. Those with the write \
             reach no majority, and S1 reaches one that will not vote for it: Raft waits until a \
             link returns. (Multi-Paxos goes on: whoever wins repairs its own log.)",
            "和上一幕相同，但领导者已不在，而 S1 错过了最后一次写入。有这条日志的够不到多数派；S1 够得到，\
             却没人投它：Raft 只能等链路恢复。（Multi-Paxos 可以继续：谁赢了谁补齐自己的日志。）",
        ),
        play: constrained,
    },
    Story {
        name: "chained",
        skin: Skin::Servers,
        title: both("Three servers in a chain", "三台服务器连成一条链"),
        intro: both(
            "The link between S1 and S3 fails, S2 still reaches both. S3 hears no leader and asks \
             S2, who hears one and refuses: leadership stays where it is (dissertation, §4.2.3).",
            "S1 与 S3 之间的链路断开，S2 两边都通。S3 听不到领导者，去问 S2；S2 听得到，于是拒绝：领导权不会\
             来回转移（博士论文第 4.2.3 节）。",
        ),
        play: chained,
    },
];

fn timing(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(5, seed).open(tale);
    stage.tell_only(&[]);
    stage.step(both(
        "Election timeout 150–300 ms. Ten seconds at each delay per message.",
        "选举超时 150–300 毫秒。每种消息延迟各跑十秒。",
    ));
    let mut elections = Vec::new();
    for delay in [1, 10, 40, 200] {
        stage = Setting::of(5, seed).hop(Duration::from_millis(delay)).open(stage.into_tale());
        stage.tell_only(&[]);
        stage.run(10_000);
        let count = stage.record().leaders().len();
        let what = Phrase::of("timing.elections")
            .with("delay", Arg::Span(Duration::from_millis(delay)))
            .with("count", Arg::Number(count as u64));
        stage.remark(&[], what);
        elections.push(count);
    }
    stage.step(both(
        "Delay 1 ms. The leader freezes, and the cluster waits for another.",
        "延迟 1 毫秒。领导者冻结，集群等待新的领导者。",
    ));
    let mut outages = Vec::new();
    for timeout in [150, 500, 1_000, 3_000] {
        let timeout = Duration::from_millis(timeout);
        let outage = outage_at(seed, timeout);
        let what = Phrase::of("timing.outage")
            .with("timeout", Arg::Span(timeout))
            .with("time", Arg::Span(outage));
        stage.remark(&[], what);
        outages.push((timeout, outage));
    }
    stage.check_equal(
        both("At 1 ms per message one election is enough.", "每条消息 1 毫秒时，一次选举就够。"),
        elections[0],
        1,
    );
    stage.check(
        both(
            "At 200 ms, more than the timeout, no leader lasts.",
            "到 200 毫秒，已超过选举超时，没有领导者能站稳。",
        ),
        elections[3] != 1,
    );
    let are_bounded = outages.iter().all(|(timeout, outage)| *outage <= *timeout * 4);
    stage.check(
        both("Each outage is a few election timeouts at most.", "每次停顿至多几个选举超时。"),
        are_bounded,
    );
    let grows = outages[0].1 < outages[3].1;
    stage.check(both("Longer timeouts mean longer outages.", "超时越长，停顿越长。"), grows);
}

/// How long a cluster is without a leader that answers, after the leader has frozen.
fn outage_at(seed: Seed, timeout: Duration) -> Duration {
    let mut unheard = Tale::default();
    let mut stage: Stage<'_> =
        Setting::of(5, seed).hop(Duration::from_millis(1)).election(timeout).open(&mut unheard);
    stage.run_until(20_000, |stage| stage.leader().is_some());
    stage.run(500);
    let Some(leader) = stage.leader() else { return Duration::MAX };
    let before = stage.now();
    stage.freeze(leader);
    stage.run_until(60_000, |stage| stage.leader().is_some_and(|next| next != leader));
    stage.now().since(before)
}

fn skew(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).open(tale);
    stage.tell_only(&["became.leader"]);
    stage.step(both(
        "Thirty seconds with skewed clocks, a write per second.",
        "时钟错乱地跑三十秒，每秒写一次。",
    ));
    stage.clock_rate(1, 100_000);
    stage.clock_rate(3, 10_000_000);
    let mut acknowledged = 0;
    for number in 0..30_u64 {
        stage.run(900);
        let leader = stage.leader().unwrap_or(2);
        let ask = stage.put(leader, "n", &number.to_string());
        stage.run(100);
        acknowledged += u64::from(ask.is_written(&stage));
    }
    stage.step(both("The clocks are set right.", "时钟校准。"));
    stage.clock_rate(1, 1_000_000);
    stage.clock_rate(3, 1_000_000);
    stage.run(5_000);
    let violation = stage.violation();
    stage.check_equal(both("No invariant was violated.", "没有违反任何不变式。"), violation, None);
    let same = stage.machines_are_equal();
    stage.check(both("All state machines are equal.", "状态机完全相同。"), same);
    let claim = Phrase::from(both(
        "{count} of 30 writes were acknowledged within 100 ms; the clocks cost time, never data.",
        "30 次写入中有 {count} 次在 100 毫秒内得到确认；时钟只会耽误时间，不会损坏数据。",
    ));
    stage.check(claim.with("count", Arg::Number(acknowledged)), 0 < acknowledged);
}

/// S3 leads and a write is done, quietly.
fn s3_leads(stage: &mut Stage<'_>) {
    stage.quietly(|stage| {
        stage.run(40);
        stage.campaign(3);
        stage.run(60);
        stage.put(3, "a", "1");
        stage.run(100);
    });
}

/// Only the links of S1 are left.
fn only_s1_is_reached(stage: &mut Stage<'_>) {
    for from in 2..=5 {
        for to in (2..=5).filter(|to| *to != from) {
            stage.cut(from, to);
        }
    }
}

fn quorum_loss(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(5, seed).open(tale);
    s3_leads(&mut stage);
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
    let stepped_down = stage.record().has_reason("QuorumLost");
    stage.check(
        both("S3 stepped down by itself: QuorumLost.", "S3 自行退位：QuorumLost。"),
        stepped_down,
    );
    let leader = stage.leader();
    stage.check_equal(both("S1 leads.", "S1 是领导者。"), leader, Some(1));
    stage.check(both("The write is acknowledged.", "写入得到确认。"), ask.is_written(&stage));
    let claim = Phrase::from(both(
        "There was no leader for {time}: within ten election timeouts.",
        "停顿了 {time}：不超过十个选举超时。",
    ));
    let in_time = outage <= Duration::from_millis(1_500);
    stage.check(claim.with("time", Arg::Span(outage)), in_time);
}

fn constrained(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(5, seed).open(tale);
    s3_leads(&mut stage);
    stage.step(both(
        "S1 is cut off and misses a write. Then S3 is killed, and only the links of S1 are left.",
        "S1 被隔开，错过一次写入。随后 S3 被杀，只剩下 S1 的链路。",
    ));
    stage.part(&[1], &[2, 3, 4, 5]);
    stage.quietly(|stage| {
        stage.put(3, "b", "2");
        stage.run(60);
    });
    stage.kill(3);
    stage.heal();
    only_s1_is_reached(&mut stage);
    stage.run(600);
    stage.quietly(|stage| stage.run(3_000));
    let during = stage.leader();
    stage.step(both("The link between S2 and S4 returns.", "S2 与 S4 之间的链路恢复。"));
    stage.mend(2, 4);
    stage.mend(4, 2);
    stage.run_until(10_000, |stage| stage.leader().is_some());
    let after = stage.leader();
    stage.run(40);
    let refused = stage.record().has_reason("LogBehind");
    stage.check(both("S1 was refused: LogBehind.", "S1 被拒绝：LogBehind。"), refused);
    stage.check_equal(
        both("For more than three seconds nobody led.", "三秒多的时间里没有领导者。"),
        during,
        None,
    );
    stage.check(
        both(
            "With one link more, one that has the write leads at once.",
            "多恢复一条链路，有这条日志的立即当选。",
        ),
        after.is_some_and(|leader| leader == 2 || leader == 4),
    );
}

fn chained(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).open(tale);
    stage.quietly(|stage| {
        stage.run(40);
        stage.campaign(1);
        stage.run(60);
    });
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
    let behind = stage.value(3, "a");
    stage.step(both("The link returns.", "链路恢复。"));
    stage.heal();
    stage.run(500);
    stage.check_equal(
        both("S1 led the same term throughout.", "S1 始终领导同一个任期。"),
        during,
        (Some(1), before),
    );
    let refused = stage.record().has_reason("LeaderAlive");
    stage.check(both("S3 was refused: LeaderAlive.", "S3 被拒绝：LeaderAlive。"), refused);
    stage.check(both("Writes went on.", "写入照常进行。"), ask.is_written(&stage));
    let value = stage.value(3, "a");
    stage.check_equal(
        both("S3 had to wait for the link to learn of them.", "S3 要等链路恢复才得知。"),
        (behind, value),
        (None, Some("1".to_owned())),
    );
}
