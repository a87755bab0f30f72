//! A file system of its own for each member, whose power can be cut.
//!
//! An image file with ext4, mounted through a loop device. The cut is ext4's own shutdown call
//! without a flush of its journal (`EXT4_IOC_SHUTDOWN`, `EXT4_GOING_FLAGS_NOLOGFLUSH`): what was
//! not synced is gone when the file system is mounted again, as after a power cut. Writes are lost
//! whole, never torn; torn writes are tested over a simulated disk, in the storage crate.
//!
//! The call itself is made by perl, which every Debian has: Rust would need `unsafe` for it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::guardian::{Guardian, Notice};

/// The size of an image. It is sparse: only what is written takes room.
const IMAGE_BYTES: u64 = 1 << 30;

/// Cuts the power of every directory in its arguments.
const CUT: &str = r#"
my $no_log_flush = pack("L", 2);
for my $path (@ARGV) {
    open(my $handle, "<", $path) or die "$path: $!";
    ioctl($handle, 0x8004587D, $no_log_flush) or die "$path: $!";
}
"#;

/// A mounted image.
pub(crate) struct Volume {
    image: PathBuf,
    mount: PathBuf,
    /// For as long as it is mounted.
    _guardian: Arc<Guardian>,
}

impl Volume {
    /// Makes and mounts an image called `name` in a directory.
    ///
    /// An error says why this machine cannot: no right to, no loop device, no tool.
    pub(crate) fn new(
        directory: &Path,
        name: &str,
        guardian: Arc<Guardian>,
    ) -> Result<Self, String> {
        let image = directory.join(format!("{name}.ext4"));
        let mount = directory.join(name);
        std::fs::create_dir(&mount).expect("a new directory can be made");
        let file = File::create(&image).expect("a new file can be made");
        file.set_len(IMAGE_BYTES).expect("a file can be sparse");
        let options = ["-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1"];
        run(Command::new("mkfs.ext4").args(options).arg(&image))?;
        guardian.tell(Notice::Mount(&mount));
        let volume = Self { image, mount, _guardian: guardian };
        volume.mount()?;
        run(Command::new("perl").args(["-e", "1"]))?;
        Ok(volume)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    /// Writes everything out, as an idle system does in its own time.
    pub(crate) fn sync(&self) {
        run(Command::new("sync").arg("-f").arg(&self.mount)).expect("it is mounted");
    }

    /// Mounts it again after a cut. No process may use it.
    pub(crate) fn remount(&self) {
        run(Command::new("umount").arg(&self.mount)).expect("nothing uses it");
        self.mount().expect("it was mounted before");
    }

    fn mount(&self) -> Result<(), String> {
        let mut command = Command::new("mount");
        run(command.args(["-t", "ext4", "-o", "loop"]).arg(&self.image).arg(&self.mount))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // It may be busy or not be mounted; the guardian looks again.
        let _ = run(Command::new("umount").arg(&self.mount));
    }
}

/// Cuts the power of all of them, one within about a millisecond of the other.
pub(crate) fn cut(volumes: &[&Volume]) {
    let mounts = volumes.iter().map(|volume| &volume.mount);
    run(Command::new("perl").args(["-e", CUT]).args(mounts)).expect("ext4 can be shut down");
}

/// Runs a command to its end. An error is what it said, or that there is no such command.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}", said.trim()))
}
