//! `filmgate serve`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use config::Config;
use tasks::{NewKey, Reloads};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ServeOptions;
use crate::observing;
use crate::source::{self, Read};
use crate::wiring::{self, Running};

/// Where a running server leaves its address, for `filmgate generate` beside it.
const ADDRESS_FILE: &str = "serving.url";

pub(crate) async fn run(options: &ServeOptions) -> anyhow::Result<ExitCode> {
    let Read { config, inputs } = source::server(options);
    let config = config.map_err(|problems| source::unusable(&problems))?;
    let recording = observing::begin(&config, options.log.as_deref())?;
    source::tell_notes(&config);
    // Listened for before anybody can know that we run.
    let stop = stop_signal()?;
    let mut hang_ups = signal(SignalKind::hangup())?;
    let (reloads, wishes) = Reloads::new();
    let mut running = Running::start(&config, Some(reloads.clone())).await?;
    let sending = recording.send(&config, wiring::way_out(&config)?, &running.registry)?;
    let reloader = running.reloader(options, (&config, inputs))?;
    std::fs::write(address_file(&config), &running.url)
        .context("leaving the address in the data directory")?;
    let key = first_key(&running).await?;
    greet(&running, key.as_deref(), config.sandbox.embed);
    let hang_ups = async {
        while hang_ups.recv().await.is_some() {
            reloads.reload().await;
        }
    };
    let reloading = async { tokio::join!(reloader.run(wishes), hang_ups) };
    let failure = tokio::select! {
        () = stop => None,
        failure = running.failed() => Some(failure),
        ((), ()) = reloading => None,
    };
    println!("stopping: requests and submissions under way end first");
    running.stop().await;
    sending.stop().await;
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// The address that the server of this data directory left.
pub(crate) fn served_url(config: &Config) -> anyhow::Result<String> {
    let path: PathBuf = address_file(config);
    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

fn address_file(config: &Config) -> PathBuf {
    Path::new(&config.data_dir).join(ADDRESS_FILE)
}

/// On the first start, when nobody has a key, one is made; it is printed once and kept as a digest.
async fn first_key(running: &Running) -> anyhow::Result<Option<String>> {
    if running.keyring.declares_any() || !running.keyring.list().await?.is_empty() {
        return Ok(None);
    }
    let (secret, _record) =
        running.keyring.create(NewKey { name: "first".to_owned(), ..NewKey::default() }).await?;
    Ok(Some(secret))
}

fn greet(running: &Running, key: Option<&str>, sandbox: bool) {
    let url = &running.url;
    println!("filmgate {} serves {url}, and {} for operators", env!("CARGO_PKG_VERSION"), running.admin_url);
    if sandbox {
        println!("models are served by the embedded sandbox: real files, no cost");
    }
    if let Some(key) = key {
        println!("client key, shown this once: {key}");
    }
    let key = key.unwrap_or("$FILMGATE_KEY");
    println!(
        "try:\n\n  curl -X POST {url}/v2/videos/generations \\\n    -H \"Authorization: Bearer {key}\" \\\n    \
         -H \"Content-Type: application/json\" \\\n    -d '{{\"prompt\": \"A cat surfing in sunset, cinematic\", \
         \"model\": \"veo3\"}}'\n\n  curl {url}/v2/videos/generations/TASK_ID -H \"Authorization: Bearer {key}\"\n"
    );
}

/// Ready when the process is asked to stop; asking counts from this call on.
pub(crate) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _signal = terminate.recv() => {}
            _signal = interrupt.recv() => {}
        }
    })
}
