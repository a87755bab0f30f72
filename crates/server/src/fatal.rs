//! The one way a running node ends against its will.

use std::fmt;
use std::sync::Arc;

use quorate_codec::handshake::HandshakeRefusal;
use quorate_consensus::NodeId;
use tokio::sync::watch;

/// Why a node had to stop. It must not go on: what it would promise might not be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The log's disk failed, so what is durable is unknown.
    Log(String),
    /// The state machine's file is damaged or cannot be written.
    Map(String),
    /// A peer knows this member with another data directory.
    Refused {
        /// The peer.
        peer: NodeId,
        /// What it said.
        refusal: HandshakeRefusal,
    },
    /// A thread ended by a broken assertion.
    Thread {
        /// Which.
        name: &'static str,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(reason) => write!(
                formatter,
                "the log cannot be written: {reason}; nothing is acknowledged any more. \
                 Check the disk, then start this member again"
            ),
            Self::Map(reason) => write!(
                formatter,
                "the data file failed: {reason}. Check the disk, then start this member again; if \
                 it refuses, remove the member and add it as new"
            ),
            Self::Refused { peer, refusal } => {
                write!(formatter, "peer {peer} refuses this member: {refusal}")
            }
            Self::Thread { name } => write!(
                formatter,
                "the {name} thread ended unexpectedly: a bug. The log above has the broken \
                 assertion; please report it"
            ),
        }
    }
}

impl std::error::Error for Failure {}

/// Tells everyone that the node must stop. The first reason stands.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    sender: Arc<watch::Sender<Option<Failure>>>,
}

impl Alarm {
    /// A quiet alarm, and where it can be heard.
    pub(crate) fn new() -> (Self, watch::Receiver<Option<Failure>>) {
        let (sender, receiver) = watch::channel(None);
        (Self { sender: Arc::new(sender) }, receiver)
    }

    /// Raises it.
    pub(crate) fn raise(&self, failure: Failure) {
        self.sender.send_if_modified(|current| {
            if current.is_some() {
                return false;
            }
            tracing::error!(%failure, "this member stops");
            *current = Some(failure);
            true
        });
    }

    /// Raises it if the thread that holds the answer unwinds.
    pub(crate) fn guard(&self, name: &'static str) -> ThreadGuard {
        ThreadGuard { alarm: self.clone(), name }
    }
}

/// Raises the alarm when its thread panics.
#[derive(Debug)]
pub(crate) struct ThreadGuard {
    alarm: Alarm,
    name: &'static str,
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.alarm.raise(Failure::Thread { name: self.name });
        }
    }
}
