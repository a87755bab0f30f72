//! What the state of all members means: whether the cluster serves, and how much more may fail.

use super::{Facts, Survey, Surveyed};

/// Entries behind the leader from which on a member is told to lag. A healthy one is behind by
/// what is in flight.
const LAG_MIN: u64 = 1_000;

/// How a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Everything works.
    Healthy,
    /// It serves, and something does not work.
    Degraded,
    /// Enough members answer, and nobody leads them.
    NoLeader,
    /// Fewer members answer than can decide.
    NoQuorum,
}

impl Standing {
    /// Its name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::NoLeader => "no leader",
            Self::NoQuorum => "no quorum",
        }
    }
}

impl Survey {
    /// Those that answer.
    pub(crate) fn up(&self) -> impl Iterator<Item = &Surveyed> {
        self.members.iter().filter(|member| member.facts().is_some())
    }

    /// Those that do not.
    pub(crate) fn down(&self) -> impl Iterator<Item = &Surveyed> {
        self.members.iter().filter(|member| member.facts().is_none())
    }

    /// The one that leads, by its own words; in the highest term if several say so.
    pub(crate) fn leader(&self) -> Option<&Surveyed> {
        let leaders = self.up().filter(|member| member.leads());
        leaders.max_by_key(|member| member.term())
    }

    /// Members with a vote.
    pub(crate) fn voters(&self) -> usize {
        self.members.iter().filter(|member| !member.is_learner).count()
    }

    /// How many of them must agree.
    pub(crate) fn quorum(&self) -> usize {
        self.voters() / 2 + 1
    }

    /// Members with a vote that answer.
    pub(crate) fn voters_up(&self) -> usize {
        self.up().filter(|member| !member.is_learner).count()
    }

    /// How many members more may fail before nothing is served.
    pub(crate) fn tolerated(&self) -> usize {
        self.voters_up().saturating_sub(self.quorum())
    }

    /// How far a member is behind the leader, in entries.
    pub(crate) fn lag(&self, member: &Surveyed) -> Option<u64> {
        let (leader, facts) = (self.leader()?, member.facts()?);
        if leader.id == member.id {
            return None;
        }
        // What the leader knows to be durable there says more than what the member has applied.
        let known = leader.facts().and_then(|leader| {
            leader.scrape.labelled("quorate_peer_lag_entries", "To", &format!("{:x}", member.id))
        });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let known = known.map(|lag| lag as u64);
        let leads = leader.facts().map_or(0, |leader| leader.status.raft_index);
        Some(known.unwrap_or_else(|| leads.saturating_sub(facts.status.raft_applied_index)))
    }

    /// How the cluster is.
    pub(crate) fn standing(&self) -> Standing {
        if self.voters_up() < self.quorum() {
            Standing::NoQuorum
        } else if self.leader().is_none() || self.read.is_none() {
            Standing::NoLeader
        } else if self.complaints().is_empty() {
            Standing::Healthy
        } else {
            Standing::Degraded
        }
    }

    /// Whether reads and writes are served.
    pub(crate) fn serves(&self) -> bool {
        matches!(self.standing(), Standing::Healthy | Standing::Degraded)
    }

    /// What does not work, although the cluster serves.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let down: Vec<String> = self.down().map(Surveyed::label).collect();
        match down.len() {
            0 => {}
            1 => complaints.push(format!("{} does not answer", down[0])),
            _ => complaints.push(format!("{} do not answer", down.join(", "))),
        }
        for member in self.up() {
            let facts = member.facts().expect("it is up");
            if let Some(lag) = self.lag(member).filter(|lag| LAG_MIN <= *lag) {
                complaints.push(format!("{} is {lag} entries behind", member.label()));
            }
            if facts.has_full_disk() {
                complaints.push(format!("the disk of {} is full", member.label()));
            }
        }
        complaints.extend(self.alarms());
        complaints.extend(self.mixed_versions());
        complaints
    }

    fn alarms(&self) -> Option<String> {
        let errors = self.up().filter_map(Surveyed::facts).flat_map(|it| &it.status.errors);
        let alarm = errors.filter_map(|error| error.split_once("alarm:")).map(|(_, kind)| kind);
        let kind = alarm.map(str::trim).next()?;
        Some(format!("the alarm {kind} is raised"))
    }

    fn mixed_versions(&self) -> Option<String> {
        let mut versions: Vec<&str> =
            self.up().filter_map(Surveyed::facts).map(Facts::version).collect();
        versions.sort_unstable();
        versions.dedup();
        (1 < versions.len()).then(|| format!("versions differ: {}", versions.join(", ")))
    }

    /// All of it in one sentence, which begins with who answers.
    pub(crate) fn sentence(&self) -> String {
        let (up, voters) = (self.voters_up(), self.voters());
        let answer = if up == 1 { "answers" } else { "answer" };
        let counted = if up == voters {
            format!("all {voters} members {answer}")
        } else {
            format!("{up} of {voters} members {answer}")
        };
        let counted =
            if voters == 1 && up == 1 { "the one member answers".to_owned() } else { counted };
        match self.standing() {
            Standing::NoQuorum => {
                format!("{counted}, and {} must: nothing can be decided", self.quorum())
            }
            Standing::NoLeader => match self.leader() {
                Some(leader) => {
                    format!(
                        "{counted}, {} says that it leads, and no read is served",
                        leader.label()
                    )
                }
                None => format!("{counted}, and nobody leads"),
            },
            Standing::Healthy | Standing::Degraded => {
                let leader = self.leader().map(Surveyed::label).unwrap_or_default();
                let tolerated = match self.tolerated() {
                    0 => "none may fail".to_owned(),
                    1 => "1 more may fail".to_owned(),
                    more => format!("{more} more may fail"),
                };
                format!("{counted}, {leader} leads, {tolerated}")
            }
        }
    }
}

impl Surveyed {
    /// Whether it says that it leads.
    pub(crate) fn leads(&self) -> bool {
        self.facts().is_some_and(|facts| {
            let own = facts.status.header.as_ref().map_or(0, |header| header.member_id);
            own != 0 && own == facts.status.leader
        })
    }

    /// Its term, or the round of its ballot.
    pub(crate) fn term(&self) -> u64 {
        self.facts().map_or(0, |facts| facts.status.raft_term)
    }
}

impl Facts {
    /// What runs there: Quorate's own version, or that of the etcd it is.
    pub(crate) fn version(&self) -> &str {
        self.own["version"].as_str().unwrap_or(&self.status.version)
    }

    /// Whether its log has no room.
    pub(crate) fn has_full_disk(&self) -> bool {
        self.scrape.number("quorate_log_disk_full").is_some_and(|full| 0.0 < full)
    }
}

#[cfg(test)]
pub(crate) mod tests;
