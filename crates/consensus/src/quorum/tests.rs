//! Exhaustive checks of the counting against its definition, for every small configuration.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{FlexibleError, FlexibleSizes, Quorum, Tally};
use crate::ids::{Index, NodeId};
use crate::members::Members;

const LEARNER: NodeId = NodeId(99);

/// Every configuration of up to five voters and five outgoing voters, up to the names: `first`
/// nodes only in the voters, `both` in both sets, `last` only in the outgoing ones.
///
/// The names of the three groups interleave, so that no result rests on the groups being sorted.
fn configurations() -> Vec<Members> {
    let mut all = Vec::new();
    for first in 0..=5_u64 {
        for both in 0..=5 - first {
            for last in 0..=5 - both {
                let group =
                    |offset: u64, size: u64| (0..size).map(move |i| NodeId(1 + offset + 3 * i));
                let mut members = Members::of_voters(group(0, first).chain(group(1, both)));
                members.outgoing = group(1, both).chain(group(2, last)).collect();
                members.learners.insert(LEARNER);
                all.push(members);
            }
        }
    }
    // Joint means a non-empty outgoing set, so plain configurations are a case of their own.
    for size in 0..=5_u64 {
        let mut members = Members::of_voters((1..=size).map(NodeId));
        members.learners.insert(LEARNER);
        all.push(members);
    }
    all
}

/// The definition: more than half of the voters, and more than half of the outgoing ones if any.
fn is_majority(members: &Members, agreeing: &BTreeSet<NodeId>) -> bool {
    let of = |set: &BTreeSet<NodeId>| set.len() < 2 * set.intersection(agreeing).count();
    of(&members.voters) && (members.outgoing.is_empty() || of(&members.outgoing))
}

/// Every way to give each node one of `choices` answers.
fn assignments(nodes: &[NodeId], choices: u32) -> impl Iterator<Item = BTreeMap<NodeId, u32>> + '_ {
    let count = u64::from(choices).pow(nodes.len() as u32);
    (0..count).map(move |mut code| {
        let mut answers = BTreeMap::new();
        for &node in nodes {
            answers.insert(node, (code % u64::from(choices)) as u32);
            code /= u64::from(choices);
        }
        answers
    })
}

fn those_with(answers: &BTreeMap<NodeId, u32>, wanted: impl Fn(u32) -> bool) -> BTreeSet<NodeId> {
    answers.iter().filter(|&(_, &answer)| wanted(answer)).map(|(&node, _)| node).collect()
}

#[test]
fn reached_as_defined_for_every_small_configuration_and_every_set_of_acknowledgements() {
    let mut checked = 0;
    for members in configurations() {
        let quorum = members.quorum();
        let nodes: Vec<NodeId> = members.nodes().into_iter().collect();
        for answers in assignments(&nodes, 2) {
            let agreeing = those_with(&answers, |answer| answer == 1);
            let expected = is_majority(&members, &agreeing);
            let actual = quorum.is_reached(|node| agreeing.contains(&node));
            assert_eq!(actual, expected, "{members:?} {agreeing:?}");
            checked += 1;
        }
    }
    assert!(10_000 < checked, "the search covers little: {checked}");
}

#[test]
fn tally_as_defined_for_every_small_configuration_and_every_vote() {
    for members in configurations() {
        let quorum = members.quorum();
        let nodes: Vec<NodeId> = members.nodes().into_iter().filter(|&n| n != LEARNER).collect();
        for answers in assignments(&nodes, 3) {
            let votes: BTreeMap<NodeId, bool> = answers
                .iter()
                .filter(|&(_, &answer)| answer != 2)
                .map(|(&node, &answer)| (node, answer == 1))
                .collect();
            let yes = those_with(&answers, |answer| answer == 1);
            let yes_or_silent = those_with(&answers, |answer| answer != 0);
            let expected =
                match (is_majority(&members, &yes), is_majority(&members, &yes_or_silent)) {
                    (true, _) => Tally::Won,
                    (false, true) => Tally::Pending,
                    (false, false) => Tally::Lost,
                };
            assert_eq!(quorum.tally(&votes), expected, "{members:?} {votes:?}");
        }
    }
}

#[test]
fn committed_index_is_the_highest_that_a_quorum_holds_for_every_small_configuration() {
    for members in configurations() {
        let quorum = members.quorum();
        let nodes: Vec<NodeId> = members.nodes().into_iter().filter(|&n| n != LEARNER).collect();
        for answers in assignments(&nodes, 3) {
            let expected = (1..=2)
                .rev()
                .find(|&index| is_majority(&members, &those_with(&answers, |held| index <= held)))
                .unwrap_or(0);
            let actual = quorum.committed_index(|node| Index(u64::from(answers[&node])));
            assert_eq!(actual, Index(u64::from(expected)), "{members:?} {answers:?}");
        }
    }
}

