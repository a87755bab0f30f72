//! The commands of scripts.

use bytes::Bytes;
use quorate_consensus::{Change, Index, Input, NodeId, Role, StorageState};

use crate::cluster::Cluster;
use crate::expect::{self, Verdict};
use crate::fault::{Check, ensure, fail};
use crate::host::{Hold, Host};
use crate::journal::describe_host;
use crate::network::Pattern;
use crate::options;
use crate::protocol::Protocol;
use crate::requests::Handle;
use crate::words;

impl<P: Protocol> Cluster<P> {
    /// Does what one line says. `@leader` and `@down` stand for the leader of the highest round and
    /// the first node that is down, `+3` for the third position after those that the first leader
    /// took for itself.
    pub(crate) fn execute(&mut self, words: &[&str]) -> Check {
        if words.iter().any(|word| word.contains(['@', '+'])) {
            let named = self.name_nodes(words)?;
            let words: Vec<&str> = named.iter().map(String::as_str).collect();
            return self.execute_named(&words);
        }
        self.execute_named(words)
    }

    fn name_nodes(&self, words: &[&str]) -> Check<Vec<String>> {
        let leaders = self.hosts.values().filter_map(Host::status);
        let leader = leaders
            .filter(|status| status.role == Role::Leader)
            .max_by_key(|status| status.ballot)
            .map(|status| status.node.to_string());
        let down = self.hosts.values().find(|host| !host.is_up()).map(|host| host.id.to_string());
        let mut named = Vec::new();
        for word in words {
            let mut word = (*word).to_owned();
            for (alias, node) in [("@leader", &leader), ("@down", &down)] {
                if word.contains(alias) {
                    let Some(node) = node else { fail!("{alias} is nobody") };
                    word = word.replace(alias, node);
                }
            }
            if let Some((before, offset)) = word.rsplit_once('+') {
                word = format!("{before}{}", words::number(offset)? + P::OWN_ENTRIES);
            }
            named.push(word);
        }
        Ok(named)
    }

    fn execute_named(&mut self, words: &[&str]) -> Check {
        let Some((&command, rest)) = words.split_first() else { return Ok(()) };
        match command {
            "expect" => self.expect(rest),
            "log" => options::seed_log(self, rest),
            "campaign" | "propose" | "read" | "transfer" | "disconnect" | "storage" | "wake"
            | "reconfigure" | "compact" => self.execute_input(command, rest),
            "tick" | "timeout" | "run" | "settle" | "deliver" | "clock" | "mark" => {
                self.execute_time(command, rest)
            }
            "crash" | "restart" | "hold" | "release" | "sync" | "apply" | "stream" => {
                self.execute_host(command, rest)
            }
            "partition" | "heal" | "cut" | "mend" | "drop" | "duplicate" | "reverse" | "delay" => {
                self.execute_network(command, rest)
            }
            "chaos" => match rest {
                [seed, steps] => self.chaos(words::number(seed)?, words::number(steps)?),
                _ => fail!("chaos SEED STEPS"),
            },
            "status" | "messages" => self.execute_show(command, rest),
            _ => fail!("unknown command `{command}`"),
        }
    }

    fn expect(&self, words: &[&str]) -> Check {
        match expect::judge(self, words)? {
            Verdict::Holds => Ok(()),
            Verdict::Differs(actual) => fail!("expected {}\n  but: {actual}", words.join(" ")),
        }
    }

    fn execute_input(&mut self, command: &str, rest: &[&str]) -> Check {
        let Some((node, rest)) = rest.split_first() else { fail!("{command} whom?") };
        let node = words::node(node)?;
        match (command, rest) {
            ("campaign", []) => self.feed(node, vec![Input::Campaign]),
            ("wake", []) => self.feed(node, vec![Input::Wake]),
            ("propose", [_, ..]) => self.propose(node, rest),
            ("read", []) => self.read(node, 1),
            ("read", [count]) => self.read(node, words::number(count)?),
            ("transfer", [to]) => self.transfer(node, words::node(to)?),
            ("disconnect", [peer]) => {
                let peer = words::node(peer)?;
                self.feed(node, vec![Input::Disconnected { peer }])
            }
            ("storage", ["full"]) => self.feed(node, vec![Input::Storage(StorageState::Full)]),
            ("storage", ["writable"]) => {
                self.feed(node, vec![Input::Storage(StorageState::Writable)])
            }
            ("reconfigure", [what, member]) => self.reconfigure(node, what, words::node(member)?),
            ("compact", [index]) => self.compact(node, Index(words::number(index)?)),
            _ => fail!("`{command} {node} {}` makes no sense", rest.join(" ")),
        }
    }

