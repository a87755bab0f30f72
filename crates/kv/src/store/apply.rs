//! Applying an entry: one dispatch, then the clock, the position and the hash move on.

use xxhash_rust::xxh3::xxh3_64;

use super::answer::Asked;
use super::{Outcome, Read, Store};
use crate::{
    ClusterTime, Command, CommandError, CompactRequest, CompactResponse, Context,
    DeleteRangeRequest, DeleteRangeResponse, PublishRequest, PutRequest, PutResponse, Response,
    Rule, Rules, SetQuotaRequest,
};

impl<R: Rules> Store<R> {
    /// Applies the entry that follows the last one.
    ///
    /// A refusal (the inner error) changes no key and no revision; position, clock and hash move
    /// on all the same. After [`crate::Damage`] the store is in no defined state and must be
    /// dropped.
    pub fn apply(&mut self, context: Context, command: &Command) -> Outcome {
        self.begin_entry(context);
        if self.ends_leases(command) {
            self.expire_leases();
        }
        let outcome = match self.check_alarms(command) {
            Err(error) => Err(error),
            Ok(()) => self.obey(command)?,
        };
        self.effects.push(outcome_code(&outcome));
        self.end_entry(context);
        Ok(outcome)
    }

    fn obey(&mut self, command: &Command) -> Outcome {
        Ok(match command {
            Command::Put(request) => self.on_put(request)?.map(Response::Put),
            Command::DeleteRange(request) => {
                self.on_delete_range(request)?.map(Response::DeleteRange)
            }
            Command::Txn(request) => self.on_txn(request)?.map(Response::Txn),
            Command::Compact(request) => self.on_compact(*request).map(Response::Compact),
            Command::SetQuota(request) => Ok(self.on_set_quota(*request)),
            Command::Publish(request) => Ok(self.on_publish(request)),
            Command::Advance => Ok(Response::Advance),
            Command::Alarm(request) => Ok(Response::Alarm(self.on_alarm(*request))),
            Command::LeaseGrant(request) => self.on_lease_grant(*request).map(Response::LeaseGrant),
            Command::LeaseRevoke(request) => {
                self.on_lease_revoke(*request).map(Response::LeaseRevoke)
            }
            Command::LeaseRenew(request) => Ok(Response::LeaseRenew(self.on_lease_renew(request))),
        })
    }

    /// Applies an entry that says nothing to the store: a leader's first, or new members (see
    /// [`Store::set_members`]).
    pub fn apply_nothing(&mut self, context: Context) {
        self.begin_entry(context);
        self.expire_leases();
        self.end_entry(context);
    }

    /// See [`super::lease`].
    fn ends_leases(&self, command: &Command) -> bool {
        match command {
            Command::Compact(_) => false,
            Command::LeaseRenew(_) => !self.rules.breaks(Rule::RenewRevives),
            _ => true,
        }
    }

    fn begin_entry(&mut self, context: Context) {
        let next = self.state.position.index + 1;
        assert!(context.position.index == next, "entries are applied in order, each once");
        self.state.time = self.clock_after(context.time);
        self.last_expired.clear();
        self.extend_leases_if_broken(context);
    }

    fn clock_after(&self, stamp: ClusterTime) -> ClusterTime {
        if self.rules.breaks(Rule::TimeRunsBackwards) { stamp } else { self.state.time.max(stamp) }
    }

    /// The ballot is left out of the hash: replicas may learn of one entry at different ones.
    fn end_entry(&mut self, context: Context) {
        self.end_writing();
        self.state.position = context.position;
        self.effects.push(self.state.time.0);
        self.effects.push(self.state.revision.cast_unsigned());
        self.effects.push(self.state.compacted.cast_unsigned());
        self.effects.push(self.state.logical_bytes);
        self.effects.push(self.state.quota_bytes);
        self.effects.push(self.state.space_alarm.unwrap_or(u64::MAX));
        self.effects.push(self.members_hash);
        if 0 < self.state.leases {
            self.effects.push(self.state.leases);
            self.effects.push(self.state.lease_hash.0);
        }
        if self.rules.breaks(Rule::HashIgnoresEffects) {
            self.effects.forget();
        }
        self.state.state_hash = self.effects.chain(self.state.state_hash, context.position.index);
        self.mark_commit();
    }

    fn on_put(&mut self, request: &PutRequest) -> Read<PutResponse> {
        if let Err(error) = self.check_put(request) {
            return Ok(Err(error));
        }
        self.put(request).map(Ok)
    }

    fn on_delete_range(&mut self, request: &DeleteRangeRequest) -> Read<DeleteRangeResponse> {
        if let Err(error) = self.check_answer(Asked::by_delete(request).as_slice())? {
            return Ok(Err(error));
        }
        self.delete_range(request).map(Ok)
    }

    /// Looks at the lease before the key, as etcd does outside of transactions.
    fn check_put(&mut self, request: &PutRequest) -> Result<(), CommandError> {
        self.check_lease(request.lease)?;
        self.check_kept(request)?;
        self.check_space(self.put_bytes(request))
    }

    fn on_compact(&mut self, request: CompactRequest) -> Result<CompactResponse, CommandError> {
        self.compact(request.revision)?;
        Ok(CompactResponse { revision: self.state.revision })
    }

    /// A new quota is a new chance: the next write that does not fit raises the alarm again.
    fn on_set_quota(&mut self, request: SetQuotaRequest) -> Response {
        self.state.quota_bytes = request.quota_bytes;
        self.state.space_alarm = None;
        Response::SetQuota
    }

    fn on_publish(&mut self, request: &PublishRequest) -> Response {
        self.effects.push(request.member);
        self.effects.push(xxh3_64(&request.attributes));
        self.state.attributes.insert(request.member, request.attributes.clone());
        Response::Publish
    }
}

/// The outcome as the hash sees it. Part of the format.
fn outcome_code(outcome: &Result<Response, CommandError>) -> u64 {
    match outcome {
        Ok(Response::Put(_)) => 1,
        Ok(Response::DeleteRange(_)) => 2,
        Ok(Response::Txn(_)) => 3,
        Ok(Response::Compact(_)) => 4,
        Ok(Response::SetQuota) => 5,
        Ok(Response::Advance) => 6,
        Ok(Response::Publish) => 7,
        Ok(Response::LeaseGrant(_)) => 8,
        Ok(Response::LeaseRevoke(_)) => 9,
        Ok(Response::LeaseRenew(_)) => 10,
        Ok(Response::Alarm(_)) => 11,
        Err(CommandError::Compacted) => 101,
        Err(CommandError::FutureRevision) => 102,
        Err(CommandError::KeyNotFound) => 103,
        Err(CommandError::LeaseNotFound) => 104,
        Err(CommandError::NoSpace) => 105,
        Err(CommandError::LeaseExists) => 106,
        Err(CommandError::Corrupt) => 107,
        Err(CommandError::AnswerTooLarge) => 108,
    }
}
