//! etcd's data model as a pure state machine
