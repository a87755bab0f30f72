//! What disks, networks and old leaders do to a cluster, and what it makes of that.

use core::time::Duration;

use quorate_consensus::{Rule, Seed};

use super::super::Story;
use super::super::phrase::{Arg, Phrase};
use super::super::setting::Setting;
use super::super::skin::Skin;
use super::super::stage::{Reply, Stage};
use super::super::tale::Tale;
use super::super::text::both;
use crate::draws::Chance;
use crate::profile::Span;

/// The stories of this file.
pub(super) const STORIES: &[Story] = &[
    Story {
        name: "crash-restart",
        skin: Skin::Servers,
        title: both("Killed, powered off, wiped", "被杀、断电、清盘"),
        intro: both(
            "Three ways to stop S3. A killed process finds all it wrote; a power cut takes what \
             was not synced, and nothing was promised on that; a wiped disk has forgotten its \
             votes and may not come back under its old name (Raft paper, Figure 2; dissertation, \
             §11.7.3).",
            "让 S3 停机的三种方式。进程被杀，写过的都在；断电会丢掉未同步的部分，而从没有对它作过承诺；清空的\
             磁盘忘了投过的票，不能再用旧名字回来（Raft 论文图 2，博士论文第 11.7.3 节）。",
        ),
        play: crash_restart,
    },
    Story {
        name: "slow-follower",
        skin: Skin::Servers,
        title: both("One slow follower slows nobody", "一个慢跟随者拖不慢谁"),
        intro: both(
            "S3's disk takes two seconds per sync. A write needs a majority, not everyone, so the \
             clients notice nothing (Raft paper, §2).",
            "S3 的磁盘每次同步要两秒。写入只需要多数派，不需要所有人，所以客户端毫无察觉（Raft 论文第 2 节）。",
        ),
        play: slow_follower,
    },
    Story {
        name: "dup-reorder",
        skin: Skin::Servers,
        title: both("Messages come twice, late, and out of order", "消息重复、迟到、乱序"),
        intro: both(
            "For ten seconds half of all messages come twice and each takes its own time. Requests \
             between servers may be repeated, so every write is still executed exactly once (Raft \
             paper, §5.5).",
            "十秒之内，一半消息重复，每条快慢不一。服务器之间的请求可以重复，所以每次写入仍然恰好执行一次\
             （Raft 论文第 5.5 节）。",
        ),
        play: dup_reorder,
    },
    Story {
        name: "snapshot-catchup",
        skin: Skin::Servers,
        title: both("What S3 needs is compacted", "S3 需要的日志已被压缩"),
        intro: both(
            "S3 is down while the others write so much that their logs are cut. The leader cannot \
             send the entries any more, and sends a snapshot (Raft paper, §7).",
            "S3 停机期间，其他人写了很多，日志已被截断。领导者发不出那些条目，于是发送快照（Raft 论文第 7 节）。",
        ),
        play: snapshot_catchup,
    },
    Story {
        name: "read-stale",
        skin: Skin::Servers,
        title: both("A leader that no longer leads is asked", "向已不是领导者的领导者读取"),
        intro: both(
            "S1 is cut off and does not know that S2 or S3 leads and has taken a write. Before it \
             answers a read it asks a majority whether it still leads, gets no answer, and stays \
             silent rather than tell what is old (Raft paper, §8).",
            "S1 被隔开，不知道别人已经当选并接下了新的写入。回答读请求之前，它要先向多数派确认自己仍是领导者；\
             得不到确认，就宁可不答，也不说出旧值（Raft 论文第 8 节）。",
        ),
        play: read_stale,
    },
];

/// S1 leads, quietly.
fn s1_leads(stage: &mut Stage<'_>) {
    stage.quietly(|stage| {
        stage.run(40);
        stage.campaign(1);
        stage.run(60);
    });
}

