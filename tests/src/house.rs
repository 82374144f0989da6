//! A gateway that dies again and again, and all that lives on around it: the upstream, a client that does not give up,
//! the client's own server, a trap. When it has settled, it tells its history.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::config;
use crate::history::{Answer, Ask, Books, Generation, History, Log, Traps};
use crate::listener::{Listener, Trap};
use crate::{
    Client, DEADLINE, Gateway, Options, SandboxOptions, SandboxProcess, eventually, nameserver, sandbox,
};

/// Where the client's own server is; loopback, but not where the trap is.
const RECEIVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CALLBACK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Between two rounds of reading what has not ended.
const READ_EVERY: Duration = Duration::from_millis(30);
/// The variable that names the point at which a gateway crashes.
const CRASH_AT: &str = "FILMGATE_CRASH_AT";

/// The house.
pub struct House {
    /// The upstream.
    pub sandbox: SandboxProcess,
    /// The gateway.
    pub gateway: Gateway,
    receiver: Listener,
    trap: Trap,
    customer: Customer,
    traps_named: usize,
    texts: Vec<(String, String)>,
    landed: Landed,
}

/// How often a fault came at a moment that matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Landed {
    /// How often the gateway died.
    pub deaths: usize,
    /// With tasks that had not ended.
    pub with_live_tasks: usize,
    /// With a submission on its way, or about to be: its intent stored, no answer.
    pub within_a_submission: usize,
}

/// What a client wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What goes wrong upstream, as prompts take it: `[sandbox:cut]`; or nothing.
    pub fault: &'static str,
    /// Where the client wants to be told of the end.
    pub told: Told,
    /// Whether a picture comes along.
    pub picture: bool,
    /// Whether it asks again, with a key, until it is answered.
    pub keyed: bool,
}

/// Where a client wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nowhere.
    No,
    /// At its own server, at that path: the statuses that it answers with.
    At(&'static str),
    /// At a trap.
    InTheTrap,
}

/// How a life of the gateway ends. The moment is what is random, or wide; nothing waits for anything by it.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// By `kill -9` after so long, if not by itself before.
    KilledAfter(Duration),
    /// It is told to stop after so long, and may take its time.
    ToldToStopAfter(Duration),
}

