//! One client that watches: its stream, and what it does with it.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use quorate_consensus::{Instant, NodeId};
use quorate_kv::{CancelCause, StreamId, WatchId, WatchResponse};

use super::super::Reachable;
use super::super::operation::OperationId;
use super::wish::Wish;
use super::{Context, Said, StreamWord, WATCHER_FIRST};
use crate::draws::Site;

/// How long a client waits before it looks again for a node that runs.
const NOBODY_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause from one stream to the next.
const AWAY_MAX: Duration = Duration::from_millis(400);

/// How often a client that does nothing else asks how far it has come.
const ASK_EVERY: Duration = Duration::from_millis(200);

const ACT: Site = Site::new("watchers/act");
const NODE: Site = Site::new("watchers/node");
const AWAY: Site = Site::new("watchers/away");

/// A client that watches.
#[derive(Clone, Debug)]
pub(super) struct Watcher {
    number: u32,
    /// The number of its next stream.
    next_life: u32,
    state: State,
    wishes: Vec<Wish>,
    /// How many wishes it has had.
    wished: u64,
    /// The newest revision that it has heard of.
    known: i64,
    /// The node of its last stream.
    last: Option<NodeId>,
}

#[derive(Clone, Debug)]
enum State {
    /// It has no stream until then.
    Away { until: Instant },
    /// It has one.
    Open(Box<Open>),
}

#[derive(Clone, Debug)]
struct Open {
    stream: StreamId,
    node: NodeId,
    life: u32,
    /// The wishes, by their place, whose beginning was not told yet.
    asked: VecDeque<usize>,
    /// The wishes that are watches.
    watches: BTreeMap<WatchId, usize>,
    acts: u64,
    next_act: Instant,
    /// Until when it takes nothing.
    stalled: Option<Instant>,
    /// What it did not take yet.
    waiting: VecDeque<Vec<WatchResponse>>,
}

impl Open {
    fn said(&self, word: StreamWord) -> Said {
        Said { stream: self.stream, node: self.node, word }
    }
}

impl Watcher {
    pub(super) fn new(number: u32, now: Instant) -> Self {
        Self {
            number,
            next_life: 1,
            state: State::Away { until: now },
            wishes: Vec::new(),
            wished: 0,
            known: 1,
            last: None,
        }
    }

    /// Whether this is its stream.
    pub(super) fn has(&self, stream: StreamId) -> bool {
        matches!(&self.state, State::Open(open) if open.stream == stream)
    }

    pub(super) fn deadline(&self) -> Instant {
        match &self.state {
            State::Away { until } => *until,
            State::Open(open) => {
                open.stalled.map_or(open.next_act, |until| until.min(open.next_act))
            }
        }
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, now: Instant, context: Context<'_>) -> Vec<Said> {
        let mut said = Vec::new();
        match &mut self.state {
            State::Away { until } if *until <= now => self.open(now, context, &mut said),
            State::Away { .. } => {}
            State::Open(open) => {
                if open.stalled.is_some_and(|until| until <= now) {
                    open.stalled = None;
                    self.read(&mut said);
                }
                self.act_when_due(now, context, &mut said);
            }
        }
        said
    }

    /// Stops to do anything but to take what it is told.
    pub(super) fn settle(&mut self, now: Instant) {
        if let State::Open(open) = &mut self.state {
            open.stalled = open.stalled.map(|_| now);
            open.next_act = now;
        }
    }

    /// A batch of responses has come.
    pub(super) fn on_told(&mut self, batch: Vec<WatchResponse>) -> Vec<Said> {
        let mut said = Vec::new();
        if let State::Open(open) = &mut self.state {
            open.waiting.push_back(batch);
            if open.stalled.is_none() {
                self.read(&mut said);
            }
        }
        said
    }

    /// The stream is gone.
    pub(super) fn on_lost(&mut self, now: Instant, context: Context<'_>) {
        self.leave(now, context);
    }

