//! A world in numbers: its nodes, the messages in flight and the memory; and what can happen in it.

use quorate_consensus::Role;
use quorate_consensus::invariants::Claims;

use super::bounds::{Bounds, Courtesies, Delivery, Persistence};
use super::finding::Finding;
use super::ghost::Look;
use super::node::View;
use super::protocol::Explored;
use super::space::{Act, GhostId, MailId, NUMBER_MAX, NodeState, Space};

/// The most nodes and messages in flight a world can have.
pub(super) const NODES_MAX: usize = 5;
pub(super) const MAIL_MAX: usize = 8;

/// The most messages in flight together with those that one step sends.
const CROWD_MAX: usize = 24;

/// A world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct World {
    pub nodes: [NodeState; NODES_MAX],
    pub mail: [MailId; MAIL_MAX],
    pub ghost: GhostId,
}

/// No message, or no node.
const NONE: u32 = NUMBER_MAX + 1;

/// One thing that happens to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    /// The node's place, from zero.
    pub node: usize,
    pub act: Act,
}

impl World {
    /// The world before anything has happened.
    pub(super) fn first(nodes: &[NodeState], ghost: GhostId) -> Self {
        let mut world = Self { nodes: [NONE; NODES_MAX], mail: [NONE; MAIL_MAX], ghost };
        world.nodes[..nodes.len()].copy_from_slice(nodes);
        world
    }

    /// The messages in flight.
    pub(super) fn mail(&self) -> impl Iterator<Item = MailId> + '_ {
        self.mail.iter().copied().take_while(|&mail| mail != NONE)
    }

    /// Bytes of a packed world.
    pub(super) fn width(bounds: &Bounds) -> usize {
        3 * (bounds.nodes as usize + bounds.messages + 1)
    }

    /// Writes the world as bytes.
    pub(super) fn pack(&self, bounds: &Bounds, bytes: &mut Vec<u8>) {
        bytes.clear();
        let (nodes, mail) = (&self.nodes[..bounds.nodes as usize], &self.mail[..bounds.messages]);
        for number in nodes.iter().chain(mail).chain([&self.ghost]) {
            bytes.extend_from_slice(&number.to_le_bytes()[..3]);
        }
    }

    /// Reads a packed world.
    pub(super) fn unpack(bounds: &Bounds, bytes: &[u8]) -> Self {
        let number = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
        let mut numbers = bytes.chunks_exact(3).map(number);
        let mut world = Self::first(&[], 0);
        let mut next = || numbers.next().expect("a packed world has all its numbers");
        world.nodes[..bounds.nodes as usize].fill_with(&mut next);
        world.mail[..bounds.messages].fill_with(&mut next);
        world.ghost = next();
        world
    }
}

/// Every world that one step makes of `world`, with that step; what the last of them shows to be
/// wrong ends it.
pub(super) fn successors<P: Explored>(
    space: &mut Space<P>,
    world: &World,
    found: &mut Vec<(Move, World)>,
) -> Result<(), (Move, Finding)> {
    for mail in world.mail() {
        let node = space.mail_of(mail).1.0 as usize - 1;
        take(space, world, Move { node, act: Act::Deliver(mail) }, found)?;
    }
    for node in 0..space.bounds().nodes as usize {
        for act in own_acts(space, world, node).into_iter().flatten() {
            take(space, world, Move { node, act }, found)?;
        }
        if space.bounds().courtesies == Courtesies::Free && P::news(1).is_some() {
            hear(space, world, node, found)?;
        }
        crash(space, world, node, found)?;
    }
    Ok(())
}

/// What a node, its clients and its disk can do by themselves.
fn own_acts<P: Explored>(space: &Space<P>, world: &World, node: usize) -> [Option<Act>; 4] {
    let (bounds, ghost) = (space.bounds(), space.ghost_of(world.ghost));
    let view = space.view(world.nodes[node]);
    let leads = view.role == Role::Leader;
    let has_room = view.last.0 < bounds.log_max;
    let campaigns = !leads && has_room && view.round < bounds.rounds;
    let proposes = leads && has_room && ghost.commands < bounds.commands;
    let reads = leads && ghost.reads < bounds.reads;
    let syncs = bounds.persistence != Persistence::WithSending && 0 < view.pending;
    [
        syncs.then_some(Act::Sync),
        campaigns.then_some(Act::Campaign),
        proposes.then_some(Act::Propose(ghost.commands + 1)),
        reads.then_some(Act::Read(ghost.committed().0 as u8)),
    ]
}

