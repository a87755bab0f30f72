//! What a demo shows.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use quorate_server::EngineKind;

use super::DemoFlags;
use super::cluster::Cluster;
use super::view::View;

/// The keys.
pub(crate) const KEYS: &str = "keys     k kill leader · r restart what is down · s status · q quit";

/// Shows a line, or several. A reader that has left misses nothing that matters.
pub(crate) fn say(text: &str) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "  {text}");
    let _ = output.flush();
}

/// Shows that the cluster is ready, and what to do with it.
pub(crate) async fn ready(cluster: &mut Cluster, took: Duration, folder: &Path, flags: &DemoFlags) {
    let views = cluster.views().await;
    let fate = if flags.keep { "kept" } else { "deleted at the end; --keep" };
    let endpoints: Vec<String> = cluster.addresses().map(|(_, address)| address).collect();
    let engine = EngineKind::from(flags.engine);
    say(&format!("cluster ready in {}   engine {engine}", seconds(took)));
    say(&members(cluster, &views));
    say(&format!("data in {} ({fate})\n", folder.display()));
    say("try, in another terminal:");
    say(&format!("  export ETCDCTL_API=3 ETCDCTL_ENDPOINTS={}", endpoints.join(",")));
    say(&format!("  {} put hello world", program()));
    say("  etcdctl get hello");
    say(&format!("  {} status\n", program()));
    say(if flags.no_keys { "stop     Ctrl-C, or SIGTERM" } else { KEYS });
}

/// The members on one line.
fn members(cluster: &Cluster, views: &[View]) -> String {
    let all = cluster.addresses().zip(views).map(|((name, address), view)| {
        let role = if view.is_leader() { " leader" } else { "" };
        format!("{name} {}{role} {address}", mark(view))
    });
    all.collect::<Vec<_>>().join("   ")
}

/// Shows how each member is.
pub(crate) async fn status(cluster: &Cluster) {
    let views = cluster.views().await;
    for ((name, address), view) in cluster.addresses().zip(&views) {
        say(&format!("{name} {} {address:<16} {}", mark(view), describe(view, cluster.engine())));
    }
}

fn describe(view: &View, engine: EngineKind) -> String {
    let (term, index) = match engine {
        EngineKind::Raft => ("term", "index"),
        EngineKind::Paxos => ("ballot", "slot"),
    };
    match view {
        View::Down => "down; r restarts it".to_owned(),
        View::Silent => "runs, and does not answer".to_owned(),
        View::Up(status) => {
            let role = match (view.is_leader(), view.has_leader()) {
                (true, _) => "leader",
                (false, true) => "follower",
                (false, false) => "no leader",
            };
            format!(
                "{role:<9} {term} {:<4} {index} {:<7} applied {}",
                status.raft_term, status.raft_index, status.raft_applied_index
            )
        }
    }
}

fn mark(view: &View) -> char {
    match view {
        View::Down => '✕',
        View::Silent => '?',
        View::Up(_) if view.is_leader() => '●',
        View::Up(_) => '○',
    }
}

/// A duration to the tenth or hundredth of a second.
pub(crate) fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") }
}

/// How the user can call this program.
fn program() -> String {
    let path = env::current_exe().unwrap_or_default();
    let here = env::current_dir().unwrap_or_default();
    match path.strip_prefix(here) {
        Ok(relative) => relative.display().to_string(),
        Err(_) => "quorate".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use quorate_etcdapi::etcdserverpb::{ResponseHeader, StatusResponse};

    use super::*;

    #[test]
    fn each_state_of_a_member_is_told_apart() {
        let up = |member_id, leader| {
            let header = Some(ResponseHeader { member_id, ..ResponseHeader::default() });
            let status =
                StatusResponse { header, leader, raft_term: 3, ..StatusResponse::default() };
            View::Up(status.into())
        };
        assert!(describe(&up(1, 1), EngineKind::Raft).starts_with("leader    term 3 "));
        assert!(describe(&up(2, 1), EngineKind::Paxos).starts_with("follower  ballot 3 "));
        assert!(describe(&up(2, 0), EngineKind::Raft).starts_with("no leader term 3 "));
        let marks: Vec<char> =
            [up(1, 1), up(2, 1), View::Silent, View::Down].iter().map(mark).collect();
        assert_eq!(marks, ['●', '○', '?', '✕']);
    }

    #[test]
    fn short_times_have_more_digits() {
        assert_eq!(seconds(Duration::from_millis(312)), "0.31 s");
        assert_eq!(seconds(Duration::from_millis(1_250)), "1.2 s");
    }
}