    fn leave(&mut self, now: Instant, context: Context<'_>) {
        let keys = [u64::from(self.number), u64::from(self.next_life)];
        let pause = context.draws.duration(AWAY, keys, Duration::ZERO, AWAY_MAX);
        self.state = State::Away { until: now + pause };
    }

    fn open(&mut self, now: Instant, context: Context<'_>, said: &mut Vec<Said>) {
        let life = self.next_life;
        let Some(node) = self.node(context) else {
            self.state = State::Away { until: now + NOBODY_PAUSE };
            return;
        };
        self.next_life += 1;
        let operation = OperationId::new(WATCHER_FIRST + self.number, life);
        if context.without.contains(&operation) {
            self.leave(now, context);
            return;
        }
        let mut open = Open {
            stream: StreamId(operation.ticket().0),
            node,
            life,
            asked: VecDeque::new(),
            watches: BTreeMap::new(),
            acts: 0,
            next_act: now + context.gap(self.number, life, 0),
            stalled: None,
            waiting: VecDeque::new(),
        };
        let has_moved = self.last.replace(node).is_some_and(|last| last != node);
        said.push(open.said(StreamWord::Open));
        let keys = [u64::from(self.number), u64::from(life), 0];
        let most = u64::from(context.plan.watching.watches_max);
        let count = 1 + context.draws.below(ACT, keys, most) as usize;
        while self.wishes.len() < count {
            self.wish(context, life);
        }
        for place in 0..self.wishes.len() {
            let wish = &self.wishes[place];
            let request = Box::new(wish.request());
            let is_resumed = has_moved && wish.is_resumed();
            let word = if is_resumed { StreamWord::Resume } else { StreamWord::Create };
            said.push(open.said(word(request)));
            open.asked.push_back(place);
        }
        self.state = State::Open(Box::new(open));
    }

    /// Any node, and not often the same again.
    fn node(
        &self,
        Context { draws, reachable: Reachable { nodes, .. }, .. }: Context<'_>,
    ) -> Option<NodeId> {
        let keys = [u64::from(self.number), u64::from(self.next_life), 0];
        let others: Vec<NodeId> =
            nodes.iter().copied().filter(|node| Some(*node) != self.last).collect();
        let stays = others.is_empty() || draws.below(NODE, keys, 4) == 0;
        let choices = if stays { nodes } else { &others };
        (!choices.is_empty()).then(|| {
            *draws.one_of(NODE, [u64::from(self.number), u64::from(self.next_life), 1], choices)
        })
    }

    fn wish(&mut self, context: Context<'_>, life: u32) {
        self.wished += 1;
        let keys = [u64::from(self.number), u64::from(life), self.wished];
        self.wishes.push(Wish::draw(context.draws, context.plan, keys, self.known));
    }

    fn act_when_due(&mut self, now: Instant, context: Context<'_>, said: &mut Vec<Said>) {
        let State::Open(open) = &mut self.state else { return };
        if now < open.next_act {
            return;
        }
        open.acts += 1;
        let life = open.life;
        if context.is_settled {
            open.next_act = now + ASK_EVERY;
            said.push(open.said(StreamWord::Progress));
            return;
        }
        open.next_act = now + context.gap(self.number, life, open.acts);
        let keys = [u64::from(self.number), u64::from(life), open.acts];
        match context.draws.below(ACT, keys, 12) {
            0..4 => said.push(open.said(StreamWord::Progress)),
            4 | 5 => self.replace(context, said),
            6 => self.add(context, said),
            7 | 8 => {
                let stall = context.draws.duration(
                    ACT,
                    [keys[0], keys[1], keys[2], 1],
                    Duration::ZERO,
                    context.plan.watching.stall,
                );
                open.stalled = Some(now + stall);
            }
            9 | 10 => {
                said.push(open.said(StreamWord::Close));
                self.leave(now, context);
            }
            _ => {}
        }
    }