fn hear<P: Explored>(
    space: &mut Space<P>,
    world: &World,
    node: usize,
    found: &mut Vec<(Move, World)>,
) -> Result<(), (Move, Finding)> {
    let known = space.view(world.nodes[node]).round;
    for round in known + 1..=space.ghost_of(world.ghost).newest {
        take(space, world, Move { node, act: Act::Hear(round as u8) }, found)?;
    }
    Ok(())
}

fn crash<P: Explored>(
    space: &mut Space<P>,
    world: &World,
    node: usize,
    found: &mut Vec<(Move, World)>,
) -> Result<(), (Move, Finding)> {
    if space.bounds().crashes <= space.ghost_of(world.ghost).crashes {
        return Ok(());
    }
    for kept in 0..=space.view(world.nodes[node]).pending {
        take(space, world, Move { node, act: Act::Crash(kept as u8) }, found)?;
    }
    Ok(())
}

/// Takes one step.
fn take<P: Explored>(
    space: &mut Space<P>,
    world: &World,
    taken: Move,
    found: &mut Vec<(Move, World)>,
) -> Result<(), (Move, Finding)> {
    let before = world.nodes[taken.node];
    let number = space.step(before, taken.act);
    let step = space.step_of(number);
    if let Some(finding) = &step.finding {
        return Err((taken, Finding::clone(finding)));
    }
    let (after, is_concern) = (step.next, step.is_concern);
    if after == before && step.sent.is_empty() {
        return Ok(());
    }
    if is_overloaded(space.bounds(), space.view(after)) {
        return Ok(());
    }
    let mut next = *world;
    next.nodes[taken.node] = after;
    if is_concern || matches!(taken.act, Act::Crash(_) | Act::Propose(_) | Act::Read(_)) {
        next.ghost = remember(space, world, &next, taken).map_err(|finding| (taken, finding))?;
    }
    let mut crowd = Crowd::gather(space, world, &next, taken, number);
    crowd.spread(space.bounds().messages, |mail| {
        let mut reached = next;
        reached.mail = mail;
        if reached != *world {
            found.push((taken, reached));
        }
    });
    Ok(())
}

fn is_overloaded(bounds: &Bounds, view: &View) -> bool {
    let is_slow = match bounds.persistence {
        Persistence::WithSending => false,
        Persistence::Apart { unsynced_max } => unsynced_max < view.pending,
    };
    is_slow || bounds.log_max < view.last.0 || bounds.rounds < view.round
}

/// The memory after a step.
fn remember<P: Explored>(
    space: &mut Space<P>,
    world: &World,
    next: &World,
    taken: Move,
) -> Result<GhostId, Finding> {
    let mut ghost = space.ghost_of(world.ghost).clone();
    match taken.act {
        Act::Crash(_) => ghost.crashes += 1,
        Act::Propose(_) => ghost.commands += 1,
        Act::Read(_) => ghost.reads += 1,
        _ => {}
    }
    let nodes = &next.nodes[..space.bounds().nodes as usize];
    let nodes: Vec<&View> = nodes.iter().map(|&state| space.view(state)).collect();
    ghost.observe(&Look {
        order: P::Engine::ORDER,
        scope: space.bounds().checks,
        before: space.view(world.nodes[taken.node]),
        after: nodes[taken.node],
        nodes: &nodes,
    })?;
    Ok(space.ghost(ghost))
}

/// The messages in flight after a step, before any is lost.
struct Crowd {
    mail: [MailId; CROWD_MAX],
    count: usize,
}

