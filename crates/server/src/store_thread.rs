//! The thread that makes the state machine durable, off the path of every reply.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_consensus::Meta;
use quorate_kv::{Commit, Config, MapError, Store, Strict};
use quorate_replica::{StagingFailed, StagingOp};
use quorate_storage::{InstallError, Installer, Staging};

use crate::fatal::{Alarm, Failure};
use crate::metrics::Metrics;
use crate::queue::{Receiver, Sender};
use crate::waiter::{SharedRecords, ToApplying, ToStore};

/// How often a commit that found no room is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The disk map's writer.
pub(crate) struct StoreThread {
    pub(crate) records: SharedRecords,
    pub(crate) installer: Installer,
    pub(crate) store_config: Config,
    pub(crate) inbox: Receiver<ToStore>,
    pub(crate) applying: Sender<ToApplying>,
    pub(crate) alarm: Alarm,
    /// Set when the node stops: what found no room is then left to the log.
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) metrics: Arc<Metrics>,
}

impl StoreThread {
    /// Runs until told to stop, or until the disk fails.
    pub(crate) fn run(mut self) {
        let _guard = self.alarm.guard("store");
        let mut stage = Stage::default();
        while let Some(message) = self.inbox.recv() {
            let result = match message {
                ToStore::Commit(commit) => self.commit(&commit),
                ToStore::Stage(operations) => self.stage(&mut stage, operations),
                ToStore::Activate(meta) => self.activate(meta),
                ToStore::Stop => return,
            };
            if let Err(failure) = result {
                self.alarm.raise(failure);
                return;
            }
        }
    }

    /// A full disk is waited out: the log still holds everything, and the backlog is bounded.
    fn commit(&self, commit: &Commit) -> Result<(), Failure> {
        let mut is_warned = false;
        loop {
            let committed = self.metrics.threads.map_commit.time(|| self.records.commit(commit));
            match committed {
                Ok(()) => break,
                Err(MapError::Io(ErrorKind::StorageFull)) => {
                    if !is_warned {
                        tracing::warn!(
                            "the disk is full: the data file cannot grow; free some space"
                        );
                        is_warned = true;
                    }
                    if self.stopping.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    std::thread::sleep(RETRY_INTERVAL);
                }
                Err(error) => return Err(Failure::Map(error.to_string())),
            }
        }
        let records = commit.puts.len() + commit.removes.len();
        self.metrics.threads.map_batch.observe(records as u64);
        self.tell(ToApplying::Committing(commit.id));
        Ok(())
    }

    fn stage(&self, stage: &mut Stage, operations: Vec<StagingOp>) -> Result<(), Failure> {
        let mut result = Ok(());
        for operation in operations {
            result = stage.perform(&self.installer, operation);
            if result.is_err() {
                break;
            }
        }
        let staged = match result {
            Ok(()) => Ok(()),
            Err(InstallError::Map(error)) => return Err(Failure::Map(error.to_string())),
            Err(error) => {
                tracing::warn!(%error, "a snapshot from a peer was given up");
                Err(StagingFailed)
            }
        };
        self.tell(ToApplying::Staged(staged));
        Ok(())
    }

    fn activate(&mut self, meta: Meta) -> Result<(), Failure> {
        let failed = |error: String| Failure::Map(error);
        self.records = self.installer.activate(&meta).map_err(|error| failed(error.to_string()))?;
        let store = Store::open(self.records.clone(), self.store_config, Strict)
            .map_err(|error| failed(error.to_string()))?;
        tracing::info!(index = %meta.index, "the state of a peer is installed");
        self.tell(ToApplying::Installed(Box::new(store), meta));
        Ok(())
    }

    fn tell(&self, message: ToApplying) {
        // The applying thread is gone only when the node stops.
        let _ = self.applying.send(message);
    }
}

/// The snapshot under construction.
#[derive(Default)]
struct Stage {
    staging: Option<Staging>,
}

impl Stage {
    fn perform(&mut self, installer: &Installer, operation: StagingOp) -> Result<(), InstallError> {
        match operation {
            StagingOp::Begin(meta) => {
                self.staging = None;
                self.staging = Some(installer.begin(&meta)?);
                Ok(())
            }
            StagingOp::Write(records) => {
                self.staging.as_mut().ok_or(InstallError::NotStaged)?.add(&records)
            }
            StagingOp::WriteLeases(leases) => {
                self.staging.as_mut().ok_or(InstallError::NotStaged)?.add_leases(&leases)
            }
            StagingOp::Finish(checkpoint) => {
                self.staging.take().ok_or(InstallError::NotStaged)?.finish(&checkpoint)
            }
        }
    }
}
