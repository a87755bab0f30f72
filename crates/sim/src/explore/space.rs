//! The parts that worlds are made of, each kept once and named by a number: nodes, messages,
//! memories. A world is then a few numbers, and the engine runs once for each thing that can happen
//! to each node, however many worlds it happens in.

use std::collections::BTreeMap;

use quorate_codec::Wire;
use quorate_consensus::{Envelope, Index, NodeId};

use bytes::BytesMut;

use super::bounds::{Bounds, Symmetry};
use super::disk::Disk;
use super::finding::Finding;
use super::ghost::Ghost;
use super::node::{Event, Node, Setup, View};
use super::protocol::{Explored, Renaming};
use super::states::{fold, hash};

/// The number of a node in one of its states.
pub(super) type NodeState = u32;
/// The number of a message with its sender and receiver.
pub(super) type MailId = u32;
/// The number of a memory.
pub(super) type GhostId = u32;

/// Numbers are packed into three bytes; the highest says "none".
pub(super) const NUMBER_MAX: u32 = (1 << 24) - 2;

/// Something that can happen to a node, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Deliver(MailId),
    Campaign,
    Hear(u8),
    Propose(u8),
    Read(u8),
    Sync,
    Crash(u8),
}

impl Act {
    /// The act of a code.
    #[cfg(test)]
    fn of(code: u32) -> Self {
        let number = code & 0xff_ffff;
        match code >> 24 {
            0 => Self::Deliver(number),
            1 => Self::Campaign,
            2 => Self::Hear(number as u8),
            3 => Self::Propose(number as u8),
            4 => Self::Read(number as u8),
            5 => Self::Sync,
            6 => Self::Crash(number as u8),
            tag => unreachable!("no act has the tag {tag}"),
        }
    }

    fn code(self) -> u32 {
        let (tag, number) = match self {
            Self::Deliver(mail) => (0, mail),
            Self::Campaign => (1, 0),
            Self::Hear(round) => (2, u32::from(round)),
            Self::Propose(sequence) => (3, u32::from(sequence)),
            Self::Read(committed) => (4, u32::from(committed)),
            Self::Sync => (5, 0),
            Self::Crash(kept) => (6, u32::from(kept)),
        };
        tag << 24 | number
    }
}

/// What happens to a node when it takes an act in a state.
#[derive(Debug)]
pub(super) struct Step {
    pub next: NodeState,
    pub sent: Box<[MailId]>,
    /// Whether the memory must look at it.
    pub is_concern: bool,
    pub finding: Option<Box<Finding>>,
}

struct Local<P: Explored> {
    node: Box<Node<P>>,
    view: View,
    signature: u64,
    /// How it was first reached; itself, for the states that nodes start in.
    origin: Option<(NodeState, Act)>,
    /// Its number under each renaming, as far as known.
    names: Box<[u32]>,
}

struct Mail<M> {
    from: NodeId,
    to: NodeId,
    message: M,
    names: Box<[u32]>,
}

struct Memory {
    ghost: Ghost,
    names: Box<[u32]>,
}

const UNKNOWN: u32 = u32::MAX;

/// All parts met so far.
pub(super) struct Space<P: Explored> {
    pub setup: Setup,
    pub renamings: Vec<Renaming>,
    locals: Vec<Local<P>>,
    local_numbers: BTreeMap<u128, NodeState>,
    mails: Vec<Mail<P::Message>>,
    mail_numbers: BTreeMap<Vec<u8>, MailId>,
    ghosts: Vec<Memory>,
    ghost_numbers: BTreeMap<Ghost, GhostId>,
    steps: Vec<Step>,
    step_numbers: Numbers,
    roots: Vec<NodeState>,
}

impl<P: Explored> Space<P> {
    /// The nodes at their start, with what they send before anything happens.
    pub(super) fn new(setup: Setup) -> Result<(Self, Vec<MailId>), Finding> {
        let renamings = match setup.bounds.symmetry {
            Symmetry::Used => Renaming::all(setup.bounds.nodes),
            Symmetry::Unused => vec![Renaming((1..=setup.bounds.nodes).map(NodeId).collect())],
        };
        let mut space = Self {
            setup,
            renamings,
            locals: Vec::new(),
            local_numbers: BTreeMap::new(),
            mails: Vec::new(),
            mail_numbers: BTreeMap::new(),
            ghosts: Vec::new(),
            ghost_numbers: BTreeMap::new(),
            steps: Vec::new(),
            step_numbers: Numbers::new(),
            roots: Vec::new(),
        };
        let mut mail = Vec::new();
        for place in 0..space.setup.bounds.nodes {
            let disk = space.setup.bounds.logs.get(place as usize).map(Disk::seeded);
            let node = NodeId(place + 1);
            let (node, sent) = Node::start(&space.setup, node, disk.unwrap_or_default())?;
            let from = NodeId(place + 1);
            mail.extend(sent.into_iter().map(|envelope| space.mail(from, envelope)));
            let root = space.local(node, None);
            space.roots.push(root);
        }
        Ok((space, mail))
    }

