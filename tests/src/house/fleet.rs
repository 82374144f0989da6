//! Several gateways on one store and one set of limits, behind a balancer, and all that lives on around them.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};
use store::postgres_server::{Listen, PostgresServer};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::customer::Customer;
use super::witness::{Takeovers, Witness, Writes};
use super::{CALLBACK_SECRET, RECEIVER};
use crate::balancer::Balancer;
use crate::history::{Ask, Books, Generation, History, Traps, Verdict};
use crate::listener::Listener;
use crate::{
    Client, Gateway, Options, Redis, SandboxOptions, SandboxProcess, config, eventually, nameserver, netns,
    sandbox,
};

/// How many gateways there are.
pub const REPLICAS: usize = 3;
/// What the roles of the replicas in the database begin with.
const WRITER: &str = "replica";
/// What the addresses are made from that upstreams are told; the same for all.
const CALLBACK_KEY: &str = "the-key-of-callback-addresses-of-all-replicas";
/// What a server needs that loses nothing: the gateway refuses others.
const DURABLE: [&str; 3] =
    ["fsync=on", "full_page_writes=on", "listen_addresses=127.0.0.1,127.77.0.1,127.77.0.2,127.77.0.3"];

/// The fleet.
pub struct Fleet {
    /// The upstream.
    pub sandbox: SandboxProcess,
    /// The gateways.
    pub gateways: Vec<Gateway>,
    /// Where the limits are counted.
    pub redis: Redis,
    /// The database.
    pub postgres: PostgresServer,
    balancer: Balancer,
    witness: Witness,
    receiver: Listener,
    customer: Customer,
    texts: Vec<(String, String)>,
    _media: TempDir,
}

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What was found in the history.
    pub verdict: Verdict,
    /// What was seen of all writes.
    pub writes: Writes,
    /// How long it took from faults to takeovers.
    pub takeovers: Vec<Takeovers>,
    /// How many tasks there were.
    pub tasks: usize,
    /// How many of them were ever in doubt.
    pub in_doubt: i64,
}

impl Fleet {
    /// Three gateways; their upstream makes these faults. `change` changes the config of all.
    pub async fn start(faults: &str, change: impl Fn(&mut Value)) -> Self {
        Self::of(REPLICAS, faults, change, |_number, options| options).await
    }

    /// So many, three at most. `arm` changes how each is started.
    pub async fn of(
        replicas: usize,
        faults: &str,
        change: impl Fn(&mut Value),
        arm: impl Fn(usize, Options) -> Options,
    ) -> Self {
        let options =
            SandboxOptions { faults: faults.to_owned(), generation_s: 0.4, ..SandboxOptions::default() };
        let (sandbox, redis, balancer) =
            (SandboxProcess::with(options).await, Redis::start().await, Balancer::start().await);
        let postgres = PostgresServer::start(Listen::Address(Ipv4Addr::LOCALHOST.into()), &DURABLE);
        let witness = Witness::prepare(&postgres.url(), WRITER, replicas);
        let media = tempfile::tempdir().expect("a folder for media");
        let mut base = config::config(&sandbox.url());
        base["media_dir"] = json!(media.path());
        base["limits"]["shared"] = redis.shared(u32::try_from(replicas).expect("a few"));
        base["server"] = json!({
            "public_url": balancer.url(), "callback_key": "env:CALLBACK_KEY", "drain_delay": "1s", "drain_timeout": "10s",
        });
        base["egress"] = json!({
            "allow": [RECEIVER.to_string()],
            "nameservers": [nameserver::start().await.to_string()],
        });
        base["callbacks"] = json!({ "allow_http": true, "secrets": ["env:CALLBACK_SECRET"], "retry_after": "50ms", "timeout": "2s" });
        change(&mut base);
        let mut gateways = Vec::new();
        for number in 0..replicas {
            let mut config = base.clone();
            config["store"]["postgres"]["url"] = json!("env:DATABASE_URL");
            let own = format!("{WRITER}{number}@{}", address(number));
            let url = postgres.network_url().replace("postgres@127.0.0.1", &own);
            let options = Options::config(config)
                .reached_directly()
                .variable("DATABASE_URL", &url)
                .variable("CALLBACK_KEY", CALLBACK_KEY)
                .variable("CALLBACK_SECRET", CALLBACK_SECRET);
            gateways.push(Gateway::start(arm(number, options)).await);
            if number == 0 {
                witness.watch();
            }
        }
        for gateway in &gateways {
            balancer.add(gateway.url(), gateway.operator());
        }
        let receiver = Listener::by_path(RECEIVER).await;
        let customer = Customer::default();
        let texts = Vec::new();
        let fleet = Self {
            sandbox,
            gateways,
            redis,
            postgres,
            balancer,
            witness,
            receiver,
            customer,
            texts,
            _media: media,
        };
        fleet.until_ready(replicas).await;
        fleet
    }

    /// Waits until so many gateways get connections.
    pub async fn until_ready(&self, count: usize) {
        let what = format!("{count} ready replicas");
        eventually(&what, async || (self.balancer.ready() == count).then_some(())).await;
    }

    /// A client of whichever gateway is ready.
    pub fn client(&self) -> Client {
        Client::new(&self.balancer.url(), self.gateways[0].key())
    }

    /// The client wants so many pictures more, asks whichever gateway is ready, and asks again for what it has no answer to.
    pub fn ask(&mut self, count: usize, faults: &[&str], asking: &mut JoinSet<()>) {
        for _ in 0..count {
            let mut bodies = self.customer.bodies();
            let number = bodies.len();
            let prompt = format!("wish {number} {}", faults[number % faults.len()]);
            let mut body = config::image(&prompt);
            if number.is_multiple_of(3) {
                body["notify_hook"] = format!("{}/200", self.receiver.url()).into();
            }
            bodies.push(body);
            let key = Some(format!("wish-{number}"));
            self.customer.log().asks.push(Ask { prompt, key, answers: Vec::new() });
        }
        let customer = self.customer.clone();
        let client = self.client();
        asking.spawn(async move { _ = customer.ask(&client, 1).join_all().await });
    }