    /// All commands reach the engine before it is drained: one batch.
    fn propose(&mut self, node: NodeId, commands: &[&str]) -> Check {
        let mut inputs = Vec::new();
        for command in commands {
            let id = self.host_mut(node)?.next_proposal();
            let name = self.requests.begin(node, Handle::Proposal(id), Index::ZERO);
            self.invariants.on_proposed(id);
            self.journal.line(format!("  {name} is {command}"));
            let payload = Bytes::copy_from_slice(command.as_bytes());
            inputs.push(Input::Propose { id, payload });
        }
        self.feed(node, inputs)
    }

    fn read(&mut self, node: NodeId, count: u64) -> Check {
        let mut inputs = Vec::new();
        for _ in 0..count {
            let id = self.requests.next_id();
            self.requests.begin(node, Handle::Read(id), self.invariants.last_committed());
            self.invariants.on_read_asked(node, id)?;
            inputs.push(Input::Read { id });
        }
        self.feed(node, inputs)
    }

    fn transfer(&mut self, node: NodeId, to: NodeId) -> Check {
        let id = self.requests.next_id();
        self.requests.begin(node, Handle::Transfer(id), Index::ZERO);
        self.feed(node, vec![Input::Transfer { id, to }])
    }

    fn reconfigure(&mut self, node: NodeId, what: &str, member: NodeId) -> Check {
        let id = self.host_mut(node)?.next_proposal();
        self.requests.begin(node, Handle::Proposal(id), Index::ZERO);
        let change = match what {
            "add" => Change::Add { node: member, details: Bytes::new() },
            "promote" => Change::Promote { node: member },
            "remove" => Change::Remove { node: member },
            _ => fail!("`{what}` is no change"),
        };
        self.feed(node, vec![Input::Reconfigure { id, change }])
    }

    fn execute_time(&mut self, command: &str, rest: &[&str]) -> Check {
        match (command, rest) {
            ("tick", [time]) => self.tick(words::micros(time)?),
            ("timeout", [node]) => self.time_out(words::node(node)?),
            ("run", [time]) => self.run(words::micros(time)?, |_| Ok(false)).map(drop),
            ("run", [time, "until", condition @ ..]) => {
                self.run_until(words::micros(time)?, condition)
            }
            ("settle", []) => self.settle(),
            ("deliver", [count, pattern @ ..]) if words::number(count).is_ok() => {
                self.deliver_exactly(words::number(count)?, &words::pattern(pattern)?)
            }
            ("deliver", pattern) => self.deliver(&words::pattern(pattern)?, usize::MAX).map(drop),
            ("clock", [node, "jump", ahead]) => {
                self.host_mut(words::node(node)?)?.jump_clock(words::duration(ahead)?);
                Ok(())
            }
            ("clock", [node, "rate", thousandths]) => {
                let (now, rate) = (self.now, words::number(thousandths)?);
                ensure!(0 < rate, "clocks do not stand still");
                self.host_mut(words::node(node)?)?.set_clock_rate(now, rate);
                Ok(())
            }
            ("mark", []) => {
                self.set_mark();
                Ok(())
            }
            _ => fail!("`{command} {}` makes no sense", rest.join(" ")),
        }
    }

    fn run_until(&mut self, micros: u64, condition: &[&str]) -> Check {
        let start = self.now;
        let is_met = |cluster: &Self| Ok(expect::judge(cluster, condition)? == Verdict::Holds);
        if !self.run(micros, is_met)? {
            return self.expect(condition);
        }
        self.journal.line(format!("  after {}us", self.now - start));
        Ok(())
    }

    fn deliver_exactly(&mut self, count: u64, pattern: &Pattern) -> Check {
        let delivered = self.deliver(pattern, count as usize)?;
        ensure!(delivered as u64 == count, "only {delivered} messages were there to deliver");
        Ok(())
    }

    fn set_mark(&mut self) {
        self.mark = (self.now, self.invariants.elections());
        self.network.mark();
        self.journal.mark();
        self.snapshots_asked.clear();
    }

