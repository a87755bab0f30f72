//! `chaos SEED STEPS`: a story drawn from a seed, in the words of the scripts, under all checks.

use quorate_consensus::NodeId;

use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::fault::Check;
use crate::network::Pattern;
use crate::protocol::Protocol;

impl<P: Protocol> Cluster<P> {
    /// Lets so many things happen, then repairs everything that is broken.
    pub(crate) fn chaos(&mut self, seed: u64, steps: u64) -> Check {
        let mut dice = Dice(seed);
        for _ in 0..steps {
            for command in self.draw(&mut dice) {
                self.execute_line(&command)?;
            }
        }
        self.repair()
    }

    fn execute_line(&mut self, command: &str) -> Check {
        self.journal.line(format!("> {command}"));
        let words: Vec<&str> = command.split_whitespace().collect();
        self.execute(&words)
    }

    fn draw(&mut self, dice: &mut Dice) -> Vec<String> {
        let nodes: Vec<NodeId> = self.hosts.keys().copied().collect();
        let (node, other) = (dice.pick(&nodes), dice.pick(&nodes));
        let is_up = self.hosts[&node].is_up();
        let pause = format!("run {}ms", 1 + dice.below(40));
        let event = match dice.below(100) {
            0..=49 if is_up => self.draw_request(dice, node, other),
            50..=59 => self.draw_crash(dice, node),
            60..=84 => self.draw_network(dice, node, other),
            85..=94 => draw_host(dice, node),
            95..=97 => format!("run {}ms", 300 + dice.below(700)),
            _ => pause.clone(),
        };
        if dice.below(3) == 0 { vec![event] } else { vec![event, pause] }
    }

    fn draw_request(&self, dice: &mut Dice, node: NodeId, other: NodeId) -> String {
        let host = &self.hosts[&node];
        let compactable = host.machine.meta.index.min(host.disk.durable.last());
        let compacted = host.checkpoint.meta.index;
        match dice.below(20) {
            0..=9 => format!("propose {node} a{} b{}", dice.below(100), dice.below(100)),
            10..=13 => format!("read {node} 2"),
            14 => format!("transfer {node} {other}"),
            15 => format!("campaign {node}"),
            16 => format!("disconnect {node} {other}"),
            17 if compacted < compactable => {
                let step = 1 + dice.below(compactable.distance_from(compacted));
                format!("compact {node} {}", compacted.0 + step)
            }
            18 => format!("storage {node} {}", dice.pick(&["full", "writable", "writable"])),
            _ => format!("propose {node} c{}", dice.below(100)),
        }
    }

    fn draw_crash(&self, dice: &mut Dice, node: NodeId) -> String {
        let host = &self.hosts[&node];
        if host.is_up() {
            return format!("crash {node} keep {}", dice.below(host.disk.pending() as u64 + 1));
        }
        format!("restart {node}")
    }

    fn draw_network(&self, dice: &mut Dice, node: NodeId, other: NodeId) -> String {
        let link = format!("{node}->{other}");
        let pattern = Pattern { from: Some(node), to: Some(other), kind: None };
        let flying = self.network.matching(&pattern).count();
        match dice.below(16) {
            12..=14 => self.draw_partition(dice),
            0..=1 if 0 < flying => format!("drop {link}"),
            2..=4 if 0 < flying => format!("duplicate {link}"),
            5..=6 if 1 < flying => format!("reverse {link}"),
            7 => format!("cut {link}"),
            8 => format!("delay {link} {}ms", dice.below(300)),
            9 => format!("hold {link}"),
            10 => "release".to_owned(),
            _ => "heal".to_owned(),
        }
    }

    fn draw_partition(&self, dice: &mut Dice) -> String {
        let mut sides = [String::new(), String::new()];
        for node in self.hosts.keys() {
            let side = &mut sides[dice.below(2) as usize];
            *side = format!("{side}{node} ");
        }
        if sides.iter().any(String::is_empty) {
            return "heal".to_owned();
        }
        format!("partition {}", sides.join("| "))
    }

    fn repair(&mut self) -> Check {
        let nodes: Vec<NodeId> = self.hosts.keys().copied().collect();
        for command in ["heal", "release", "delay *->* 1ms"] {
            self.execute_line(command)?;
        }
        for node in nodes {
            for what in ["sync", "apply", "snapshots"] {
                self.execute_line(&format!("release {what} {node}"))?;
            }
            if !self.hosts[&node].is_up() {
                self.execute_line(&format!("restart {node}"))?;
            }
            self.execute_line(&format!("storage {node} writable"))?;
        }
        Ok(())
    }
}

fn draw_host(dice: &mut Dice, node: NodeId) -> String {
    let what = dice.pick(&["sync", "sync", "apply", "snapshots"]);
    match dice.below(3) {
        0 => format!("hold {what} {node}"),
        1 => format!("release {what} {node}"),
        _ => format!("clock {node} rate {}", dice.pick(&[500, 1000, 2000])),
    }
}
