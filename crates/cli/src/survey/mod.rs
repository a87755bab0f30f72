//! All members of a cluster at one moment, as far as they answer: who leads, who is down, and what
//! that means.

mod scrape;
mod standing;

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_etcdapi::etcdserverpb::cluster_client::ClusterClient;
use quorate_etcdapi::etcdserverpb::kv_client::KvClient;
use quorate_etcdapi::etcdserverpb::maintenance_client::MaintenanceClient;
use quorate_etcdapi::etcdserverpb::{
    Member, MemberListRequest, RangeRequest, StatusRequest, StatusResponse,
};
use quorate_server::HttpUrl;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

pub(crate) use scrape::Scrape;
pub(crate) use standing::Standing;
#[cfg(test)]
pub(crate) use standing::tests as fixture;

use crate::client_flags::Target;
use crate::connect::{self, Unreached};

/// What is known of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    /// All members, by name.
    pub(crate) members: Vec<Surveyed>,
    /// How long a linearizable read took, if one was served.
    pub(crate) read: Option<Duration>,
}

/// What is known of one member.
#[derive(Clone, Debug)]
pub(crate) struct Surveyed {
    /// Its id; 0 if nobody told it.
    pub(crate) id: u64,
    /// Its name; empty if it has never run.
    pub(crate) name: String,
    /// Where it serves clients; none if it has never run.
    pub(crate) url: Option<HttpUrl>,
    /// Whether it has no vote.
    pub(crate) is_learner: bool,
    /// What it says of itself.
    pub(crate) seen: Seen,
}

/// What a member says of itself.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// It answers.
    Up(Box<Facts>),
    /// It does not, for this reason.
    Down(String),
}

/// What a member that answers says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// By etcd's API.
    pub(crate) status: StatusResponse,
    /// Its metrics.
    pub(crate) scrape: Scrape,
    /// What only Quorate's members tell, [`Value::Null`] of others.
    pub(crate) own: Value,
    /// How long its connections to the others take, in microseconds, by their ids. Null for one
    /// that it cannot connect to.
    pub(crate) round_trips: BTreeMap<u64, Option<u64>>,
    /// When it told its clock, by the clock of this machine, in microseconds since 1970; and how
    /// long the question took.
    pub(crate) asked: (u64, Duration),
}

impl Surveyed {
    /// What it says of itself, if it answers.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        match &self.seen {
            Seen::Up(facts) => Some(facts),
            Seen::Down(_) => None,
        }
    }

    /// How to call it: by its name, or its id if it has none.
    pub(crate) fn label(&self) -> String {
        if self.name.is_empty() { format!("{:x}", self.id) } else { self.name.clone() }
    }

    /// Where it serves clients, or that this is not known.
    pub(crate) fn address(&self) -> String {
        self.url.as_ref().map_or_else(|| "never seen".to_owned(), HttpUrl::authority)
    }
}

/// Asks the members at these places, and those that they name. Each gets this long to answer.
///
/// Fails if nobody answers.
pub(crate) async fn take(
    targets: &[Target],
    limit: Duration,
) -> Result<Survey, Vec<(HttpUrl, Unreached)>> {
    let mut asked = JoinSet::new();
    for target in targets {
        let url = target.url.clone();
        asked.spawn(async move {
            let list = list_at(&url, limit).await;
            (url, list)
        });
    }
    let (mut members, mut unreached, mut found) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    for (url, list) in asked.join_all().await {
        match list {
            Ok((own, list)) => {
                found.insert(own, url);
                // A member that was told more names those that others do not know by now.
                for member in list {
                    let known: &mut Member = members.entry(member.id).or_default();
                    if known.client_ur_ls.is_empty() {
                        *known = member;
                    }
                }
            }
            Err(why) => unreached.push((url, why)),
        }
    }
    if members.is_empty() {
        return Err(unreached);
    }
    Ok(ask_all(members, &found, limit).await)
}

/// Who a member is, and who it says the members are.
async fn list_at(url: &HttpUrl, limit: Duration) -> Result<(u64, Vec<Member>), Unreached> {
    let until = Instant::now() + limit;
    let channel = connect::open(url, until).await?;
    let request = MemberListRequest { linearizable: false };
    let answer =
        timeout_at(until, async { ClusterClient::new(channel).member_list(request).await });
    match answer.await {
        Ok(Ok(response)) => {
            let response = response.into_inner();
            let own = response.header.map_or(0, |header| header.member_id);
            Ok((own, response.members))
        }
        Ok(Err(status)) => Err(connect::unreached(url, &status).await),
        Err(_) => Err(Unreached::Late),
    }
}

async fn ask_all(
    members: BTreeMap<u64, Member>,
    found: &BTreeMap<u64, HttpUrl>,
    limit: Duration,
) -> Survey {
    let mut asked = JoinSet::new();
    for (id, member) in members {
        let told = member.client_ur_ls.iter().filter_map(|url| url.parse().ok());
        // Where it was found works from here; where it says that it is may not.
        let url = found.get(&id).cloned().or_else(|| told.into_iter().next());
        asked.spawn(async move {
            let seen = match &url {
                Some(url) => facts_at(url, limit).await,
                None => Seen::Down("has never told where it serves".to_owned()),
            };
            let Member { id, name, is_learner, .. } = member;
            Surveyed { id, name, url, is_learner, seen }
        });
    }
    let mut members = asked.join_all().await;
    members.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
    let mut survey = Survey { members, read: None };
    survey.read = read(&survey, limit).await;
    survey
}

async fn facts_at(url: &HttpUrl, limit: Duration) -> Seen {
    let until = Instant::now() + limit;
    let channel = match connect::open(url, until).await {
        Ok(channel) => channel,
        Err(why) => return Seen::Down(why.to_string()),
    };
    let mut client = MaintenanceClient::new(channel);
    let status = match timeout_at(until, client.status(StatusRequest {})).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return Seen::Down(status.message().to_owned()),
        Err(_) => return Seen::Down(format!("no answer within {limit:?}")),
    };
    let begun = Instant::now();
    let own = crate::plain_http::get(url, "/quorate/status", limit).await;
    let asked = (microseconds_now(), begun.elapsed());
    let (scrape, trips) = tokio::join!(
        crate::plain_http::get(url, "/metrics", limit),
        crate::plain_http::get(url, "/quorate/round-trips", limit),
    );
    let json = |text: Option<String>| {
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
    };
    Seen::Up(Box::new(Facts {
        status,
        scrape: Scrape::new(scrape.unwrap_or_default()),
        own: json(own),
        round_trips: round_trips_of(&json(trips)),
        asked,
    }))
}

fn round_trips_of(told: &Value) -> BTreeMap<u64, Option<u64>> {
    let peers = told["peers"].as_array().into_iter().flatten();
    peers
        .filter_map(|peer| {
            let id = u64::from_str_radix(peer["member"].as_str()?, 16).ok()?;
            Some((id, peer["microseconds"].as_u64()))
        })
        .collect()
}

/// The clock of this machine, in microseconds since 1970.
fn microseconds_now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}

/// How long a linearizable read takes at a member that answers, the leader before others.
async fn read(survey: &Survey, limit: Duration) -> Option<Duration> {
    let url = survey.leader().or_else(|| survey.up().next())?.url.clone()?;
    let channel = connect::open(&url, Instant::now() + limit).await.ok()?;
    let begun = Instant::now();
    let request = RangeRequest { key: "health".into(), ..RangeRequest::default() };
    timeout(limit, KvClient::new(channel).range(request)).await.ok()?.ok()?;
    Some(begun.elapsed())
}
