use core::time::Duration;

use quorate_consensus::Seed;

use super::World;
use crate::broken::Broken;
use crate::profile::Profile;
use crate::protocol::RaftProtocol;

fn calm(seed: u64) -> World<RaftProtocol> {
    World::new(Seed(seed), Profile::calm(), Broken::NOTHING)
}

#[test]
fn a_calm_cluster_serves_its_clients() {
    let mut world = calm(1);
    world.run_for(Duration::from_secs(20));
    let lines: Vec<String> =
        world.lines().iter().rev().take(40).rev().map(|l| l.to_string()).collect();
    assert!(world.violation().is_none(), "{}\n{}", world.violation().unwrap(), lines.join("\n"));
    println!(
        "{:?} steps {} elections {} committed {}",
        world.checks.tally(),
        world.steps(),
        world.checks.elections(),
        world.checks.committed()
    );
    assert!(world.checks.tally().compared() > 500);
}
