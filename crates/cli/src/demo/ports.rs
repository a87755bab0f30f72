//! Which ports the members of a demo get.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// The client port of the first member, and how far the others are from it: those that tutorials
/// of etcd use.
const CLIENT_PORT: u16 = 2379;
const PORT_STEP: u16 = 10_000;

/// The port for peers is next to the one for clients.
const PEER_OFFSET: u16 = 1;

/// Which ports are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preference {
    /// etcd's where they are free.
    Usual,
    /// Any that are free.
    Any,
}

/// The ports of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) client: u16,
    pub(crate) peer: u16,
}

/// Free ports for so many members. All are held until all are found, so that they differ.
pub(crate) fn choose(count: usize, preference: Preference) -> io::Result<Vec<Ports>> {
    let mut held = Vec::new();
    let mut chosen = Vec::new();
    for place in 0..count {
        let usual = usual(place).filter(|_| preference == Preference::Usual);
        let client = hold(usual, &mut held)?;
        let peer = hold(usual.map(|port| port + PEER_OFFSET), &mut held)?;
        chosen.push(Ports { client, peer });
    }
    Ok(chosen)
}

/// The second member is two steps away from the first, as tutorials have it.
fn usual(place: usize) -> Option<u16> {
    let steps = if place == 0 { 0 } else { u16::try_from(place).ok()? + 1 };
    CLIENT_PORT.checked_add(PORT_STEP.checked_mul(steps)?)
}

fn hold(wanted: Option<u16>, held: &mut Vec<TcpListener>) -> io::Result<u16> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = match wanted.map(bind) {
        Some(Ok(listener)) => listener,
        _ => bind(0)?,
    };
    let port = listener.local_addr()?.port();
    held.push(listener);
    Ok(port)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_usual_ports_are_those_of_tutorials() {
        let ports: Vec<_> = (0..7).map(usual).collect();
        let known = [2379, 22379, 32379, 42379, 52379, 62379].map(Some);
        assert_eq!(ports[..6], known);
        assert_eq!(ports[6], None);
    }

    #[test]
    fn all_ports_differ() {
        for preference in [Preference::Usual, Preference::Any] {
            let chosen = choose(7, preference).unwrap();
            let all: BTreeSet<u16> =
                chosen.iter().flat_map(|ports| [ports.client, ports.peer]).collect();
            assert_eq!(all.len(), 14, "{chosen:?}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_not_chosen() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(hold(Some(port), &mut Vec::new()).unwrap(), port);
    }
}
