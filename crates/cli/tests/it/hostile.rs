//! Bad input from every side: the cluster goes on serving, says what is wrong and what to do, and
//! loses nothing that it acknowledged.
//!
//! - [`requests`]: odd, damaged and senseless messages to every method ([`messages`], [`raw`]). The
//!   words of refusals are judged by [`wording`].
//! - [`gateway`]: the same as JSON, and callers that never finish.
//! - [`ports`]: garbage, truncation and silence on the client and the peer ports.
//! - [`sizes`]: requests beyond each limit.
//! - [`directories`]: data directories of others, wiped, in use, or of a newer program.
//! - [`engines`]: members and directories of the other engine.
//! - [`full_disk`]: no room, on one member and on all.

mod directories;
mod engines;
mod full_disk;
mod gateway;
mod messages;
mod ports;
mod raw;
mod requests;
mod sizes;
mod wording;

use std::time::Duration;

use quorate_etcdapi::etcdserverpb as pb;

use crate::support::audit;
use crate::support::workload::{Shape, Workload};
use crate::support::{Cluster, Options, Program, poll};

/// How long a member that is not attacked itself may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// One client at each member that writes all the time.
const SHAPE: Shape = Shape { recorders: 1, rivals: 0, request_limit: ANSWER_LIMIT };

/// Writes that must succeed while an attack goes on.
const WRITES_MEANWHILE: usize = 30;

/// Three members that serve.
async fn three() -> Cluster {
    three_of(Program::Quorate).await
}

/// The same of another program.
async fn three_of(program: Program) -> Cluster {
    Cluster::ready(Options::new(program, 3)).await
}

/// Each of these members takes a write, and reads it.
async fn assert_serving(cluster: &Cluster, members: &[usize]) {
    for &member in members {
        let channel = cluster.connect(member, ANSWER_LIMIT);
        let mut kv = pb::kv_client::KvClient::new(channel);
        let key = format!("serving/{member}");
        let put =
            pb::PutRequest { key: key.clone().into(), value: "yes".into(), ..Default::default() };
        kv.put(put).await.expect("a member takes a write");
        let read = pb::RangeRequest { key: key.into(), ..Default::default() };
        let found = kv.range(read).await.expect("a member reads").into_inner();
        assert_eq!(found.kvs.len(), 1, "member {member} reads what it wrote");
    }
}

/// Clients that write during an attack, and the judgement of what they were told.
struct Witness {
    workload: Workload,
}

impl Witness {
    fn start(cluster: &Cluster) -> Self {
        Self { workload: Workload::start(cluster, SHAPE, 1) }
    }

    /// Waits until writes were acknowledged that were asked for from now on.
    async fn more(&self) {
        self.workload.more(WRITES_MEANWHILE).await;
    }

    /// Every acknowledged write is there, at its revision, on members that agree; nobody panicked.
    async fn judge(self, cluster: &Cluster) -> usize {
        let history = self.workload.finish().await;
        let found = audit::read_back(cluster, &history).await;
        let count = found.unwrap_or_else(|lost| panic!("an acknowledged write is lost: {lost:?}"));
        assert!(0 < count, "there were writes");
        audit::assert_equal_states(cluster).await;
        cluster.assert_no_panic();
        count
    }
}

/// Waits until a member's log tells this.
async fn wait_log(cluster: &Cluster, member: usize, text: &str) {
    let what = format!("member {member} logs {text:?}");
    poll::until(&what, ANSWER_LIMIT, async || cluster.log(member).contains(text).then_some(()))
        .await;
}