    /// The state that each node starts in.
    pub(super) fn roots(&self) -> &[NodeState] {
        &self.roots
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.setup.bounds
    }

    pub(super) fn view(&self, state: NodeState) -> &View {
        &self.locals[state as usize].view
    }

    pub(super) fn signature(&self, state: NodeState) -> u64 {
        self.locals[state as usize].signature
    }

    pub(super) fn mail_of(&self, mail: MailId) -> (NodeId, NodeId, &P::Message) {
        let mail = &self.mails[mail as usize];
        (mail.from, mail.to, &mail.message)
    }

    pub(super) fn ghost_of(&self, ghost: GhostId) -> &Ghost {
        &self.ghosts[ghost as usize].ghost
    }

    pub(super) fn step_of(&self, step: u32) -> &Step {
        &self.steps[step as usize]
    }

    /// Every step taken so far: the state, the act and the number of the step.
    #[cfg(test)]
    pub(super) fn known_steps(&self) -> impl Iterator<Item = (NodeState, Act, u32)> {
        self.step_numbers
            .slots
            .iter()
            .filter(|slot| **slot != Numbers::FREE)
            .map(|slot| ((slot.0 >> 32) as u32, Act::of(slot.0 as u32), slot.1))
    }

    /// The node itself, as it first came to a state.
    #[cfg(test)]
    pub(super) fn node(&self, state: NodeState) -> &Node<P> {
        &self.locals[state as usize].node
    }

    /// How many node states, messages, memories and steps there are.
    pub(super) fn counts(&self) -> [usize; 4] {
        [self.locals.len(), self.mails.len(), self.ghosts.len(), self.steps.len()]
    }

    /// About how many bytes of memory the parts take.
    pub(super) fn bytes(&self) -> u64 {
        /// A node's maps, queues and vectors, its view and its entry in the table, as measured.
        const NODE: usize = 3_000;
        const MAIL: usize = 400;
        const STEP: usize = 64;
        let [nodes, mails, ghosts, steps] = self.counts();
        let parts = nodes * NODE + (mails + ghosts) * MAIL + steps * STEP;
        parts as u64 + self.step_numbers.bytes()
    }

    fn local(&mut self, node: Node<P>, origin: Option<(NodeState, Act)>) -> NodeState {
        let key = node.key();
        // Two independent halves: among billions of states no two meet by chance.
        let halves = [hash(&key), key.iter().fold(!0, |hash, byte| fold(hash ^ u64::from(*byte)))];
        let key = u128::from(halves[0]) << 64 | u128::from(halves[1]);
        if let Some(&known) = self.local_numbers.get(&key) {
            return known;
        }
        let number = number_of(self.locals.len());
        let view = node.view();
        let names = vec![UNKNOWN; self.renamings.len()].into();
        let (node, signature) = (Box::new(node), view.signature());
        self.locals.push(Local { node, view, signature, origin, names });
        self.local_numbers.insert(key, number);
        number
    }

    fn mail(&mut self, from: NodeId, envelope: Envelope<P::Message>) -> MailId {
        let mut bytes = BytesMut::new();
        bytes.extend_from_slice(&[from.0 as u8, envelope.to.0 as u8]);
        envelope.message.encode(&mut bytes);
        if let Some(&known) = self.mail_numbers.get(&bytes[..]) {
            return known;
        }
        let number = number_of(self.mails.len());
        let names = vec![UNKNOWN; self.renamings.len()].into();
        let Envelope { to, message } = envelope;
        self.mails.push(Mail { from, to, message, names });
        self.mail_numbers.insert(bytes.to_vec(), number);
        number
    }

    /// The number of a memory.
    pub(super) fn ghost(&mut self, ghost: Ghost) -> GhostId {
        if let Some(&known) = self.ghost_numbers.get(&ghost) {
            return known;
        }
        let number = number_of(self.ghosts.len());
        let names = vec![UNKNOWN; self.renamings.len()].into();
        self.ghosts.push(Memory { ghost: ghost.clone(), names });
        self.ghost_numbers.insert(ghost, number);
        number
    }

    /// What `act` does to a node in `state`. Runs the engine the first time.
    pub(super) fn step(&mut self, state: NodeState, act: Act) -> u32 {
        let key = u64::from(state) << 32 | u64::from(act.code());
        if let Some(step) = self.step_numbers.get(key) {
            return step;
        }
        let number = self.steps.len() as u32;
        let step = self.run(state, act);
        self.steps.push(step);
        self.step_numbers.insert(key, number);
        number
    }

