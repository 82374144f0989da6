//! The descriptions of the APIs are valid, and the running gateway answers as they say, whatever it is asked.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tests::config::config;
use tests::{Finished, Gateway, Options, Process, SandboxOptions, SandboxProcess};

const KEY: &str = "the-key-of-the-operator-for-everything";
/// Requests of each kind of call, for each way of making them up.
const EXAMPLES: &str = "5";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A program that `cargo xtask setup` installs for this.
fn program(name: &str) -> Command {
    let usual = || root().join("target/sdks");
    let packages = std::env::var_os("FILMGATE_SDKS").map_or_else(usual, PathBuf::from);
    let program = packages.join("openapi/python/bin").join(name);
    assert!(program.is_file(), "{} is not there; `cargo xtask setup` installs it", program.display());
    let mut command = Command::new(program);
    // What it writes beside its reports goes where nobody looks.
    command.current_dir(std::env::temp_dir());
    command
}

fn described(api: &str) -> String {
    root().join("docs/openapi").join(format!("{api}.json")).display().to_string()
}

/// Asks the API at `url` all sorts of things, and compares the answers with its description.
async fn questioned(api: &str, url: &str, key: &str) -> Finished {
    let reports = tempfile::tempdir().unwrap();
    let mut command = program("schemathesis");
    command.current_dir(reports.path()).args(["run", &described(api), "--url", url]);
    command.args(["--header", &format!("Authorization: Bearer {key}"), "--no-color", "--seed", "7"]);
    command.args([
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        EXAMPLES,
        "--no-shrink",
        "--warnings",
        "off",
    ]);
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                  unsupported_method,ignored_auth";
    command.args(["--checks", checks, "--continue-on-failure", "--suppress-health-check", "all"]);
    let finished = Process::run(&mut command).await;
    assert!(finished.status.success(), "{api}: {}\n{}", finished.stdout, finished.stderr);
    finished
}

#[tokio::test]
async fn the_descriptions_are_valid() {
    for api in ["admin", "v2"] {
        let mut command = program("openapi-spec-validator");
        let finished = Process::run(command.args(["--schema", "3.1", &described(api)])).await;
        assert!(finished.status.success(), "{api}: {finished:?}");
    }
}

#[tokio::test]
async fn the_operators_api_answers_as_it_is_described() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["server"]["admin_key"] = json!("env:ADMIN");
    config["limits"]["unauthorized_per_minute"] = json!(100_000);
    let gateway = Gateway::start(Options::config(config).variable("ADMIN", KEY)).await;
    let served = gateway.operator().with_key(KEY).get("/admin/openapi.json").await.json();
    let kept = std::fs::read_to_string(described("admin")).unwrap();
    assert_eq!(
        served,
        serde_json::from_str::<serde_json::Value>(&kept).unwrap(),
        "what is kept is what is served"
    );
    questioned("admin", gateway.operator_url(), KEY).await;
}

#[tokio::test]
async fn the_contract_of_clients_is_answered_as_it_is_described() {
    let sandbox =
        SandboxProcess::with(SandboxOptions { generation_s: 0.1, ..SandboxOptions::default() }).await;
    let mut config = config(&sandbox.url());
    config["limits"]["unauthorized_per_minute"] = json!(100_000);
    // Nobody waits for long, however long they say that they can.
    config["server"]["wait_timeout"] = json!("1s");
    let gateway = Gateway::with_config(config).await;
    questioned("v2", gateway.url(), gateway.key()).await;
}
