//! What a member says of itself.

use std::time::Duration;

use quorate_etcdapi::etcdserverpb::maintenance_client::MaintenanceClient;
use quorate_etcdapi::etcdserverpb::{StatusRequest, StatusResponse};
use quorate_server::HttpUrl;
use tokio::time::{Instant, timeout_at};

use crate::connect;

/// How long a member may take to tell how it is.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);

/// What is known of one member.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum View {
    /// Its process does not run.
    Down,
    /// It runs and does not answer.
    Silent,
    /// It answers.
    Up(Box<StatusResponse>),
}

impl View {
    /// Whether it says that it leads.
    pub(crate) fn is_leader(&self) -> bool {
        match self {
            Self::Up(status) => {
                let own = status.header.as_ref().map_or(0, |header| header.member_id);
                own != 0 && own == status.leader
            }
            Self::Down | Self::Silent => false,
        }
    }

    /// Whether it knows who leads.
    pub(crate) fn has_leader(&self) -> bool {
        matches!(self, Self::Up(status) if status.leader != 0)
    }

    fn term(&self) -> u64 {
        match self {
            Self::Up(status) => status.raft_term,
            Self::Down | Self::Silent => 0,
        }
    }
}

/// The place of the leader. One that was deposed and does not know it has an older term.
pub(crate) fn leader(views: &[View]) -> Option<usize> {
    let leaders = views.iter().enumerate().filter(|(_, view)| view.is_leader());
    leaders.max_by_key(|(_, view)| view.term()).map(|(place, _)| place)
}

/// Asks a running member.
pub(crate) async fn ask(url: HttpUrl) -> View {
    let until = Instant::now() + ASK_TIMEOUT;
    let Ok(channel) = connect::open(&url, until).await else { return View::Silent };
    let mut client = MaintenanceClient::new(channel);
    match timeout_at(until, client.status(StatusRequest {})).await {
        Ok(Ok(response)) => View::Up(response.into_inner().into()),
        _ => View::Silent,
    }
}

#[cfg(test)]
mod tests {
    use quorate_etcdapi::etcdserverpb::ResponseHeader;

    use super::*;

    fn up(member_id: u64, leader: u64, raft_term: u64) -> View {
        let header = Some(ResponseHeader { member_id, ..ResponseHeader::default() });
        let status = StatusResponse { header, leader, raft_term, ..StatusResponse::default() };
        View::Up(status.into())
    }

    #[test]
    fn the_leader_is_the_one_of_the_newest_term() {
        assert_eq!(leader(&[up(1, 1, 2), View::Down, up(3, 3, 3)]), Some(2));
        assert_eq!(leader(&[up(1, 1, 4), View::Silent, up(3, 1, 4)]), Some(0));
    }

    #[test]
    fn a_member_that_knows_no_leader_does_not_lead() {
        assert_eq!(leader(&[up(1, 0, 2), up(0, 0, 2), View::Down]), None);
        assert!(!up(1, 0, 2).has_leader());
        assert!(up(1, 2, 2).has_leader());
    }
}
