//! A gateway that dies again and again, and all that lives on around it: the upstream, a client that does not give up,
//! the client's own server, a trap. When it has settled, it tells its history.

mod customer;
mod fleet;
mod witness;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::client::filled;
use crate::config;
use crate::history::{Ask, Books, Generation, History, Traps, Verdict};
use crate::listener::{Listener, Trap};
use crate::{Client, DEADLINE, Gateway, Options, SandboxOptions, SandboxProcess};
use crate::{eventually, figures, nameserver, sandbox};
use customer::Customer;
pub use fleet::{Fleet, Outcome, REPLICAS};
pub use witness::{Takeovers, Writes};

/// Where the client's own server is; loopback, but not where the trap is.
const RECEIVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CALLBACK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The variable that names the point at which a gateway crashes.
const CRASH_AT: &str = "FILMGATE_CRASH_AT";
/// The fault of a wish that the upstream accepts at once and answers so late that much can happen before.
pub const LATE: &str = "[sandbox:submit:latency=3s]";

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
    /// Whether the upstream calls back.
    calls_back: bool,
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

/// What became of a run in which no invariant was broken.
#[derive(Debug)]
pub struct Judged {
    /// How the deaths were met.
    pub landed: Landed,
    /// Submissions whose outcome nobody ever learned.
    pub unknown: usize,
    /// What was looked at.
    pub verdict: Verdict,
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

impl House {
    /// A house in which the upstream makes these faults, and answers in that many seconds.
    pub async fn new(faults: &str, generation_s: f64) -> Self {
        Self::build(faults, generation_s, |options| options).await
    }

    /// One in which the upstream calls back, over and over.
    pub async fn called_back(faults: &str, generation_s: f64) -> Self {
        let house = Self::build(faults, generation_s, Options::reached_from_outside).await;
        Self { calls_back: true, ..house }
    }

    async fn build(faults: &str, generation_s: f64, change: impl FnOnce(Options) -> Options) -> Self {
        let options = SandboxOptions { faults: faults.to_owned(), generation_s, ..SandboxOptions::default() };
        let sandbox = SandboxProcess::with(options).await;
        let mut config = config::config(&sandbox.url());
        for route in config["routes"].as_array_mut().into_iter().flatten() {
            if route["model"] == config::model::V2_IMAGE {
                route["accounts"] = json!([{ "account": "v2", "price": "0.4" }]);
            }
        }
        config["tasks"]["unknown_hold"] = json!("1s");
        config["tasks"]["attempts_max"] = json!(3);
        // Deaths are ours here, not those of tasks that happen to be in work at several of them.
        config["tasks"]["crashes_max"] = json!(1000);
        config["retention"] = json!({ "sweep_every": "1s" });
        config["egress"] = json!({
            "allow": [RECEIVER.to_string()],
            "nameservers": [nameserver::start().await.to_string()],
        });
        config["callbacks"] =
            json!({ "allow_http": true, "secrets": ["env:CALLBACK_SECRET"], "retry_after": "50ms" });
        let options = Options::config(config).variable("CALLBACK_SECRET", CALLBACK_SECRET);
        Self {
            gateway: Gateway::start(change(options)).await,
            sandbox,
            receiver: Listener::by_path(RECEIVER).await,
            trap: Trap::set().await,
            customer: Customer::default(),
            traps_named: 0,
            calls_back: false,
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
        let key = wish.keyed.then(|| format!("wish-{}", bodies.len()));
        self.customer.log().asks.push(Ask { prompt, key, answers: Vec::new() });
        bodies.push(body);
    }

    /// The client asks for what it has no answer to, `copies` times each, and reads all that has not ended, until the
    /// gateway meets its fate; whether it ended by itself.
    pub async fn live(&mut self, fate: Fate, copies: usize) -> bool {
        let client = self.gateway.client().clone();
        let mut asking = self.customer.ask(&client, copies);
        let calling = self.calls_back.then(|| tokio::spawn(call_back(self.sandbox.client(), client.clone())));
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
        reading.abort();
        if let Some(calling) = calling {
            calling.abort();
        }
        by_itself
    }

    /// The client asks, and the gateway is killed while a submission waits for its answer.
    ///
    /// # Panics
    /// If none ever does.
    pub async fn live_until_submitting(&mut self) {
        let client = self.gateway.client().clone();
        let mut asking = self.customer.ask(&client, 1);
        self.late_answer().await;
        self.kill();
        while asking.join_next().await.is_some() {}
    }

    /// Waits until the upstream has accepted one more that is [`LATE`]: its answer is surely on its way then.
    async fn late_answer(&self) {
        let is_late = |entry: &Value| entry["prompt"].as_str().is_some_and(|prompt| prompt.contains(LATE));
        let before = self.sandbox.ledger().await.entries().iter().filter(|entry| is_late(entry)).count();
        eventually("a late answer", async || {
            let late = self.sandbox.ledger().await.entries().iter().filter(|entry| is_late(entry)).count();
            (late > before).then_some(())
        })
        .await;
    }

    /// The client asks; from when the upstream has accepted something that it answers late, until the gateway meets its
    /// fate, the store takes nothing.
    ///
    /// # Panics
    /// If nothing with a late answer is accepted.
    pub async fn live_while_the_store_is_away(&mut self, fate: Fate) -> bool {
        let client = self.gateway.client().clone();
        let asking = self.customer.ask(&client, 1);
        self.late_answer().await;
        let lock = Books::lock(&self.gateway.data()).expect("the store can be locked");
        let by_itself = self.live(fate, 1).await;
        drop((lock, asking));
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
            assert_eq!(self.customer.refusals(), [0; 0], "what the client may ask is refused");
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

    /// Settles and checks the history; what was found goes to the figures of `suite`, with `case`, which
    /// says which run this was; `n` is how many cases it counts for.
    ///
    /// # Panics
    /// If an invariant is broken.
    pub async fn judge(self, suite: &str, case: &str, n: usize) -> Judged {
        let (history, landed) = self.settle().await;
        let verdict = history.check();
        let attempts = history.books.tasks.iter().flat_map(|task| &task.attempts);
        let unknown = attempts.filter(|attempt| attempt.outcome == "unknown").count();
        let failures = verdict.failures();
        figures::note(
            suite,
            json!({
                "case": case,
                "n": n,
                "failures": failures,
                "tasks": history.books.tasks.len(),
                "deaths": landed.deaths,
                "deaths_with_live_tasks": landed.with_live_tasks,
                "deaths_within_a_submission": landed.within_a_submission,
                "unknown": unknown,
                "invariants": verdict.figures(),
            }),
        );
        assert_eq!(failures, 0, "{suite}, {case}: {landed:?}, {unknown} unknown\n{verdict}");
        Judged { landed, unknown, verdict }
    }

    async fn history(mut self, data: &Path) -> History {
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

/// The upstream calls back for all that it has accepted, over and over.
async fn call_back(upstream: Client, gateway: Client) {
    let mut rounds = tokio::time::interval(Duration::from_millis(50));
    loop {
        rounds.tick().await;
        let ledger = upstream.get("/sandbox/ledger").await.json();
        for entry in ledger["entries"].as_array().into_iter().flatten() {
            let Some(url) = entry["body"]["notify_hook"].as_str() else { continue };
            let body = json!({ "task_id": entry["id"], "status": "IN_PROGRESS" }).to_string();
            let request = filled(gateway.without_key().request(Method::POST, url), body);
            // It does not care whether anybody hears.
            let _answer = gateway.try_call(request).await;
        }
    }
}
