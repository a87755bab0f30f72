//! The councillors and the tax rate: the Paxos tutorial's cases, on the single-decree algorithm.

use quorate_consensus::Seed;

use super::super::board::{Board, Kind, Rules};
use super::super::skin::Skin;
use super::super::tale::Tale;
use super::super::text::both;
use super::super::{Story, Text};
use crate::broken::Broken;

/// The stories of this file.
pub(super) const STORIES: &[Story] = &[
    Story {
        name: "council-0",
        skin: Skin::Councillors,
        title: both("One proposer, no competitor", "只有一个提案者，没有竞争"),
        intro: both(
            "Five councillors vote on a tax rate; A1 alone has a wish. The two phases and their \
             four messages, undisturbed (Paxos Made Simple, §2.2).",
            "五位议员表决税率，只有 A1 有提案。看两个阶段、四种消息在无人打扰时如何进行（Paxos Made \
             Simple 第 2.2 节）。",
        ),
        play: alone,
    },
    Story {
        name: "council-1a",
        skin: Skin::Councillors,
        title: both("A later proposer with a lower number", "后来的提案者编号更小"),
        intro: both(
            "10% is chosen already when A5 asks with a number that is too low. It is refused, \
             comes back with a higher number, and must adopt what it finds (Paxos Made Simple, \
             §2.2, P2c).",
            "10% 已经选定，A5 却用太小的编号来提案：先被拒绝，再用更大的编号回来，并且必须沿用它看到的\
             税率（Paxos Made Simple 第 2.2 节 P2c）。",
        ),
        play: lower_number,
    },
    Story {
        name: "council-1b",
        skin: Skin::Councillors,
        title: both("A later proposer with a higher number", "后来的提案者编号更大"),
        intro: both(
            "10% is chosen when A5 asks with a higher number. Any majority meets the one that \
             accepted 10%, so A5 hears of it and changes nothing (Paxos Made Simple, §2.2, P2c).",
            "10% 已经选定，A5 用更大的编号提案。任何两个多数派都有交集，所以 A5 一定会听说 10%，什么也\
             改变不了（Paxos Made Simple 第 2.2 节 P2c）。",
        ),
        play: higher_number,
    },
    Story {
        name: "council-1b-early",
        skin: Skin::Councillors,
        title: both("Adopted although not yet chosen", "尚未选定，也会被沿用"),
        intro: both(
            "Only A1 and A3 have accepted 10%: nothing is chosen yet. A5 hears of A3's vote and \
             adopts it all the same, for it cannot know that it was not chosen.",
            "只有 A1 和 A3 接受了 10%，还没有选定任何税率。A5 听到 A3 的报告后照样沿用，因为它无从知道\
             这个税率是否已经选定。",
        ),
        play: early,
    },
    Story {
        name: "council-1b-miss",
        skin: Skin::Councillors,
        title: both("A vote that nobody hears of", "没有人听说的一票"),
        intro: both(
            "As before, but A3 is asleep when A5 asks around. A5 hears of no vote and freely \
             proposes 20%: allowed, because 10% was accepted by two of five and never chosen.",
            "和上一幕相同，但 A5 打听时 A3 睡着了。A5 没有听说任何提案，于是自由提出 20%：这是允许的，\
             因为 10% 只有五人中的两人接受，从未选定。",
        ),
        play: missed,
    },
    Story {
        name: "council-2",
        skin: Skin::Councillors,
        title: both("Refused at the promise", "在承诺阶段被拒绝"),
        intro: both(
            "A3 has promised number 9 when A1 comes with 5. A1 is refused in phase 1 and takes its \
             next own number, 5·2+0 = 10 (Paxos Made Simple, §2.2, phase 1b).",
            "A1 带着编号 5 来时，A3 已经承诺了 9。A1 在第一阶段就被拒绝，于是取自己的下一个编号 \
             5·2+0 = 10（Paxos Made Simple 第 2.2 节，阶段 1b）。",
        ),
        play: refused_promise,
    },
    Story {
        name: "council-3",
        skin: Skin::Councillors,
        title: both("Refused at the accept", "在接受阶段被拒绝"),
        intro: both(
            "A1 has its promises, but before its proposal arrives A3 promises a higher number to \
             A5. 20% is chosen, and A1 itself must propose 20% in the end (Paxos Made Simple, \
             §2.2, phase 2b).",
            "A1 已得到多数承诺，但它的提案送到之前，A3 又向 A5 承诺了更大的编号。最终选定 20%，连 A1 \
             也只能提出 20%（Paxos Made Simple 第 2.2 节，阶段 2b）。",
        ),
        play: refused_accept,
    },
];

