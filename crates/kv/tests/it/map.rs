//! The memory map keeps the contract of maps.

use std::sync::Arc;

use quorate_kv::{MemoryMap, map_suite};

#[test]
fn the_memory_map_passes_the_suite() {
    map_suite::run(&|| Arc::new(MemoryMap::new()));
}
