//! Which rule of the real code a run breaks on purpose, if any.

/// One rule of one part, named by what happens when it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lesson {
    /// A rule of the engine.
    Engine(quorate_consensus::Rule),
    /// A rule of the state machine.
    Store(quorate_kv::Rule),
    /// A rule of the log, or of the files beside it.
    Log(quorate_storage::Rule),
    /// A rule of a node's two halves.
    Node(quorate_replica::Rule),
}

/// The answer of every part to "is this rule broken here?" in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broken(pub Option<Lesson>);

impl Broken {
    /// Every rule is kept.
    pub const NOTHING: Self = Self(None);
}

impl quorate_consensus::Rules for Broken {
    fn breaks(&self, rule: quorate_consensus::Rule) -> bool {
        self.0 == Some(Lesson::Engine(rule))
    }
}

impl quorate_kv::Rules for Broken {
    fn breaks(&self, rule: quorate_kv::Rule) -> bool {
        self.0 == Some(Lesson::Store(rule))
    }
}

impl quorate_storage::Rules for Broken {
    fn breaks(&self, rule: quorate_storage::Rule) -> bool {
        self.0 == Some(Lesson::Log(rule))
    }
}

impl quorate_replica::Rules for Broken {
    fn breaks(&self, rule: quorate_replica::Rule) -> bool {
        self.0 == Some(Lesson::Node(rule))
    }
}
