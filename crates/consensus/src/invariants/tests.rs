//! Each invariant can be violated: a small bad story, and the name it must be told by.
