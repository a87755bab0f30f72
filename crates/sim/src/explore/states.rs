//! Every state of a world that was met, as packed bytes in the order of discovery, found again by
//! an open-addressing table of their numbers.
//!
//! States are compared whole, not by a hash: no state is taken for another. They lie in chunks that
//! never move, and the table is split into shards that grow one at a time, so that growing needs
//! little memory beside what is kept.

/// The number of a state, in the order of discovery.
pub(super) type StateId = u32;

/// How many bytes a state's parent takes.
const PARENT: usize = 4;
const CHUNK: usize = 1 << 16;
const SHARDS: usize = 1 << 8;

/// All states met.
#[derive(Debug)]
pub(super) struct States {
    /// Bytes of one state, parent included.
    stride: usize,
    chunks: Vec<Vec<u8>>,
    count: usize,
    shards: Vec<Shard>,
}

/// A part of the table.
#[derive(Debug)]
struct Shard {
    slots: Vec<Slot>,
    used: usize,
}

/// A place in the table.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// A state's number plus one; zero is free.
    number: u32,
    /// A part of its hash, so that few states are looked at in vain.
    tag: u32,
}

impl States {
    /// None yet. Each will have `width` bytes.
    pub(super) fn new(width: usize) -> Self {
        let shard = || Shard { slots: vec![Slot::default(); 16], used: 0 };
        Self {
            stride: width + PARENT,
            chunks: Vec::new(),
            count: 0,
            shards: (0..SHARDS).map(|_| shard()).collect(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> u64 {
        let table: usize =
            self.shards.iter().map(|shard| shard.slots.len() * size_of::<Slot>()).sum();
        (self.chunks.len() * CHUNK * self.stride + table) as u64
    }

    /// A state.
    pub(super) fn get(&self, id: StateId) -> &[u8] {
        &self.record(id)[PARENT..]
    }

    /// The state from which this one was reached first; the first state is its own.
    pub(super) fn parent(&self, id: StateId) -> StateId {
        let bytes = &self.record(id)[..PARENT];
        u32::from_le_bytes(bytes.try_into().expect("a parent takes four bytes"))
    }

    fn record(&self, id: StateId) -> &[u8] {
        let (chunk, at) = (id as usize / CHUNK, id as usize % CHUNK * self.stride);
        &self.chunks[chunk][at..at + self.stride]
    }

    /// Adds a state unless it is there. Its number, if it is new.
    pub(super) fn insert(&mut self, state: &[u8], parent: StateId) -> Option<StateId> {
        assert!(state.len() + PARENT == self.stride, "a state has another width");
        let hash = hash(state);
        let shard = hash as usize % SHARDS;
        let slot = self.find(shard, hash, state)?;
        let id = u32::try_from(self.count).expect("the states are bounded below 2^32");
        self.push(state, parent);
        let shard_full = {
            let shard = &mut self.shards[shard];
            shard.slots[slot] = Slot { number: id + 1, tag: hash as u32 };
            shard.used += 1;
            shard.slots.len() * 3 < shard.used * 4
        };
        if shard_full {
            self.grow(shard);
        }
        Some(id)
    }

    /// The free slot for a state; `None` if the state is there.
    fn find(&self, shard: usize, hash: u64, state: &[u8]) -> Option<usize> {
        let slots = &self.shards[shard].slots;
        let mask = slots.len() - 1;
        let mut place = (hash >> 32) as usize & mask;
        while slots[place].number != 0 {
            let Slot { number, tag } = slots[place];
            if tag == hash as u32 && self.get(number - 1) == state {
                return None;
            }
            place = (place + 1) & mask;
        }
        Some(place)
    }

    fn push(&mut self, state: &[u8], parent: StateId) {
        if self.count.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK * self.stride));
        }
        let chunk = self.chunks.last_mut().expect("a chunk was just made");
        chunk.extend_from_slice(&parent.to_le_bytes());
        chunk.extend_from_slice(state);
        self.count += 1;
    }

    fn grow(&mut self, shard: usize) {
        let size = self.shards[shard].slots.len() * 2;
        let old = core::mem::take(&mut self.shards[shard].slots);
        let mut slots = vec![Slot::default(); size];
        for slot in old.into_iter().filter(|slot| slot.number != 0) {
            let mut place = (hash(self.get(slot.number - 1)) >> 32) as usize & (size - 1);
            while slots[place].number != 0 {
                place = (place + 1) & (size - 1);
            }
            slots[place] = slot;
        }
        self.shards[shard].slots = slots;
    }
}

/// A hash of bytes: folded multiplication, word by word, as wyhash does it.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = fold(hash ^ u64::from_le_bytes(word));
    }
    fold(hash ^ bytes.len() as u64)
}

/// Mixes 64 bits.
pub(super) fn fold(word: u64) -> u64 {
    let product = u128::from(word ^ 0xa076_1d64_78bd_642f) * 0xe703_7ed1_a0b4_28db;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_new_once_and_keeps_its_first_parent() {
        let mut states = States::new(3);
        let packed = |number: u32| [number as u8, (number >> 8) as u8, (number >> 16) as u8];
        for round in 0..2 {
            for number in 0..200_000_u32 {
                let id = states.insert(&packed(number), number / 2);
                assert_eq!(id, (round == 0).then_some(number));
            }
        }
        assert_eq!(states.len(), 200_000);
        for number in (0..200_000).step_by(977) {
            assert_eq!(states.get(number), packed(number));
            assert_eq!(states.parent(number), number / 2);
        }
        assert!(states.bytes() < 200_000 * 7 + (1 << 19) + 200_000 * 24, "{}", states.bytes());
    }
}
