//! Alarms: listed by every member, refusing what they say, ended by hand; and that of the quota.

use std::process::Command;

use pb::alarm_request::AlarmAction;
use pb::maintenance_client::MaintenanceClient;
use quorate_etcdapi::etcdserverpb as pb;
use tonic::Code;
use tonic::transport::Channel;

use crate::cluster::Cluster;

const NO_SPACE: &str = "etcdserver: mvcc: database space exceeded";
const CORRUPT: &str = "etcdserver: corrupt cluster";

fn put(key: &str, bytes: usize) -> pb::PutRequest {
    let (key, value) = (key.to_owned().into(), vec![7; bytes].into());
    pb::PutRequest { key, value, ..pb::PutRequest::default() }
}

async fn maintenance(cluster: &Cluster, member: usize) -> MaintenanceClient<Channel> {
    MaintenanceClient::new(cluster.channel(member).await)
}

/// Asks about an alarm of member 5. Answers with members and types.
async fn ask(
    cluster: &Cluster,
    member: usize,
    action: AlarmAction,
    alarm: pb::AlarmType,
) -> Vec<(u64, pb::AlarmType)> {
    let request = pb::AlarmRequest { action: action.into(), member_id: 5, alarm: alarm.into() };
    let answer = maintenance(cluster, member).await.alarm(request).await;
    let answer = answer.expect("the server answers").into_inner();
    assert!(answer.header.is_some_and(|header| 0 < header.revision));
    answer.alarms.iter().map(|alarm| (alarm.member_id, alarm.alarm())).collect()
}

async fn list(cluster: &Cluster, member: usize) -> Vec<(u64, pb::AlarmType)> {
    ask(cluster, member, AlarmAction::Get, pb::AlarmType::None).await
}

/// What is wrong besides, as that a busy machine's cluster has no leader for a moment, is left out.
async fn alarms_in_status(cluster: &Cluster, member: usize) -> Vec<String> {
    let status = maintenance(cluster, member).await.status(pb::StatusRequest {}).await;
    let errors = status.expect("the server answers").into_inner().errors.into_iter();
    errors.filter(|error| error.contains("alarm:")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_raised_by_hand_stays_until_it_is_ended() {
    let mut cluster = Cluster::start(3).await;
    cluster.kv(0).await.put(put("a", 1)).await.unwrap();
    for (kind, text, code) in [
        (pb::AlarmType::Nospace, NO_SPACE, Code::ResourceExhausted),
        (pb::AlarmType::Corrupt, CORRUPT, Code::DataLoss),
    ] {
        assert_eq!(ask(&cluster, 0, AlarmAction::Activate, kind).await, [(5, kind)]);
        for member in 0..3 {
            assert_eq!(list(&cluster, member).await, [(5, kind)]);
            let refused = cluster.kv(member).await.put(put("b", 1)).await.unwrap_err();
            assert_eq!((refused.code(), refused.message()), (code, text));
        }
        let get = pb::RangeRequest { key: "a".into(), ..pb::RangeRequest::default() };
        assert_eq!(cluster.kv(1).await.range(get).await.unwrap().into_inner().count, 1);
        assert_eq!(alarms_in_status(&cluster, 1).await.len(), 1);
        cluster.stop_member(2).await;
        cluster.start_member(2).await;
        assert_eq!(list(&cluster, 2).await, [(5, kind)], "it outlives a restart");
        assert_eq!(ask(&cluster, 2, AlarmAction::Deactivate, kind).await, [(5, kind)]);
        assert_eq!(ask(&cluster, 2, AlarmAction::Deactivate, kind).await, []);
        cluster.kv(1).await.put(put("b", 1)).await.unwrap();
    }
    assert_eq!(ask(&cluster, 0, AlarmAction::Activate, pb::AlarmType::None).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_quota_is_an_alarm_that_freed_space_ends() {
    let mut cluster = Cluster::prepare(1);
    cluster.config_mut(0).quota_backend_bytes = 10_000;
    cluster.start_member(0).await;
    let mut kv = cluster.kv(0).await;
    let refused = loop {
        if let Err(refused) = kv.put(put("a", 2_000)).await {
            break refused;
        }
    };
    assert_eq!((refused.code(), refused.message()), (Code::ResourceExhausted, NO_SPACE));
    let alarms = list(&cluster, 0).await;
    assert_eq!(alarms.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(), [pb::AlarmType::Nospace]);
    let filtered = ask(&cluster, 0, AlarmAction::Get, pb::AlarmType::Corrupt).await;
    assert_eq!(filtered, []);

    let revision = kv.range(pb::RangeRequest { key: "a".into(), ..Default::default() }).await;
    let revision = revision.unwrap().into_inner().header.unwrap().revision;
    kv.compact(pb::CompactionRequest { revision, physical: false }).await.unwrap();
    assert_eq!(list(&cluster, 0).await, [], "space was freed");
    kv.put(put("a", 2_000)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcdctl_lists_and_disarms() {
    let cluster = Cluster::start(1).await;
    ask(&cluster, 0, AlarmAction::Activate, pb::AlarmType::Nospace).await;
    let url = cluster.url(0);
    let run = move |command: &str| {
        let mut etcdctl = Command::new("etcdctl");
        etcdctl.env("ETCDCTL_API", "3").args(["--endpoints", &url, "alarm", command]);
        etcdctl.output()
    };
    let ended = tokio::task::spawn_blocking(move || {
        Ok::<_, std::io::Error>([run("list")?, run("disarm")?, run("list")?])
    });
    let outputs = match ended.await.unwrap() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        ended => ended.unwrap(),
    };
    let printed = outputs.map(|output| String::from_utf8(output.stdout).unwrap());
    assert_eq!(printed, ["memberID:5 alarm:NOSPACE \n", "memberID:5 alarm:NOSPACE \n", ""]);
    cluster.kv(0).await.put(put("a", 1)).await.unwrap();
}