fn crash_restart(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).open(tale);
    s1_leads(&mut stage);
    stage.step(both(
        "S1 leads. A write, and S3's process is killed.",
        "S1 是领导者。一次写入后，S3 的进程被杀。",
    ));
    stage.put(1, "a", "1");
    stage.run(40);
    stage.kill(3);
    stage.start(3);
    stage.run(100);
    let after_kill = stage.value(3, "a");
    stage.step(both(
        "Another write. S3 has it in memory, and the power goes before its disk has it.",
        "又一次写入。S3 刚收到，还没有落盘就断电了。",
    ));
    stage.slow_disk(3, Duration::from_millis(50));
    let second = stage.put(1, "b", "2");
    stage.run(8);
    let in_memory = stage.last(3);
    stage.power_off(3);
    stage.start(3);
    let on_disk = stage.last(3);
    stage.slow_disk(3, Duration::from_millis(1));
    stage.run(300);
    let after_power = stage.value(3, "b");
    stage.step(both(
        "S3's disk is wiped. It comes back as if it were new.",
        "S3 的磁盘被清空，像新的一样回来。",
    ));
    stage.wipe(3);
    stage.start(3);
    stage.run(500);
    let third = stage.put(1, "c", "3");
    stage.run(60);
    stage.note(both(
        "The tutorials let a wiped server simply rejoin. It may have voted or acknowledged \
         before: it has to join as a new member.",
        "教程里清空的服务器直接归队即可。可它之前也许投过票、确认过日志：它只能作为新成员加入。",
    ));
    stage.check_equal(
        both("Killed: S3 finds the write on its disk.", "被杀：S3 在磁盘上找到了写入。"),
        after_kill,
        Some("1".to_owned()),
    );
    stage.check(
        both(
            "Power cut: S3 lost an entry that it had not acknowledged.",
            "断电：S3 丢了一条还没有确认的日志。",
        ),
        on_disk < in_memory,
    );
    stage.check(
        both("It was acknowledged by S1 and S2 alone.", "它由 S1 和 S2 两台确认。"),
        second.is_written(&stage),
    );
    stage.check_equal(
        both("S3 got it again.", "S3 重新得到了它。"),
        after_power,
        Some("2".to_owned()),
    );
    let shunned = stage.record().is_shunned(3);
    stage.check(
        both("Wiped: the others refuse to speak with S3.", "清盘：其他人拒绝与 S3 交谈。"),
        shunned,
    );
    stage.check(both("The other two go on.", "另外两台照常工作。"), third.is_written(&stage));
}

/// How long each of some writes takes, the slowest left out.
fn latencies(stage: &mut Stage<'_>, count: u64) -> Vec<Duration> {
    let mut latencies = Vec::new();
    for number in 0..count {
        let before = stage.now();
        let ask = stage.put(1, "n", &number.to_string());
        stage.run_until(2_000, |stage| ask.has_ended(stage));
        latencies.push(stage.now().since(before));
        stage.run(20);
    }
    latencies.sort_unstable();
    latencies
}

fn slow_follower(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).open(tale);
    s1_leads(&mut stage);
    stage.tell_only(&[]);
    stage.step(both("Fifty writes while all is well.", "一切正常时写五十次。"));
    let healthy = latencies(&mut stage, 50)[49];
    stage.remark(&[], Phrase::of("latency.slowest").with("time", Arg::Span(healthy)));
    stage.step(both(
        "Fifty more while S3's disk takes two seconds per sync.",
        "S3 的磁盘每次同步要两秒，再写五十次。",
    ));
    stage.slow_disk(3, Duration::from_secs(2));
    let slow = latencies(&mut stage, 50)[49];
    stage.remark(&[], Phrase::of("latency.slowest").with("time", Arg::Span(slow)));
    stage.step(both("S3's disk recovers.", "S3 的磁盘恢复正常。"));
    stage.slow_disk(3, Duration::from_millis(1));
    stage.run(6_000);
    stage.check(
        both("The slowest write took at most a fifth longer.", "最慢的一次写入最多慢了五分之一。"),
        slow <= healthy * 6 / 5,
    );
    let same = stage.machines_are_equal();
    stage.check(both("S3 has caught up.", "S3 已经赶上。"), same);
}

fn dup_reorder(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed)
        .uneven_hops(Duration::from_millis(1), Duration::from_millis(30))
        .open(tale);
    stage.double(Chance::percent(50), Span::micros(0, 100_000));
    stage.tell_only(&["became.leader", "client.written"]);
    stage.step(both(
        "Half of all messages come twice, and each takes 1 to 30 ms. Twenty writes.",
        "一半消息重复，每条耗时 1 到 30 毫秒。写二十次。",
    ));
    stage.run_until(5_000, |stage| stage.leader().is_some());
    let mut acknowledged = 0;
    for number in 1..=20_u64 {
        let leader = stage.leader().unwrap_or(1);
        let ask = stage.put(leader, &format!("k{number}"), &number.to_string());
        stage.run_until(5_000, |stage| ask.has_ended(stage));
        acknowledged += usize::from(ask.is_written(&stage));
    }
    stage.run(3_000);
    let (sent, received) = stage.record().sent_and_received();
    stage.check(both("Messages did come twice.", "确实有消息重复到达。"), sent < received);
    stage.check_equal(
        both("All twenty writes are acknowledged.", "二十次写入全部得到确认。"),
        acknowledged,
        20,
    );
    let executed: Vec<Vec<usize>> = (1..=20).map(|n| stage.executed(&format!("k{n}"))).collect();
    stage.check_equal(
        both(
            "Each server executed each of them exactly once.",
            "每台服务器对每次写入都恰好执行一次。",
        ),
        executed,
        vec![vec![1; 3]; 20],
    );
    let same = stage.machines_are_equal();
    stage.check(both("All state machines are equal.", "状态机完全相同。"), same);
}

