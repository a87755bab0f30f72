//! What goes wrong in the council: proposers that duel, and rules that are broken on purpose.

use core::time::Duration;

use quorate_consensus::paxos::synod::Backoff;
use quorate_consensus::{Rule, Seed};

use super::super::board::{Board, Kind, Rules};
use super::super::phrase::{Arg, Phrase};
use super::super::skin::Skin;
use super::super::tale::Tale;
use super::super::text::both;
use super::super::{Story, Text};
use super::council::council;
use crate::broken::{Broken, Lesson};

/// The stories of this file.
pub(super) const STORIES: &[Story] = &[
    Story {
        name: "duel",
        skin: Skin::Councillors,
        title: both("Two proposers, no decision", "两个提案者，没有结果"),
        intro: both(
            "A1 and A5 both try at once, and each new number spoils the other's proposal. Nothing \
             wrong is ever decided, but nothing is decided at all until they wait for random times \
             (Paxos Made Simple, §2.4).",
            "A1 和 A5 同时提案，每个新编号都让对方的提案作废。永远不会定错，却也永远定不下来，直到双方\
             学会随机等待（Paxos Made Simple 第 2.4 节）。",
        ),
        play: duel,
    },
    Story {
        name: "amnesia",
        skin: Skin::Councillors,
        title: both("A councillor who forgets", "健忘的议员"),
        intro: both(
            "The tutorials never say that MaxN, AcceptN and AcceptV must be on disk. Here they are \
             not: A3 faints, forgets that it accepted 10%, and 20% is chosen as well (Paxos Made \
             Simple, §2.5).",
            "教程没有说 MaxN、AcceptN、AcceptV 必须写在磁盘上。这里就没有写：A3 昏倒后忘了自己接受过 \
             10%，于是 20% 也被选定（Paxos Made Simple 第 2.5 节）。",
        ),
        play: amnesia,
    },
    Story {
        name: "no-raise",
        skin: Skin::Councillors,
        title: both("An accept that raises no promise", "接受提案却不提高承诺"),
        intro: both(
            "“Accept unless a higher number was promised”: and then? If accepting 9 does not raise \
             MaxN to 9, a late proposal with number 5 replaces the vote that was counted, and two \
             rates are chosen.",
            "“除非承诺过更大的编号，否则就接受”，然后呢？如果接受 9 时不把 MaxN 提高到 9，迟到的 5 号提案\
             就会覆盖已经计过数的票，选出两个税率。",
        ),
        play: no_raise,
    },
];

const PACE: &[&str] =
    &["council.prepared", "council.preempted", "council.adopted", "council.free", "council.chosen"];

fn duel(seed: Seed, tale: &mut Tale) {
    let ms = Duration::from_millis;
    let at_once = Backoff { least: Duration::from_micros(500), most: Duration::from_micros(500) };
    tale.step(both(
        "Whoever is refused comes back half a millisecond later with a higher number. Questions \
         take 1 ms, proposals 3 ms: there is always time for the other to ask first.",
        "谁被拒绝，就在半毫秒后带着更大的编号回来。打听要走 1 毫秒，提案要走 3 毫秒：对方总来得及先打听。",
    ));
    let mut board = Board::open(tale, duellists(seed, at_once));
    board.tell_only(PACE);
    start_both(&mut board);
    board.run(16_000);
    board.tell_only(&["council.chosen"]);
    board.run(984_000);
    let (ballots, chosen) = (board.ballots(), board.chosen());
    let claim = Phrase::from(both(
        "After one second and {count} numbers, nothing is decided.",
        "一秒过去，用掉 {count} 个编号，什么也没有决定。",
    ));
    tale.check_equal(claim.with("count", Arg::Number(ballots as u64)), chosen, Vec::new());

    tale.step(both(
        "The same again, but each waits for a random time, longer after each refusal.",
        "再来一次，但每次被拒绝后随机等待，并且越等越久。",
    ));
    let mut board = Board::open(tale, duellists(seed, Backoff { least: ms(1), most: ms(200) }));
    board.tell_only(PACE);
    start_both(&mut board);
    board.run(1_000_000);
    let decisions = board.decisions();
    let verdict = match &decisions[..] {
        [Some(first), rest @ ..] if rest.iter().all(|other| *other == Some(*first)) => Ok(()),
        _ => Err(format!("{decisions:?}")),
    };
    tale.check(
        both(
            "Within a second, all five know the same decision.",
            "一秒之内，五位议员都知道了同一个结果。",
        ),
        verdict,
    );
}

fn duellists(seed: Seed, backoff: Backoff) -> Rules {
    Rules { count: 5, broken: Broken::NOTHING, backoff: Some(backoff), seed }
}

