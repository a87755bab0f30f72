//! The search against itself: its reductions against the engine, its findings against a replay.

use std::collections::BTreeSet;

use quorate_consensus::invariants::Invariant;
use quorate_consensus::{Rule, Seed};

use super::bounds::Bounds;
use super::ghost::Ghost;
use super::node::{Node, Setup};
use super::search::Search;
use super::space::{Act, Space};
use super::states::hash;
use super::world::{World, canonical, is_spent, successors};
use super::*;
use crate::draws::{Draws, Site};
use crate::protocol::PaxosProtocol;
use crate::{Broken, Lesson, RaftProtocol};

/// Two terms, a crash, and the disk apart: every kind of step but a command and a read is in it.
fn small() -> Bounds {
    Bounds {
        rounds: 2,
        commands: 0,
        log_max: 1,
        crashes: 1,
        messages: 2,
        persistence: Persistence::Apart { unsynced_max: 1 },
        ..Bounds::tiny()
    }
}

fn searched<P: Explored>(bounds: Bounds) -> Search<P> {
    let setup = Setup { bounds, broken: Broken::NOTHING };
    let mut search = Search::begin(setup).expect("nothing is wrong at the start");
    let end = search.run(&mut |_| {});
    assert!(matches!(end, End::Complete), "{end}");
    search
}

/// Every act that the search let a node take in a state.
fn acts(space: &Space<RaftProtocol>) -> Vec<(u32, Act, u32)> {
    space.known_steps().collect()
}

#[test]
fn a_tiny_world_is_explored_to_its_end() {
    let explored = explore::<RaftProtocol>(Bounds::tiny(), Broken::NOTHING, |_| {});
    assert!(matches!(explored.end, End::Complete), "{}", explored.end);
    let seen = [explored.progress.states, explored.progress.transitions];
    assert_eq!(seen, [10_961, 48_128], "the world has changed its size: say why");
}

#[test]
fn without_shortcuts_nothing_is_wrong_either() {
    let explored = explore::<RaftProtocol>(by_message(), Broken::NOTHING, |_| {});
    assert!(matches!(explored.end, End::Complete), "{}", explored.end);
    assert!(10_000 < explored.progress.states, "{}", explored.progress);
}

#[test]
fn reads_are_never_stale() {
    let bounds = Bounds { reads: 1, rounds: 2, log_max: 2, messages: 2, ..Bounds::tiny() };
    let explored = explore::<RaftProtocol>(bounds.clone(), Broken::NOTHING, |_| {});
    assert!(matches!(explored.end, End::Complete), "{}", explored.end);
    let harm = Cause::Broken(Invariant::ReadNotStale);
    assert_found::<RaftProtocol>(Rule::ReadWithoutConfirmation, bounds, harm);
}

#[test]
fn two_ballots_of_paxos_choose_one_value_in_each_slot() {
    let bounds = Bounds { commands: 1, log_max: 1, messages: 2, ..Bounds::acceptors(1) };
    let explored = explore::<PaxosProtocol>(bounds, Broken::NOTHING, |_| {});
    assert!(matches!(explored.end, End::Complete), "{}", told(&explored.end));
    assert!(1_000 < explored.progress.states, "{}", explored.progress);
}

/// Three ballots, two slots, and a broken rule: two values are chosen in one slot.
#[test]
fn broken_rules_of_paxos_choose_twice() {
    for rule in [Rule::IgnoreVotes, Rule::CountPromiseParts] {
        let harm = Cause::Broken(Invariant::ChosenOnce);
        assert_found::<PaxosProtocol>(rule, Bounds::acceptors(1), harm);
    }
}

fn told(end: &End<quorate_consensus::paxos::Message>) -> String {
    match end {
        End::Found { trail, .. } => format!("{end}\n{}", tell::<PaxosProtocol>(trail)),
        _ => end.to_string(),
    }
}

/// What is dropped because it can change nothing any more changes nothing where it is dropped, and
/// can be dropped in every world after: together, nothing for ever.
#[test]
fn what_is_spent_changes_nothing_for_ever() {
    for bounds in [small(), by_message()] {
        assert_spent_for_ever::<RaftProtocol>(bounds);
    }
    for bounds in few_ballots() {
        assert_spent_for_ever::<PaxosProtocol>(bounds);
    }
}

/// Worlds of Multi-Paxos in which every reason to drop a message occurs, each small.
fn few_ballots() -> Vec<Bounds> {
    let two_slots = Bounds { commands: 1, messages: 2, ..Bounds::acceptors(1) };
    let one_slot = Bounds { log_max: 1, ..two_slots.clone() };
    let persistence = Persistence::Apart { unsynced_max: 2 };
    vec![
        two_slots,
        Bounds { crashes: 1, ..one_slot.clone() },
        Bounds { reads: 1, ..one_slot.clone() },
        Bounds { persistence, ..one_slot.clone() },
        Bounds { courtesies: Courtesies::ByMessage, ..one_slot },
    ]
}

