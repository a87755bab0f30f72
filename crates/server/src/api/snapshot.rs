//! The stream of a snapshot: the file that is described in `codec/src/backup.rs`, in blobs.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quorate_codec::{BackupHead, BackupItem, encode_backup_item};
use quorate_etcdapi::error::ApiError;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_kv::Chunk;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tonic::Status;

use crate::backup::{Backup, BackupLost};
use crate::client::Client;
use crate::version;

/// Most bytes of one blob, etcd's.
const BLOB_BYTES_MAX: usize = 32 << 10;

/// Blobs that wait for the client's connection.
const BLOBS_MAX: usize = 4;

/// How long a client may take for one blob: meanwhile compaction waits.
const BLOB_TIMEOUT: Duration = Duration::from_secs(30);

/// What a client is sent.
pub(super) type Blobs = mpsc::Receiver<Result<pb::SnapshotResponse, Status>>;

/// Begins to stream the state as this member has it now.
pub(super) async fn stream(client: &Client) -> Result<Blobs, ApiError> {
    let backup = client.begin_backup().await?;
    let checkpoint = backup.checkpoint();
    let config = client.config();
    let head = BackupHead::new(config.cluster_id(), client.node(), config.engine, checkpoint);
    let header = client.responder().header(checkpoint.revision);
    let (sender, blobs) = mpsc::channel(BLOBS_MAX);
    let file = File {
        sender,
        header,
        waiting: BytesMut::new(),
        remaining_bytes: head.bytes,
        hash: Sha256::new(),
    };
    tokio::spawn(send(file, head, backup));
    Ok(blobs)
}

/// Why a stream ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// The client has gone, or takes nothing.
    Gone,
    /// There is nothing more to be had here.
    Lost,
}

impl From<BackupLost> for Broken {
    fn from(BackupLost: BackupLost) -> Self {
        Self::Lost
    }
}

async fn send(mut file: File, head: BackupHead, backup: Backup) {
    let sender = file.sender.clone();
    match write(&mut file, head, backup).await {
        Ok(()) => tracing::info!(revision = head.revision, bytes = head.bytes, "sent a snapshot"),
        Err(Broken::Gone) => tracing::info!("a client gave up a snapshot"),
        Err(Broken::Lost) => {
            // The client may have gone as well.
            let _ = sender.send(Err(ApiError::Stopped.into())).await;
        }
    }
}

async fn write(file: &mut File, head: BackupHead, mut backup: Backup) -> Result<(), Broken> {
    head.encode(&mut file.waiting);
    while let Some(chunk) = backup.next().await? {
        let Chunk { records, leases, .. } = chunk;
        for (revision, record) in records {
            encode_backup_item(&BackupItem::Record(revision, record), &mut file.waiting);
        }
        for lease in leases {
            encode_backup_item(&BackupItem::Lease(lease), &mut file.waiting);
        }
        file.send_full().await?;
    }
    let checkpoint = backup.checkpoint().clone();
    drop(backup);
    encode_backup_item(&BackupItem::Checkpoint(Box::new(checkpoint)), &mut file.waiting);
    file.finish().await
}

/// The file on its way to a client.
struct File {
    sender: mpsc::Sender<Result<pb::SnapshotResponse, Status>>,
    header: pb::ResponseHeader,
    waiting: BytesMut,
    remaining_bytes: u64,
    hash: Sha256,
}

impl File {
    /// Sends what fills whole blobs.
    async fn send_full(&mut self) -> Result<(), Broken> {
        while BLOB_BYTES_MAX <= self.waiting.len() {
            let blob = self.waiting.split_to(BLOB_BYTES_MAX).freeze();
            self.send_data(blob).await?;
        }
        Ok(())
    }

    /// Pads what is left to the length that was announced, and ends with the hash.
    async fn finish(&mut self) -> Result<(), Broken> {
        self.send_full().await?;
        let padded = usize::try_from(self.remaining_bytes).expect("less than a blob is left");
        assert!(self.waiting.len() <= padded, "the length of the file was announced too short");
        assert!(padded - self.waiting.len() < 512, "the length of the file was announced too long");
        self.waiting.resize(padded, 0);
        self.send_full().await?;
        let last = self.waiting.split().freeze();
        if !last.is_empty() {
            self.send_data(last).await?;
        }
        let hash = Bytes::copy_from_slice(&self.hash.clone().finalize());
        self.send_blob(hash).await
    }

    async fn send_data(&mut self, blob: Bytes) -> Result<(), Broken> {
        self.hash.update(&blob);
        self.remaining_bytes -= blob.len() as u64;
        self.send_blob(blob).await
    }

    async fn send_blob(&self, blob: Bytes) -> Result<(), Broken> {
        let response = pb::SnapshotResponse {
            header: Some(self.header),
            remaining_bytes: self.remaining_bytes,
            blob,
            version: version::STORAGE_VERSION.to_owned(),
        };
        let sent = tokio::time::timeout(BLOB_TIMEOUT, self.sender.send(Ok(response))).await;
        sent.map_err(|_| Broken::Gone)?.map_err(|_| Broken::Gone)
    }
}
