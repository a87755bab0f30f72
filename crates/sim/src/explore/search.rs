//! The search: breadth first, until everything within the bounds was seen, something is wrong, or
//! a limit is reached.

use core::fmt;

use super::bounds::Bounds;
use super::finding::Finding;
use super::ghost::Ghost;
use super::node::Setup;
use super::protocol::Explored;
use super::space::Space;
use super::states::{StateId, States};
use super::trail::{self, Happening};
use super::world::{MAIL_MAX, Move, NODES_MAX, World, canonical, successors};
use crate::broken::Broken;

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Exploration<M> {
    /// How far it got.
    pub progress: Progress,
    /// Why it ended.
    pub end: End<M>,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Different worlds met.
    pub states: u64,
    /// Those of them whose successors were looked at.
    pub expanded: u64,
    /// Steps looked at that made another world, whether it was new or not.
    pub transitions: u64,
    /// The most steps from the beginning to any world met.
    pub depth: u32,
    /// Different states of single nodes.
    pub node_states: u64,
    /// Different messages, with sender and receiver.
    pub messages: u64,
    /// How many times the engine was run.
    pub engine_steps: u64,
    /// About how many bytes of memory are used; they never shrink.
    pub bytes: u64,
}

/// Why a search ended.
#[derive(Clone, Debug)]
pub enum End<M> {
    /// Everything within the bounds was seen, and nothing is wrong.
    Complete,
    /// Something is wrong, and this is a shortest way to it.
    Found {
        /// What.
        finding: Finding,
        /// How it comes about.
        trail: Vec<Happening<M>>,
    },
    /// The bound on states was reached: what was seen is right, the rest is unknown.
    StatesExhausted,
    /// The bound on memory was reached: what was seen is right, the rest is unknown.
    MemoryExhausted,
}

/// Explores the world of these bounds in which one rule is broken, or none.
///
/// `watch` is told how far the search is, every 2^16 worlds.
pub fn explore<P: Explored>(
    bounds: Bounds,
    broken: Broken,
    mut watch: impl FnMut(&Progress),
) -> Exploration<P::Message> {
    assert!(bounds.nodes as usize <= NODES_MAX, "a small world has at most {NODES_MAX} nodes");
    assert!(bounds.messages <= MAIL_MAX, "at most {MAIL_MAX} messages are in flight");
    let setup = Setup { bounds, broken };
    match Search::<P>::begin(setup) {
        Err(finding) => Exploration {
            progress: Progress::default(),
            end: End::Found { finding, trail: Vec::new() },
        },
        Ok(mut search) => {
            let end = search.run(&mut watch);
            Exploration { progress: search.progress(), end }
        }
    }
}

pub(super) struct Search<P: Explored> {
    pub space: Space<P>,
    pub states: States,
    expanded: StateId,
    transitions: u64,
    depth: u32,
    /// One after the last world of the present depth.
    level_end: usize,
    packed: Vec<u8>,
}

impl<P: Explored> Search<P> {
    pub(super) fn begin(setup: Setup) -> Result<Self, Finding> {
        let width = World::width(&setup.bounds);
        let (mut space, mail) = Space::<P>::new(setup)?;
        assert!(mail.is_empty(), "nodes speak before anything has happened");
        let mut ghost = Ghost::default();
        ghost.seed(&space.roots().iter().map(|&root| space.view(root)).collect::<Vec<_>>());
        let ghost = space.ghost(ghost);
        let first = World::first(space.roots(), ghost);
        let mut search = Self {
            space,
            states: States::new(width),
            expanded: 0,
            transitions: 0,
            depth: 0,
            level_end: 1,
            packed: Vec::new(),
        };
        search.meet(&first, 0);
        Ok(search)
    }

    fn meet(&mut self, world: &World, parent: StateId) {
        let world = canonical(&mut self.space, world);
        let mut packed = core::mem::take(&mut self.packed);
        world.pack(self.space.bounds(), &mut packed);
        self.states.insert(&packed, parent);
        self.packed = packed;
    }

    pub(super) fn world(&self, state: StateId) -> World {
        World::unpack(self.space.bounds(), self.states.get(state))
    }

    pub(super) fn run(&mut self, watch: &mut impl FnMut(&Progress)) -> End<P::Message> {
        let mut found = Vec::new();
        while (self.expanded as usize) < self.states.len() {
            if self.expanded.is_multiple_of(1 << 16) {
                let progress = self.progress();
                watch(&progress);
                if self.space.bounds().bytes_max <= progress.bytes {
                    return End::MemoryExhausted;
                }
            }
            if self.space.bounds().states_max <= self.states.len() {
                return End::StatesExhausted;
            }
            if self.expand(&mut found).is_err() {
                let (finding, trail) = trail::to(self, self.expanded);
                return End::Found { finding, trail };
            }
        }
        End::Complete
    }

    fn expand(&mut self, found: &mut Vec<(Move, World)>) -> Result<(), (Move, Finding)> {
        if self.expanded as usize == self.level_end {
            self.level_end = self.states.len();
            self.depth += 1;
        }
        let world = self.world(self.expanded);
        successors(&mut self.space, &world, found)?;
        self.transitions += found.len() as u64;
        for (_, next) in found.drain(..) {
            self.meet(&next, self.expanded);
        }
        self.expanded += 1;
        Ok(())
    }

    pub(super) fn progress(&self) -> Progress {
        let [node_states, messages, _, engine_steps] = self.space.counts().map(|n| n as u64);
        Progress {
            states: self.states.len() as u64,
            expanded: u64::from(self.expanded),
            transitions: self.transitions,
            depth: self.depth,
            node_states,
            messages,
            engine_steps,
            bytes: self.states.bytes() + self.space.bytes(),
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} states, {} expanded, {} transitions, depth {}, {} node states, {} messages, \
             {} engine steps, {} MB",
            self.states,
            self.expanded,
            self.transitions,
            self.depth,
            self.node_states,
            self.messages,
            self.engine_steps,
            self.bytes >> 20
        )
    }
}

impl<M> fmt::Display for End<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => formatter.write_str("complete: nothing is wrong within the bounds"),
            Self::StatesExhausted => formatter.write_str("stopped at the bound on states"),
            Self::MemoryExhausted => formatter.write_str("stopped at the bound on memory"),
            Self::Found { finding, trail } => {
                write!(formatter, "{finding}, in {} steps", trail.len())
            }
        }
    }
}
