//! What concerns each member by itself: its disk, its limits, its quota.

use std::time::Duration;

use super::finding::Finding;
use crate::output::byte_count;
use crate::survey::{Facts, Survey, Surveyed};

/// The metric of the syncs of the log, under etcd's name.
const SYNC: &str = "etcd_disk_wal_fsync_duration_seconds";

/// What etcd's documentation asks of a disk: 99 of 100 syncs within 10 ms.
const SYNC_MAX: Duration = Duration::from_millis(10);

/// From here on heartbeats wait behind syncs.
const SYNC_BAD: Duration = Duration::from_millis(100);

/// Of fewer syncs, a single slow one decides.
const SYNCS_MIN: f64 = 100.0;

/// Open files that a member of a cluster with many clients needs.
const FILES_MIN: f64 = 4096.0;

/// The share of a limit from which on it is told.
const NEAR: f64 = 0.8;

/// All of it.
pub(super) fn of(survey: &Survey) -> Vec<Finding> {
    [Some(client_ports(survey)), syncs(survey), files(survey), quota(survey), memory(survey)]
        .into_iter()
        .flatten()
        .collect()
}

/// The members that answer, with what they say.
fn told(survey: &Survey) -> impl Iterator<Item = (&Surveyed, &Facts)> {
    survey.up().filter_map(|member| Some((member, member.facts()?)))
}

fn client_ports(survey: &Survey) -> Finding {
    let silent: Vec<String> = survey
        .down()
        .map(|member| {
            let reason = match &member.seen {
                crate::survey::Seen::Down(reason) => reason.as_str(),
                crate::survey::Seen::Up(_) => unreachable!("it is down"),
            };
            format!("{} at {}: {reason}", member.label(), member.address())
        })
        .collect();
    if silent.is_empty() {
        Finding::fine("ports", "every member's client port answers")
    } else {
        Finding::bad(
            "ports",
            silent.join("; "),
            "start it, or correct its --advertise-client-urls if it runs somewhere else",
        )
    }
}

fn syncs(survey: &Survey) -> Option<Finding> {
    let each = told(survey).filter_map(|(member, facts)| {
        let (_, count) = facts.scrape.mean(SYNC)?;
        Some((facts.scrape.p99(SYNC)?, count, member.label()))
    });
    let (worst, count, member) = each.max_by_key(|(worst, ..)| *worst)?;
    let milliseconds = worst.as_secs_f64() * 1e3;
    let what = format!(
        "99 of 100 syncs of the log take at most {milliseconds:.1} ms ({member}, {count:.0} syncs)"
    );
    let fix = "give the log a disk of its own, faster or less busy; \
               `quorate doctor --data-dir DIR` measures one";
    Some(if worst <= SYNC_MAX {
        Finding::fine("disk", what)
    } else if worst <= SYNC_BAD || count < SYNCS_MIN {
        Finding::warning("disk", what, fix)
    } else {
        Finding::bad("disk", what, fix)
    })
}

fn files(survey: &Survey) -> Option<Finding> {
    let each = told(survey).filter_map(|(member, facts)| {
        let open = facts.scrape.number("process_open_fds")?;
        let limit = facts.scrape.number("process_max_fds")?;
        Some((open, limit, member.label()))
    });
    let (open, limit, member) = each.min_by(|one, other| one.1.total_cmp(&other.1))?;
    let what = format!("{open:.0} of {limit:.0} files are open at most ({member})");
    let fix = "raise the limit of open files: `ulimit -n 65536`, or LimitNOFILE= of systemd";
    Some(if limit * NEAR < open {
        Finding::bad("files", what, fix)
    } else if limit < FILES_MIN {
        Finding::warning("files", what, fix)
    } else {
        Finding::fine("files", what)
    })
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn quota(survey: &Survey) -> Option<Finding> {
    let each =
        told(survey).map(|(_, facts)| (facts.status.db_size_in_use, facts.status.db_size_quota));
    let (used, quota) = each.filter(|(_, quota)| 0 < *quota).max()?;
    let what = format!("{} of {} of the quota are used", byte_count(used), byte_count(quota));
    Some(if NEAR * quota as f64 <= used as f64 {
        Finding::warning(
            "space",
            what,
            "`quorate compact` old revisions, delete keys, or raise --quota-backend-bytes",
        )
    } else {
        Finding::fine("space", what)
    })
}

fn memory(survey: &Survey) -> Option<Finding> {
    let each = told(survey).filter_map(|(member, facts)| {
        #[expect(clippy::cast_possible_truncation, reason = "a figure for people")]
        let resident = facts.scrape.number("process_resident_memory_bytes")? as i64;
        Some(format!("{} {}", member.label(), byte_count(resident)))
    });
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| Finding::fine("memory", each.join(", ")))
}
