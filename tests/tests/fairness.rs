//! Clients take turns where an account is full: one with a thousand tasks keeps nobody else waiting.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tests::config::{config, image};
use tests::{Client, Gateway, Ledger, Options, SandboxOptions, SandboxProcess, eventually};
use tokio::task::JoinSet;

const SLOTS: usize = 10;
/// Tasks of the client that asks for too much.
const HEAVY: usize = 1_000;
const HEAVY_CONNECTIONS: usize = 8;
/// The other clients, and the tasks of each.
const LIGHT_KEYS: usize = 20;
const LIGHT_TASKS: usize = 6;
const LIGHT: usize = LIGHT_KEYS * LIGHT_TASKS;

/// A gateway with one narrow account, and a key for each client.
struct House {
    sandbox: SandboxProcess,
    gateway: Gateway,
}

impl House {
    async fn open() -> Self {
        let sandbox =
            SandboxProcess::with(SandboxOptions { generation_s: 0.5, ..SandboxOptions::default() }).await;
        let mut config = config(&sandbox.url());
        config["accounts"][1]["concurrent_tasks"] = json!(SLOTS);
        let names = (0..LIGHT_KEYS).map(light_key).chain([heavy_key()]);
        config["keys"] =
            names.clone().map(|name| json!({ "name": name, "key": format!("env:{name}") })).collect();
        let options =
            names.fold(Options::config(config), |options, name| options.variable(&name, &secret(&name)));
        let gateway = Gateway::start(options).await;
        Self { sandbox, gateway }
    }

    fn client(&self, name: &str) -> Client {
        self.gateway.client().with_key(&secret(name))
    }

    /// Makes the tasks of the light clients, all at the same time; when each was accepted.
    async fn make_light(&self) -> BTreeMap<String, u64> {
        let mut clients = JoinSet::new();
        for key in 0..LIGHT_KEYS {
            let client = self.client(&light_key(key));
            clients.spawn(async move {
                let mut accepted = Vec::new();
                for number in 0..LIGHT_TASKS {
                    let prompt = format!("light {key}.{number}");
                    create(&client, &prompt).await;
                    accepted.push((prompt, now_ms()));
                }
                accepted
            });
        }
        clients.join_all().await.into_iter().flatten().collect()
    }

    /// Makes the tasks of the heavy client.
    async fn make_heavy(&self) {
        let mut connections = JoinSet::new();
        for connection in 0..HEAVY_CONNECTIONS {
            let client = self.client(&heavy_key());
            connections.spawn(async move {
                for number in 0..HEAVY / HEAVY_CONNECTIONS {
                    create(&client, &format!("heavy {connection}.{number}")).await;
                }
            });
        }
        connections.join_all().await;
    }

    /// What was submitted when all tasks of the light clients were.
    async fn all_light(&self) -> Ledger {
        eventually("all light tasks", async || {
            let ledger = self.sandbox.ledger().await;
            Some(ledger)
                .filter(|ledger| ledger.entries().iter().filter(|entry| is_light(entry)).count() == LIGHT)
        })
        .await
    }
}

fn light_key(number: usize) -> String {
    format!("LIGHT_{number}")
}

fn heavy_key() -> String {
    "HEAVY".to_owned()
}

fn secret(name: &str) -> String {
    format!("the-secret-of-the-client-{name}")
}

async fn create(client: &Client, prompt: &str) {
    let reply = client.post("/v2/images/generations", image(prompt).to_string()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(now.as_millis()).expect("it is before the year 500 million")
}

fn prompt(entry: &Value) -> &str {
    entry["prompt"].as_str().expect("entries have prompts")
}

fn submitted_ms(entry: &Value) -> u64 {
    entry["accepted_at_ms"].as_u64().expect("entries have times")
}

fn is_light(entry: &Value) -> bool {
    prompt(entry).starts_with("light")
}

/// The mean time from the accept to the submission of the light tasks.
fn mean_wait_ms(accepted: &BTreeMap<String, u64>, ledger: &Ledger) -> f64 {
    let light = ledger.entries().iter().filter(|entry| is_light(entry));
    let waits = light.map(|entry| submitted_ms(entry).saturating_sub(accepted[prompt(entry)]) as f64);
    waits.sum::<f64>() / LIGHT as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_thousand_tasks_keeps_twenty_others_waiting_no_longer_than_they_do_each_other() {
    let house = House::open().await;
    let accepted = house.make_light().await;
    let alone = mean_wait_ms(&accepted, &house.all_light().await);
    drop(house);

    let house = House::open().await;
    house.make_heavy().await;
    let accepted = house.make_light().await;
    let all_accepted_ms = now_ms();
    let ledger = house.all_light().await;
    let beside = mean_wait_ms(&accepted, &ledger);
    println!("mean wait of a light task: {alone:.0} ms alone, {beside:.0} ms beside a heavy client");

    // From when all of them waited until the last of them was served: who has a thousandfold more has no more turns.
    let last = ledger.entries().iter().rposition(is_light).expect("there are light tasks");
    let meanwhile = ledger.entries()[..last].iter().filter(|entry| submitted_ms(entry) >= all_accepted_ms);
    let (light, heavy): (Vec<_>, Vec<_>) = meanwhile.partition(|entry| is_light(entry));
    assert!(light.len() >= LIGHT / 4, "the story shows nothing: only {} were left to be served", light.len());
    assert!(
        heavy.len() <= LIGHT_TASKS + 1,
        "{} turns of the heavy client beside {}",
        heavy.len(),
        light.len()
    );
    assert!(
        beside <= 2.0 * alone,
        "light tasks wait {beside} ms beside a heavy client, and {alone} ms without"
    );
    assert!(ledger.len() < HEAVY, "the heavy client still waits");

    // Every client's tasks are served in the order in which it made them.
    for key in 0..LIGHT_KEYS {
        let of_key = format!("light {key}.");
        let served: Vec<&str> =
            ledger.entries().iter().map(prompt).filter(|prompt| prompt.starts_with(&of_key)).collect();
        assert!(served.is_sorted(), "{served:?}");
    }
}

#[tokio::test]
async fn a_full_queue_is_said_to_be_full_and_loses_nobody() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["accounts"][1]["concurrent_tasks"] = json!(1);
    config["limits"]["queue_max"] = json!(5);
    let gateway = Gateway::with_config(config).await;
    let mut accepted = Vec::new();
    let refused = loop {
        let number = accepted.len();
        let prompt =
            if number == 0 { "first [sandbox:slow=8s]".to_owned() } else { format!("number {number}") };
        let reply = gateway.client().post("/v2/images/generations", image(&prompt).to_string()).await;
        if reply.status != 200 {
            break reply;
        }
        accepted.push(reply.json()["task_id"].as_str().expect("a task id").to_owned());
        // What was accepted waits before the next one asks.
        let waiting = accepted.len() - 1;
        eventually("all but the first wait", async || {
            let waits = gateway.metric("filmgate_queue_tasks", &[("account", "v2")]).await;
            (waits == waiting as f64).then_some(())
        })
        .await;
    };
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|wait_s| wait_s > 0), "{refused:?}");
    assert_eq!(accepted.len(), 6, "one at work and five that wait");
    for id in &accepted {
        assert_eq!(gateway.ended("images", id).await["status"], "SUCCESS");
    }
    assert_eq!(sandbox.ledger().await.len(), 6);
    gateway.succeeded("images", &image("there is room again")).await;
}
