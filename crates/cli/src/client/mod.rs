//! The client commands: what `quorate` and, called by that name, `etcdctl` have in common.

mod alarm;
mod bench;
mod compare;
mod doctor;
mod elect;
mod endpoint;
mod interactive;
mod keys;
mod kv;
mod lease;
mod lease_session;
mod lock;
mod member;
mod owner;
mod status;
mod txn;
mod watch;
mod watching;
mod words;

use std::future::Future;

use clap::Subcommand;
use quorate_etcdapi::etcdserverpb::kv_client::KvClient;
use tokio::runtime;
use tonic::transport::Channel;

use self::alarm::AlarmCommand;
use self::bench::BenchCommand;
use self::doctor::DoctorFlags;
use self::elect::ElectFlags;
use self::endpoint::{DefragFlags, EndpointCommand};
use self::kv::{CompactFlags, DelFlags, GetFlags, PutFlags};
use self::lease::LeaseCommand;
use self::lock::LockFlags;
use self::member::{MemberCommand, MoveLeaderFlags};
use self::status::StatusFlags;
use self::txn::TxnFlags;
use self::watch::WatchFlags;
use crate::client_flags::Context;
use crate::exit::Failure;
use crate::snapshot::SnapshotCommand;

/// The client commands.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Show all members: who leads, who is down, and how many more may fail
    #[command(after_help = status::NOTES)]
    Status(StatusFlags),
    /// Measure what a cluster depends on, and say what to do about it
    #[command(after_help = doctor::NOTES)]
    Doctor(DoctorFlags),
    /// Write a key
    #[command(after_help = kv::PUT_NOTES)]
    Put(PutFlags),
    /// Read a key, or a range of keys
    #[command(after_help = kv::GET_NOTES)]
    Get(GetFlags),
    /// Delete a key, or a range of keys
    #[command(after_help = kv::DEL_NOTES)]
    Del(DelFlags),
    /// Compare and change several keys at once
    #[command(after_help = txn::NOTES)]
    Txn(TxnFlags),
    /// Print changes as they happen, from now or from a revision on
    #[command(after_help = watch::NOTES)]
    Watch(WatchFlags),
    /// Forget the history before a revision
    #[command(visible_alias = "compaction", after_help = kv::COMPACT_NOTES)]
    Compact(CompactFlags),
    /// Grant, renew and revoke leases: keys that go by themselves
    #[command(subcommand, after_help = lease::NOTES)]
    Lease(LeaseCommand),
    /// Hold a lock, alone among all who ask for it
    #[command(after_help = lock::NOTES)]
    Lock(LockFlags),
    /// Take part in an election, or watch who wins it
    #[command(after_help = elect::NOTES)]
    Elect(ElectFlags),
    /// Ask how members are doing
    #[command(subcommand, after_help = endpoint::NOTES)]
    Endpoint(EndpointCommand),
    /// Ask who the members are
    #[command(subcommand, after_help = member::NOTES)]
    Member(MemberCommand),
    /// Have another member lead
    #[command(after_help = member::MOVE_NOTES)]
    MoveLeader(MoveLeaderFlags),
    /// See and end alarms
    #[command(subcommand, after_help = alarm::NOTES)]
    Alarm(AlarmCommand),
    /// Give space back (nothing to do here: it is given back all the time)
    #[command(after_help = endpoint::DEFRAG_NOTES)]
    Defrag(DefragFlags),
    /// Store and look at snapshots
    #[command(subcommand, after_help = crate::snapshot::NOTES)]
    Snapshot(SnapshotCommand),
    /// Measure a cluster, Quorate's or etcd's
    #[command(subcommand, after_help = bench::NOTES)]
    Bench(BenchCommand),
}

impl ClientCommand {
    /// Runs it.
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let form = context.printer.failure_form();
        self.dispatch(context).map_err(|failure| failure.in_form(form))
    }

    fn dispatch(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Status(flags) => status::run(&flags, context),
            Self::Doctor(flags) => doctor::run(&flags, context),
            Self::Put(flags) => kv::put(flags, context),
            Self::Get(flags) => kv::get(flags, context),
            Self::Del(flags) => kv::del(flags, context),
            Self::Txn(flags) => txn::run(&flags, context),
            Self::Watch(flags) => watch::run(flags, context),
            Self::Compact(flags) => kv::compact(&flags, context),
            Self::Lease(command) => lease::run(command, context),
            Self::Lock(flags) => lock::run(&flags, context),
            Self::Elect(flags) => elect::run(flags, context),
            Self::Endpoint(command) => endpoint::run(command, context),
            Self::Member(command) => member::run(command, context),
            Self::MoveLeader(flags) => member::move_leader(&flags, context),
            Self::Alarm(command) => alarm::run(command, context),
            Self::Defrag(flags) => endpoint::defrag(&flags, context),
            Self::Snapshot(command) => crate::snapshot::run(command, context),
            Self::Bench(command) => bench::run(command, context),
        }
    }
}

/// Runs what waits on the network, on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::error)?.block_on(work)
}

/// A client of the keys, without limits of its own: the server has them.
fn kv_client(channel: Channel) -> KvClient<Channel> {
    KvClient::new(channel)
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX)
}
