//! The gateway as a process of its own, and what a client does with it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use http::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::config::CREDENTIAL;
use crate::{Client, Process, eventually, metrics, sandbox};

/// The key of the stories' usual client.
const KEY: &str = "the-usual-client-of-the-stories";

/// How a gateway shall be started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    config: Option<Value>,
    environment: Vec<(String, String)>,
    first_key: bool,
    port: u16,
    /// Where it is reached besides by its public URL.
    directly: Option<String>,
}

impl Options {
    /// Without a config: the embedded defaults, with the embedded sandbox.
    pub fn embedded() -> Self {
        Self::default()
    }

    /// With a config file.
    pub fn config(config: Value) -> Self {
        Self { config: Some(config), ..Self::default() }
    }

    /// With an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Changes an environment variable for the next start.
    fn set(&mut self, name: &str, value: Option<&str>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Where clients and upstreams reach it, as its config says by `server.public_url`: at a port that was free just now.
    ///
    /// # Panics
    /// If there is no config.
    #[must_use]
    pub fn reached_from_outside(mut self) -> Self {
        self.port = free_port();
        let config = self.config.as_mut().expect("there is a config");
        config["server"]["public_url"] = format!("http://127.0.0.1:{}", self.port).into();
        self
    }

    /// At a port that was free just now, where its clients reach it, whatever its config says by `server.public_url`.
    #[must_use]
    pub fn reached_directly(mut self) -> Self {
        self.port = free_port();
        self.directly = Some(format!("http://127.0.0.1:{}", self.port));
        self
    }

    /// Without a key in the environment: the gateway makes one on its first start, and prints it.
    #[must_use]
    pub fn making_its_first_key(mut self) -> Self {
        self.first_key = true;
        self
    }
}

/// A running gateway with a folder of its own. Killed when this is dropped.
pub struct Gateway {
    folder: TempDir,
    options: Options,
    process: Process,
    url: String,
    client: Client,
    operator: Client,
}

impl Gateway {
    /// A gateway on embedded defaults.
    pub async fn embedded() -> Self {
        Self::start(Options::embedded()).await
    }

    /// A gateway with this config.
    pub async fn with_config(config: Value) -> Self {
        Self::start(Options::config(config)).await
    }

    /// A gateway as `options` say; requests are answered when this returns.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(options: Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the gateway");
        let (process, serving) = serve(folder.path(), &options).await;
        let (url, client, operator) = clients(&serving);
        Self { folder, options, process, url, client, operator }
    }

    /// The command `filmgate serve` as this gateway runs it.
    pub fn serve_command(&self) -> Command {
        serve_command(self.folder.path(), &self.options)
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again over the same data; it is killed first if it runs. It has other addresses then.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&mut self) {
        self.kill();
        let (process, serving) = serve(self.folder.path(), &self.options).await;
        self.process = process;
        (self.url, self.client, self.operator) = clients(&serving);
    }