/// The tutorial's council: five councillors who try again only when the script says so.
pub(super) fn council(tale: &mut Tale, seed: Seed, broken: Broken) -> Board<'_> {
    Board::open(tale, Rules { count: 5, broken, backoff: None, seed })
}

/// A1's proposal is chosen by A1, A2 and A3; nobody else has heard of it.
fn ten_percent_is_chosen(board: &mut Board<'_>) {
    board.tale.step(both(
        "T1. A1 wants 10%. Its attendants reach A2 and A3; those to A4 and A5 are slow.",
        "T1：A1 想定税率 10%。它的侍从到了 A2 和 A3 那里；去 A4 和 A5 的走得慢。",
    ));
    board.propose(1, "10%");
    board.carry(Kind::Prepare, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.carry(Kind::Accept, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.show(&[1, 2, 3, 4, 5]);
}

/// A5 prepares number 9 at A3 and A4, and proposes what it must.
fn a5_asks_a3_and_a4(board: &mut Board<'_>) {
    board.propose(5, "20%");
    board.carry(Kind::Prepare, &[5], &[3, 4]);
    board.answer(&[3, 4], 5);
    board.carry(Kind::Accept, &[5], &[3, 4]);
    board.answer(&[3, 4], 5);
}

/// All that is still on its way arrives.
fn the_rest_arrives(board: &mut Board<'_>) {
    board.tale.step(both(
        "All other attendants arrive at last. They can change nothing any more.",
        "其余的侍从终于都到了，但已经什么也改变不了。",
    ));
    board.settle();
}

const ALL_KNOW_TEN: Text = both("All five councillors end with 10%.", "五位议员最终都是 10%。");
const ALL_KNOW_TWENTY: Text = both("All five councillors end with 20%.", "五位议员最终都是 20%。");

fn check_decision(board: &mut Board<'_>, claim: Text, value: &'static str) {
    let decisions = board.decisions();
    board.tale.check_equal(claim, decisions, vec![Some(value); 5]);
}

fn check_chosen(board: &mut Board<'_>, claim: Text, expected: &[(u64, &'static str)]) {
    let chosen = board.chosen();
    board.tale.check_equal(claim, chosen, expected.to_vec());
}

fn alone(seed: Seed, tale: &mut Tale) {
    let mut board = council(tale, seed, Broken::NOTHING);
    board.tale.step(both(
        "Phase 1. A1 takes a number and asks everyone to promise it.",
        "第一阶段：A1 取一个编号，请所有人承诺。",
    ));
    board.propose(1, "10%");
    board.carry(Kind::Prepare, &[1], &[2, 3, 4, 5]);
    board.tale.step(both(
        "Phase 2. The promises come back; nobody has accepted anything, so A1 proposes 10%.",
        "第二阶段：承诺都回来了，没有人接受过提案，于是 A1 提出 10%。",
    ));
    board.answer(&[2, 3, 4, 5], 1);
    board.carry(Kind::Accept, &[1], &[2, 3, 4, 5]);
    board.tale.step(both(
        "The votes come back, A1 counts them, and tells the others.",
        "A1 数清回来的票，然后告诉大家。",
    ));
    board.answer(&[2, 3, 4, 5], 1);
    board.carry(Kind::Chosen, &[1], &[2, 3, 4, 5]);
    board.show(&[1, 2, 3, 4, 5]);
    board.tale.note(both(
        "“Without competitors the result is certain” holds only while a majority is up.",
        "“没有竞争时结果是确定的”——前提是多数派都在。",
    ));
    let kinds = [Kind::Prepare, Kind::Promise, Kind::Accept, Kind::Accepted, Kind::Chosen];
    let counts = kinds.map(|kind| board.count(kind));
    board.tale.check_equal(
        both(
            "4 prepare, 4 promise, 4 accept, 4 accepted, 4 to tell the decision.",
            "4 个准备、4 个承诺、4 个接受请求、4 个已接受，再加 4 个通知结果。",
        ),
        counts,
        [4; 5],
    );
    check_decision(&mut board, ALL_KNOW_TEN, "10%");
}

