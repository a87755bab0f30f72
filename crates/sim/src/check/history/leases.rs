//! Whether leases live as long as clients were promised, and not again after that.
//!
//! The model says which entry of the log ends which lease, and the world how much time the clock
//! in the log can have counted since (see `check::led`).

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use quorate_consensus::Index;
use quorate_kv::{Command, LeaseId, LeaseList, LeaseTimeToLive, LeaseTtl, Response};
use quorate_replica::KeptAlive;

use super::commands::Expected;
use super::guarantee::{Guarantee, Violation};

/// When a request was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    /// The last entry that was committed by then.
    pub(super) index: Index,
    /// The time that was counted by then.
    pub(super) led: Duration,
}

/// What kept a lease alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// An entry of the log, from which the lease has its whole time.
    InLog,
    /// That it was renewed a moment ago, as far as the node could tell, whose clock may be behind:
    /// what was promised before stands, and nothing more.
    Fresh,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    ttl: LeaseTtl,
    granted_at: Index,
    /// What must be counted before it is over.
    promised: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    ttl: LeaseTtl,
    ended_at: Index,
    /// The time that was counted by then, if it was over; none if it was revoked.
    over: Option<Duration>,
}

/// All leases of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases {
    held: BTreeMap<LeaseId, Held>,
    /// The last end of each that has ended.
    ended: BTreeMap<LeaseId, Ended>,
    /// Those that clients wanted kept alive.
    wanted: BTreeSet<LeaseId>,
    /// Time that was counted so far.
    led: Duration,
    counts: BTreeMap<&'static str, u64>,
}