    /// Puts a new config file in the place of the old one, also for its next start.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn set_config(&mut self, config: Value) {
        let (file, new) = (self.config_file(), self.folder.path().join("new.yaml"));
        std::fs::write(&new, config.to_string()).expect("a config file can be written");
        std::fs::rename(&new, &file).expect("a file can take the place of another");
        self.options.config = Some(config);
    }

    /// Tells it that its config has changed (SIGHUP).
    pub fn hang_up(&self) {
        self.process.signal("HUP");
    }

    /// Changes an environment variable for its next start.
    pub fn set_variable(&mut self, name: &str, value: Option<&str>) {
        self.options.set(name, value);
    }

    /// Starts it again as [`Self::restart`] does; how it ended if it does not come to serve.
    ///
    /// # Panics
    /// If it neither serves nor ends.
    pub async fn try_restart(&mut self) -> Result<(), ExitStatus> {
        self.kill();
        let (process, serving) = try_serve(self.folder.path(), &self.options).await;
        self.process = process;
        (self.url, self.client, self.operator) = clients(&serving?);
        Ok(())
    }

    /// Lets it do nothing, as on a machine that hangs, until [`Self::resume`].
    pub fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Whether it does nothing: it was stopped, or has stopped itself at a point.
    ///
    /// # Panics
    /// If it has ended.
    pub fn is_stopped(&self) -> bool {
        let path = format!("/proc/{}/stat", self.process.id());
        let stat = std::fs::read_to_string(path).expect("the gateway lives");
        // After the name, which is in brackets and may hold anything.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Whether it has ended, by itself or because it was told to.
    pub fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Asks it to stop, as a service manager does.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// How it ends.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn exit(&mut self) -> ExitStatus {
        self.process.exit().await
    }

    /// Its process' id at the system.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.process.stdout()
    }

    /// What it has logged so far.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Where clients reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its data.
    pub fn data(&self) -> PathBuf {
        data(self.folder.path())
    }

    /// Its config file; there is none on embedded defaults.
    pub fn config_file(&self) -> PathBuf {
        config_file(self.folder.path())
    }

    /// The usual client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A client of HTTP/2 with the usual key.
    pub fn http2_client(&self) -> Client {
        Client::http2(&self.url, KEY)
    }

    /// The usual key.
    pub fn key(&self) -> &'static str {
        KEY
    }

    /// A client of the operator's listener.
    pub fn operator(&self) -> &Client {
        &self.operator
    }

    /// Where operators reach it.
    pub fn operator_url(&self) -> &str {
        self.operator.base_url()
    }

    /// All that it tells operators in numbers.
    ///
    /// # Panics
    /// If it does not tell.
    pub async fn metrics(&self) -> String {
        let reply = self.operator.get("/metrics").await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        String::from_utf8_lossy(&reply.body).into_owned()
    }

    /// The sum of all series of the metric `name` that have these labels.
    ///
    /// # Panics
    /// If it does not tell its metrics.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metrics::sum(&self.metrics().await, name, labels)
    }

    /// Makes a task; its id.
    ///
    /// # Panics
    /// If it is not accepted.
    pub async fn create(&self, scope: &str, body: &Value) -> String {
        let reply = self.client.post(&format!("/v2/{scope}/generations"), body.to_string()).await;
        assert_eq!(reply.status, StatusCode::OK, "{body} got {reply:?}");
        reply.json()["task_id"].as_str().unwrap_or_else(|| panic!("no task id in {reply:?}")).to_owned()
    }

    /// How a task stands.
    ///
    /// # Panics
    /// If the gateway does not say: a poll never fails for what an upstream did.
    pub async fn poll(&self, scope: &str, id: &str) -> Value {
        let reply = self.client.get(&format!("/v2/{scope}/generations/{id}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()
    }

    /// Polls a task until `holds` of it; the last poll.
    ///
    /// # Panics
    /// If it never holds, or a poll fails.
    pub async fn until(&self, scope: &str, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let what = format!("{scope} task {id}");
        eventually(&what, async || {
            last = self.poll(scope, id).await;
            holds(&last).then(|| last.clone())
        })
        .await
    }

    /// Polls a task until it has ended; the last poll.
    ///
    /// # Panics
    /// If it never ends, or a poll fails.
    pub async fn ended(&self, scope: &str, id: &str) -> Value {
        self.until(scope, id, |task| task["status"] == "SUCCESS" || task["status"] == "FAILURE").await
    }

    /// Makes a task and waits for its success; the last poll.
    ///
    /// # Panics
    /// If it does not succeed.
    pub async fn succeeded(&self, scope: &str, body: &Value) -> Value {
        let id = self.create(scope, body).await;
        let task = self.ended(scope, &id).await;
        assert_eq!(task["status"], "SUCCESS", "{task}");
        task
    }

    /// The file that a successful task gave.
    ///
    /// # Panics
    /// If there is none.
    pub async fn output(&self, task: &Value) -> Vec<u8> {
        let url = task["data"]["output"].as_str().unwrap_or_else(|| panic!("no output in {task}"));
        let reply = self.client.without_key().get(url).await;
        assert_eq!(reply.status, StatusCode::OK, "{url}: {reply:?}");
        reply.body.to_vec()
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    free.expect("there is a free port").port()
}

/// The addresses that a gateway has said.
struct Serving {
    url: String,
    operator: String,
}

async fn serve(folder: &Path, options: &Options) -> (Process, Serving) {
    let (process, serving) = try_serve(folder, options).await;
    let serving = serving.unwrap_or_else(|status| panic!("gateway ended early: {status}"));
    (process, serving)
}

async fn try_serve(folder: &Path, options: &Options) -> (Process, Result<Serving, ExitStatus>) {
    let mut process = Process::start("gateway", &mut serve_command(folder, options));
    let serving = process.try_said(|lines| lines.iter().find_map(|line| serving(line))).await;
    let directly = |said: Serving| Serving { url: options.directly.clone().unwrap_or(said.url), ..said };
    (process, serving.map(directly))
}

/// Reads the first line of the greeting.
fn serving(line: &str) -> Option<Serving> {
    let (_, rest) = line.split_once(" serves ")?;
    let (url, rest) = rest.split_once(", and ")?;
    let (operator, _) = rest.split_once(" for operators")?;
    Some(Serving { url: url.to_owned(), operator: operator.to_owned() })
}

fn clients(serving: &Serving) -> (String, Client, Client) {
    let url = serving.url.clone();
    let client = Client::new(&url, KEY);
    (url, client, Client::new(&serving.operator, KEY).without_key())
}

fn serve_command(folder: &Path, options: &Options) -> Command {
    let mut command = Process::command();
    command.arg("serve").arg("--data").arg(data(folder)).current_dir(folder);
    command.args(["--listen", &format!("127.0.0.1:{}", options.port), "--admin-listen", "127.0.0.1:0"]);
    if let Some(config) = &options.config {
        let file = config_file(folder);
        std::fs::write(&file, config.to_string()).expect("a config file can be written");
        command.arg("--config").arg(file);
    }
    command.env(CREDENTIAL, sandbox::KEY);
    if !options.first_key {
        command.env("FILMGATE_KEY", KEY);
    }
    command.envs(options.environment.iter().map(|(name, value)| (name, value)));
    command
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn config_file(folder: &Path) -> PathBuf {
    folder.join("filmgate.yaml")
}