/// Dropping what is idle loses no state of the nodes that can be reached without, and finds the
/// same harm.
#[test]
fn nothing_is_lost_with_what_is_idle() {
    for bounds in few_ballots() {
        let past = searched::<PaxosProtocol>(Bounds { drops: Drops::Past, ..bounds.clone() });
        let idle = searched::<PaxosProtocol>(bounds);
        let (past_count, idle_count) = (past.states.len(), idle.states.len());
        assert!(idle_count <= past_count, "{idle_count} worlds instead of {past_count}");
        let reached = casts(&idle);
        let lost = casts(&past).into_iter().find(|cast| !reached.contains(cast));
        assert!(lost.is_none(), "{past_count} worlds, {idle_count} without what is idle: {lost:?}");
    }
    for drops in [Drops::Past, Drops::Idle] {
        let bounds = Bounds { drops, ..Bounds::acceptors(1) };
        let harm = Cause::Broken(Invariant::ChosenOnce);
        assert_found::<PaxosProtocol>(Rule::IgnoreVotes, bounds, harm);
    }
}

/// What the nodes and the memory of each world are, whatever is in flight between them.
fn casts(search: &Search<PaxosProtocol>) -> BTreeSet<(Vec<u64>, Ghost)> {
    let space = &search.space;
    let nodes = space.bounds().nodes as usize;
    let cast = |state: u32| {
        let world = search.world(state);
        let keys = world.nodes[..nodes].iter().map(|&node| hash(&space.node(node).key()));
        (keys.collect(), space.ghost_of(world.ghost).clone())
    };
    (0..search.states.len() as u32).map(cast).collect()
}

fn assert_spent_for_ever<P: Explored>(bounds: Bounds) {
    let mut search = searched::<P>(bounds);
    let messages = search.progress().messages as u32;
    let mut spent_count = 0_u64;
    for state in 0..search.states.len() as u32 {
        let world = search.world(state);
        let space = &mut search.space;
        let spent: Vec<u32> = (0..messages).filter(|&mail| is_spent(space, &world, mail)).collect();
        spent_count += spent.len() as u64;
        for &mail in &spent {
            assert_changes_nothing(&mut search.space, &world, mail);
        }
        let mut found = Vec::new();
        successors(&mut search.space, &world, &mut found).expect("nothing is wrong");
        for (_, next) in &found {
            let space = &mut search.space;
            let back = spent.iter().find(|&&mail| !is_spent(space, next, mail));
            assert_eq!(back.map(|&mail| search.space.mail_of(mail)), None, "{found:?}");
        }
    }
    assert!(100_000 < spent_count, "the test looks at too little: {spent_count}");
}

fn by_message() -> Bounds {
    Bounds {
        messages: 2,
        courtesies: Courtesies::ByMessage,
        symmetry: Symmetry::Unused,
        ..Bounds::tiny()
    }
}

fn assert_changes_nothing<P: Explored>(space: &mut Space<P>, world: &World, mail: u32) {
    let to = space.mail_of(mail).1.0 as usize - 1;
    let step = space.step(world.nodes[to], Act::Deliver(mail));
    let step = space.step_of(step);
    assert_eq!(step.next, world.nodes[to], "{:?} changes its receiver", space.mail_of(mail));
    let answers = step.sent.clone();
    for &answer in &answers {
        let holds = is_spent(space, world, answer);
        let told = (space.mail_of(mail), space.mail_of(answer));
        assert!(holds, "the answer matters: {told:?}");
    }
}

/// The engine cannot tell nodes by their names: renaming before a step and after it is the same.
#[test]
fn a_step_under_other_names_is_the_same_step() {
    let mut search = searched::<RaftProtocol>(small());
    let space = &mut search.space;
    let known = acts(space);
    assert!(1_000 < known.len(), "the test looks at too little: {}", known.len());
    for (state, act, step) in known {
        for renaming in 0..space.renamings.len() {
            let renamed_state = space.renamed_state(state, renaming);
            let renamed_act = match act {
                Act::Deliver(mail) => Act::Deliver(space.renamed_mail(mail, renaming)),
                same => same,
            };
            let renamed = space.step(renamed_state, renamed_act);
            let next = space.step_of(step).next;
            assert_eq!(space.renamed_state(next, renaming), space.step_of(renamed).next);
            let sent = space.step_of(step).sent.to_vec();
            let sent: BTreeSet<u32> =
                sent.into_iter().map(|mail| space.renamed_mail(mail, renaming)).collect();
            assert!(sent.iter().eq(space.step_of(renamed).sent.iter()), "{act:?}");
        }
    }
}

