//! What concerns all members together: whether they serve, how their times compare, and whether
//! they reach each other.

use std::time::Duration;

use super::finding::Finding;
use crate::survey::{Facts, Standing, Survey, Surveyed};

/// The election timeout should be this many rounds of messages: the paper wants an order of
/// magnitude (Ongaro and Ousterhout, section 5.6).
const ROUNDS_MIN: f64 = 10.0;

/// Below this many, a slow round alone can depose a leader.
const ROUNDS_BAD: f64 = 5.0;

/// Clocks may differ by this much before it is told.
const CLOCKS_APART_MAX: Duration = Duration::from_millis(500);

/// Leaders change at most so often, per day, in a cluster that is well.
const CHANGES_A_DAY_MAX: f64 = 5.0;

/// The metric of the syncs of the log, under etcd's name.
const SYNC: &str = "etcd_disk_wal_fsync_duration_seconds";

/// Whether it serves.
pub(super) fn standing(survey: &Survey) -> Finding {
    let sentence = survey.sentence();
    match survey.standing() {
        Standing::Healthy => Finding::fine("cluster", sentence),
        Standing::Degraded => {
            let complaints = survey.complaints().join("; ");
            Finding::warning(
                "cluster",
                format!("{sentence}; {complaints}"),
                "start the members that do not answer; `quorate status` shows all of them",
            )
        }
        Standing::NoLeader => Finding::bad(
            "cluster",
            sentence,
            "wait a second for the election; then look at the ports below",
        ),
        Standing::NoQuorum => {
            Finding::bad("cluster", sentence, "start the members that do not answer")
        }
    }
}

