//! One node, still pure: engine, state machine and waiting clients
