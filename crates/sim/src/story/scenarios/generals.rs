//! The generals of the Raft tutorial: three of them, their couriers, and one commander.

use quorate_consensus::{Role, Seed};

use super::super::Story;
use super::super::setting::Setting;
use super::super::skin::Skin;
use super::super::stage::{APPENDS, Stage, VOTE_REPLIES};
use super::super::tale::Tale;
use super::super::text::both;

/// The stories of this file.
pub(super) const STORIES: &[Story] = &[
    Story {
        name: "generals-1",
        skin: Skin::Generals,
        title: both("Three generals attack together", "三位将军一起进攻"),
        intro: both(
            "Three generals elect a commander, who alone decides; the order reaches all of them. \
             An election and one replicated command, undisturbed (Raft paper, §5.2 and §5.3).",
            "三位将军先选出一位大将军，由他一人决定是否进攻，再把命令传给所有人。看一次选举和一条命令的复制\
             如何顺利进行（Raft 论文第 5.2、5.3 节）。",
        ),
        play: attack,
    },
    Story {
        name: "generals-2",
        skin: Skin::Generals,
        title: both("Couriers are killed", "信使被暗杀"),
        intro: both(
            "The couriers with the order to General C are killed three times. The commander sends \
             again until C answers, and C still executes the order exactly once (Raft paper, \
             §5.5).",
            "带着命令去找将军 C 的信使三次被暗杀。大将军不断重派，直到 C 回复；而 C 只执行一次命令（Raft \
             论文第 5.5 节）。",
        ),
        play: lost_couriers,
    },
    Story {
        name: "generals-3",
        skin: Skin::Generals,
        title: both("The commander falls", "大将军阵亡"),
        intro: both(
            "General A falls after the order was agreed on. Another is elected, who knows the \
             order already: whoever lacks it gets no majority (Raft paper, §5.4.1).",
            "命令达成一致后，将军 A 阵亡。新选出的大将军一定知道这条命令：不知道的人得不到多数票（Raft 论文\
             第 5.4.1 节）。",
        ),
        play: fallen,
    },
    Story {
        name: "generals-4",
        skin: Skin::Generals,
        title: both("Two countdowns end together", "两个倒计时同时结束"),
        intro: both(
            "A and B both become candidates in term 1, and C's couriers are killed: nobody wins. A \
             term may have no leader at all; new random countdowns decide a later one (Raft paper, \
             §5.2).",
            "A 和 B 同时成为任期 1 的候选人，而 C 的信使都被暗杀：谁也没有当选。一个任期可以没有领导者；新的\
             随机倒计时会决定后面的任期（Raft 论文第 5.2 节）。",
        ),
        play: two_countdowns,
    },
];

/// General A's countdown ends first, and A is elected.
fn elect_a(stage: &mut Stage<'_>) {
    stage.run(40);
    stage.step(both(
        "The countdown of General A ends first. A asks for votes and gets them.",
        "将军 A 的倒计时最先结束，于是派信使拉票，并且当选。",
    ));
    stage.campaign(1);
    stage.run(20);
}

fn attack(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).open(tale);
    elect_a(&mut stage);
    stage.note(both(
        "The tutorial's story has no term number: votes count per term, and are on disk before the \
         courier rides back.",
        "教程的故事里没有任期号：票是按任期计的，而且先写到磁盘上，信使才往回走。",
    ));
    stage.step(both("General A decides: attack at dawn.", "将军 A 决定：黎明进攻。"));
    let order = stage.put(1, "order", "attack");
    stage.run(60);
    stage.note(both(
        "No general here is a traitor and no courier lies: Raft tolerates crashes and losses, not \
         Byzantine generals.",
        "这里没有叛徒，信使也不说谎：Raft 容忍的是宕机和丢失，而不是拜占庭将军。",
    ));
    let leaders = stage.record().leaders();
    stage.check_equal(
        both(
            "Term 1 has one commander, General A, and there is no other term.",
            "任期 1 只有一位大将军 A，也没有别的任期。",
        ),
        leaders,
        vec![(1, vec![1])],
    );
    stage.check(both("The order is acknowledged.", "命令得到确认。"), order.is_written(&stage));
    let orders = stage.values("order");
    stage.check_equal(
        both("All three state machines say: attack.", "三台状态机都是：attack。"),
        orders,
        vec![Some("attack".to_owned()); 3],
    );
}