fn lower_number(seed: Seed, tale: &mut Tale) {
    let mut board = council(tale, seed, Broken::NOTHING);
    board.counts_from_zero(5);
    ten_percent_is_chosen(&mut board);
    board.tale.step(both(
        "T2. A5 wants 20%, with its first number, 5·0+4 = 4. A4 has heard of nothing; A3 knows \
         better.",
        "T2：A5 想定 20%，用它的第一个编号 5·0+4 = 4。A4 什么也没听说过；A3 知道得更多。",
    ));
    board.propose(5, "20%");
    board.carry(Kind::Prepare, &[5], &[3, 4]);
    board.answer(&[4, 3], 5);
    board.tale.note(both(
        "Paxos Made Simple lets A3 stay silent: the refusal only saves A5 time.",
        "按 Paxos Made Simple，A3 可以不回答：拒绝消息只是为了节省 A5 的时间。",
    ));
    board.tale.step(both(
        "T3. A5 takes its next number, 5·1+4 = 9, and asks again.",
        "T3：A5 取下一个编号 5·1+4 = 9，再问一次。",
    ));
    a5_asks_a3_and_a4(&mut board);
    the_rest_arrives(&mut board);
    check_chosen(
        &mut board,
        both(
            "10% is chosen twice, at 5 and at 9, and nothing else.",
            "10% 以编号 5 和 9 两次被选定，别无其他。",
        ),
        &[(5, "10%"), (9, "10%")],
    );
    check_decision(&mut board, ALL_KNOW_TEN, "10%");
}

fn higher_number(seed: Seed, tale: &mut Tale) {
    let mut board = council(tale, seed, Broken::NOTHING);
    ten_percent_is_chosen(&mut board);
    board.tale.step(both(
        "T2. A5 wants 20% and has number 5·1+4 = 9. A3 promises it, and reports its vote.",
        "T2：A5 想定 20%，编号 5·1+4 = 9。A3 作出承诺，并报告自己接受过的提案。",
    ));
    a5_asks_a3_and_a4(&mut board);
    the_rest_arrives(&mut board);
    check_chosen(
        &mut board,
        both("10% is chosen at 5 and again at 9.", "10% 以编号 5 选定，又以编号 9 选定。"),
        &[(5, "10%"), (9, "10%")],
    );
    check_decision(&mut board, ALL_KNOW_TEN, "10%");
}

