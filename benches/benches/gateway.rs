//! Durable accepts and polls of the real binary, beside a bare hyper echo, in one run.
//!
//! `cargo build --release && cargo bench -p benches --bench gateway`. The gateway's upstream is an account with one slot at a
//! sandbox where nothing ever finishes, so that accepted tasks wait and the figure is that of accepting.
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use benches::load::{self, Shot};
use benches::process::{Subject, gateway_binary};
use benches::report::{HEAD, Series};
use benches::{echo, fsync};

const KEY: &str = "bench-key";
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const ECHO_ARGUMENT: &str = "--serve-echo";
const CREATE: &str = "/v2/videos/generations";
const BODY: &str = r#"{"prompt":"A cat surfing in sunset, cinematic, with a very long tail that touches the waves","model":"veo3.1","aspect_ratio":"16:9","enhance_prompt":true,"seed":42}"#;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if std::env::args().any(|argument| argument == ECHO_ARGUMENT) {
        return Ok(runtime.block_on(echo::serve(|port| println!("port {port}")))?);
    }
    runtime.block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(".")?;
    let (echo, echo_port) = start_echo()?;
    let (_sandbox, sandbox_url) = start_sandbox(folder.path())?;
    let (gateway, gateway_port) = start_gateway(folder.path(), &sandbox_url)?;

    let create = Shot::post(CREATE, KEY, BODY);
    let created: serde_json::Value = serde_json::from_slice(&load::once(gateway_port, &create).await?)?;
    let id = created["task_id"].as_str().context("a task id")?;
    let poll = Shot::get(&format!("{CREATE}/{id}"), KEY);

    let mut series: [Series; 4] = Default::default();
    for _round in 0..ROUNDS {
        let turns = [
            (&echo, echo_port, &create),
            (&gateway, gateway_port, &create),
            (&echo, echo_port, &poll),
            (&gateway, gateway_port, &poll),
        ];
        for (series, (subject, port, shot)) in series.iter_mut().zip(turns) {
            let before = subject.cpu()?;
            let round = load::fire(port, shot, CONNECTIONS, ROUND).await?;
            series.push(round, subject.cpu()? - before);
        }
    }
    let [echo_post, accept, echo_get, polled] = &series;
    println!("\n{CONNECTIONS} connections, {ROUNDS} rounds of {ROUND:?} in turns; medians\n\n{HEAD}");
    println!("{}", echo_post.row("echo, POST", echo_post));
    println!("{}", accept.row("filmgate, durable accept", echo_post));
    println!("{}", echo_get.row("echo, GET", echo_get));
    println!("{}", polled.row("filmgate, poll", echo_get));
    println!(
        "\none fsync: {:?} (median); peak memory of filmgate: {} KiB",
        fsync::median_sync(folder.path(), 500)?,
        gateway.peak_kib()?
    );
    Ok(())
}

fn start_echo() -> anyhow::Result<(Subject, u16)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ECHO_ARGUMENT);
    Subject::start(&mut command, |line| line.strip_prefix("port ")?.parse().ok())
}

fn start_sandbox(folder: &Path) -> anyhow::Result<(Subject, String)> {
    let mut command = Command::new(gateway_binary()?);
    command
        .args(["sandbox", "--listen", "127.0.0.1:0", "--fault", "never", "--data"])
        .arg(folder.join("sandbox"));
    Subject::start(&mut command, |line| Some(line.strip_prefix("sandbox on ")?.to_owned()))
}

fn start_gateway(folder: &Path, sandbox_url: &str) -> anyhow::Result<(Subject, u16)> {
    let config = folder.join("filmgate.yaml");
    std::fs::write(&config, config_text(sandbox_url))?;
    let mut command = Command::new(gateway_binary()?);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config"])
        .arg(&config);
    command.arg("--data").arg(folder.join("data")).env("FILMGATE_KEY", KEY);
    let port = |line: &str| {
        let url = line.split(' ').find_map(|word| word.strip_prefix("http://127.0.0.1:"))?;
        url.trim_end_matches(',').parse().ok()
    };
    Subject::start(&mut command, port)
}

fn config_text(sandbox_url: &str) -> String {
    format!(
        "limits: {{ requests_per_minute: 4000000000, concurrent_tasks: 4000000000 }}\n\
         log: {{ level: warn }}\n\
         accounts:\n  - {{ name: v2, provider: v2, base_url: \"{sandbox_url}\", credential: env:FILMGATE_KEY, concurrent_tasks: 1 }}\n\
         routes:\n  - {{ model: veo3.1, accounts: [v2] }}\n"
    )
}