    /// Ends one watch, and begins another.
    fn replace(&mut self, context: Context<'_>, said: &mut Vec<Said>) {
        let State::Open(open) = &mut self.state else { return };
        let keys = [u64::from(self.number), u64::from(open.life), open.acts, 2];
        let names: Vec<WatchId> = open.watches.keys().copied().collect();
        if names.is_empty() {
            return;
        }
        let name = *context.draws.one_of(ACT, keys, &names);
        said.push(open.said(StreamWord::Cancel(name)));
        self.add(context, said);
    }

    fn add(&mut self, context: Context<'_>, said: &mut Vec<Said>) {
        let State::Open(open) = &self.state else { return };
        let life = open.life;
        self.wish(context, life);
        let place = self.wishes.len() - 1;
        let request = Box::new(self.wishes[place].request());
        let State::Open(open) = &mut self.state else { return };
        open.asked.push_back(place);
        said.push(open.said(StreamWord::Create(request)));
    }

    /// Takes all that waits.
    fn read(&mut self, said: &mut Vec<Said>) {
        let State::Open(open) = &mut self.state else { return };
        let mut gone = Vec::new();
        for batch in core::mem::take(&mut open.waiting) {
            for response in &batch {
                self.known = self.known.max(learn(open, &mut self.wishes, &mut gone, response));
            }
            said.push(open.said(StreamWord::Taken));
        }
        self.drop_wishes(gone);
    }

    /// Wishes that were refused or ended are not taken to the next stream.
    fn drop_wishes(&mut self, mut gone: Vec<usize>) {
        let State::Open(open) = &mut self.state else { return };
        gone.sort_unstable();
        for place in gone.into_iter().rev() {
            self.wishes.remove(place);
            let moved = |it: &mut usize| *it -= usize::from(place < *it);
            open.asked.iter_mut().for_each(moved);
            open.watches.values_mut().for_each(moved);
        }
    }
}

/// What a response says to its client; gives the revision that it speaks of.
fn learn(
    open: &mut Open,
    wishes: &mut [Wish],
    gone: &mut Vec<usize>,
    response: &WatchResponse,
) -> i64 {
    match response {
        WatchResponse::Created { watch, revision } => {
            if let Some(place) = open.asked.pop_front() {
                wishes[place].on_begun(*revision);
                open.watches.insert(*watch, place);
            }
            *revision
        }
        WatchResponse::Refused { revision, .. } => {
            gone.extend(open.asked.pop_front());
            *revision
        }
        WatchResponse::Changes { watch, changes, is_fragment, .. } => {
            let last = changes.last().map_or(0, |change| change.revision.main);
            if let (Some(place), false) = (open.watches.get(watch), *is_fragment) {
                wishes[*place].on_told(last);
            }
            last
        }
        WatchResponse::Progress { watch: Some(watch), revision } => {
            if let Some(place) = open.watches.get(watch) {
                wishes[*place].on_told(*revision);
            }
            *revision
        }
        WatchResponse::Progress { watch: None, revision } => {
            for place in open.watches.values() {
                wishes[*place].on_told(*revision);
            }
            *revision
        }
        WatchResponse::Canceled { watch, cause } => {
            let place = open.watches.remove(watch);
            match cause {
                CancelCause::Asked { revision } => {
                    gone.extend(place);
                    *revision
                }
                CancelCause::Compacted { compacted } => {
                    if let Some(place) = place {
                        wishes[place].on_compacted(*compacted);
                    }
                    *compacted
                }
            }
        }
    }
}

impl Context<'_> {
    /// The time until the next thing that a client does.
    fn gap(self, number: u32, life: u32, act: u64) -> Duration {
        let keys = [u64::from(number), u64::from(life), act, 3];
        self.draws.duration(ACT, keys, Duration::ZERO, self.plan.watching.gap)
    }
}