/// With names that matter there are as many worlds up to renaming as the search with names that do
/// not matter finds.
#[test]
fn symmetry_loses_no_world() {
    let bounds = Bounds { commands: 0, crashes: 0, ..small() };
    let reduced = searched::<RaftProtocol>(bounds.clone()).states.len();
    let full = searched::<RaftProtocol>(Bounds { symmetry: Symmetry::Unused, ..bounds.clone() });
    // The same walk in a space that knows the other names.
    let setup = Setup { bounds, broken: Broken::NOTHING };
    let mut whole = Search::<RaftProtocol>::begin(setup).expect("nothing is wrong at the start");
    let mut seen = BTreeSet::from([whole.world(0)]);
    let mut queue = vec![whole.world(0)];
    let mut orbits = BTreeSet::new();
    while let Some(world) = queue.pop() {
        orbits.insert(canonical(&mut whole.space, &world));
        let mut found = Vec::new();
        successors(&mut whole.space, &world, &mut found).expect("nothing is wrong");
        queue.extend(found.into_iter().map(|(_, next)| next).filter(|next| seen.insert(*next)));
    }
    assert_eq!(seen.len(), full.states.len());
    assert_eq!(orbits.len(), reduced);
    assert!(reduced * 5 < seen.len(), "{reduced} of {}", seen.len());
}

/// The search keeps one engine for all ways that lead to one fingerprint. An engine that goes a way
/// by itself does the same at every step.
#[test]
fn equal_fingerprints_act_alike() {
    const WALK: Site = Site::new("explore walk");
    let search = searched::<RaftProtocol>(small());
    let space = &search.space;
    let mut by_state = vec![Vec::new(); search.progress().node_states as usize];
    for (state, act, step) in acts(space) {
        by_state[state as usize].push((act, step));
    }
    let draws = Draws::new(Seed(1));
    for walk in 0..2_000_u64 {
        let mut state = *draws.one_of(WALK, [walk], space.roots());
        let mut node: Node<RaftProtocol> = space.node(state).clone();
        for step in 0..60 {
            if by_state[state as usize].is_empty() {
                break;
            }
            let (act, number) = *draws.one_of(WALK, [walk, step], &by_state[state as usize]);
            let (next, sent) = node.take(&space.setup, space.event(act)).expect("nothing is wrong");
            let known = space.step_of(number);
            assert_eq!(next.key(), space.node(known.next).key(), "walk {walk}, step {step}");
            let sent: BTreeSet<String> = sent.iter().map(|mail| format!("{mail:?}")).collect();
            assert_eq!(sent.len(), known.sent.len(), "walk {walk}, step {step}");
            (node, state) = (next, known.next);
        }
    }
}

/// Breaks a rule and demands that the search ends with this harm, and that the way it tells does
/// that harm when it is gone again.
fn assert_found<P: Explored>(rule: Rule, bounds: Bounds, harm: Cause) {
    let broken = Broken(Some(Lesson::Engine(rule)));
    let explored = explore::<P>(bounds.clone(), broken, |_| {});
    let End::Found { finding, trail } = explored.end else {
        panic!("{rule:?} survives: {}, {}", explored.end, explored.progress);
    };
    assert_eq!(finding.cause, harm, "{finding}\n{}", tell::<P>(&trail));
    let replayed = replay::<P>(bounds.clone(), broken, &trail);
    assert_eq!(replayed, Err(finding), "the way leads elsewhere");
    let shorter = &trail[..trail.len() - 1];
    assert_eq!(replay::<P>(bounds, broken, shorter), Ok(()), "a shorter way is enough");
}

#[test]
fn broken_rules_that_cost_little_to_find_are_found() {
    let cheap = lore().into_iter().filter(|lore| lore.bounds.rounds == 1);
    assert!(3 <= cheap.clone().count());
    cheap.for_each(|lore| assert_found::<RaftProtocol>(lore.rule, lore.bounds, lore.harm));
}

#[test]
fn a_leader_elected_by_shorter_logs_lacks_what_was_committed() {
    let known = lore().into_iter().find(|lore| lore.rule == Rule::VoteForShorterLog);
    let Lore { rule, bounds, harm } = known.expect("the rule is listed");
    assert_found::<RaftProtocol>(rule, bounds, harm);
}

#[test]
fn a_memory_limit_ends_the_search() {
    let bounds = Bounds { bytes_max: 1 << 10, ..Bounds::tiny() };
    let explored = explore::<RaftProtocol>(bounds, Broken::NOTHING, |_| {});
    assert!(matches!(explored.end, End::MemoryExhausted), "{}", explored.end);
    let bounds = Bounds { states_max: 500, ..Bounds::tiny() };
    let explored = explore::<RaftProtocol>(bounds, Broken::NOTHING, |_| {});
    assert!(matches!(explored.end, End::StatesExhausted), "{}", explored.end);
    assert!(explored.progress.states < 600, "{}", explored.progress);
}