fn snapshot_catchup(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).short_log().open(tale);
    s1_leads(&mut stage);
    stage.step(both(
        "S3 is down. A hundred writes follow, and the logs of S1 and S2 are cut.",
        "S3 停机。随后写一百次，S1 和 S2 的日志被截断。",
    ));
    stage.kill(3);
    stage.quietly(|stage| {
        for number in 0..100_u64 {
            stage.put(1, &format!("k{}", number % 10), &number.to_string());
            stage.run(10);
        }
        stage.run(2_000);
    });
    let (compacted, missing) = (stage.compacted(1), stage.rounds(3).len() as u64);
    stage.step(both("S3 starts again, far behind.", "S3 重新启动，远远落后。"));
    stage.start(3);
    stage.run(3_000);
    stage.check(
        both(
            "What S3 needs next is compacted at the leader.",
            "S3 需要的下一条在领导者那里已被压缩。",
        ),
        missing < compacted,
    );
    let installed = stage.record().has_event("snapshot-installed");
    stage.check(both("S3 installed a snapshot.", "S3 安装了快照。"), installed);
    let same = stage.machines_are_equal();
    stage.check(both("All state machines are equal.", "状态机完全相同。"), same);
}

fn read_stale(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).open(tale);
    x_is_2_elsewhere(&mut stage);
    let (linearizable, local) = read_at_old_leader(&mut stage);
    stage.check(
        both("S1 never answered the read with the old value.", "S1 从未用旧值回答读请求。"),
        linearizable != Some(Reply::Found(Some("1".to_owned()))),
    );
    stage.check_equal(
        both(
            "A read that asks for whatever S1 has (serializable) gets the old value, as agreed.",
            "如果明说只要 S1 本地的值（serializable），得到的是旧值：这是约定好的。",
        ),
        local,
        Some(Reply::Found(Some("1".to_owned()))),
    );
    let mut stage: Stage<'_> =
        Setting::of(3, seed).breaking(Rule::ReadWithoutConfirmation).open(tale);
    stage.step(both(
        "The same again with the rule broken: S1 answers without asking.",
        "打破规则再来一次：S1 不确认就回答。",
    ));
    stage.quietly(x_is_2_elsewhere);
    let (linearizable, _) = read_at_old_leader(&mut stage);
    stage.check_equal(
        both(
            "With the rule broken, the client is told the old value.",
            "打破规则后，客户端得到了旧值。",
        ),
        linearizable,
        Some(Reply::Found(Some("1".to_owned()))),
    );
}

/// x = 1 at S1, which is then alone, and x = 2 elsewhere.
fn x_is_2_elsewhere(stage: &mut Stage<'_>) {
    s1_leads(stage);
    stage.step(both("S1 leads, and x = 1.", "S1 是领导者，x = 1。"));
    stage.put(1, "x", "1");
    stage.run(60);
    stage.step(both(
        "S1 is cut off. The others elect a leader, and x = 2.",
        "S1 被隔开。其他人选出新领导者，x = 2。",
    ));
    stage.clock_rate(1, 1);
    stage.part(&[1], &[2, 3]);
    stage.run_until(5_000, |stage| stage.leader().is_some_and(|leader| leader != 1));
    stage.run(20);
    let leader = stage.leader().unwrap_or(2);
    stage.put(leader, "x", "2");
    stage.run(60);
}

/// S1 is asked in both ways.
fn read_at_old_leader(stage: &mut Stage<'_>) -> (Option<Reply>, Option<Reply>) {
    stage.step(both("A client asks S1 for x.", "客户端向 S1 读取 x。"));
    let linearizable = stage.read(1, "x");
    let local = stage.read_locally(1, "x");
    stage.run(2_000);
    (linearizable.reply(stage), local.reply(stage))
}
