//! The sandbox as a process of its own, which outlives the gateway and keeps its own ledger of what it accepted.

use std::net::{Ipv4Addr, SocketAddr};

use aws_lc_rs::digest;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Client, Process};

/// The key that gateways present; the sandbox takes any, unless it is told one.
pub(crate) const KEY: &str = "sandbox-upstream-key";

/// How a sandbox shall be.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// What goes wrong, as `--fault` takes it.
    pub faults: String,
    /// The only key that it takes; any if `None`.
    pub key: Option<String>,
    /// How long a generation takes, in seconds.
    pub generation_s: f64,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self { faults: String::new(), key: None, generation_s: 0.3 }
    }
}

/// A running sandbox.
pub struct SandboxProcess {
    folder: TempDir,
    options: SandboxOptions,
    address: SocketAddr,
    process: Process,
    client: Client,
}

/// What a sandbox accepted, from its disk, and the calls that it saw since its start.
#[derive(Debug, Clone)]
pub struct Ledger {
    entries: Vec<Value>,
    calls: Value,
    calls_by_key: Value,
    faults: Value,
}

impl SandboxProcess {
    /// A sandbox where nothing goes wrong but what prompts ask for.
    pub async fn start() -> Self {
        Self::with(SandboxOptions::default()).await
    }

    /// A sandbox with faults, as `--fault` takes them.
    pub async fn with_faults(faults: &str) -> Self {
        Self::with(SandboxOptions { faults: faults.to_owned(), ..SandboxOptions::default() }).await
    }

    /// A sandbox as `options` say.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn with(options: SandboxOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the sandbox");
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (process, address) = start(&folder, &options, free).await;
        let client = Client::new(&format!("http://{address}"), KEY);
        Self { folder, options, address, process, client }
    }

    /// Where gateways reach it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets it do nothing, as on a machine that hangs, until [`Self::resume`]. Its address still takes connections.
    pub fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Ends it at once. Its address answers no more.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was, with what it had accepted, and with these faults from now on.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&mut self, faults: &str) {
        self.kill();
        faults.clone_into(&mut self.options.faults);
        (self.process, self.address) = start(&self.folder, &self.options, self.address).await;
        // Connections to its predecessor are of no use.
        self.client = Client::new(&self.url(), KEY);
    }

    /// What it accepted so far.
    ///
    /// # Panics
    /// If it does not say.
    pub async fn ledger(&self) -> Ledger {
        let mut ledger = self.client.get("/sandbox/ledger").await.json();
        let Value::Array(entries) = ledger["entries"].take() else { panic!("no entries in {ledger}") };
        let [calls, calls_by_key, faults] =
            ["calls", "calls_by_key", "faults"].map(|name| ledger[name].take());
        Ledger { entries, calls, calls_by_key, faults }
    }
}

async fn start(folder: &TempDir, options: &SandboxOptions, listen: SocketAddr) -> (Process, SocketAddr) {
    let mut command = Process::command();
    command.arg("sandbox").arg("--data").arg(folder.path());
    command.args(["--listen", &listen.to_string()]);
    command.args(["--fault", &options.faults]);
    command.args(["--generation", &options.generation_s.to_string()]);
    if let Some(key) = &options.key {
        command.args(["--key", key]);
    }
    let mut process = Process::start("sandbox", &mut command);
    let address = process.said(|lines| lines.first()?.strip_prefix("sandbox on http://")?.parse().ok()).await;
    (process, address)
}

impl Ledger {
    /// How many tasks it accepted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it accepted none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All that it accepted, oldest first.
    pub fn entries(&self) -> &[Value] {
        &self.entries
    }

    /// How often it accepted a task of that prompt.
    pub fn accepted(&self, prompt: &str) -> usize {
        self.entries.iter().filter(|entry| entry["prompt"] == prompt).count()
    }

    /// The request body of the one task of that prompt.
    ///
    /// # Panics
    /// If there is none, or more than one.
    pub fn body(&self, prompt: &str) -> &Value {
        assert_eq!(self.accepted(prompt), 1, "tasks of the prompt \"{prompt}\" in {self:?}");
        let entry = self.entries.iter().find(|entry| entry["prompt"] == prompt);
        &entry.expect("there is one")["body"]
    }

    /// The most tasks that were at work at one time, by the sandbox's own clock.
    pub fn most_at_once(&self) -> usize {
        let time = |entry: &Value, name: &str| entry[name].as_u64().expect("entries have times");
        let spans = self.entries.iter().map(|entry| {
            let from = time(entry, "accepted_at_ms");
            from..from + time(entry, "generation_ms")
        });
        let spans: Vec<_> = spans.collect();
        let at = |moment: u64| spans.iter().filter(|span| span.contains(&moment)).count();
        spans.iter().map(|span| at(span.start)).max().unwrap_or(0)
    }

    /// How many calls of that name it has seen since its start: `kie.submit`, `v2.poll`, `media`.
    pub fn calls(&self, name: &str) -> u64 {
        self.calls[name].as_u64().unwrap_or(0)
    }

    /// How many of them, for submits and polls, came with that key.
    pub fn calls_with(&self, key: &str, name: &str) -> u64 {
        let digest = digest::digest(&digest::SHA256, key.as_bytes());
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        self.calls_by_key[digest][name].as_u64().unwrap_or(0)
    }

    /// How many faults of that name it has made since its start: `cut`, `429`.
    pub fn faults(&self, name: &str) -> u64 {
        self.faults[name].as_u64().unwrap_or(0)
    }
}
