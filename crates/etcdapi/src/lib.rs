//! etcd's protobuf types and their conversions
