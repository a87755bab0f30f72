//! A scrape: what the threads counted, and what engine and state machine say when they are asked.

use quorate_consensus::{NodeId, Role, Status, StorageState};

use super::peers::name_of;
use super::text::Exposition;
use super::{Metrics, ROLES, ThreadMetrics, process};
use crate::alarms;
use crate::client::Client;
use crate::version;
use crate::waiter::Figures;

/// The whole text. If a thread does not answer, what it would say is left out.
pub(super) async fn render(client: &Client) -> String {
    let (status, figures) = tokio::join!(client.status(), client.figures());
    let metrics = client.metrics();
    let mut text = Exposition::default();
    write_member(&mut text, client);
    if let Ok(status) = &status {
        write_engine(&mut text, status);
        write_log(&mut text, status);
        text.gauge("quorate_log_segments", "Files of the log.", client.log_segments());
        write_followers(&mut text, status);
    }
    if let Ok(figures) = &figures {
        write_state(&mut text, client, figures);
        write_operations(&mut text, metrics, figures);
        write_watches(&mut text, figures);
        write_leases(&mut text, figures);
    }
    metrics.requests.write(&mut text);
    write_threads(&mut text, &metrics.threads);
    write_health(&mut text, metrics);
    metrics.peers.write(&mut text);
    metrics.grpc.write(&mut text);
    process::write(&mut text);
    text.into_text()
}

fn write_member(text: &mut Exposition, client: &Client) {
    let id = name_of(client.node());
    let families = [
        ("etcd_server_id", "server_id", id.as_str(), "Server or member ID in hexadecimal format."),
        (
            "etcd_server_version",
            "server_version",
            version::ETCD_VERSION,
            "Which version of etcd this member serves as. 1 for 'server_version' label.",
        ),
        (
            "etcd_cluster_version",
            "cluster_version",
            version::CLUSTER_VERSION,
            "Which version is running. 1 for 'cluster_version' label.",
        ),
        ("quorate_version", "version", version::QUORATE_VERSION, "The version of Quorate."),
    ];
    for (name, label, value, help) in families {
        text.family(name, "gauge", help);
        text.sample(name, &[(label, value)], 1);
    }
    let engine = client.config().engine.to_string();
    text.family("quorate_engine", "gauge", "The consensus protocol.");
    text.sample("quorate_engine", &[("engine", &engine)], 1);
    text.gauge(
        "etcd_server_has_leader",
        "Whether or not a leader exists. 1 is existence, 0 is not.",
        u8::from(client.leader().is_some()),
    );
    text.counter(
        "etcd_server_leader_changes_seen_total",
        "The number of leader changes seen.",
        client.leader_changes(),
    );
}

fn write_engine(text: &mut Exposition, status: &Status) {
    text.gauge(
        "etcd_server_is_leader",
        "Whether or not this member is a leader. 1 if is, 0 otherwise.",
        u8::from(status.role == Role::Leader),
    );
    text.gauge(
        "etcd_server_is_learner",
        "Whether or not this member is a learner. 1 if is, 0 otherwise.",
        u8::from(status.members.is_learner(status.node)),
    );
    text.gauge(
        "etcd_server_proposals_committed_total",
        "The total number of consensus proposals committed.",
        status.committed.0,
    );
    text.family("quorate_role", "gauge", "What this member does now: 1 for one of the roles.");
    for (role, label) in ROLES {
        text.sample("quorate_role", &[("role", label)], u8::from(status.role == role));
    }
    text.gauge(
        "quorate_ballot_round",
        "The round of the ballot this member takes part in: the term, in Raft.",
        status.ballot.round,
    );
    text.gauge(
        "quorate_can_serve_reads",
        "Whether this member leads and has committed an entry of its own ballot.",
        u8::from(status.can_serve_reads),
    );
    text.gauge(
        "quorate_proposals_in_flight",
        "Proposals that await a quorum at this leader.",
        status.in_flight,
    );
    text.gauge(
        "quorate_members",
        "Members that vote, in the configuration in force.",
        status.members.details.len(),
    );
}

fn write_log(text: &mut Exposition, status: &Status) {
    let positions = [
        ("quorate_log_compacted_index", "The last position cut off the log.", status.compacted),
        ("quorate_log_last_index", "The last position in the log.", status.last),
        ("quorate_log_persisted_index", "The last position durable here.", status.persisted),
        ("quorate_log_committed_index", "The last position known to be chosen.", status.committed),
        ("quorate_engine_applied_index", "The last position the engine knows applied.", {
            status.applied
        }),
    ];
    for (name, help, index) in positions {
        text.gauge(name, help, index.0);
    }
    text.gauge(
        "quorate_log_disk_full",
        "Whether the log's disk has no room: this member then takes no writes.",
        u8::from(status.storage == StorageState::Full),
    );
}

fn write_followers(text: &mut Exposition, status: &Status) {
    let lag = |matched: u64| status.last.0.saturating_sub(matched);
    let name = "quorate_peer_lag_entries";
    text.family(
        name,
        "gauge",
        "Entries of the leader's log that are not known to be durable there.",
    );
    for peer in &status.peers {
        text.sample(name, &[("To", &name_of(peer.node))], lag(peer.matched.0));
    }
    let name = "quorate_peer_in_flight";
    text.family(name, "gauge", "The leader's messages that the peer has not answered.");
    for peer in &status.peers {
        text.sample(name, &[("To", &name_of(peer.node))], peer.in_flight);
    }
    let name = "quorate_peer_active";
    text.family(name, "gauge", "Whether the peer answered within the last election timeout.");
    for peer in &status.peers {
        text.sample(name, &[("To", &name_of(peer.node))], u8::from(peer.is_active));
    }
}