    /// The client reads all that has not ended, once, at whichever gateway is ready.
    pub async fn read(&self) {
        self.customer.read(&self.client()).await;
    }

    /// Notes that something of that kind has happened to a gateway, and to the tasks that it holds.
    pub fn note_fault(&self, number: usize, kind: &str) {
        self.witness.note_fault(&writer(number), kind);
    }

    /// Stops a gateway, as by SIGSTOP, at a moment at which it holds a task; false if there was none within that time, and it
    /// is stopped all the same.
    pub async fn stop_at_work(&self, number: usize, within: Duration) -> bool {
        let holds = || self.witness.held(&writer(number)) > 0;
        let stopped = async {
            loop {
                if holds() {
                    self.gateways[number].pause();
                    // What it held may have been given back before it stood still.
                    if holds() {
                        return;
                    }
                    self.gateways[number].resume();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let is_at_work = tokio::time::timeout(within, stopped).await.is_ok();
        self.gateways[number].pause();
        is_at_work
    }

    /// Starts a gateway that has ended, or that is killed now; it is reached elsewhere then.
    pub async fn restart(&mut self, number: usize) {
        self.gateways[number].kill();
        self.keep_texts(number);
        self.gateways[number].restart().await;
        self.balancer.add(self.gateways[number].url(), self.gateways[number].operator());
    }

    /// Tells a gateway to stop, as Kubernetes does when it replaces one, and starts it again when it has ended.
    ///
    /// # Panics
    /// If it does not end well.
    pub async fn roll(&mut self, number: usize) {
        self.gateways[number].terminate();
        let status = self.gateways[number].exit().await;
        assert!(status.success(), "replica {number} ended with {status}");
        self.restart(number).await;
        self.until_ready(self.gateways.len()).await;
    }

    /// Cuts a gateway off from the database, in a network of one's own.
    pub fn cut(&self, number: usize) {
        netns::cut(&address(number));
    }

    /// Takes [`Self::cut`] back.
    pub fn heal(&self, number: usize) {
        netns::heal(&address(number));
    }

    /// How many sessions the database keeps that no gateway has the other end of.
    pub fn forsaken_sessions(&self) -> usize {
        let sessions = self.witness.session_ports(WRITER);
        let in_use = netns::ports_in_use();
        sessions.iter().filter(|port| !in_use.contains(port)).count()
    }

    /// How many tasks were ever in that state.
    pub fn ever_in(&self, state: &str) -> i64 {
        self.witness.ever_in(state)
    }

    /// How many tasks have not ended, and how many messages wait.
    pub fn unfinished(&self) -> i64 {
        self.witness.unfinished()
    }

    /// Which gateway has written a task last.
    ///
    /// # Panics
    /// If none has.
    pub fn last_writer(&self, task: &str) -> usize {
        let writer = self.witness.last_writer(task);
        writer.strip_prefix(WRITER).and_then(|number| number.parse().ok()).expect("a replica has written it")
    }

    fn keep_texts(&mut self, number: usize) {
        let gateway = &self.gateways[number];
        self.texts.push((format!("stderr of replica {number}"), gateway.stderr()));
        self.texts.push((format!("stdout of replica {number}"), gateway.stdout()));
    }

    /// Lets everything come to its end, stops all gateways, and tells what was seen.
    ///
    /// # Panics
    /// If something does not come to its end.
    pub async fn settle(mut self) -> (Outcome, History) {
        self.until_ready(self.gateways.len()).await;
        let client = self.client();
        eventually("an answer to every ask", async || {
            self.customer.ask(&client, 1).join_all().await;
            assert_eq!(self.customer.refusals(), [0; 0], "what the client may ask is refused");
            self.customer.unanswered().is_empty().then_some(())
        })
        .await;
        eventually("the end of every task", async || {
            self.customer.read(&client).await;
            (self.customer.unended().is_empty() && self.witness.unfinished() == 0).then_some(())
        })
        .await;
        for number in 0..self.gateways.len() {
            self.gateways[number].terminate();
            let status = self.gateways[number].exit().await;
            assert!(status.success(), "replica {number} ended with {status}");
            self.keep_texts(number);
        }
        let history = self.history().await;
        let outcome = Outcome {
            verdict: history.check(),
            writes: self.witness.writes(),
            takeovers: self.witness.takeovers(),
            tasks: history.books.tasks.len(),
            in_doubt: self.witness.ever_in("unknown"),
        };
        (outcome, history)
    }

    async fn history(&mut self) -> History {
        let ledger = self.sandbox.ledger().await;
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let generation = |entry: &Value| Generation { id: text(entry, "id"), prompt: text(entry, "prompt") };
        History {
            log: self.customer.log().clone(),
            generations: ledger.entries().iter().map(generation).collect(),
            books: Books::of_database(&self.postgres.url()),
            heard: self.receiver.heard(),
            callback_secret: CALLBACK_SECRET.to_owned(),
            traps: Traps::default(),
            texts: std::mem::take(&mut self.texts),
            secrets: vec![
                self.gateways[0].key().to_owned(),
                sandbox::KEY.to_owned(),
                CALLBACK_SECRET.to_owned(),
                CALLBACK_KEY.to_owned(),
            ],
        }
    }
}

/// By which address a gateway reaches the database.
fn address(number: usize) -> String {
    format!("127.77.0.{}", number + 1)
}

fn writer(number: usize) -> String {
    format!("{WRITER}{number}")
}
