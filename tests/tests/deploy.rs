//! What deploy/ holds: rendered by Helm and kubectl, held to Kubernetes's own schemas and to the gateway's own check of its
//! configuration, built into an image and run from it. The checks are scripts in tests/deploy, because what they are made
//! with is there for Python.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::Process;

#[test]
fn the_chart_makes_what_kubernetes_and_the_gateway_take() {
    check("test_chart.py");
}

#[test]
fn the_chart_refuses_bad_values() {
    check("test_values.py");
}

#[test]
fn kustomizations_make_what_kubernetes_and_the_gateway_take() {
    check("test_kustomize.py");
}

#[test]
fn generated_files_image_and_compose_are_in_order() {
    check("test_files.py");
}

#[test]
fn dashboards_are_what_grafana_reads() {
    check("test_dashboards.py");
}

#[test]
fn the_pods_of_the_chart_run_from_the_image() {
    check("test_image.py");
}

/// Runs a script to its end; what it found is the report.
fn check(script: &str) {
    let mut command = Command::new(python());
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(script));
    command.env("FILMGATE_BIN", Path::new(Process::command().get_program()).canonicalize().unwrap());
    // What takes minutes is for `cargo xtask image`.
    command.env_remove("FILMGATE_LONG");
    let finished = command.output().unwrap();
    assert!(finished.status.success(), "{script}: {}", String::from_utf8_lossy(&finished.stderr));
}

/// The Python that has the tools: below `FILMGATE_SDKS`, else where `cargo xtask setup` puts it.
fn python() -> PathBuf {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/sdks");
    let packages = std::env::var_os("FILMGATE_SDKS").map_or_else(usual, PathBuf::from);
    let python = packages.join("deploy/python/bin/python");
    assert!(python.exists(), "{} is not there; `cargo xtask setup` installs it", python.display());
    python
}