/// The client: its log, and what it still has to ask for.
#[derive(Clone)]
struct Customer {
    log: Arc<Mutex<Log>>,
    /// The body of each ask of the log.
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl House {
    /// A house in which the upstream makes these faults, and answers in that many seconds. `change` changes the config.
    pub async fn new(faults: &str, generation_s: f64, change: impl FnOnce(&mut Value)) -> Self {
        let options = SandboxOptions { faults: faults.to_owned(), generation_s, ..SandboxOptions::default() };
        let sandbox = SandboxProcess::with(options).await;
        let mut config = config::config(&sandbox.url());
        config["tasks"]["unknown_hold"] = json!("1s");
        config["tasks"]["attempts_max"] = json!(3);
        config["egress"] = json!({
            "allow": [RECEIVER.to_string()],
            "nameservers": [nameserver::start().await.to_string()],
        });
        config["callbacks"] =
            json!({ "allow_http": true, "secrets": ["env:CALLBACK_SECRET"], "retry_after": "50ms" });
        change(&mut config);
        let options = Options::config(config).variable("CALLBACK_SECRET", CALLBACK_SECRET);
        Self {
            gateway: Gateway::start(options).await,
            sandbox,
            receiver: Listener::by_path(RECEIVER).await,
            trap: Trap::set().await,
            customer: Customer { log: Arc::default(), bodies: Arc::default() },
            traps_named: 0,
            texts: Vec::new(),
            landed: Landed::default(),
        }
    }

    /// How the deaths so far were met.
    pub fn landed(&self) -> Landed {
        self.landed
    }

    /// The client wants something more.
    pub fn wish(&mut self, wish: &Wish) {
        let mut bodies = self.customer.bodies();
        let prompt = format!("wish {} {}", bodies.len(), wish.fault);
        let mut body = config::image(&prompt);
        match wish.told {
            Told::No => {}
            Told::At(path) => body["notify_hook"] = format!("{}/{path}", self.receiver.url()).into(),
            Told::InTheTrap => {
                self.traps_named += 1;
                body["notify_hook"] = self.trap.url().into();
            }
        }
        if wish.picture {
            body["images"] = json!([crate::media::PIXEL_BASE64]);
        }
        let key = wish.keyed.then(|| format!("key of {prompt}"));
        self.customer.log().asks.push(Ask { prompt, key, answers: Vec::new() });
        bodies.push(body);
    }

    /// The client asks for what it has no answer to, `copies` times each, and reads all that has not ended, until the
    /// gateway meets its fate; whether it ended by itself.
    pub async fn live(&mut self, fate: Fate, copies: usize) -> bool {
        let client = self.gateway.client().clone();
        let mut asking = self.customer.ask(&client, copies);
        let reading = tokio::spawn(self.customer.clone().read_on(client));
        let by_itself = match fate {
            Fate::KilledAfter(long) => tokio::time::timeout(long, self.end()).await.is_ok(),
            Fate::ToldToStopAfter(long) => {
                tokio::time::sleep(long).await;
                self.gateway.terminate();
                tokio::time::timeout(DEADLINE, self.end()).await.is_ok()
            }
        };
        self.kill();
        while asking.join_next().await.is_some() {}
        reading.await.expect("reading does not panic");
        by_itself
    }

    /// Waits until the gateway has ended.
    async fn end(&mut self) {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while !self.gateway.has_ended() {
            looks.tick().await;
        }
    }

    /// Ends the gateway at once and looks at what it was doing.
    fn kill(&mut self) {
        self.gateway.kill();
        let live = Books::live(&self.gateway.data()).expect("the store can be read");
        self.landed.deaths += 1;
        self.landed.with_live_tasks += usize::from(!live.is_empty());
        self.landed.within_a_submission += usize::from(live.iter().any(|(state, _)| state == "submitting"));
        self.keep_texts();
    }

    fn keep_texts(&mut self) {
        let life = self.landed.deaths;
        self.texts.push((format!("stderr of life {life}"), self.gateway.stderr()));
        self.texts.push((format!("stdout of life {life}"), self.gateway.stdout()));
    }

    /// Starts the gateway so that it crashes at the pass of a point; whether it came to serve before that.
    pub async fn start_to_crash(&mut self, point: &str, pass: u32) -> bool {
        self.gateway.set_variable(CRASH_AT, Some(&format!("{point}={pass}")));
        let serves = self.gateway.try_restart().await.is_ok();
        self.gateway.set_variable(CRASH_AT, None);
        serves
    }

    /// Notes that the gateway has crashed at a point.
    ///
    /// # Panics
    /// If it has not, or elsewhere.
    pub async fn has_crashed_at(&mut self, point: &str) {
        let status = self.gateway.exit().await;
        let stderr = self.gateway.stderr();
        assert!(
            stderr.contains(&format!("failpoint: {point}\n"))
                || stderr.ends_with(&format!("failpoint: {point}")),
            "not at {point}, but {status}"
        );
    }

    /// Starts the gateway, lets everything come to its end, stops it, and tells the whole history.
    ///
    /// # Panics
    /// If something does not come to its end.
    pub async fn settle(mut self) -> (History, Landed) {
        self.gateway.restart().await;
        let client = self.gateway.client().clone();
        eventually("an answer to every ask with a key", async || {
            self.customer.ask(&client, 1).join_all().await;
            self.customer.unanswered().is_empty().then_some(())
        })
        .await;
        let data = self.gateway.data();
        eventually("the end of every task", async || {
            self.customer.read(&client).await;
            (self.customer.unended().is_empty()
                && Books::live(&data).expect("the store can be read").is_empty()
                && Books::messages_waiting(&data).expect("the store can be read") == 0)
                .then_some(())
        })
        .await;
        let metrics = self.gateway.operator().get("/metrics").await;
        self.texts.push(("metrics".into(), String::from_utf8_lossy(&metrics.body).into_owned()));
        self.gateway.terminate();
        let status = self.gateway.exit().await;
        assert!(status.success(), "the gateway ended with {status}");
        self.keep_texts();
        let landed = self.landed;
        (self.history(&data).await, landed)
    }

    async fn history(mut self, data: &PathBuf) -> History {
        let entries = self.sandbox.ledger().await;
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let generation = |entry: &Value| Generation { id: text(entry, "id"), prompt: text(entry, "prompt") };
        for file in std::fs::read_dir(data).expect("the data can be listed").flatten() {
            // Tables, whatever is written where: secrets are sought in the bytes.
            if file.file_type().is_ok_and(|kind| kind.is_file()) {
                let bytes = std::fs::read(file.path()).expect("the data can be read");
                let name = file.file_name().to_string_lossy().into_owned();
                self.texts.push((name, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        History {
            log: self.customer.log().clone(),
            generations: entries.entries().iter().map(generation).collect(),
            books: Books::read(data).expect("the store can be read"),
            heard: self.receiver.heard(),
            callback_secret: CALLBACK_SECRET.to_owned(),
            traps: Traps { named: self.traps_named, connections: self.trap.connections() },
            texts: self.texts,
            secrets: vec![self.gateway.key().to_owned(), sandbox::KEY.to_owned(), CALLBACK_SECRET.to_owned()],
        }
    }
}

impl Customer {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bodies(&self) -> MutexGuard<'_, Vec<Value>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks that are to be made: those without an answer, if they have a key or were never made. Who has no key cannot
    /// ask again without the risk of paying twice.
    fn unanswered(&self) -> Vec<usize> {
        let is_open = |ask: &Ask| {
            let may_ask =
                ask.key.is_some() || ask.answers.iter().all(|answer| matches!(answer, Answer::Refused(_)));
            ask.ids().next().is_none() && may_ask
        };
        let log = self.log();
        (0..log.asks.len()).filter(|number| is_open(&log.asks[*number])).collect()
    }

    /// Ids that were read in no end state.
    fn unended(&self) -> Vec<String> {
        let log = self.log();
        let has_ended = |id: &str| {
            let last = log.reads.get(id).and_then(|states| states.last());
            last.is_some_and(|state| state == "SUCCESS" || state == "FAILURE")
        };
        let ids = log.asks.iter().flat_map(Ask::ids);
        ids.filter(|id| !has_ended(id)).map(str::to_owned).collect()
    }

    /// Makes all asks that are to be made, at once; those with a key `copies` times each.
    fn ask(&self, client: &Client, copies: usize) -> JoinSet<()> {
        let mut asking = JoinSet::new();
        for number in self.unanswered() {
            let (body, key) = (self.bodies()[number].to_string(), self.log().asks[number].key.clone());
            for _ in 0..if key.is_some() { copies } else { 1 } {
                let mut request = client.post_request("/v2/images/generations", body.clone());
                if let Some(key) = &key {
                    let key = key.parse().expect("a key fits into a header");
                    request.headers_mut().insert("idempotency-key", key);
                }
                let (client, customer) = (client.clone(), self.clone());
                asking.spawn(async move {
                    let answer = match client.try_call(request).await {
                        Ok(reply) if reply.status == StatusCode::OK => Answer::Task(
                            reply.json()["task_id"].as_str().expect("a task has an id").to_owned(),
                        ),
                        Ok(reply) => Answer::Refused(reply.status.as_u16()),
                        Err(_) => Answer::Nothing,
                    };
                    customer.log().asks[number].answers.push(answer);
                });
            }
        }
        asking
    }

    /// Reads what has not ended, once; false if the gateway is away.
    async fn read(&self, client: &Client) -> bool {
        for id in self.unended() {
            let request = client.request(http::Method::GET, &format!("/v2/images/generations/{id}"));
            let Ok(reply) = client.try_call(crate::client::filled(request, "")).await else { return false };
            if reply.status == StatusCode::OK {
                let task = reply.json();
                self.log().read(&id, task["status"].as_str().expect("a task has a status"));
            }
        }
        true
    }

    async fn read_on(self, client: Client) {
        let mut rounds = tokio::time::interval(READ_EVERY);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.read(&client).await {
            rounds.tick().await;
        }
    }
}
