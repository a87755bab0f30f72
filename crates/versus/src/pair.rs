//! An etcd and a Quorate side by side, on which sequences are run and made shorter.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::answer::Answer;
use crate::compare::{Finding, compare};
use crate::known::{Known, Met};
use crate::sequence::Step;
use crate::server::{Program, Server};
use crate::session::Session;
use crate::simplify::{simpler, without_parts};

/// Runs of one sequence that shortening it may take.
const SHORTENING_RUNS_MAX: u32 = 600;

/// How long shortening may take: where each run ends in a cluster that has to be started anew, few
/// runs take minutes.
const SHORTENING_TIME_MAX: Duration = Duration::from_mins(2);

/// What can be started.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// Members of each cluster.
    pub(crate) members: usize,
    /// etcd.
    pub(crate) etcd: Program,
    /// Quorate.
    pub(crate) quorate: Program,
}

/// What both answered to one sequence.
pub(crate) struct Run {
    /// etcd's answers.
    pub(crate) etcd: Vec<Answer>,
    /// Quorate's.
    pub(crate) quorate: Vec<Answer>,
    /// The first difference that is not meant.
    pub(crate) finding: Option<Finding>,
    /// How a process ended that should not have.
    pub(crate) ended: Option<String>,
}

/// The two servers.
pub(crate) struct Pair {
    programs: Programs,
    servers: [Server; 2],
    sessions: [Session; 2],
}

impl Pair {
    /// Starts both.
    pub(crate) async fn start(programs: &Programs) -> Result<Self> {
        let etcd = Server::start(&programs.etcd, programs.members).await?;
        let quorate = Server::start(&programs.quorate, programs.members).await?;
        let sessions = [&etcd, &quorate].map(|server| Session::new(&server.channels));
        Ok(Self { programs: programs.clone(), servers: [etcd, quorate], sessions })
    }

    /// Runs a sequence on both. What ends is started again.
    pub(crate) async fn run(
        &mut self,
        steps: &[Step],
        known: &Known,
        met: &mut Met,
    ) -> Result<Run> {
        let [etcd, quorate] = &mut self.sessions;
        let (etcd, quorate) = tokio::join!(etcd.run(steps), quorate.run(steps));
        let ended = self.servers.iter_mut().find_map(Server::ended);
        if ended.is_some() || self.sessions.iter().any(|session| session.is_apart) {
            *self = Self::start(&self.programs).await?;
        }
        let finding = compare(steps, &etcd, &quorate, known, met);
        Ok(Run { etcd, quorate, finding, ended })
    }

    /// The shortest form of a sequence found that still has the same difference.
    pub(crate) async fn shorten(
        &mut self,
        mut steps: Vec<Step>,
        signature: &str,
        known: &Known,
    ) -> Result<Vec<Step>> {
        let mut budget =
            Budget { runs: SHORTENING_RUNS_MAX, end: Instant::now() + SHORTENING_TIME_MAX };
        while let Some(shorter) = self.shorter(&steps, signature, known, &mut budget).await? {
            steps = shorter;
        }
        Ok(steps)
    }

    async fn shorter(
        &mut self,
        steps: &[Step],
        signature: &str,
        known: &Known,
        budget: &mut Budget,
    ) -> Result<Option<Vec<Step>>> {
        for candidate in candidates(steps) {
            if !budget.allows_one() {
                return Ok(None);
            }
            let run = self.run(&candidate, known, &mut Met::new()).await?;
            if run.finding.is_some_and(|finding| finding.signature() == signature) {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }
}

/// What shortening may still take.
struct Budget {
    runs: u32,
    end: Instant,
}

impl Budget {
    fn allows_one(&mut self) -> bool {
        let is_left = 0 < self.runs && Instant::now() < self.end;
        self.runs = self.runs.saturating_sub(1);
        is_left
    }
}

/// Shorter sequences first, then those of as many but simpler steps.
fn candidates(steps: &[Step]) -> impl Iterator<Item = Vec<Step>> {
    let simplified = steps.iter().enumerate().flat_map(move |(place, step)| {
        simpler(step).into_iter().map(move |less| {
            let mut changed = steps.to_vec();
            changed[place] = less;
            changed
        })
    });
    without_parts(steps).into_iter().chain(simplified)
}
