//! The requests of a script and how they end: each at most once, and as it was announced.

use quorate_consensus::{
    Index, NodeId, Outcome, ProposalId, Proposed, Refusal, RequestId, TransferError,
};

use crate::fault::{Check, ensure, fail};

/// What a request is known by inside the engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handle {
    Proposal(ProposalId),
    Read(RequestId),
    Transfer(RequestId),
}

/// A request and its end.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// As scripts name it: `p1`, `r1`, `t1`.
    pub(crate) name: String,
    node: NodeId,
    handle: Handle,
    /// A read may not be released below what was committed when it was asked.
    floor: Index,
    is_lost: bool,
    outcome: Option<Outcome>,
}

impl Request {
    /// The end in words.
    pub(crate) fn describe(&self) -> String {
        match &self.outcome {
            Some(outcome) => describe(outcome),
            None if self.is_lost => "lost".to_owned(),
            None => "pending".to_owned(),
        }
    }
}

/// All requests of a script.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    all: Vec<Request>,
}

impl Requests {
    /// Notes a request before it is handed to the engine; its name.
    pub(crate) fn begin(&mut self, node: NodeId, handle: Handle, floor: Index) -> String {
        let (letter, is_kind): (char, fn(&Handle) -> bool) = match handle {
            Handle::Proposal(_) => ('p', |handle| matches!(handle, Handle::Proposal(_))),
            Handle::Read(_) => ('r', |handle| matches!(handle, Handle::Read(_))),
            Handle::Transfer(_) => ('t', |handle| matches!(handle, Handle::Transfer(_))),
        };
        let number = self.all.iter().filter(|request| is_kind(&request.handle)).count() + 1;
        let name = format!("{letter}{number}");
        let (is_lost, outcome) = (false, None);
        self.all.push(Request { name: name.clone(), node, handle, floor, is_lost, outcome });
        name
    }

    /// A number for the next read or transfer.
    pub(crate) fn next_id(&self) -> RequestId {
        RequestId(self.all.len() as u64 + 1)
    }

    /// Notes an outcome; the line to print.
    pub(crate) fn end(&mut self, node: NodeId, outcome: Outcome) -> Check<String> {
        let handle = match outcome {
            Outcome::Proposal { id, .. } => Handle::Proposal(id),
            Outcome::Read { id, .. } => Handle::Read(id),
            Outcome::Transfer { id, .. } => Handle::Transfer(id),
        };
        let Some(request) = self.all.iter_mut().find(|r| r.handle == handle && r.node == node)
        else {
            fail!("{node} ends a request nobody made: {outcome:?}");
        };
        let words = describe(&outcome);
        ensure!(!request.is_lost, "{} ended after its node crashed: {words}", request.name);
        if let Some(earlier) = &request.outcome {
            fail!("{} ended twice: {}, then {words}", request.name, describe(earlier));
        }
        if let Outcome::Read { result: Ok(index), .. } = outcome {
            ensure!(
                request.floor <= index,
                "stale read: {} is released at {index}, but {} was committed when it was asked",
                request.name,
                request.floor
            );
        }
        request.outcome = Some(outcome);
        Ok(format!("{} {words}", self.find_handle(handle)))
    }

    fn find_handle(&self, handle: Handle) -> String {
        let request = self.all.iter().find(|request| request.handle == handle);
        request.map_or_else(String::new, |request| request.name.clone())
    }

    /// A crash takes the requests of its node along.
    pub(crate) fn on_crash(&mut self, node: NodeId) {
        for request in self.all.iter_mut().filter(|request| request.node == node) {
            request.is_lost = request.outcome.is_none();
        }
    }

    pub(crate) fn named(&self, name: &str) -> Check<&Request> {
        match self.all.iter().find(|request| request.name == name) {
            Some(request) => Ok(request),
            None => fail!("no request is called {name}"),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Request> {
        self.all.iter()
    }
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Proposal { result, .. } => match result {
            Proposed::Refused(refusal) => format!("refused {}", describe_refusal(refusal)),
            Proposed::Committed { index } => format!("committed {index}"),
            Proposed::Displaced => "displaced".to_owned(),
            Proposed::Unknown => "unknown".to_owned(),
        },
        Outcome::Read { result: Ok(index), .. } => format!("released {index}"),
        Outcome::Read { result: Err(refusal), .. } => {
            format!("refused {}", describe_refusal(refusal))
        }
        Outcome::Transfer { result: Ok(()), .. } => "done".to_owned(),
        Outcome::Transfer { result: Err(error), .. } => match error {
            TransferError::NotLeader { leader } => format!("failed {}", not_leader(*leader)),
            TransferError::BadTarget => "failed bad-target".to_owned(),
            TransferError::TimedOut => "failed timed-out".to_owned(),
        },
    }
}

fn describe_refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotLeader { leader } => not_leader(*leader),
        Refusal::Transferring { to } => format!("transferring {to}"),
        Refusal::Overloaded { in_flight_max } => format!("overloaded {in_flight_max}"),
        Refusal::StorageFull => "storage-full".to_owned(),
        Refusal::Removed => "removed".to_owned(),
        Refusal::Unsupported => "unsupported".to_owned(),
    }
}

fn not_leader(leader: Option<NodeId>) -> String {
    match leader {
        Some(leader) => format!("not-leader {leader}"),
        None => "not-leader".to_owned(),
    }
}