fn start_both(board: &mut Board<'_>) {
    board.propose(1, "10%");
    board.run_for(3_000);
    board.propose(5, "20%");
}

/// The same script with a rule kept, told to nobody: what it chooses then.
fn kept(seed: Seed, script: fn(&mut Board<'_>)) -> Vec<(u64, &'static str)> {
    let mut unheard = Tale::default();
    let mut board = council(&mut unheard, seed, Broken::NOTHING);
    script(&mut board);
    board.chosen()
}

fn broken(rule: Rule) -> Broken {
    Broken(Some(Lesson::Engine(rule)))
}

const TWO_VALUES: Text = both(
    "Agreement is lost, as shown here on purpose: 10% and 20% are both chosen.",
    "一致性被破坏（这里是故意演示）：10% 和 20% 都被选定了。",
);

fn amnesia(seed: Seed, tale: &mut Tale) {
    let mut board = council(tale, seed, broken(Rule::ForgetPromise));
    forgetful(&mut board);
    let chosen = board.chosen();
    tale.check_equal(TWO_VALUES, chosen, vec![(5, "10%"), (9, "20%")]);
    tale.check_equal(
        both(
            "With the triple read back from disk, the same script chooses 10% both times.",
            "如果三元组从磁盘读回来，同样的剧本两次都选定 10%。",
        ),
        kept(seed, forgetful),
        vec![(5, "10%"), (9, "10%")],
    );
}

fn forgetful(board: &mut Board<'_>) {
    board.tale.step(both(
        "T1. A1, A2 and A3 accept 10%: it is chosen.",
        "T1：A1、A2、A3 接受 10%：选定。",
    ));
    board.propose(1, "10%");
    board.carry(Kind::Prepare, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.carry(Kind::Accept, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.tale.step(both("T2. A3 faints and comes back.", "T2：A3 昏倒，又醒来。"));
    board.restart(3);
    board.show(&[1, 2, 3, 4, 5]);
    board.tale.step(both("T3. A5 asks A3 and A4.", "T3：A5 来问 A3 和 A4。"));
    board.propose(5, "20%");
    board.carry(Kind::Prepare, &[5], &[3, 4]);
    board.answer(&[3, 4], 5);
    board.carry(Kind::Accept, &[5], &[3, 4]);
    board.answer(&[3, 4], 5);
}

fn no_raise(seed: Seed, tale: &mut Tale) {
    let mut board = council(tale, seed, broken(Rule::AcceptWithoutPromise));
    unraised(&mut board);
    let chosen = board.chosen();
    tale.check_equal(TWO_VALUES, chosen, vec![(9, "20%"), (10, "10%")]);
    tale.check_equal(
        both(
            "Where accepting 9 raises MaxN to 9, the same script chooses 20% both times.",
            "如果接受 9 时把 MaxN 提高到 9，同样的剧本两次都选定 20%。",
        ),
        kept(seed, unraised),
        vec![(9, "20%"), (10, "20%")],
    );
}

fn unraised(board: &mut Board<'_>) {
    board.tale.step(both(
        "T1. A1 has number 5 promised by A2 and A3. Its proposal is slow.",
        "T1：A2 和 A3 向 A1 承诺了编号 5。A1 的提案还在路上。",
    ));
    board.propose(1, "10%");
    board.carry(Kind::Prepare, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.tale.step(both(
        "T2. A5 has 9 promised by A2 and A4, but its proposal goes to A3 and A4: any majority \
         will do.",
        "T2：A2 和 A4 向 A5 承诺了 9，而 A5 的提案交给 A3 和 A4：任何多数派都可以。",
    ));
    board.propose(5, "20%");
    board.carry(Kind::Prepare, &[5], &[2, 4]);
    board.answer(&[2, 4], 5);
    board.carry(Kind::Accept, &[5], &[3, 4]);
    board.answer(&[3, 4], 5);
    board.show(&[1, 2, 3, 4, 5]);
    board.tale.step(both(
        "T3. Now A1's old proposal reaches A2 and A3. A3's MaxN should be 9 as well.",
        "T3：这时 A1 的旧提案到了 A2 和 A3 那里。A3 的 MaxN 本该也是 9。",
    ));
    board.carry(Kind::Accept, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.show(&[2, 3]);
    board.tale.step(both(
        "T4. A1 asks A2 and A3 again, with number 10.",
        "T4：A1 用编号 10 再问 A2 和 A3。",
    ));
    board.propose(1, "10%");
    board.carry(Kind::Prepare, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
    board.carry(Kind::Accept, &[1], &[2, 3]);
    board.answer(&[2, 3], 1);
}
