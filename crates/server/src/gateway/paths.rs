//! Which path is which gRPC method: etcd's, from its published interface (`rpc.proto`,
//! `v3lock.proto` and `v3election.proto` of etcd 3.6).

/// The JSON gateway's paths below `/v3`, and the full names of the gRPC methods that they are.
pub const PATHS: &[(&str, &str)] = &[
    ("/kv/range", "etcdserverpb.KV.Range"),
    ("/kv/put", "etcdserverpb.KV.Put"),
    ("/kv/deleterange", "etcdserverpb.KV.DeleteRange"),
    ("/kv/txn", "etcdserverpb.KV.Txn"),
    ("/kv/compaction", "etcdserverpb.KV.Compact"),
    ("/watch", "etcdserverpb.Watch.Watch"),
    ("/lease/grant", "etcdserverpb.Lease.LeaseGrant"),
    ("/lease/revoke", "etcdserverpb.Lease.LeaseRevoke"),
    ("/kv/lease/revoke", "etcdserverpb.Lease.LeaseRevoke"),
    ("/lease/keepalive", "etcdserverpb.Lease.LeaseKeepAlive"),
    ("/lease/timetolive", "etcdserverpb.Lease.LeaseTimeToLive"),
    ("/kv/lease/timetolive", "etcdserverpb.Lease.LeaseTimeToLive"),
    ("/lease/leases", "etcdserverpb.Lease.LeaseLeases"),
    ("/kv/lease/leases", "etcdserverpb.Lease.LeaseLeases"),
    ("/cluster/member/add", "etcdserverpb.Cluster.MemberAdd"),
    ("/cluster/member/remove", "etcdserverpb.Cluster.MemberRemove"),
    ("/cluster/member/update", "etcdserverpb.Cluster.MemberUpdate"),
    ("/cluster/member/list", "etcdserverpb.Cluster.MemberList"),
    ("/cluster/member/promote", "etcdserverpb.Cluster.MemberPromote"),
    ("/maintenance/alarm", "etcdserverpb.Maintenance.Alarm"),
    ("/maintenance/status", "etcdserverpb.Maintenance.Status"),
    ("/maintenance/defragment", "etcdserverpb.Maintenance.Defragment"),
    ("/maintenance/hash", "etcdserverpb.Maintenance.Hash"),
    ("/maintenance/hashkv", "etcdserverpb.Maintenance.HashKV"),
    ("/maintenance/snapshot", "etcdserverpb.Maintenance.Snapshot"),
    ("/maintenance/transfer-leadership", "etcdserverpb.Maintenance.MoveLeader"),
    ("/maintenance/downgrade", "etcdserverpb.Maintenance.Downgrade"),
    ("/auth/enable", "etcdserverpb.Auth.AuthEnable"),
    ("/auth/disable", "etcdserverpb.Auth.AuthDisable"),
    ("/auth/status", "etcdserverpb.Auth.AuthStatus"),
    ("/auth/authenticate", "etcdserverpb.Auth.Authenticate"),
    ("/auth/user/add", "etcdserverpb.Auth.UserAdd"),
    ("/auth/user/get", "etcdserverpb.Auth.UserGet"),
    ("/auth/user/list", "etcdserverpb.Auth.UserList"),
    ("/auth/user/delete", "etcdserverpb.Auth.UserDelete"),
    ("/auth/user/changepw", "etcdserverpb.Auth.UserChangePassword"),
    ("/auth/user/grant", "etcdserverpb.Auth.UserGrantRole"),
    ("/auth/user/revoke", "etcdserverpb.Auth.UserRevokeRole"),
    ("/auth/role/add", "etcdserverpb.Auth.RoleAdd"),
    ("/auth/role/get", "etcdserverpb.Auth.RoleGet"),
    ("/auth/role/list", "etcdserverpb.Auth.RoleList"),
    ("/auth/role/delete", "etcdserverpb.Auth.RoleDelete"),
    ("/auth/role/grant", "etcdserverpb.Auth.RoleGrantPermission"),
    ("/auth/role/revoke", "etcdserverpb.Auth.RoleRevokePermission"),
    ("/lock/lock", "v3lockpb.Lock.Lock"),
    ("/lock/unlock", "v3lockpb.Lock.Unlock"),
    ("/election/campaign", "v3electionpb.Election.Campaign"),
    ("/election/proclaim", "v3electionpb.Election.Proclaim"),
    ("/election/leader", "v3electionpb.Election.Leader"),
    ("/election/observe", "v3electionpb.Election.Observe"),
    ("/election/resign", "v3electionpb.Election.Resign"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::DescriptorPool;
    use quorate_etcdapi::DESCRIPTORS;

    use super::*;

    /// What has no path in etcd either.
    const WITHOUT_PATH: [&str; 3] = [
        "etcdserverpb.KV.RangeStream",
        "grpc.health.v1.Health.Check",
        "grpc.health.v1.Health.Watch",
    ];

    #[test]
    fn every_method_has_a_path() {
        let pool = DescriptorPool::decode(DESCRIPTORS).expect("it was generated");
        let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let methods: BTreeSet<String> =
            methods.map(|method| method.full_name().to_owned()).collect();
        let reached = PATHS.iter().map(|(_, method)| *method).chain(WITHOUT_PATH);
        let reached: BTreeSet<String> = reached.map(str::to_owned).collect();
        assert_eq!(reached, methods);
    }
}