fn lost_couriers(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).open(tale);
    elect_a(&mut stage);
    stage.step(both(
        "A orders the attack. The first three couriers to C are killed.",
        "A 下令进攻。去找 C 的头三个信使都被暗杀。",
    ));
    stage.drop_next(1, 3, APPENDS, 3);
    let order = stage.put(1, "order", "attack");
    stage.run(10);
    let early = (order.is_written(&stage), stage.value(3, "order"));
    stage.step(both("A sends again until C answers.", "A 不断重派信使，直到 C 回复。"));
    stage.run(1_000);
    stage.note(both(
        "Repeating a message is safe because C sees which entry it is. Repeating a client's \
         request is not: it may be executed twice, unless the client compares first.",
        "重发消息是安全的，因为 C 知道那是哪一条日志。重发客户端请求则不然：除非先比较再写，否则可能执行两次。",
    ));
    stage.check_equal(
        both(
            "The client was answered before C knew: two of three are enough.",
            "C 还不知道时，客户端已得到答复：三人中有两人就够了。",
        ),
        early,
        (true, None),
    );
    let lost = stage.record().lost();
    stage.check_equal(both("Three couriers were killed.", "三个信使被暗杀。"), lost, 3);
    let executed = stage.executed("order");
    stage.check_equal(
        both("Each general executed the order exactly once.", "每位将军都恰好执行一次命令。"),
        executed,
        vec![1; 3],
    );
}

fn fallen(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).open(tale);
    elect_a(&mut stage);
    stage.step(both("A orders the attack.", "A 下令进攻。"));
    stage.put(1, "order", "attack");
    stage.run(60);
    stage.step(both(
        "General A falls. The others hear nothing more.",
        "将军 A 阵亡，其他人再也收不到他的消息。",
    ));
    stage.kill(1);
    stage.run_until(2_000, |stage| stage.leader().is_some_and(|leader| leader != 1));
    stage.run(60);
    let next = stage.leader().unwrap_or(1);
    stage
        .step(both("The new commander gives an order of their own.", "新的大将军下达自己的命令。"));
    let second = stage.put(next, "siege", "north gate");
    stage.run(60);
    stage.step(both("General A recovers and follows.", "将军 A 康复归队，成为跟随者。"));
    stage.start(1);
    stage.run(1_000);
    stage.check(both("A general other than A commands.", "大将军已不是 A。"), next != 1);
    stage.check(
        both("The new order is acknowledged.", "新命令得到确认。"),
        second.is_written(&stage),
    );
    let orders = stage.values("order");
    stage.check_equal(
        both("The first order is kept by all.", "第一条命令仍在，人人都有。"),
        orders,
        vec![Some("attack".to_owned()); 3],
    );
    let sieges = stage.values("siege");
    stage.check_equal(
        both("So is the second, also by A.", "第二条也是，A 也有。"),
        sieges,
        vec![Some("north gate".to_owned()); 3],
    );
    let role = stage.role(1);
    stage.check_equal(both("A follows.", "A 是跟随者。"), role, Some(Role::Follower));
}

fn two_countdowns(seed: Seed, tale: &mut Tale) {
    let mut stage: Stage<'_> = Setting::of(3, seed).open(tale);
    stage.run(40);
    stage.step(both(
        "The countdowns of A and B end at the same moment. C's answers to both are lost.",
        "A 和 B 的倒计时同时结束。C 给两人的答复都丢了。",
    ));
    stage.drop_next(3, 1, VOTE_REPLIES, 1);
    stage.drop_next(3, 2, VOTE_REPLIES, 1);
    stage.campaign(1);
    stage.campaign(2);
    stage.run(60);
    let in_term_1 = stage.record().leaders().iter().filter(|(round, _)| *round == 1).count();
    stage.note(both(
        "The tutorial says that each term has at least one leader. It has at most one.",
        "教程说每个任期至少有一个领导者。其实是至多一个。",
    ));
    stage.step(both(
        "Each waits for a new random countdown, and one of them ends first.",
        "各自等待新的随机倒计时，总有一个先结束。",
    ));
    stage.run_until(5_000, |stage| stage.leader().is_some());
    stage.run(60);
    stage.note(both(
        "Not “at once”, as the tutorial says: after each candidate's own timeout.",
        "并非教程所说的“立刻”重选，而是等各自的超时。",
    ));
    stage.check_equal(both("Term 1 had no commander.", "任期 1 没有大将军。"), in_term_1, 0);
    let has_leader = stage.leader().is_some() && stage.record().has_one_leader_per_term();
    stage.check(
        both(
            "A later term has one, and no term has two.",
            "后面的任期有一位，没有哪个任期有两位。",
        ),
        has_leader,
    );
}
