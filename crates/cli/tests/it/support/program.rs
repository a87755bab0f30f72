//! The programs under test, which take the same flags.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server that speaks etcd's interface and takes etcd's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// `quorate serve`, of the same build as this test, on Raft.
    Quorate,
    /// The same on Multi-Paxos.
    QuoratePaxos,
    /// `quorate serve` on a disk that only claims to sync: `examples/unsynced.rs`.
    Unsynced,
    /// The real etcd, Debian's package `etcd-server`.
    Etcd,
}

impl Program {
    /// A command that serves once the flags are added.
    ///
    /// Settings that etcd would read from this test's own environment are taken out of it.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(self.path());
        match self {
            Self::Quorate => command.arg("serve"),
            Self::QuoratePaxos => command.args(["serve", "--engine=paxos"]),
            Self::Unsynced | Self::Etcd => &mut command,
        };
        for name in inherited_settings() {
            command.env_remove(name);
        }
        command
    }

    /// Whether it is the program that people run, on either engine.
    pub(crate) fn is_quorate(self) -> bool {
        matches!(self, Self::Quorate | Self::QuoratePaxos)
    }

    /// Whether it can be run here.
    pub(crate) fn is_installed(self) -> bool {
        let path = self.path();
        if path.is_absolute() {
            return path.is_file();
        }
        let search = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&search).any(|directory| directory.join(&path).is_file())
    }

    fn path(self) -> PathBuf {
        let quorate = Path::new(env!("CARGO_BIN_EXE_quorate"));
        match self {
            Self::Quorate | Self::QuoratePaxos => quorate.to_path_buf(),
            Self::Unsynced => quorate.with_file_name("examples").join("unsynced"),
            Self::Etcd => PathBuf::from("etcd"),
        }
    }
}

fn inherited_settings() -> impl Iterator<Item = OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| name.to_string_lossy().starts_with("ETCD_"))
}