    fn execute_host(&mut self, command: &str, rest: &[&str]) -> Check {
        match (command, rest) {
            ("crash", [nodes]) => {
                words::nodes(nodes)?.into_iter().try_for_each(|node| self.crash(node, 0))
            }
            ("crash", [node, "keep", count]) => {
                self.crash(words::node(node)?, words::number(count)? as usize)
            }
            ("restart", [nodes]) => {
                words::nodes(nodes)?.into_iter().try_for_each(|node| self.start(node))
            }
            ("sync", [node]) => self.sync(words::node(node)?, usize::MAX),
            ("sync", [node, count]) => {
                self.sync(words::node(node)?, words::number(count)? as usize)
            }
            ("apply", [node]) => {
                let node = words::node(node)?;
                self.apply_all(node)?;
                self.pump(node)
            }
            ("stream", [node]) => {
                let node = words::node(node)?;
                self.stream_all(node)?;
                self.pump(node)
            }
            ("hold", [what @ ("sync" | "apply" | "snapshots"), node]) => {
                self.set_hold(what, words::node(node)?, Hold::Held)
            }
            ("release", [what @ ("sync" | "apply" | "snapshots"), node]) => {
                self.set_hold(what, words::node(node)?, Hold::Free)
            }
            ("hold", [_, ..]) => {
                self.network.hold(words::pattern(rest)?);
                Ok(())
            }
            ("release", _) => {
                self.network.release(&words::pattern(rest)?);
                Ok(())
            }
            _ => fail!("`{command} {}` makes no sense", rest.join(" ")),
        }
    }

    fn sync(&mut self, node: NodeId, count: usize) -> Check {
        for _ in 0..count {
            if !self.sync_one(node)? {
                break;
            }
            self.pump(node)?;
        }
        Ok(())
    }

    fn set_hold(&mut self, what: &str, node: NodeId, hold: Hold) -> Check {
        let host = self.host_mut(node)?;
        match what {
            "sync" => host.disk.is_held = hold == Hold::Held,
            "apply" => host.holds.apply = hold,
            _ => host.holds.snapshots = hold,
        }
        self.pump(node)
    }

    fn execute_network(&mut self, command: &str, rest: &[&str]) -> Check {
        match (command, rest) {
            ("partition", [_, ..]) => return self.partition(rest),
            ("heal", []) => self.network.mend(&Pattern::ALL),
            ("delay", [pattern @ .., time]) => {
                self.network.delay(words::pattern(pattern)?, words::delay(time)?);
            }
            ("cut", [_, ..]) => self.network.cut(words::pattern(rest)?),
            ("mend", [_, ..]) => self.network.mend(&words::pattern(rest)?),
            ("drop", _) => {
                let count = self.network.drop_in_flight(&words::pattern(rest)?);
                ensure!(0 < count, "there is nothing to drop");
            }
            ("duplicate", _) => {
                let count = self.network.duplicate(&words::pattern(rest)?);
                ensure!(0 < count, "there is nothing to duplicate");
            }
            ("reverse", _) => {
                let count = self.network.reverse(&words::pattern(rest)?);
                ensure!(1 < count, "there is nothing to reverse");
            }
            _ => fail!("`{command} {}` makes no sense", rest.join(" ")),
        }
        Ok(())
    }

    /// `partition n1 n2 | n3 n4 n5`: nothing passes between the groups.
    fn partition(&mut self, words: &[&str]) -> Check {
        let mut groups: Vec<Vec<NodeId>> = Vec::new();
        for group in words.split(|word| *word == "|") {
            let mut nodes = Vec::new();
            for word in group {
                nodes.extend(words::nodes(word)?);
            }
            groups.push(nodes);
        }
        ensure!(1 < groups.len(), "a partition has two sides");
        let group_of = |node: NodeId| groups.iter().position(|group| group.contains(&node));
        let nodes: Vec<NodeId> = self.hosts.keys().copied().collect();
        for &from in &nodes {
            for &to in nodes.iter().filter(|&&to| group_of(from) != group_of(to)) {
                self.network.cut(Pattern { from: Some(from), to: Some(to), kind: None });
            }
        }
        Ok(())
    }

    fn execute_show(&mut self, command: &str, rest: &[&str]) -> Check {
        if command == "status" {
            ensure!(rest.is_empty(), "status shows everyone");
            for host in self.hosts.values() {
                self.journal.line(format!("  {}", describe_host(host)));
            }
            return Ok(());
        }
        for flight in self.network.matching(&words::pattern(rest)?) {
            let message = P::render(&flight.message);
            self.journal.line(format!("  {}->{} {message}", flight.from, flight.to));
        }
        Ok(())
    }
}
