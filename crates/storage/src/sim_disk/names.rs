//! The names of the simulated disk: durable only once their directory is synced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Keep;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// The file of this number.
    File(u64),
    /// A directory.
    Directory,
}

/// A change of the names in one directory.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// The name now stands for this.
    Link(PathBuf, Node),
    /// The name is gone.
    Unlink(PathBuf),
    /// The second name now stands for this, and the first is gone.
    Rename(PathBuf, PathBuf, Node),
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Self::Link(path, _) | Self::Unlink(path) | Self::Rename(_, path, _) => path,
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Link(path, node) => {
                names.insert(path, node);
            }
            Self::Unlink(path) => {
                names.remove(&path);
            }
            Self::Rename(from, to, node) => {
                if names.get(&from) == Some(&node) {
                    names.remove(&from);
                }
                names.insert(to, node);
            }
        }
    }
}

/// All names: as processes see them, as the disk has them, and the changes in between.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) live: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    unsynced: BTreeMap<PathBuf, Vec<Change>>,
}

impl Default for Names {
    fn default() -> Self {
        let root = BTreeMap::from([(PathBuf::from("/"), Node::Directory)]);
        Self { live: root.clone(), durable: root, unsynced: BTreeMap::new() }
    }
}

impl Names {
    /// Changes a name, in the cache.
    pub(super) fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.live);
        let directory = change.path().parent().unwrap_or(Path::new("/")).to_owned();
        self.unsynced.entry(directory).or_default().push(change);
    }

    /// Makes a name durable at once, behind everyone's back.
    pub(super) fn plant(&mut self, path: &Path, node: Node) {
        self.live.insert(path.to_owned(), node);
        self.durable.insert(path.to_owned(), node);
    }

    /// Every file that has a name, in the cache or on the disk, or may have one after a crash,
    /// with such a name.
    pub(super) fn files(&self) -> BTreeMap<u64, PathBuf> {
        let changed = self.unsynced.values().flatten().filter_map(|change| match change {
            Change::Link(path, node) | Change::Rename(_, path, node) => Some((path, node)),
            Change::Unlink(_) => None,
        });
        let named = changed.chain(&self.durable).chain(&self.live);
        let files = named.filter_map(|(path, node)| match node {
            Node::File(inode) => Some((*inode, path.clone())),
            Node::Directory => None,
        });
        files.collect()
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync(&mut self, directory: &Path) {
        for change in self.unsynced.remove(directory).unwrap_or_default() {
            change.apply(&mut self.durable);
        }
    }

    /// Cuts the power.
    pub(super) fn crash(&mut self, mut choose: impl FnMut(&Path) -> Keep) {
        for change in core::mem::take(&mut self.unsynced).into_values().flatten() {
            if choose(change.path()) == Keep::New {
                change.apply(&mut self.durable);
            }
        }
        let directories = self.durable.clone();
        self.durable.retain(|path, _| {
            path.ancestors().skip(1).all(|above| directories.get(above) == Some(&Node::Directory))
        });
        self.live = self.durable.clone();
    }
}
