use super::*;
use crate::{Broken, RaftProtocol};

#[test]
fn a_tiny_world_is_explored_to_its_end() {
    let explored = explore::<RaftProtocol>(Bounds::tiny(), Broken::NOTHING, |_| {});
    println!("{}\n{}", explored.progress, explored.end);
    assert!(matches!(explored.end, End::Complete));
}