/// A1 gets its promises, but its proposal only reaches A3.
fn only_a3_accepts(board: &mut Board<'_>) {
    board.tale.step(both(
        "T1. A1 has the promises of A2 and A3. Its proposal reaches A3; the other attendants get \
         lost.",
        "T1：A1 得到 A2 和 A3 的承诺。提案只送到了 A3，其余侍从都走失了。",
    ));
    board.propose(1, "10%");
    board.carry(Kind::Prepare, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.carry(Kind::Accept, &[1], &[3]);
    board.lose(Kind::Accept, 1, &[2, 4, 5]);
    board.show(&[1, 2, 3, 4, 5]);
}

fn early(seed: Seed, tale: &mut Tale) {
    let mut board = council(tale, seed, Broken::NOTHING);
    only_a3_accepts(&mut board);
    check_chosen(
        &mut board,
        both("After T1 nothing is chosen.", "T1 之后还没有选定任何税率。"),
        &[],
    );
    board.tale.step(both(
        "T2. A5 asks A3 and A4 with number 9, and hears of 10%.",
        "T2：A5 用编号 9 问 A3 和 A4，听说了 10%。",
    ));
    a5_asks_a3_and_a4(&mut board);
    the_rest_arrives(&mut board);
    check_chosen(
        &mut board,
        both(
            "10% is chosen, at 9: by A5, who wanted 20%.",
            "10% 以编号 9 选定：由原本想要 20% 的 A5 促成。",
        ),
        &[(9, "10%")],
    );
    check_decision(&mut board, ALL_KNOW_TEN, "10%");
}

fn missed(seed: Seed, tale: &mut Tale) {
    let mut board = council(tale, seed, Broken::NOTHING);
    only_a3_accepts(&mut board);
    board.tale.step(both(
        "T2. A3 sleeps. A5 asks A2 and A4 with number 9: a majority, and it has accepted nothing.",
        "T2：A3 睡着了。A5 用编号 9 问 A2 和 A4：已是多数派，而他们什么也没接受过。",
    ));
    board.propose(5, "20%");
    board.lose(Kind::Prepare, 5, &[3]);
    board.carry(Kind::Prepare, &[5], &[2, 4]);
    board.answer(&[2, 4], 5);
    board.carry(Kind::Accept, &[5], &[2, 4]);
    board.answer(&[2, 4], 5);
    board.show(&[1, 2, 3, 4, 5]);
    the_rest_arrives(&mut board);
    check_chosen(
        &mut board,
        both("Only 20% was ever chosen, at 9.", "只有 20% 被选定过，编号 9。"),
        &[(9, "20%")],
    );
    check_decision(&mut board, ALL_KNOW_TWENTY, "20%");
}

fn refused_promise(seed: Seed, tale: &mut Tale) {
    let mut board = council(tale, seed, Broken::NOTHING);
    board.tale.step(both(
        "T1. A5 has number 9 promised by A3 and A4.",
        "T1：A3 和 A4 向 A5 承诺了编号 9。",
    ));
    board.propose(5, "20%");
    board.carry(Kind::Prepare, &[5], &[3, 4]);
    board.tale.step(both(
        "T2. A1 comes to A2 and A3 with number 5. A3 refuses: it promised 9.",
        "T2：A1 带着编号 5 找 A2 和 A3。A3 拒绝：它承诺了 9。",
    ));
    board.propose(1, "10%");
    board.carry(Kind::Prepare, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.tale.step(both(
        "T3. A1's next number is 5·2+0 = 10. Nobody has accepted anything yet, so 10% it is.",
        "T3：A1 的下一个编号是 5·2+0 = 10。还没有人接受过提案，于是定为 10%。",
    ));
    board.propose(1, "10%");
    board.carry(Kind::Prepare, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.carry(Kind::Accept, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.tale.step(both(
        "T4. Only now A5 hears its promises and proposes 20%. A3 has promised 10 since; A5 starts \
         over.",
        "T4：A5 这才收到承诺，提出 20%。但 A3 此后已承诺了 10，A5 只好重来。",
    ));
    board.answer(&[3, 4], 5);
    board.carry(Kind::Accept, &[5], &[3, 4]);
    board.answer(&[4, 3], 5);
    a5_asks_a3_and_a4(&mut board);
    board.show(&[1, 2, 3, 4, 5]);
    the_rest_arrives(&mut board);
    check_chosen(
        &mut board,
        both("10% is chosen, at 10 and again at 14.", "10% 以编号 10 选定，又以编号 14 选定。"),
        &[(10, "10%"), (14, "10%")],
    );
    check_decision(&mut board, ALL_KNOW_TEN, "10%");
}

fn refused_accept(seed: Seed, tale: &mut Tale) {
    let mut board = council(tale, seed, Broken::NOTHING);
    board.tale.step(both(
        "T1. A1 has number 5 promised by A2 and A3.",
        "T1：A2 和 A3 向 A1 承诺了编号 5。",
    ));
    board.propose(1, "10%");
    board.carry(Kind::Prepare, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.tale.step(both(
        "T2. Before A1's proposal arrives, A3 and A4 promise number 9 to A5.",
        "T2：A1 的提案送到之前，A3 和 A4 向 A5 承诺了编号 9。",
    ));
    board.propose(5, "20%");
    board.carry(Kind::Prepare, &[5], &[3, 4]);
    board.tale.step(both(
        "T3. A1's proposal arrives: A2 accepts it, A3 refuses. A5's is accepted by A3, A4 and A5.",
        "T3：A1 的提案送到：A2 接受，A3 拒绝。A5 的提案得到 A3、A4、A5 的接受。",
    ));
    board.carry(Kind::Accept, &[1], &[2, 3]);
    board.answer(&[3, 4], 5);
    board.carry(Kind::Accept, &[5], &[3, 4]);
    board.answer(&[3, 4], 5);
    board.show(&[1, 2, 3, 4, 5]);
    board.tale.step(both(
        "T4. A1 hears of the refusal and tries again with 10. Of the votes reported, 9 is the \
         highest.",
        "T4：A1 得知被拒绝，用 10 再试。报告上来的提案中，编号 9 最大。",
    ));
    board.answer(&[2, 3], 1);
    board.propose(1, "10%");
    board.carry(Kind::Prepare, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.carry(Kind::Accept, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    the_rest_arrives(&mut board);
    check_chosen(
        &mut board,
        both(
            "20% is chosen, at 9 and again at 10: by A1, who wanted 10%.",
            "20% 以编号 9 选定，又以编号 10 选定：由原本想要 10% 的 A1 促成。",
        ),
        &[(9, "20%"), (10, "20%")],
    );
    check_decision(&mut board, ALL_KNOW_TWENTY, "20%");
}
