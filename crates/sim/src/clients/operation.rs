//! The names of operations.

use core::fmt;
use core::str::FromStr;

use quorate_replica::Ticket;

/// The n-th operation of a client: the same in each run of a seed, whatever is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId {
    client: u32,
    number: u32,
}

impl OperationId {
    /// The operation of this client with this number, both from 1.
    pub const fn new(client: u32, number: u32) -> Self {
        Self { client, number }
    }

    /// The client, from 1.
    pub const fn client(self) -> u32 {
        self.client
    }

    /// The number among the client's operations, from 1.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// The ticket of its request. Those below 2^32 are left to others.
    pub const fn ticket(self) -> Ticket {
        Ticket((self.client as u64) << 32 | self.number as u64)
    }

    /// The operation of a ticket; none if no client asked.
    pub const fn of(ticket: Ticket) -> Option<Self> {
        let client = (ticket.0 >> 32) as u32;
        if client == 0 { None } else { Some(Self { client, number: ticket.0 as u32 }) }
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "c{}.{}", self.client, self.number)
    }
}

/// Not the name of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoOperation;

impl FromStr for OperationId {
    type Err = NoOperation;

    fn from_str(text: &str) -> Result<Self, NoOperation> {
        let (client, number) =
            text.strip_prefix('c').and_then(|rest| rest.split_once('.')).ok_or(NoOperation)?;
        let client = client.parse().map_err(|_| NoOperation)?;
        let number = number.parse().map_err(|_| NoOperation)?;
        Ok(Self { client, number })
    }
}
