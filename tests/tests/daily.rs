//! Limits of one day, seen from outside: of a key, of a key and a model, of an account.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};
use tests::config::{account, image, model, of, route};
use tests::{Client, Gateway, Options, Reply, SandboxProcess, eventually};
use tokio::task::JoinSet;

const IMAGES: &str = "/v2/images/generations";

/// A gateway whose images cost 0.4.
fn priced(url: &str) -> Value {
    let mut main = account("main", "v2", url);
    main["prices"] = json!([{ "upstream_model": model::V2_IMAGE, "price": "0.40" }]);
    of(vec![main], vec![route(model::V2_IMAGE, &["main"])])
}

/// The day since which a story counts.
struct Day(u64);

impl Day {
    fn today() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / (24 * 3600))
    }

    /// Whether `found` is what is `expected`, unless midnight came into the story: then it has seen two days.
    fn expects<T: PartialEq + Debug>(&self, expected: T, found: T) {
        assert!(found == expected || Self::today().0 != self.0, "found {found:?}, expected {expected:?}");
    }
}

/// Lets the gateway's store believe that all it has counted was counted so many days earlier.
async fn pass_days(gateway: &mut Gateway, days: u32) {
    gateway.kill();
    let connection = Connection::open(gateway.data().join("filmgate.db")).unwrap();
    for table in ["daily_usage", "daily_uses"] {
        connection.execute(&format!("UPDATE {table} SET day = day - ?1"), [days]).unwrap();
    }
    drop(connection);
    gateway.restart().await;
}

