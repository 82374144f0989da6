//! The two limits of a client, and the same two of an account: the first refuse, the second pace.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use tests::config::{config, image};
use tests::{Client, Gateway, SandboxOptions, SandboxProcess};
use tokio::task::JoinSet;

const IMAGES: &str = "/v2/images/generations";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_1100_tasks_at_once_1000_are_accepted_and_the_rest_told_to_come_back() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    // Tasks that never end need not be asked about.
    config["accounts"][1]["poll"] = json!({ "first": "1h", "shortest": "1h", "longest": "1h" });
    let gateway = Gateway::with_config(config).await;

    let mut connections = JoinSet::new();
    for connection in 0..22 {
        let client = Client::new(gateway.url(), gateway.key());
        connections.spawn(async move {
            let mut accepted = 0;
            for number in 0..50 {
                let body = image(&format!("{connection}.{number} [sandbox:never]")).to_string();
                let reply = client.post(IMAGES, body).await;
                match reply.status {
                    StatusCode::OK => accepted += 1,
                    status => {
                        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{reply:?}");
                        assert_eq!(reply.json()["code"], "too_many_concurrent_tasks");
                        assert!(reply.header("retry-after").parse::<u32>().is_ok_and(|wait_s| wait_s > 0));
                    }
                }
            }
            accepted
        });
    }
    assert_eq!(connections.join_all().await.iter().sum::<u32>(), 1000);
    assert_eq!(gateway.metric("filmgate_tasks_accepted_total", &[]).await, 1000.0);

    // What was accepted arrives, once each.
    let all = tests::eventually("all 1000 submits", async || {
        Some(sandbox.ledger().await).filter(|ledger| ledger.len() >= 1000)
    });
    let ledger = all.await;
    assert!(ledger.entries().iter().all(|entry| ledger.accepted(entry["prompt"].as_str().unwrap()) == 1));
}

#[tokio::test]
async fn a_task_that_ends_makes_room_for_another() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["limits"]["concurrent_tasks"] = json!(3);
    let gateway = Gateway::with_config(config).await;

    for prompt in ["first [sandbox:never]", "second [sandbox:never]"] {
        gateway.create("images", &image(prompt)).await;
    }
    let short = gateway.create("images", &image("third [sandbox:slow=5s]")).await;
    let reply = gateway.client().post(IMAGES, image("fourth").to_string()).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{reply:?}");
    let text = reply.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(text, "too many concurrent tasks: this key may have 3");

    gateway.ended("images", &short).await;
    gateway.create("images", &image("fourth")).await;
    let reply = gateway.client().post(IMAGES, image("fifth").to_string()).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{reply:?}");
}

#[tokio::test]
async fn requests_beyond_the_limit_of_a_minute_are_told_where_they_stand() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["limits"]["requests_per_minute"] = json!(5);
    let gateway = Gateway::with_config(config).await;

    let started = Instant::now();
    let mut allowed: u32 = 0;
    let refused = loop {
        let reply = gateway.client().get("/v2/images/generations/none").await;
        assert_eq!(reply.header("x-ratelimit-limit-requests"), "5");
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            break reply;
        }
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{reply:?}");
        allowed += 1;
        if allowed <= 5 && started.elapsed() < Duration::from_secs(12) {
            assert_eq!(reply.header("x-ratelimit-remaining-requests"), (5 - allowed).to_string());
        }
    };
    // A twelfth of a minute gives one back; on a slow machine some have come back already.
    let given_back = u32::try_from(started.elapsed().as_secs() / 12).unwrap();
    assert!((5..=5 + given_back).contains(&allowed), "{allowed} requests passed");
    assert_eq!(refused.json()["code"], "rate_limited");
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), "0");
    assert!((1..=12).contains(&refused.header("retry-after").parse().unwrap_or(0)), "{refused:?}");

    // Files are not counted, nor is the list of models.
    assert_eq!(gateway.client().get("/v1/models").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_account_never_has_more_tasks_than_it_may_and_all_get_their_turn() {
    let sandbox =
        SandboxProcess::with(SandboxOptions { generation_s: 0.5, ..SandboxOptions::default() }).await;
    let mut config = config(&sandbox.url());
    config["accounts"][1]["concurrent_tasks"] = json!(2);
    let gateway = Gateway::with_config(config).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(gateway.create("images", &image(&format!("number {number}"))).await);
    }
    for id in ids {
        assert_eq!(gateway.ended("images", &id).await["status"], "SUCCESS");
    }
    let ledger = sandbox.ledger().await;
    assert_eq!(ledger.len(), 6);
    assert_eq!(ledger.most_at_once(), 2);
}

#[tokio::test]
async fn an_account_is_not_asked_more_often_than_it_may_be() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["accounts"][1]["requests_per_minute"] = json!(20);
    let gateway = Gateway::with_config(config).await;
    let started = Instant::now();
    let mut ids = Vec::new();
    for number in 0..21 {
        ids.push(gateway.create("images", &image(&format!("number {number}"))).await);
    }
    for id in &ids {
        assert_eq!(gateway.ended("images", id).await["status"], "SUCCESS");
    }
    // Twenty may go at once; the next has to wait for its share of the minute.
    assert!(started.elapsed() >= Duration::from_secs(3), "21 submits in {:?}", started.elapsed());
    assert_eq!(sandbox.ledger().await.len(), 21);
}