/// All of it.
pub(super) fn of(survey: &Survey) -> Vec<Finding> {
    [timing(survey), timeouts(survey), leaders(survey), peer_ports(survey), clocks(survey)]
        .into_iter()
        .flatten()
        .collect()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// broadcastTime << electionTimeout. The paper means averages: what a slow sync does now and then
/// is looked at with the disks.
fn timing(survey: &Survey) -> Option<Finding> {
    let leader = survey.leader()?.facts()?;
    let timeout = election_timeout(leader)?;
    let trip = leader.round_trips.values().flatten().max().copied().unwrap_or(0);
    let trip = Duration::from_micros(trip);
    let syncs = survey.up().filter_map(|it| it.facts()?.scrape.mean(SYNC));
    let sync = syncs.map(|(mean, _)| mean).max()?;
    let broadcast = trip + sync;
    let rounds = timeout.as_secs_f64() / broadcast.as_secs_f64().max(1e-6);
    let what = format!(
        "broadcastTime {:.1} ms (network {:.2}, mean sync {:.1}) << electionTimeout {:.0} ms: \
         1 to {rounds:.0}; MTBF is months",
        milliseconds(broadcast),
        milliseconds(trip),
        milliseconds(sync),
        milliseconds(timeout)
    );
    let wanted = milliseconds(broadcast) * ROUNDS_MIN;
    let fix = format!(
        "start the members with --election-timeout {} or more, or give them faster disks",
        (wanted / 100.0).ceil() * 100.0
    );
    Some(if ROUNDS_MIN <= rounds {
        Finding::fine("timing", what)
    } else if ROUNDS_BAD <= rounds {
        Finding::warning("timing", what, fix)
    } else {
        Finding::bad("timing", what, fix)
    })
}

fn election_timeout(facts: &Facts) -> Option<Duration> {
    facts.own["election_timeout_ms"].as_u64().map(Duration::from_millis)
}

/// All members should wait equally long.
fn timeouts(survey: &Survey) -> Option<Finding> {
    let mut told: Vec<(Duration, String)> = survey
        .up()
        .filter_map(|member| Some((election_timeout(member.facts()?)?, member.label())))
        .collect();
    told.sort();
    let ((least, one), (most, other)) = (told.first()?, told.last()?);
    (least != most).then(|| {
        Finding::warning(
            "timing",
            format!(
                "{one} waits {:.0} ms for a leader and {other} {:.0} ms",
                milliseconds(*least),
                milliseconds(*most)
            ),
            "start all members with the same --election-timeout and --heartbeat-interval",
        )
    })
}

/// How often leaders changed, which stands for how often something fails.
fn leaders(survey: &Survey) -> Option<Finding> {
    let rates = survey.up().filter_map(|member| {
        let scrape = &member.facts()?.scrape;
        let changes = scrape.number("etcd_server_leader_changes_seen_total")?;
        let started = scrape.number("process_start_time_seconds")?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
        let hours = (now.as_secs_f64() - started).max(0.0) / 3600.0;
        // The first leader is no change, and a young process says nothing of a day.
        Some(((changes - 1.0).max(0.0), hours, member.label()))
    });
    let (changes, hours, member) = rates.max_by(|one, other| one.0.total_cmp(&other.0))?;
    let what = format!("{member} has seen {changes:.0} changes of leader in {hours:.1} hours");
    let is_much = CHANGES_A_DAY_MAX.max(CHANGES_A_DAY_MAX * hours / 24.0) < changes;
    Some(if is_much {
        Finding::warning(
            "leaders",
            what,
            "look at timing and disk here, and in the logs of the members at what went before",
        )
    } else {
        Finding::fine("leaders", what)
    })
}

/// Whether members reach each other's peer ports.
fn peer_ports(survey: &Survey) -> Option<Finding> {
    let label = |id: u64| {
        let member = survey.members.iter().find(|member| member.id == id);
        member.map_or_else(|| format!("{id:x}"), Surveyed::label)
    };
    let mut reached = 0;
    let mut missed = Vec::new();
    for member in survey.up() {
        for (peer, trip) in &member.facts()?.round_trips {
            match trip {
                Some(_) => reached += 1,
                None => missed.push(format!("{} -> {}", member.label(), label(*peer))),
            }
        }
    }
    match (reached, missed.is_empty()) {
        (0, true) => None,
        (_, true) => Some(Finding::fine(
            "ports",
            format!("members reach each other's peer ports on all {reached} ways"),
        )),
        _ => Some(Finding::bad(
            "ports",
            format!("a peer port is not reached: {}", missed.join(", ")),
            "start that member, open its peer port (2380 unless set) to the others, and check \
             --initial-advertise-peer-urls",
        )),
    }
}

/// How far apart the members' clocks are.
fn clocks(survey: &Survey) -> Option<Finding> {
    let offsets: Vec<(f64, Duration, String)> = survey
        .up()
        .filter_map(|member| {
            let facts = member.facts()?;
            let told = facts.own["clock_us"].as_u64()?;
            let (asked, took) = facts.asked;
            #[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit")]
            let offset = (told as f64 - asked as f64) / 1e6 + took.as_secs_f64() / 2.0;
            Some((offset, took, member.label()))
        })
        .collect();
    let first = offsets.iter().min_by(|one, other| one.0.total_cmp(&other.0))?;
    let last = offsets.iter().max_by(|one, other| one.0.total_cmp(&other.0))?;
    let apart = Duration::try_from_secs_f64(last.0 - first.0).unwrap_or_default();
    let known_to = (first.1 + last.1) / 2;
    let what = format!(
        "clocks are {:.1} ms apart at most (known to {:.1} ms); nothing here depends on them",
        milliseconds(apart),
        milliseconds(known_to)
    );
    Some(if apart <= CLOCKS_APART_MAX + known_to {
        Finding::fine("clocks", what)
    } else {
        Finding::warning(
            "clocks",
            format!("{what}, but logs and certificates do: {} behind {}", first.2, last.2),
            "run chrony or systemd-timesyncd on every machine",
        )
    })
}

#[cfg(test)]
mod tests;
