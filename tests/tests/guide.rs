//! What the guide of routing shows is what happens: its config is in order, its commands work, and print what it prints.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::path::Path;
use std::process::Command;

use tests::{Process, SandboxProcess, tool};

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/routing.md");
/// Where the guide has its upstreams, and where it has the gateway: for clients, and for the operator.
const UPSTREAMS: [&str; 2] = ["https://api.kie.ai", "https://generativelanguage.googleapis.com"];
const CLIENTS: &str = "http://127.0.0.1:8080";
const OPERATORS: &str = "http://127.0.0.1:9090";
const VARIABLES: [&str; 5] =
    ["KIE_API_KEY", "KIE_EU_API_KEY", "GEMINI_API_KEY", "APP_KEY", "FILMGATE_ADMIN_KEY"];

/// The blocks of the guide in that language, in order.
fn blocks(language: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(GUIDE).unwrap();
    let begin = format!("```{language}\n");
    guide.split(&begin).skip(1).map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

/// The command with a secret in each variable that the guide names.
fn with_secrets(command: &mut Command) -> &mut Command {
    command.envs(VARIABLES.map(|name| (name, format!("the-secret-of-{name}"))))
}

/// A command as a reader's shell would run it; what it prints.
async fn run(command: &str, folder: &Path) -> String {
    let (program, rest) = command.trim().split_once(' ').unwrap();
    if program == "filmgate" {
        let mut filmgate = Process::command();
        with_secrets(filmgate.current_dir(folder).args(rest.split_whitespace()));
        let finished = Process::run(&mut filmgate).await;
        assert!(finished.status.success(), "{command}: {finished:?}");
        return finished.stdout;
    }
    assert_eq!(program, "curl", "{command}");
    let secrets = VARIABLES.map(|name| format!("{name}=the-secret-of-{name}")).join(" ");
    let script = format!("export {secrets}; curl --silent --show-error --fail-with-body {rest}");
    tool::run("sh", &["-c", &script])
}

#[tokio::test]
async fn what_the_guide_of_routing_shows_is_what_happens() {
    let sandbox = SandboxProcess::start().await;
    let folder = tempfile::tempdir().unwrap();
    let [config] = &blocks("yaml")[..] else { panic!("one whole file") };
    let config = UPSTREAMS.iter().fold(config.clone(), |config, url| config.replace(url, &sandbox.url()));
    std::fs::write(folder.path().join("filmgate.yaml"), config).unwrap();
    let checked = run("filmgate check --config filmgate.yaml", folder.path()).await;
    assert!(checked.contains("in order"), "{checked}");

    let mut command = Process::command();
    with_secrets(command.current_dir(folder.path()).args(["serve", "--config", "filmgate.yaml"]));
    command.args(["--data", "data", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let mut gateway = Process::start("gateway", &mut command);
    let greeting = gateway.said(|lines| lines.iter().find(|line| line.contains(" serves ")).cloned()).await;
    let urls: Vec<&str> = greeting.split([' ', ',']).filter(|word| word.starts_with("http://")).collect();
    let shown = blocks("sh").join("\n").replace("\\\n", " ");
    let mut answers = Vec::new();
    for command in shown.lines().filter(|line| !line.trim().is_empty()) {
        let here = command.replace(CLIENTS, urls[0]).replace(OPERATORS, urls[1]);
        answers.push((command, run(&here, folder.path()).await));
    }
    let answer = |part: &str| {
        let found = answers.iter().find(|(command, _)| command.contains(part));
        &found.unwrap_or_else(|| panic!("{part} in {answers:?}")).1
    };
    let [printed] = &blocks("text")[..] else { panic!("one table") };
    assert_eq!(answer("filmgate explain").trim_end(), printed.trim_end());
    assert!(answer("x-filmgate-route").contains("\"task_id\""), "{answers:?}");
    assert!(answer("/admin/explain").contains("\"conditions_are_live\":true"), "{answers:?}");
    assert!(answer("kie/drain").contains("\"drained\""), "{answers:?}");
    assert!(answer("kie/resume").contains("\"ready\""), "{answers:?}");
    assert!(answer("/admin/reload").contains("\"unchanged\""), "{answers:?}");
    assert!(!format!("{answers:?}").contains("the-secret-of"), "{answers:?}");
}
