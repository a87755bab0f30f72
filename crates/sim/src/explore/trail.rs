//! The way to a world: what happened to whom, for people and to be replayed.

use quorate_consensus::invariants::Claims;
use quorate_consensus::{Envelope, NodeId};

use super::bounds::Bounds;
use super::disk::Disk;
use super::finding::Finding;
use super::ghost::{Ghost, Look};
use super::node::{Event, Node, Setup, View};
use super::protocol::Explored;
use super::search::Search;
use super::space::Space;
use super::states::StateId;
use super::world::{Move, World, canonical, successors};
use crate::broken::Broken;

/// Something that happens to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening<M> {
    /// The node.
    pub node: NodeId,
    /// What happens to it.
    pub event: Event<M>,
}

/// A trail in words, one line for each thing that happens.
pub fn tell<P: Explored>(trail: &[Happening<P::Message>]) -> String {
    let mut told = String::new();
    for Happening { node, event } in trail {
        let line = match event {
            Event::Campaign => format!("{node} campaigns"),
            Event::Hear { round } => format!("{node} hears of round {round}"),
            Event::Deliver { from, message } => format!("{from} to {node}: {}", P::tell(message)),
            Event::Propose { sequence } => format!("{node} takes command {sequence}"),
            Event::Read { committed } => format!("{node} is asked for a read at {committed}"),
            Event::Sync => format!("the disk of {node} takes a batch"),
            Event::Crash { kept } => {
                format!(
                    "{node} crashes and starts; of what was not synced, {kept} batches are there"
                )
            }
        };
        told.push_str(&line);
        told.push('\n');
    }
    told
}

/// The way to the world `last`, and one more step that shows what is wrong.
///
/// The search keeps worlds under the names that make them least, so the way is walked again from
/// its beginning under one set of names.
pub(super) fn to<P: Explored>(
    search: &mut Search<P>,
    last: StateId,
) -> (Finding, Vec<Happening<P::Message>>) {
    let mut states = vec![last];
    while states[states.len() - 1] != 0 {
        states.push(search.states.parent(states[states.len() - 1]));
    }
    let worlds: Vec<World> = states.iter().rev().map(|&state| search.world(state)).collect();
    let space = &mut search.space;
    let mut at = World::first(space.roots(), worlds[0].ghost);
    let mut trail = Vec::new();
    for target in &worlds[1..] {
        let (taken, next) = walk(space, &at, target);
        trail.push(happening(space, taken));
        at = next;
    }
    let wrong = successors(space, &at, &mut Vec::new());
    let (taken, finding) = wrong.expect_err("what is wrong is wrong under all names");
    trail.push(happening(space, taken));
    (finding, trail)
}

/// The step from a world to one that is `target` under some names.
fn walk<P: Explored>(space: &mut Space<P>, from: &World, target: &World) -> (Move, World) {
    let mut found = Vec::new();
    // A wrong step ends the list; those before it are there.
    let _ = successors(space, from, &mut found);
    let step = found.into_iter().find(|(_, next)| canonical(space, next) == *target);
    step.expect("a world met has a step that led to it")
}

fn happening<P: Explored>(space: &Space<P>, taken: Move) -> Happening<P::Message> {
    Happening { node: NodeId(taken.node as u64 + 1), event: space.event(taken.act) }
}

/// Lets these things happen, in this order, and tells what is wrong then, if anything. Nothing is
/// lost on the way: a message may be delivered once it was sent.
pub fn replay<P: Explored>(
    bounds: Bounds,
    broken: Broken,
    trail: &[Happening<P::Message>],
) -> Result<(), Finding> {
    let setup = Setup { bounds, broken };
    let mut cast = Cast::<P>::start(&setup)?;
    trail.iter().try_for_each(|happening| cast.take(&setup, happening))
}

/// The nodes of a replay, and all that was ever sent.
struct Cast<P: Explored> {
    nodes: Vec<Node<P>>,
    sent: Vec<(NodeId, Envelope<P::Message>)>,
    ghost: Ghost,
}

impl<P: Explored> Cast<P> {
    fn start(setup: &Setup) -> Result<Self, Finding> {
        let start = |place: u64| {
            let disk = setup.bounds.logs.get(place as usize).map(Disk::seeded);
            Node::start(setup, NodeId(place + 1), disk.unwrap_or_default()).map(|(node, _)| node)
        };
        let nodes = (0..setup.bounds.nodes).map(start).collect::<Result<Vec<_>, _>>()?;
        let views: Vec<View> = nodes.iter().map(Node::view).collect();
        let mut ghost = Ghost::default();
        ghost.seed(&views.iter().collect::<Vec<_>>());
        Ok(Self { nodes, sent: Vec::new(), ghost })
    }

    fn take(&mut self, setup: &Setup, happening: &Happening<P::Message>) -> Result<(), Finding> {
        let (node, event) = (happening.node, happening.event.clone());
        if let Event::Deliver { from, message } = &event {
            let is_sent = self.sent.iter().any(|(sender, envelope)| {
                sender == from && envelope.to == node && envelope.message == *message
            });
            assert!(is_sent, "{from} never sent {message:?} to {node}");
        }
        let place = node.0 as usize - 1;
        let before = self.nodes[place].view();
        let (next, sent) = self.nodes[place].take(setup, event)?;
        self.nodes[place] = next;
        self.sent.extend(sent.into_iter().map(|envelope| (node, envelope)));
        let views: Vec<View> = self.nodes.iter().map(Node::view).collect();
        let nodes: Vec<&View> = views.iter().collect();
        let order = P::Engine::ORDER;
        let (scope, after) = (setup.bounds.checks, nodes[place]);
        self.ghost.observe(&Look { order, scope, before: &before, after, nodes: &nodes })
    }
}
