//! Who depends on whom. The table is the one of ARCHITECTURE.md.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::Findings;

/// Whom a crate may depend on.
enum Allowed {
    Only(&'static [&'static str]),
    Anyone,
}

/// The workspace. Test code may use more: see [`FORBIDDEN_IN_TESTS`].
const TABLE: &[(&str, Allowed)] = &[
    ("domain", Allowed::Only(&[])),
    ("failpoints", Allowed::Only(&[])),
    ("telemetry", Allowed::Only(&["domain"])),
    ("sandbox", Allowed::Only(&[])),
    ("translation", Allowed::Only(&["domain"])),
    ("routing", Allowed::Only(&["domain"])),
    ("limits", Allowed::Only(&["domain"])),
    ("store", Allowed::Only(&["domain", "failpoints"])),
    ("upstream", Allowed::Only(&["domain", "failpoints", "telemetry"])),
    ("config", Allowed::Only(&["domain"])),
    (
        "tasks",
        Allowed::Only(&[
            "domain",
            "failpoints",
            "limits",
            "routing",
            "store",
            "telemetry",
            "translation",
            "upstream",
        ]),
    ),
    ("frontend", Allowed::Only(&["domain", "failpoints", "limits", "tasks", "telemetry", "translation"])),
    ("xtask", Allowed::Only(&["config", "translation"])),
    ("filmgate", Allowed::Anyone),
    ("benches", Allowed::Anyone),
    ("tests", Allowed::Anyone),
];

/// What nobody may depend on, not even for tests.
const FORBIDDEN_IN_TESTS: &[&str] = &["filmgate", "xtask", "tests", "benches"];

/// Crates that neither wait nor connect nor store.
const PURE: &[&str] = &["domain", "translation", "routing"];
/// What waits, connects or stores.
const IMPURE: &[&str] = &["tokio", "hyper", "hyper-util", "rustls", "rusqlite", "socket2", "mio"];

/// Every dependency between crates of the workspace is in [`TABLE`].
pub(super) fn check_workspace(metadata: &Value) -> Findings {
    let members: Vec<&Value> = workspace_packages(metadata).collect();
    let names: BTreeSet<&str> = members.iter().map(|package| name_of(package)).collect();
    let mut findings = Findings::new();
    for package in &members {
        let from = name_of(package);
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == from) else {
            findings.push(format!("{from}: not in the table of crates/xtask/src/tidy/edges.rs"));
            continue;
        };
        for dependency in array(&package["dependencies"]) {
            let to = name_of(dependency);
            let is_ours = names.contains(to) && !dependency["path"].is_null();
            if is_ours && !is_allowed(from, to, allowed, dependency["kind"] == "dev") {
                findings.push(format!("{from} must not depend on {to}"));
            }
        }
    }
    findings
}

fn is_allowed(from: &str, to: &str, allowed: &Allowed, is_dev: bool) -> bool {
    match allowed {
        // A crate's tests may use the crate itself with other features.
        _ if is_dev => to == from || !FORBIDDEN_IN_TESTS.contains(&to),
        Allowed::Anyone => !FORBIDDEN_IN_TESTS.contains(&to),
        Allowed::Only(names) => names.contains(&to),
    }
}

/// Nothing that waits, connects or stores is below a pure crate.
pub(super) fn check_pure(metadata: &Value) -> Findings {
    let packages: HashMap<&str, &str> =
        array(&metadata["packages"]).map(|package| (text(&package["id"]), name_of(package))).collect();
    let nodes: HashMap<&str, &Value> =
        array(&metadata["resolve"]["nodes"]).map(|node| (text(&node["id"]), node)).collect();
    let mut findings = Findings::new();
    for package in workspace_packages(metadata).filter(|package| PURE.contains(&name_of(package))) {
        for below in reachable(text(&package["id"]), &nodes) {
            let name = packages.get(below).copied().unwrap_or_default();
            if IMPURE.contains(&name) {
                findings.push(format!("{} is pure, but {name} is below it", name_of(package)));
            }
        }
    }
    findings
}

/// The ids of all packages that `from` needs at run time.
fn reachable<'a>(from: &'a str, nodes: &HashMap<&'a str, &'a Value>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        for dependency in nodes.get(id).into_iter().flat_map(|node| array(&node["deps"])) {
            let at_run_time = array(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
            let id = text(&dependency["pkg"]);
            if at_run_time && seen.insert(id) {
                open.push(id);
            }
        }
    }
    seen
}

fn workspace_packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    let members: BTreeSet<&str> = array(&metadata["workspace_members"]).map(text).collect();
    array(&metadata["packages"]).filter(move |package| members.contains(text(&package["id"])))
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn name_of(value: &Value) -> &str {
    text(&value["name"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(name: &str, dependency: &str, kind: Option<&str>) -> Value {
        json!({
            "workspace_members": [name, dependency],
            "packages": [
                { "id": name, "name": name, "dependencies": [{ "name": dependency, "kind": kind, "path": "x" }] },
                { "id": dependency, "name": dependency, "dependencies": [] },
            ],
            "resolve": { "nodes": [{ "id": name, "deps": [{ "pkg": dependency, "dep_kinds": [{ "kind": kind }] }] }] },
        })
    }

    #[test]
    fn only_what_is_in_the_table_is_allowed() {
        assert!(check_workspace(&metadata("tasks", "store", None)).is_empty());
        assert_eq!(
            check_workspace(&metadata("frontend", "store", None)),
            ["frontend must not depend on store"]
        );
        assert_eq!(
            check_workspace(&metadata("upstream", "sandbox", None)),
            ["upstream must not depend on sandbox"]
        );
        assert_eq!(
            check_workspace(&metadata("benches", "tests", None)),
            ["benches must not depend on tests"]
        );
        assert!(
            check_workspace(&metadata("novelty", "domain", None))[0].starts_with("novelty: not in the table")
        );
    }

    #[test]
    fn tests_may_use_more_but_not_the_binary() {
        assert!(check_workspace(&metadata("upstream", "sandbox", Some("dev"))).is_empty());
        let found = check_workspace(&metadata("tasks", "filmgate", Some("dev")));
        assert_eq!(found, ["tasks must not depend on filmgate"]);
    }

    #[test]
    fn a_runtime_below_a_pure_crate_is_found_but_not_below_its_tests() {
        assert_eq!(
            check_pure(&metadata("routing", "tokio", None)),
            ["routing is pure, but tokio is below it"]
        );
        assert!(check_pure(&metadata("routing", "tokio", Some("dev"))).is_empty());
        assert!(check_pure(&metadata("upstream", "tokio", None)).is_empty());
    }
}