    fn run(&mut self, state: NodeState, act: Act) -> Step {
        let event = self.event(act);
        let local = &self.locals[state as usize];
        let from = local.view.node;
        match local.node.take(&self.setup, event) {
            Err(finding) => Step {
                next: state,
                sent: Box::default(),
                is_concern: false,
                finding: Some(Box::new(finding)),
            },
            Ok((node, sent)) => {
                let next = self.local(node, Some((state, act)));
                let mut sent: Vec<MailId> =
                    sent.into_iter().map(|envelope| self.mail(from, envelope)).collect();
                sent.sort_unstable();
                sent.dedup();
                let is_concern = Ghost::concerns(self.view(state), self.view(next));
                Step { next, sent: sent.into(), is_concern, finding: None }
            }
        }
    }

    /// An act in full.
    pub(super) fn event(&self, act: Act) -> Event<P::Message> {
        match act {
            Act::Deliver(mail) => {
                let (from, _, message) = self.mail_of(mail);
                Event::Deliver { from, message: message.clone() }
            }
            Act::Campaign => Event::Campaign,
            Act::Hear(round) => Event::Hear { round: u64::from(round) },
            Act::Propose(sequence) => Event::Propose { sequence: u64::from(sequence) },
            Act::Read(committed) => Event::Read { committed: Index(u64::from(committed)) },
            Act::Sync => Event::Sync,
            Act::Crash(kept) => Event::Crash { kept: usize::from(kept) },
        }
    }

    /// A node's state under other names: reached by what led to it, under those names.
    pub(super) fn renamed_state(&mut self, state: NodeState, renaming: usize) -> NodeState {
        let known = self.locals[state as usize].names[renaming];
        if known != UNKNOWN {
            return known;
        }
        let renamed = match self.locals[state as usize].origin {
            None => {
                let node = self.renamings[renaming].node(self.view(state).node);
                self.roots[node.0 as usize - 1]
            }
            Some((before, act)) => {
                let before = self.renamed_state(before, renaming);
                let act = match act {
                    Act::Deliver(mail) => Act::Deliver(self.renamed_mail(mail, renaming)),
                    same => same,
                };
                let step = self.step(before, act);
                let step = self.step_of(step);
                assert!(step.finding.is_none(), "the engine acts by the names of nodes");
                step.next
            }
        };
        self.locals[state as usize].names[renaming] = renamed;
        renamed
    }

    /// A message under other names.
    pub(super) fn renamed_mail(&mut self, mail: MailId, renaming: usize) -> MailId {
        let known = self.mails[mail as usize].names[renaming];
        if known != UNKNOWN {
            return known;
        }
        let names = &self.renamings[renaming];
        let (from, to, message) = self.mail_of(mail);
        let message = P::renamed(message, names);
        let (from, to) = (names.node(from), names.node(to));
        let renamed = self.mail(from, Envelope { to, message });
        self.mails[mail as usize].names[renaming] = renamed;
        renamed
    }

    /// A memory under other names.
    pub(super) fn renamed_ghost(&mut self, ghost: GhostId, renaming: usize) -> GhostId {
        let known = self.ghosts[ghost as usize].names[renaming];
        if known != UNKNOWN {
            return known;
        }
        let renamed = self.ghost_of(ghost).renamed(&self.renamings[renaming]);
        let renamed = self.ghost(renamed);
        self.ghosts[ghost as usize].names[renaming] = renamed;
        renamed
    }
}

fn number_of(count: usize) -> u32 {
    let number = u32::try_from(count).expect("the parts are far fewer than 2^32");
    assert!(number <= NUMBER_MAX, "the parts of the worlds are too many: choose smaller bounds");
    number
}

/// Numbers by 64-bit keys, in an open-addressing table.
struct Numbers {
    slots: Vec<(u64, u32)>,
    used: usize,
}

impl Numbers {
    const FREE: (u64, u32) = (0, UNKNOWN);

    fn new() -> Self {
        Self { slots: vec![Self::FREE; 1 << 10], used: 0 }
    }

    fn bytes(&self) -> u64 {
        (self.slots.len() * size_of::<(u64, u32)>()) as u64
    }

    fn place(&self, key: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = fold(key) as usize & mask;
        while self.slots[slot] != Self::FREE && self.slots[slot].0 != key {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn get(&self, key: u64) -> Option<u32> {
        let slot = self.slots[self.place(key)];
        (slot != Self::FREE).then_some(slot.1)
    }

    fn insert(&mut self, key: u64, number: u32) {
        if self.slots.len() < self.used * 2 {
            let size = self.slots.len() * 2;
            let old = core::mem::replace(&mut self.slots, vec![Self::FREE; size]);
            for slot in old.into_iter().filter(|slot| *slot != Self::FREE) {
                let place = self.place(slot.0);
                self.slots[place] = slot;
            }
        }
        let place = self.place(key);
        self.slots[place] = (key, number);
        self.used += 1;
    }
}
