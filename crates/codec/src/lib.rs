//! Bytes of peer messages, log records and commands