impl Leases {
    /// How often each promise was looked at, by its name.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        let all = [Guarantee::LeaseNotEarly, Guarantee::LeaseStaysOver, Guarantee::LeaseAsGranted];
        let mut counts: BTreeMap<&'static str, u64> =
            all.into_iter().map(|guarantee| (guarantee.name(), 0)).collect();
        counts.extend(&self.counts);
        counts
    }

    /// The time that is counted.
    pub(super) fn on_led(&mut self, led: Duration) {
        self.led = led;
    }

    /// The moment of a request that is made now.
    pub(super) fn now(&self, index: Index) -> Since {
        Since { index, led: self.led }
    }

    /// The leases that are held.
    pub(super) fn held(&self) -> impl Iterator<Item = LeaseId> + '_ {
        self.held.keys().copied()
    }

    /// A client wants a lease kept alive.
    pub(super) fn on_wanted(&mut self, id: LeaseId) {
        self.wanted.insert(id);
    }

    /// An entry is committed, which ends these leases and then brings this, with this answer.
    pub(super) fn on_commit(
        &mut self,
        index: Index,
        expired: &[LeaseId],
        command: Option<(&Command, &Expected)>,
    ) -> Result<(), Violation> {
        for id in expired {
            self.on_over(index, *id)?;
        }
        match command {
            Some((_, Ok(Response::LeaseGrant(grant)))) => {
                let held = Held { ttl: grant.ttl, granted_at: index, promised: Duration::ZERO };
                self.held.insert(grant.id, held);
                Ok(())
            }
            Some((Command::LeaseRevoke(revoke), Ok(_))) => {
                self.end(index, revoke.id, None);
                Ok(())
            }
            Some((Command::LeaseRenew(renew), _)) => {
                let unwanted = renew.ids.iter().find(|id| !self.wanted.contains(id));
                unwanted.map_or(Ok(()), |id| {
                    let evidence = format!("entry {index} renews {id:?}, which nobody wanted");
                    Err(broken(Guarantee::CommittedAsAsked, evidence))
                })
            }
            _ => Ok(()),
        }
    }

    fn on_over(&mut self, index: Index, id: LeaseId) -> Result<(), Violation> {
        self.count(Guarantee::LeaseNotEarly);
        let promised = self.held.get(&id).map_or(Duration::ZERO, |held| held.promised);
        self.end(index, id, Some(self.led));
        if self.led < promised {
            let evidence = format!(
                "{id:?} is over at entry {index}, when {:?} were counted, and was promised until \
                 {promised:?}",
                self.led
            );
            return Err(broken(Guarantee::LeaseNotEarly, evidence));
        }
        Ok(())
    }

    fn end(&mut self, ended_at: Index, id: LeaseId, over: Option<Duration>) {
        if let Some(Held { ttl, .. }) = self.held.remove(&id) {
            self.ended.insert(id, Ended { ttl, ended_at, over });
        }
    }

    /// A client was told that its lease is granted.
    pub(super) fn on_granted(&mut self, id: LeaseId, since: Since) -> Result<(), Violation> {
        self.promise(id, since)
    }

    /// A client was told how it is with a lease that it wanted kept alive.
    pub(super) fn on_kept(
        &mut self,
        id: LeaseId,
        since: Since,
        answer: KeptAlive,
        kept: Kept,
        is_live: bool,
    ) -> Result<(), Violation> {
        let Some(ttl) = answer.ttl else { return self.check_gone(id, since, is_live) };
        self.check_there(id, since, ttl)?;
        match kept {
            Kept::InLog => self.promise(id, since),
            Kept::Fresh => Ok(()),
        }
    }

    /// A client was told how long a lease has left, or that there is none. `is_live` is what the
    /// newest state says.
    pub(super) fn on_time(
        &mut self,
        since: Since,
        answer: &LeaseTimeToLive,
        is_live: bool,
    ) -> Result<(), Violation> {
        let Some(time) = answer.time else { return self.check_gone(answer.id, since, is_live) };
        self.check_there(answer.id, since, time.granted)?;
        if (0..=time.granted.seconds()).contains(&time.seconds_left) {
            return Ok(());
        }
        let evidence = format!("{:?} is said to have {time:?}", answer.id);
        Err(broken(Guarantee::LeaseAsGranted, evidence))
    }

    /// A client was told which leases there are. `live` are those of the newest state.
    pub(super) fn on_list(
        &mut self,
        since: Since,
        list: &LeaseList,
        live: &[LeaseId],
    ) -> Result<(), Violation> {
        for id in &list.ids {
            let ttl = self.held.get(id).map(|held| held.ttl);
            let ttl = ttl.or_else(|| self.ended.get(id).map(|ended| ended.ttl));
            self.check_there(*id, since, ttl.unwrap_or(LeaseTtl::MAX))?;
        }
        for id in live.iter().filter(|id| !list.ids.contains(id)) {
            self.check_gone(*id, since, true)?;
        }
        Ok(())
    }

    /// The lease may be there at some moment since: it is held, or ended later, and lives as long
    /// as it was granted for.
    fn check_there(&mut self, id: LeaseId, since: Since, ttl: LeaseTtl) -> Result<(), Violation> {
        self.count(Guarantee::LeaseStaysOver);
        let held = self.held.get(&id).map(|held| held.ttl);
        let ended = self.ended.get(&id).filter(|ended| since.index < ended.ended_at);
        match held.or(ended.map(|ended| ended.ttl)) {
            Some(granted) if granted == ttl => Ok(()),
            Some(granted) => {
                let evidence =
                    format!("{id:?} was granted {granted:?}, and is said to have {ttl:?}");
                Err(broken(Guarantee::LeaseAsGranted, evidence))
            }
            None => {
                let was = self.ended.get(&id);
                let evidence =
                    format!("{id:?} is said to live since {since:?}; its end was {was:?}");
                Err(broken(Guarantee::LeaseStaysOver, evidence))
            }
        }
    }

    /// The lease may be gone at some moment since: it lives now, only if it was granted later.
    fn check_gone(&mut self, id: LeaseId, since: Since, is_live: bool) -> Result<(), Violation> {
        self.count(Guarantee::LeaseAsGranted);
        let held = self.held.get(&id).filter(|held| is_live && held.granted_at <= since.index);
        let is_regranted = self.ended.get(&id).is_some_and(|ended| since.index < ended.ended_at);
        match held {
            Some(held) if !is_regranted => {
                let evidence =
                    format!("{id:?} is said to be gone since {since:?}, but is {held:?}");
                Err(broken(Guarantee::LeaseAsGranted, evidence))
            }
            _ => Ok(()),
        }
    }

    /// From the moment of the request on, the lease has its time.
    fn promise(&mut self, id: LeaseId, since: Since) -> Result<(), Violation> {
        let time = |ttl: LeaseTtl| Duration::from_micros(ttl.micros());
        if let Some(held) = self.held.get_mut(&id) {
            // A lease of the same name that was granted since is another.
            held.promised = held.promised.max(since.led + time(held.ttl));
            return Ok(());
        }
        let Some(ended) = self.ended.get(&id).filter(|it| since.index < it.ended_at) else {
            return Ok(());
        };
        let promised = since.led + time(ended.ttl);
        if ended.over.is_none_or(|over| promised <= over) {
            return Ok(());
        }
        let evidence = format!("{id:?} was promised until {promised:?}, and was {ended:?}");
        Err(broken(Guarantee::LeaseNotEarly, evidence))
    }

    fn count(&mut self, guarantee: Guarantee) {
        *self.counts.entry(guarantee.name()).or_default() += 1;
    }
}

fn broken(guarantee: Guarantee, evidence: String) -> Violation {
    Violation { guarantee, ticket: None, evidence }
}

#[cfg(test)]
mod tests {
    use quorate_kv::{LeaseGrantRequest, LeaseGrantResponse, LeaseTime};

    use super::*;

    const ID: LeaseId = LeaseId(7);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ttl() -> LeaseTtl {
        LeaseTtl::new(10).expect("in bounds")
    }

    /// A lease of ten seconds, granted by entry 1 and acknowledged, which was asked for at 2.
    fn granted() -> Leases {
        let mut leases = Leases::default();
        leases.on_led(seconds(2));
        let since = leases.now(Index(0));
        leases.on_led(seconds(3));
        let command = Command::LeaseGrant(LeaseGrantRequest { id: ID, ttl: ttl() });
        let response = LeaseGrantResponse { revision: 1, id: ID, ttl: ttl() };
        let answer = Ok(Response::LeaseGrant(response));
        assert_eq!(leases.on_commit(Index(1), &[], Some((&command, &answer))), Ok(()));
        assert_eq!(leases.on_granted(ID, since), Ok(()));
        leases
    }

