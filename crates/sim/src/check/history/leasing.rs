//! What clients are told of leases, against the log.

use core::time::Duration;

use quorate_kv::{CommandError, LeaseId, Response};
use quorate_replica::{Answer, Ending, KeepAlive, KeptAlive, ReadRequest, ReadResponse, Ticket};

use super::commands::Expected;
use super::guarantee::{Guarantee, Violation};
use super::leases::{Kept, Since};
use super::truth::Place;
use super::{History, Open, odd};
use crate::clients::End;

impl History {
    /// Time has come on: so much was counted while somebody led.
    pub fn on_led(&mut self, led: Duration) {
        self.leases.on_led(led);
    }

    /// A lease that is held, if any is.
    pub fn held_lease(&self) -> Option<LeaseId> {
        self.leases.held().next()
    }

    /// A command was acknowledged: a grant promises the lease its time.
    pub(super) fn promise_granted(
        &mut self,
        since: Since,
        answer: &Expected,
    ) -> Result<(), Violation> {
        match answer {
            Ok(Response::LeaseGrant(grant)) => self.leases.on_granted(grant.id, since),
            _ => Ok(()),
        }
    }

    /// The wish to keep a lease alive in the log has ended.
    pub(super) fn on_keep_alive_end(
        &mut self,
        ticket: Ticket,
        open: &Open,
        id: LeaseId,
        end: &End,
    ) -> Result<(), Violation> {
        match end {
            End::Answer(Answer::KeptAlive(kept)) => {
                self.tally.kept_alive += 1;
                self.on_kept(open.since, id, *kept, Kept::InLog)
            }
            End::Answer(Answer::Command(_) | Answer::Read(_))
            | End::Ending(Ending::Transferred(_)) => Err(odd(ticket, open, end)),
            End::Answer(Answer::Behind | Answer::Overloaded) | End::Ending(_) | End::Lost => Ok(()),
        }
    }

    fn on_kept(
        &mut self,
        since: Since,
        id: LeaseId,
        answer: KeptAlive,
        kept: Kept,
    ) -> Result<(), Violation> {
        let is_live = self.truth.is_live(id);
        self.leases.on_kept(id, since, answer, kept, is_live)
    }

    /// Judges an answer about leases, made at this place.
    pub(super) fn judge_leases(
        &mut self,
        since: Since,
        place: Place,
        read: &ReadRequest,
        answer: &Result<ReadResponse, CommandError>,
    ) -> Result<(), Violation> {
        match (read, answer) {
            (ReadRequest::Lease { .. }, Ok(ReadResponse::Lease(told))) => {
                let is_live = self.truth.is_live(told.id);
                self.leases.on_time(since, told, is_live)?;
                if told.keys.is_empty() || told.keys == self.truth.keys_of(place, told.id) {
                    return Ok(());
                }
                let evidence = format!("{told:?} has other keys at {place:?}");
                Err(Violation { guarantee: Guarantee::LeaseAsGranted, ticket: None, evidence })
            }
            (ReadRequest::Leases, Ok(ReadResponse::Leases(list))) => {
                let live = self.truth.live();
                self.leases.on_list(since, list, &live)
            }
            (
                ReadRequest::KeepAlive { id },
                Ok(ReadResponse::KeepAlive(KeepAlive::Fresh(kept))),
            ) => self.on_kept(since, *id, *kept, Kept::Fresh),
            _ => Ok(()),
        }
    }
}
