//! A process of its own for each group, in a network of its own where one can be had.

use std::process::Command;

use crate::figures;
use crate::judge::Tally;
use crate::world::World;

/// Tells the process which kind of network it is in.
const NETWORK: &str = "SSRF_NETWORK";
const NAMESPACE: &str = "namespace";
const LISTENERS: &str = "listeners";

/// An address that the machine of the namespace has itself; by its number it is a public one.
pub(crate) const OWN_ADDRESS: &str = "45.33.32.156";
/// Where its packets come from otherwise. Without it, every address would be the machine's own.
const SOURCES: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// Runs a group: in this process if it is the one made for it, in such a process otherwise.
pub(crate) fn run(test: &str, group: &str, rows: impl AsyncFn(&World) -> Tally) {
    let Ok(network) = std::env::var(NETWORK) else { return run_apart(test, group) };
    if network == NAMESPACE {
        prepare();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tally = runtime.block_on(async {
        let world = World::start(network == NAMESPACE);
        rows(&world).await
    });
    figures::print(&tally);
    assert!(tally.trapped == 0, "a trap was reached, {} times: {:#?}", tally.trapped, tally.failures);
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
}

fn run_apart(test: &str, group: &str) {
    let environments = crate::environment::of(test);
    let mut lines = Vec::new();
    for environment in environments {
        let output = command(test).envs(environment.iter().copied()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        lines.extend(text.lines().filter_map(figures::read));
    }
    assert_eq!(lines.len(), environments.len(), "each process counts what it has done");
    figures::write(group, &lines);
}

/// The command that runs one test in a network of its own.
pub(crate) fn command(test: &str) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match namespace_flags() {
        Some(flags) => {
            let mut command = Command::new("unshare");
            command.args(flags).arg(this).env(NETWORK, NAMESPACE);
            command
        }
        None => {
            let mut command = Command::new(this);
            command.env(NETWORK, LISTENERS);
            command
        }
    };
    command.args(["--exact", test, "--nocapture"]);
    command
}

/// How a namespace can be had here: as root, or as a root that is one only there.
fn namespace_flags() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["--net"], &["--map-root-user", "--net"]];
    WAYS.into_iter().find(|flags| {
        let tried = Command::new("unshare").args(*flags).args(["ip", "link", "set", "lo", "up"]).output();
        tried.is_ok_and(|output| output.status.success())
    })
}

/// Makes every address lead to this machine, without being its own.
fn prepare() {
    let [v4, v6] = SOURCES;
    for line in [
        "link set lo up".to_owned(),
        format!("addr add {v4}/32 dev lo"),
        format!("addr add {OWN_ADDRESS}/32 dev lo"),
        format!("route add local 0.0.0.0/0 dev lo src {v4}"),
        format!("-6 addr add {v6}/128 dev lo nodad"),
        format!("-6 route add local ::/0 dev lo src {v6}"),
    ] {
        let output = Command::new("ip").args(line.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn without_the_check_of_dialled_addresses_the_traps_are_reached() {
    for test in ["s04_names_that_lead_inside", "s05_names_that_change_their_mind"] {
        let output = command(test).env(failpoints::WITHOUT, "dial_check").output().unwrap();
        assert!(!output.status.success(), "{test}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("a trap was reached"), "{test}: {text}");
    }
}