impl Crowd {
    /// What was in flight and what the step sent, but for what can change nothing any more.
    fn gather<P: Explored>(
        space: &mut Space<P>,
        world: &World,
        next: &World,
        taken: Move,
        step: u32,
    ) -> Self {
        let mut crowd = Self { mail: [NONE; CROWD_MAX], count: 0 };
        let is_once = space.bounds().delivery == Delivery::Once;
        let is_gone = |mail: MailId| is_once && taken.act == Act::Deliver(mail);
        let kept = world.mail().filter(|&mail| !is_gone(mail));
        let all: Vec<MailId> = kept.chain(space.step_of(step).sent.iter().copied()).collect();
        for mail in all {
            let is_known = crowd.mail[..crowd.count].contains(&mail);
            if is_known || is_spent(space, next, mail) {
                continue;
            }
            assert!(crowd.count < CROWD_MAX, "one step sends more messages than were thought of");
            crowd.mail[crowd.count] = mail;
            crowd.count += 1;
        }
        crowd.mail[..crowd.count].sort_unstable();
        crowd
    }

    /// Gives every set of messages that the network can hold: all of them, or as many as it has
    /// room for. Smaller sets lead to nothing that these do not: whatever happens without
    /// a message can happen beside it.
    fn spread(&mut self, room: usize, mut give: impl FnMut([MailId; MAIL_MAX])) {
        let mut chosen = [NONE; MAIL_MAX];
        if self.count <= room {
            chosen[..self.count].copy_from_slice(&self.mail[..self.count]);
            return give(chosen);
        }
        for set in 0_u32..1 << self.count {
            if set.count_ones() as usize != room {
                continue;
            }
            let members = (0..self.count).filter(|place| set >> place & 1 == 1);
            for (slot, place) in members.enumerate() {
                chosen[slot] = self.mail[place];
            }
            give(chosen);
        }
    }
}

/// Whether a message can change nothing any more in this world.
pub(super) fn is_spent<P: Explored>(space: &mut Space<P>, world: &World, mail: MailId) -> bool {
    let (from, to, message) = space.mail_of(mail);
    let (place, bounds) = (to.0 as usize - 1, space.bounds());
    let from = space.view(world.nodes[from.0 as usize - 1]);
    let to = space.view(world.nodes[place]);
    if P::is_spent(message, from, to, bounds) {
        return true;
    }
    P::stays_idle(message, from, to, bounds) && is_idle(space, world, place, mail)
}

/// Whether a message leaves its receiver as it is, and what is answered is spent.
fn is_idle<P: Explored>(space: &mut Space<P>, world: &World, to: usize, mail: MailId) -> bool {
    let number = space.step(world.nodes[to], Act::Deliver(mail));
    let step = space.step_of(number);
    if step.finding.is_some() || step.next != world.nodes[to] {
        return false;
    }
    let answers = step.sent.clone();
    answers.iter().all(|&answer| is_spent(space, world, answer))
}

/// The same world under the names that make it least: one for all that differ in names alone.
pub(super) fn canonical<P: Explored>(space: &mut Space<P>, world: &World) -> World {
    if space.renamings.len() == 1 {
        return *world;
    }
    let nodes = space.bounds().nodes as usize;
    let mut signatures = [0; NODES_MAX];
    for (signature, &state) in signatures.iter_mut().zip(&world.nodes[..nodes]) {
        *signature = space.signature(state);
    }
    let mut least = None;
    for renaming in 0..space.renamings.len() {
        // Only names that put the signatures in order are tried: mostly one.
        let mut sorted = [0; NODES_MAX];
        for (place, name) in space.renamings[renaming].0.iter().enumerate() {
            sorted[name.0 as usize - 1] = signatures[place];
        }
        if sorted[..nodes].is_sorted() {
            let renamed = renamed(space, world, renaming);
            least = least.map_or(Some(renamed), |least: World| Some(least.min(renamed)));
        }
    }
    least.expect("some order of the signatures ascends")
}

fn renamed<P: Explored>(space: &mut Space<P>, world: &World, renaming: usize) -> World {
    let mut renamed = World::first(&[], space.renamed_ghost(world.ghost, renaming));
    for place in 0..space.bounds().nodes as usize {
        let name = space.renamings[renaming].0[place];
        renamed.nodes[name.0 as usize - 1] = space.renamed_state(world.nodes[place], renaming);
    }
    for (slot, mail) in world.mail().enumerate() {
        renamed.mail[slot] = space.renamed_mail(mail, renaming);
    }
    renamed.mail.sort_unstable();
    renamed
}
