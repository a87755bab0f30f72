//! Which crate may know which: the arrows of ARCHITECTURE.md point down only.

use std::collections::BTreeSet;

use super::metadata::{Metadata, Package};
use super::source::Source;

/// Each crate of ours with those of ours that it may depend on. A crate that is not listed may
/// not exist: add it here, where the arrow is reviewed.
const ARROWS: [(&str, &[&str]); 12] = [
    ("quorate-consensus", &[]),
    ("quorate-kv", &[]),
    ("quorate-codec", &["quorate-consensus", "quorate-kv"]),
    ("quorate-storage", &["quorate-consensus", "quorate-kv", "quorate-codec"]),
    ("quorate-replica", &["quorate-consensus", "quorate-kv", "quorate-codec"]),
    ("quorate-etcdapi", &["quorate-kv"]),
    ("quorate-sim", &[CONSENSUS, "quorate-kv", "quorate-codec", STORAGE, "quorate-replica"]),
    (
        "quorate-server",
        &[CONSENSUS, "quorate-kv", "quorate-codec", STORAGE, "quorate-replica", "quorate-etcdapi"],
    ),
    ("quorate-lab", &[CONSENSUS, "quorate-kv", "quorate-replica", "quorate-sim"]),
    (
        // Its tests speak to members as a hostile peer does, hence consensus and codec.
        "quorate-cli",
        &[
            CONSENSUS,
            "quorate-codec",
            "quorate-etcdapi",
            "quorate-server",
            "quorate-sim",
            "quorate-lab",
        ],
    ),
    // It compares Quorate with etcd from outside, as any client could.
    ("quorate-versus", &["quorate-etcdapi"]),
    ("xtask", &[]),
];

const CONSENSUS: &str = "quorate-consensus";
const STORAGE: &str = "quorate-storage";

/// Crates below the edge: protobuf and gRPC stop at `etcdapi`.
const BELOW_THE_EDGE: [&str; 5] =
    ["quorate-consensus", "quorate-kv", "quorate-codec", "quorate-storage", "quorate-replica"];

/// What stops there.
const EDGE_ONLY: [&str; 4] = ["prost", "prost-types", "tonic", "tonic-prost"];

/// Two engines that never know each other: the folder of each, and the module it must not name.
const ENGINES: [(&str, &str); 2] =
    [("crates/consensus/src/raft/", "paxos"), ("crates/consensus/src/paxos/", "raft")];

/// Dependencies that no arrow allows.
pub(crate) fn check_dependencies(metadata: &Metadata) -> Vec<String> {
    let ours: Vec<&Package> = metadata.packages.iter().filter(|one| one.is_ours).collect();
    let names: BTreeSet<&str> = ours.iter().map(|package| package.name.as_str()).collect();
    ours.iter().flat_map(|package| bad_dependencies(package, &names)).collect()
}

fn bad_dependencies(package: &Package, ours: &BTreeSet<&str>) -> Vec<String> {
    let name = package.name.as_str();
    let Some((_, allowed)) = ARROWS.iter().find(|(listed, _)| *listed == name) else {
        return vec![format!("{name}: not in the table of arrows")];
    };
    let all = package.dependencies.union(&package.dev_dependencies).map(String::as_str);
    let is_edge_only = |one: &str| BELOW_THE_EDGE.contains(&name) && EDGE_ONLY.contains(&one);
    let is_upward = |one: &str| ours.contains(one) && !allowed.contains(&one);
    let bad = all.filter(|one| is_upward(one) || is_edge_only(one));
    bad.map(|one| format!("{name} must not depend on {one}")).collect()
}

/// Lines of one engine that name the other.
pub(crate) fn check_imports(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for (folder, stranger) in ENGINES {
        for source in sources.iter().filter(|source| source.path.starts_with(folder)) {
            let found = source.numbered().filter(|(_, line)| names(line, stranger));
            let problem = |(number, _)| format!("{}:{number}: uses `{stranger}`", source.path);
            problems.extend(found.map(problem));
        }
    }
    problems
}

/// Whether the code of a line names the module; prose may.
fn names(line: &str, module: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::sample;

    fn package(name: &str, dependencies: &[&str], dev: &[&str]) -> Package {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Package {
            name: name.to_owned(),
            is_ours: true,
            license: None,
            dependencies: owned(dependencies),
            dev_dependencies: owned(dev),
        }
    }

    fn problems_of(package_under_test: Package) -> Vec<String> {
        let mut packages: Vec<Package> =
            ARROWS.iter().map(|(name, _)| package(name, &[], &[])).collect();
        packages.push(package_under_test);
        check_dependencies(&Metadata { packages })
    }

    #[test]
    fn downward_arrows_and_other_peoples_crates_pass() {
        let replica = package("quorate-replica", &["quorate-kv", "bytes"], &["proptest"]);
        assert!(problems_of(replica).is_empty());
        assert!(problems_of(package("quorate-server", &["tonic"], &[])).is_empty());
    }

    #[test]
    fn upward_arrows_are_found_in_code_and_in_tests() {
        let cases = [
            package("quorate-kv", &["quorate-consensus"], &[]),
            package("quorate-replica", &["quorate-storage"], &[]),
            package("quorate-replica", &[], &["quorate-storage"]),
            package("quorate-etcdapi", &["quorate-server"], &[]),
        ];
        for case in cases {
            let name = case.name.clone();
            assert_eq!(problems_of(case).len(), 1, "{name}");
        }
    }

    #[test]
    fn protobuf_below_the_edge_is_found() {
        for name in BELOW_THE_EDGE {
            assert_eq!(problems_of(package(name, &["prost"], &["tonic"])).len(), 2, "{name}");
        }
    }

    #[test]
    fn a_crate_without_an_entry_is_found() {
        assert_eq!(problems_of(package("quorate-misc", &[], &[])).len(), 1);
    }

    #[test]
    fn engines_that_import_each_other_are_found() {
        let bad = [
            sample("crates/consensus/src/raft/mod.rs", "use crate::paxos::Synod;\n"),
            sample("crates/consensus/src/paxos/mod.rs", "use super::super::{log, raft};\n"),
        ];
        assert_eq!(check_imports(&bad).len(), 2);
        let good = [
            sample(
                "crates/consensus/src/raft/mod.rs",
                "//! Unlike `paxos::synod`.\nlet draft = 1;\n",
            ),
            sample("crates/consensus/src/paxos/mod.rs", "let raft_like = draft;\n"),
            sample("crates/consensus/src/lib.rs", "pub use raft::Raft;\n"),
        ];
        assert!(check_imports(&good).is_empty());
    }
}