    fn is_over_at(leases: &mut Leases, at: Duration) -> Option<Guarantee> {
        leases.on_led(at);
        let verdict = leases.on_commit(Index(9), &[ID], None);
        verdict.err().map(|violation| violation.guarantee)
    }

    fn kept(ttl: Option<LeaseTtl>) -> KeptAlive {
        KeptAlive { revision: 1, ttl }
    }

    fn name(verdict: Result<(), Violation>) -> Option<Guarantee> {
        verdict.err().map(|violation| violation.guarantee)
    }

    #[test]
    fn a_lease_has_its_time_from_when_the_grant_was_asked_for() {
        assert_eq!(is_over_at(&mut granted(), seconds(12)), None);
        let early = is_over_at(&mut granted(), Duration::from_millis(11_999));
        assert_eq!(early, Some(Guarantee::LeaseNotEarly));
    }

    #[test]
    fn a_renewal_in_the_log_promises_its_time_anew() {
        for (how, promised) in [(Kept::InLog, 15), (Kept::Fresh, 12)] {
            for (at, verdict) in [(promised, None), (promised - 1, Some(Guarantee::LeaseNotEarly))]
            {
                let mut leases = granted();
                leases.on_led(seconds(5));
                let since = leases.now(Index(3));
                assert_eq!(leases.on_kept(ID, since, kept(Some(ttl())), how, true), Ok(()));
                assert_eq!(is_over_at(&mut leases, seconds(at)), verdict, "{how:?}");
            }
        }
    }

    #[test]
    fn a_promise_that_is_told_late_still_counts() {
        let mut leases = granted();
        leases.on_led(seconds(8));
        let since = leases.now(Index(3));
        assert_eq!(is_over_at(&mut leases, seconds(13)), None);
        let told = leases.on_kept(ID, since, kept(Some(ttl())), Kept::InLog, false);
        assert_eq!(name(told), Some(Guarantee::LeaseNotEarly));
    }

    #[test]
    fn what_is_over_is_not_said_to_live() {
        let mut leases = granted();
        assert_eq!(is_over_at(&mut leases, seconds(13)), None);
        let since = leases.now(Index(9));
        let told = leases.on_kept(ID, since, kept(Some(ttl())), Kept::InLog, false);
        assert_eq!(name(told), Some(Guarantee::LeaseStaysOver));
        let time = Some(LeaseTime { granted: ttl(), seconds_left: 3 });
        let answer = LeaseTimeToLive { revision: 1, id: ID, time, keys: Vec::new() };
        let told = leases.on_time(since, &answer, false);
        assert_eq!(name(told), Some(Guarantee::LeaseStaysOver));
        let list = LeaseList { revision: 1, ids: vec![ID] };
        assert_eq!(name(leases.on_list(since, &list, &[])), Some(Guarantee::LeaseStaysOver));
        // It lived when these were asked.
        let earlier = leases.now(Index(8));
        assert_eq!(leases.on_time(earlier, &answer, false), Ok(()));
        assert_eq!(leases.on_list(earlier, &list, &[]), Ok(()));
    }

    #[test]
    fn what_lives_is_not_said_to_be_gone_or_to_have_other_times() {
        let mut leases = granted();
        let since = leases.now(Index(1));
        let gone = leases.on_kept(ID, since, kept(None), Kept::InLog, true);
        assert_eq!(name(gone), Some(Guarantee::LeaseAsGranted));
        let empty = LeaseList { revision: 1, ids: Vec::new() };
        let gone = leases.on_list(since, &empty, &[ID]);
        assert_eq!(name(gone), Some(Guarantee::LeaseAsGranted));
        let before = leases.now(Index(0));
        assert_eq!(leases.on_list(before, &empty, &[ID]), Ok(()));
        let long = LeaseTtl::new(11);
        let told = leases.on_kept(ID, since, kept(long), Kept::InLog, true);
        assert_eq!(name(told), Some(Guarantee::LeaseAsGranted));
        let time = Some(LeaseTime { granted: ttl(), seconds_left: 11 });
        let answer = LeaseTimeToLive { revision: 1, id: ID, time, keys: Vec::new() };
        assert_eq!(name(leases.on_time(since, &answer, true)), Some(Guarantee::LeaseAsGranted));
    }

    #[test]
    fn nothing_is_renewed_that_nobody_wanted() {
        let mut leases = granted();
        let renew = Command::LeaseRenew(quorate_kv::LeaseRenewRequest { ids: vec![ID] });
        let answer = Ok(Response::LeaseRenew(quorate_kv::LeaseRenewResponse::default()));
        let verdict = leases.on_commit(Index(2), &[], Some((&renew, &answer)));
        assert_eq!(name(verdict), Some(Guarantee::CommittedAsAsked));
        leases.on_wanted(ID);
        assert_eq!(leases.on_commit(Index(3), &[], Some((&renew, &answer))), Ok(()));
        assert_eq!(leases.held().collect::<Vec<_>>(), [ID]);
    }
}
