//! Stories in a network of their own, in which ways between processes can be cut without anybody else noticing.

use std::collections::BTreeSet;
use std::process::Command;

use crate::tool;

/// Set where a story runs in a network of its own.
const INSIDE: &str = "FILMGATE_STORY_NETWORK";
/// Brings up the loopback, all there is in a new network, and goes on with the rest of the command.
const UP_AND_ON: &str = "ip link set lo up && exec \"$0\" \"$@\"";

/// Whether this is a network of a story's own.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs a test of this binary again, in a network of its own. Needs the rights of root.
///
/// # Panics
/// If it fails there, with what it said; or if there can be no such network.
pub fn run_inside(test: &str) {
    let binary = std::env::current_exe().expect("a test knows where it is");
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "sh", "-c", UP_AND_ON]).arg(binary).args(["--exact", test, "--nocapture"]);
    let output = command.env(INSIDE, "1").output();
    let output = output.unwrap_or_else(|error| panic!("{}", tool::absent("unshare", &error)));
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("running 1 test"), "{test}: {said}");
}

/// From now on nothing goes to that address of the loopback: no packet arrives, and nobody is told.
///
/// # Panics
/// Outside of a network of one's own.
pub fn cut(address: &str) {
    change("add", address);
}

/// Takes [`cut`] back.
///
/// # Panics
/// As there.
pub fn heal(address: &str) {
    change("del", address);
}

/// The ports that some process of this network has a connection from or to.
///
/// # Panics
/// If the kernel does not say.
pub fn ports_in_use() -> BTreeSet<u16> {
    /// As the kernel writes it of a connection that is established.
    const ESTABLISHED: &str = "01";
    let connections = std::fs::read_to_string("/proc/self/net/tcp").expect("the kernel tells of connections");
    let port = |line: &str| {
        let mut columns = line.split_whitespace();
        let (local, state) = (columns.nth(1)?, columns.nth(1)?);
        let port = local.rsplit_once(':').filter(|_| state == ESTABLISHED)?.1;
        u16::from_str_radix(port, 16).ok()
    };
    connections.lines().filter_map(port).collect()
}

fn change(what: &str, address: &str) {
    assert!(is_inside(), "the network of everybody is left alone");
    tool::run("ip", &["route", what, "blackhole", address, "table", "local"]);
}
