//! What cargo knows about the crates: `cargo metadata`, as far as the checks ask.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::workspace::Workspace;

/// Every crate that the workspace builds, ours and others.
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

/// One crate.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Whether it is part of this workspace.
    pub(crate) is_ours: bool,
    /// Its SPDX expression, if it states one.
    pub(crate) license: Option<String>,
    /// Names of what it depends on when it is built.
    pub(crate) dependencies: BTreeSet<String>,
    /// Names of what its tests depend on.
    pub(crate) dev_dependencies: BTreeSet<String>,
}

impl Metadata {
    /// Asks cargo, for all platforms and features.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self> {
        let cargo = crate::workspace::cargo();
        let text = workspace.output(&cargo, &["metadata", "--format-version", "1", "--locked"])?;
        Self::parse(&serde_json::from_str(&text)?)
    }

    fn parse(json: &Value) -> Result<Self> {
        let packages = json["packages"].as_array().context("metadata lists no packages")?;
        Ok(Self { packages: packages.iter().map(Package::parse).collect::<Result<_>>()? })
    }
}

impl Package {
    fn parse(json: &Value) -> Result<Self> {
        Ok(Self {
            name: json["name"].as_str().context("a package without a name")?.to_owned(),
            // What comes from a registry or from git names its source; a path does not.
            is_ours: json["source"].is_null(),
            license: json["license"].as_str().map(str::to_owned),
            dependencies: names(json, |kind| kind != "dev")?,
            dev_dependencies: names(json, |kind| kind == "dev")?,
        })
    }
}

/// The dependencies of the wanted kind; cargo leaves the normal kind null.
fn names(package: &Value, is_wanted: impl Fn(&str) -> bool) -> Result<BTreeSet<String>> {
    let dependencies = package["dependencies"].as_array().context("no list of dependencies")?;
    let wanted = |one: &&Value| is_wanted(one["kind"].as_str().unwrap_or("normal"));
    let name = |one: &Value| one["name"].as_str().map(str::to_owned);
    dependencies
        .iter()
        .filter(wanted)
        .map(|one| name(one).context("a dependency without a name"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_dependencies_are_told_apart() -> Result<()> {
        let json = serde_json::json!({ "packages": [{
            "name": "quorate-kv", "source": null, "license": "Apache-2.0",
            "dependencies": [
                { "name": "bytes", "kind": null },
                { "name": "cc", "kind": "build" },
                { "name": "proptest", "kind": "dev" },
            ],
        }, {
            "name": "bytes", "source": "registry+https://example", "license": null,
            "dependencies": [],
        }]});
        let metadata = Metadata::parse(&json)?;
        let [kv, bytes] = metadata.packages.as_slice() else { panic!("two packages") };
        assert!(kv.is_ours && !bytes.is_ours);
        assert_eq!(kv.dependencies, BTreeSet::from(["bytes".to_owned(), "cc".to_owned()]));
        assert_eq!(kv.dev_dependencies, BTreeSet::from(["proptest".to_owned()]));
        assert_eq!(bytes.license, None);
        Ok(())
    }
}