fn write_state(text: &mut Exposition, client: &Client, figures: &Figures) {
    let sizes = figures.sizes;
    text.gauge(
        "etcd_server_proposals_applied_total",
        "The total number of consensus proposals applied.",
        figures.applied.0,
    );
    text.gauge(
        "etcd_server_quota_backend_bytes",
        "Current backend storage quota size in bytes.",
        sizes.quota_bytes,
    );
    text.gauge(
        "etcd_mvcc_db_total_size_in_bytes",
        "Total size of the state machine's files in bytes.",
        client.file_bytes(),
    );
    text.gauge(
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "Total size of what they hold in bytes, as the quota counts it.",
        sizes.logical_bytes,
    );
    text.gauge("etcd_debugging_mvcc_keys_total", "Total number of keys.", sizes.keys);
    text.gauge(
        "etcd_debugging_mvcc_current_revision",
        "The current revision of store.",
        figures.revision,
    );
    text.gauge(
        "etcd_debugging_mvcc_compact_revision",
        "The revision of the last compaction in store.",
        figures.compacted.max(0),
    );
    text.gauge("quorate_records", "Retained records, history included.", sizes.records);
    text.gauge(
        "quorate_uncommitted_bytes",
        "Bytes applied that the state machine's file has not taken yet.",
        figures.uncommitted_bytes,
    );
    let name = "etcd_debugging_server_alarms";
    text.family(name, "gauge", "Alarms for every member in cluster. 1 for 'server_id' label.");
    for alarm in alarms::all(client, figures) {
        let id = name_of(NodeId(alarm.member));
        let kind = alarms::name_of(alarm.kind);
        text.sample(name, &[("server_id", &id), ("alarm_type", kind)], 1);
    }
}

fn write_operations(text: &mut Exposition, metrics: &Metrics, figures: &Figures) {
    let counts = figures.counts;
    let ranges = counts.ranges + metrics.requests.ranges.value();
    let families = [
        ("etcd_mvcc_put_total", "Total number of puts seen by this member.", counts.puts),
        ("etcd_mvcc_delete_total", "Total number of deletes seen by this member.", counts.deletes),
        ("etcd_mvcc_range_total", "Total number of ranges seen by this member.", ranges),
        ("etcd_mvcc_txn_total", "Total number of txns seen by this member.", counts.txns),
        ("quorate_compactions_total", "Compactions applied.", counts.compactions),
    ];
    for (name, help, count) in families {
        text.counter(name, help, count);
    }
}

fn write_leases(text: &mut Exposition, figures: &Figures) {
    let counts = figures.lease_counts;
    let families = [
        (
            "etcd_debugging_lease_granted_total",
            "The total number of granted leases.",
            counts.granted,
        ),
        ("etcd_debugging_lease_renewed_total", "The number of renewed leases.", counts.renewed),
        ("etcd_debugging_lease_revoked_total", "The total number of revoked leases.", {
            counts.revoked
        }),
        ("etcd_debugging_server_lease_expired_total", "The total number of expired leases.", {
            counts.expired
        }),
    ];
    for (name, help, count) in families {
        text.counter(name, help, count);
    }
    text.gauge("quorate_leases", "Leases that exist.", figures.sizes.leases);
}

fn write_watches(text: &mut Exposition, figures: &Figures) {
    text.gauge("etcd_debugging_mvcc_watcher_total", "Total number of watchers.", figures.watches);
    text.gauge(
        "etcd_debugging_mvcc_watch_stream_total",
        "Total number of watch streams.",
        figures.watch_streams,
    );
    text.counter(
        "etcd_debugging_mvcc_events_total",
        "Total number of events sent by this member.",
        figures.watch_events,
    );
}

fn write_threads(text: &mut Exposition, threads: &ThreadMetrics) {
    let histograms = [
        (
            "etcd_disk_wal_fsync_duration_seconds",
            "How long a write to the log takes with its sync.",
            &threads.log_sync,
        ),
        (
            "etcd_disk_backend_commit_duration_seconds",
            "How long a commit of the state machine's file takes.",
            &threads.map_commit,
        ),
        ("quorate_apply_seconds", "How long a batch of entries takes to apply.", {
            &threads.apply_seconds
        }),
        ("quorate_apply_batch_entries", "Entries applied at once.", &threads.apply_batch),
        ("quorate_log_batch_records", "Log records made durable by one sync.", &threads.log_batch),
        ("quorate_map_batch_records", "Records put or removed by one commit.", &threads.map_batch),
        (
            "quorate_ordering_turn_messages",
            "Messages that waited for the ordering thread when it looked.",
            &threads.ordering_turn,
        ),
        (
            "quorate_applying_turn_messages",
            "Messages that waited for the applying thread when it looked.",
            &threads.applying_turn,
        ),
    ];
    for (name, help, histogram) in histograms {
        text.histogram(name, help, histogram);
    }
    text.counter(
        "etcd_server_slow_apply_total",
        "The total number of slow apply requests (likely overloaded from slow disk).",
        threads.apply_slow.value(),
    );
    text.counter(
        "quorate_peer_violations_total",
        "Messages of peers that broke the protocol; the connection was closed.",
        threads.misbehaved.value(),
    );
    let name = "quorate_role_changes_total";
    text.family(name, "counter", "How often this member took each role: candidate is an election.");
    for (role, label) in ROLES {
        text.sample(name, &[("role", label)], threads.times(role));
    }
}

fn write_health(text: &mut Exposition, metrics: &Metrics) {
    text.counter(
        "etcd_server_health_success",
        "The total number of successful health checks.",
        metrics.health.success.value(),
    );
    text.counter(
        "etcd_server_health_failures",
        "The total number of failed health checks.",
        metrics.health.failures.value(),
    );
}