#[test]
fn learners_never_count() {
    let mut members = Members::of_voters([NodeId(1), NodeId(2), NodeId(3)]);
    members.learners.extend([NodeId(4), NodeId(5), NodeId(6)]);
    let quorum = members.quorum();

    assert!(!quorum.is_reached(|node| node == NodeId(1) || NodeId(4) <= node));
    let learners_far_ahead = |node| if node <= NodeId(3) { Index(1) } else { Index(9) };
    assert_eq!(quorum.committed_index(learners_far_ahead), Index(1));
    let votes = BTreeMap::from([(1, true), (4, true), (5, true)].map(|(n, v)| (NodeId(n), v)));
    assert_eq!(quorum.tally(&votes), Tally::Pending);
}

#[test]
fn a_joint_configuration_needs_both_majorities() {
    let mut members = Members::of_voters([1, 2, 3].map(NodeId));
    members.outgoing = [3, 4, 5].map(NodeId).into();
    let quorum = members.quorum();

    assert!(!quorum.is_reached(|node| node <= NodeId(3)), "only the incoming majority agrees");
    assert!(!quorum.is_reached(|node| NodeId(3) <= node), "only the outgoing majority agrees");
    assert!(quorum.is_reached(|node| NodeId(2) <= node && node <= NodeId(4)));
}

#[test]
fn without_voters_nothing_is_decided() {
    let quorum = Members::default().quorum();
    assert!(!quorum.is_reached(|_| true));
    assert_eq!(quorum.committed_index(|_| Index(7)), Index::ZERO);
    assert_eq!(quorum.tally(&BTreeMap::new()), Tally::Lost);
}

#[test]
fn every_phase_1_quorum_meets_every_phase_2_quorum() {
    for voters in 1..=5_u64 {
        let nodes: Vec<NodeId> = (1..=voters).map(NodeId).collect();
        let members = Members::of_voters(nodes.iter().copied());
        for phase1 in 0..=nodes.len() + 1 {
            for phase2 in 0..=nodes.len() + 1 {
                assert_flexible(&members, &nodes, FlexibleSizes { phase1, phase2 });
            }
        }
    }
}

/// Accepted sizes give quorums of just these sizes that always meet; refused ones could not.
fn assert_flexible(members: &Members, nodes: &[NodeId], sizes: FlexibleSizes) {
    let voters = nodes.len();
    let subsets: Vec<BTreeSet<NodeId>> =
        assignments(nodes, 2).map(|answers| those_with(&answers, |answer| answer == 1)).collect();
    let in_range = [sizes.phase1, sizes.phase2].iter().all(|&size| 1 <= size && size <= voters);
    let always_meet = subsets.iter().filter(|set| set.len() == sizes.phase1).all(|first| {
        subsets
            .iter()
            .filter(|set| set.len() == sizes.phase2)
            .all(|second| !first.is_disjoint(second))
    });
    match Quorum::flexible(members, sizes) {
        Err(error) if !in_range => assert_eq!(error, FlexibleError::OutOfRange { voters }),
        Err(error) => {
            assert_eq!(error, FlexibleError::Disjoint { voters });
            assert!(!always_meet, "{sizes:?} of {voters} would have been safe");
        }
        Ok(quorums) => {
            assert!(in_range && always_meet, "{sizes:?} of {voters} is unsafe");
            for set in &subsets {
                let reached = |quorum: &Quorum| quorum.is_reached(|node| set.contains(&node));
                assert_eq!(reached(&quorums.phase1), sizes.phase1 <= set.len());
                assert_eq!(reached(&quorums.phase2), sizes.phase2 <= set.len());
            }
        }
    }
}

#[test]
fn a_joint_configuration_has_no_flexible_quorums() {
    let mut members = Members::of_voters([1, 2, 3].map(NodeId));
    members.outgoing = [1, 2].map(NodeId).into();
    let sizes = FlexibleSizes { phase1: 2, phase2: 2 };
    assert_eq!(Quorum::flexible(&members, sizes), Err(FlexibleError::Joint));
}

proptest! {
    /// Sets beyond the inline bound count as small ones do.
    #[test]
    fn large_configurations_count_alike(held in prop::collection::vec(0..20_u64, 8..24)) {
        let nodes = (1..=held.len() as u64).map(NodeId);
        let quorum = Members::of_voters(nodes).quorum();
        let matched = |node: NodeId| Index(held[node.0 as usize - 1]);

        let index = quorum.committed_index(matched);

        prop_assert!(quorum.is_reached(|node| index <= matched(node)));
        prop_assert!(!quorum.is_reached(|node| index < matched(node)));
    }
}
