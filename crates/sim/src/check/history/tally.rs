//! What a history consisted of, so that an empty one proves nothing.

/// Counts of what was asked, told and compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests.
    pub asked: u64,
    /// Commands that were committed for clients.
    pub committed: u64,
    /// Commands acknowledged; each was compared with the model.
    pub acknowledged: u64,
    /// Of these, definite errors of the state machine.
    pub declined: u64,
    /// Commands refused before they were proposed.
    pub refused: u64,
    /// Commands whose end their client never learned.
    pub unknown: u64,
    /// Linearizable reads answered, each compared with the model.
    pub linearizable_reads: u64,
    /// Serializable reads answered, each compared with the model.
    pub serializable_reads: u64,
    /// Reads that ended without an answer.
    pub unanswered_reads: u64,
    /// Reads of a state so old that the history has forgotten it.
    pub unjudged_reads: u64,
    /// Requests to hand over leadership that ended.
    pub transfers: u64,
    /// Wishes to keep a lease alive that the log answered.
    pub kept_alive: u64,
    /// Changes that watches told, each compared with the log.
    pub told: u64,
}

impl Tally {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.committed += other.committed;
        self.acknowledged += other.acknowledged;
        self.declined += other.declined;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.linearizable_reads += other.linearizable_reads;
        self.serializable_reads += other.serializable_reads;
        self.unanswered_reads += other.unanswered_reads;
        self.transfers += other.transfers;
        self.kept_alive += other.kept_alive;
        self.told += other.told;
    }

    /// Answers that were compared with the model.
    pub fn compared(&self) -> u64 {
        self.acknowledged + self.linearizable_reads + self.serializable_reads
    }
}