/// How many rows the table has.
fn rows(gateway: &Gateway, table: &str) -> u64 {
    let connection = Connection::open(gateway.data().join("filmgate.db")).unwrap();
    connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

async fn post_in_parallel(gateway: &Gateway, count: u32, fate: &str) -> Vec<Reply> {
    let mut creates = JoinSet::new();
    for number in 0..count {
        let client = Client::new(gateway.url(), gateway.key());
        let body = image(&format!("number {number} {fate}")).to_string();
        creates.spawn(async move { client.post(IMAGES, body).await });
    }
    creates.join_all().await
}

async fn post(client: &Client) -> Reply {
    client.post(IMAGES, image("one more [sandbox:never]").to_string()).await
}

fn with(replies: &[Reply], status: StatusCode) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_parallel_tasks_a_day_for_50_accepts_50_and_the_next_day_is_free() {
    let sandbox = SandboxProcess::start().await;
    let mut config = priced(&sandbox.url());
    config["limits"]["daily_tasks"] = json!(50);
    config["retention"] = json!({ "sweep_every": "200ms" });
    let mut gateway = Gateway::with_config(config).await;

    let day = Day::today();
    let replies = post_in_parallel(&gateway, 200, "[sandbox:never]").await;
    let counts = [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS].map(|status| with(&replies, status));
    day.expects([50, 150], counts);
    let refused = replies.iter().find(|reply| reply.status != StatusCode::OK).unwrap();
    let text = "this key has had its tasks of today; the next day begins at midnight UTC";
    assert_eq!((&refused.json()["code"], &refused.json()["message"]), (&json!("rate_limited"), &json!(text)));
    let wait_s: u64 = refused.header("retry-after").parse().unwrap();
    assert!(wait_s > 0 && wait_s <= 24 * 3600, "{wait_s}");

    gateway.restart().await;
    day.expects(StatusCode::TOO_MANY_REQUESTS, post(gateway.client()).await.status);
    pass_days(&mut gateway, 1).await;
    let replies = post_in_parallel(&gateway, 60, "[sandbox:never]").await;
    day.expects(50, with(&replies, StatusCode::OK));
    assert_eq!(rows(&gateway, "daily_uses"), 100, "yesterday is kept");
    pass_days(&mut gateway, 2).await;
    eventually("days that are swept", async || (rows(&gateway, "daily_usage") == 0).then_some(())).await;
    assert_eq!(rows(&gateway, "daily_uses"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spend_of_a_day_is_exact_and_what_fails_gives_it_back() {
    let sandbox = SandboxProcess::start().await;
    let mut config = priced(&sandbox.url());
    config["limits"]["daily_spend"] = json!("4.39");
    let gateway = Gateway::with_config(config).await;

    let day = Day::today();
    let replies = post_in_parallel(&gateway, 40, "[sandbox:fail]").await;
    assert!(with(&replies, StatusCode::OK) >= 10);
    for reply in replies.iter().filter(|reply| reply.status == StatusCode::OK) {
        let id = reply.json()["task_id"].as_str().unwrap().to_owned();
        assert_eq!(gateway.ended("images", &id).await["status"], "FAILURE");
    }
    let replies = post_in_parallel(&gateway, 40, "[sandbox:never]").await;
    let counts = [StatusCode::OK, StatusCode::FORBIDDEN].map(|status| with(&replies, status));
    day.expects([10, 30], counts);
    let refused = replies.iter().find(|reply| reply.status != StatusCode::OK).unwrap().json();
    day.expects(
        json!("the task costs up to 0.4, and this key has 0.39 left for today"),
        refused["message"].clone(),
    );
}

#[tokio::test]
async fn a_key_has_its_own_day_for_each_of_its_models() {
    let sandbox = SandboxProcess::start().await;
    let mut config = priced(&sandbox.url());
    config["routes"] = json!([
        route(model::V2_IMAGE, &["main"]),
        { "model": model::V2_AUDIO, "accounts": [{ "account": "main", "price": "1" }] },
    ]);
    let of_image = json!({ "model": model::V2_IMAGE, "daily_tasks": 2 });
    config["keys"] =
        json!([{ "name": "own", "key": "env:OWN_KEY", "daily_tasks": 4, "per_model": [of_image] }]);
    let key = "a-client-with-limits-of-its-own";
    let gateway = Gateway::start(Options::config(config).variable("OWN_KEY", key)).await;
    let client = Client::new(gateway.url(), key);

    let day = Day::today();
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(post(&client).await.status.as_u16());
    }
    let refused = post(&client).await.json();
    let text = "this key has had its tasks of today for nano-banana; the next day begins at midnight UTC";
    day.expects(json!(text), refused["message"].clone());
    for _ in 0..3 {
        let sound = json!({ "prompt": "[sandbox:never]", "model": model::V2_AUDIO }).to_string();
        told.push(client.post("/v2/audio/generations", sound).await.status.as_u16());
    }
    day.expects(vec![200, 200, 429, 200, 200, 429], told);
    assert_eq!(post(gateway.client()).await.status, StatusCode::OK, "another key");
}

/// How many of the tasks are queued.
async fn queued(gateway: &Gateway) -> f64 {
    gateway.metric("filmgate_tasks_live", &[("state", "queued")]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_has_had_its_day_leaves_the_work_to_the_next() {
    let (first, second) = (SandboxProcess::start().await, SandboxProcess::start().await);
    let mut one = account("one", "v2", &first.url());
    one["daily_tasks"] = json!(5);
    let two = account("two", "v2", &second.url());
    let config = of(vec![one, two], vec![route(model::V2_IMAGE, &["one", "two"])]);
    let mut gateway = Gateway::with_config(config).await;

    let day = Day::today();
    let replies = post_in_parallel(&gateway, 20, "[sandbox:never]").await;
    assert_eq!(with(&replies, StatusCode::OK), 20);
    let all = eventually("all submissions", async || {
        let made = (first.ledger().await.len(), second.ledger().await.len());
        (made.0 + made.1 == 20).then_some(made)
    });
    day.expects((5, 15), all.await);
    gateway.restart().await;
    assert_eq!(post(gateway.client()).await.status, StatusCode::OK);
    eventually("one submission more", async || (second.ledger().await.len() == 16).then_some(())).await;
    day.expects(5, first.ledger().await.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_all_days_full_waits_for_the_next_and_what_fails_makes_room() {
    let sandbox = SandboxProcess::start().await;
    let mut config = priced(&sandbox.url());
    // Room for three, by the provider's limit.
    config["providers"] = json!([{ "provider": "v2", "daily_spend": "1.5" }]);
    config["accounts"][0]["daily_tasks"] = json!(100);
    let mut gateway = Gateway::with_config(config).await;

    let day = Day::today();
    for number in 0..2 {
        let id = gateway.create("images", &image(&format!("in vain {number} [sandbox:fail]"))).await;
        assert_eq!(gateway.ended("images", &id).await["status"], "FAILURE");
    }
    let replies = post_in_parallel(&gateway, 8, "[sandbox:never]").await;
    assert_eq!(with(&replies, StatusCode::OK), 8, "a limit of ours refuses no task");
    eventually("three that are sent", async || {
        (sandbox.ledger().await.len() == 5 && queued(&gateway).await == 5.0).then_some(())
    })
    .await;
    pass_days(&mut gateway, 1).await;
    eventually("three more", async || (sandbox.ledger().await.len() >= 8).then_some(())).await;
    eventually("two that still wait", async || (queued(&gateway).await == 2.0).then_some(())).await;
    day.expects(8, sandbox.ledger().await.len());
}
