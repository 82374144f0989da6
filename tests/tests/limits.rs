//! The two limits of a client, and the same two of an account: the first refuse, the second pace.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use tests::config::{config, image, model, video};
use tests::crowd::{count, create_at_once};
use tests::{Gateway, Options, SandboxOptions, SandboxProcess};

const IMAGES: &str = "/v2/images/generations";
const VIDEOS: &str = "/v2/videos/generations";
/// A limit that no story about tasks runs into.
const WIDE: u32 = 10_000_000;
/// The key of [`with_key`].
const STORY_KEY: &str = "the-key-of-this-story-alone";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_3000_tasks_at_once_1000_are_accepted_and_the_rest_told_to_come_back() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["limits"]["requests_per_minute"] = json!(WIDE);
    // Tasks that never end need not be asked about.
    config["accounts"][1]["poll"] = json!({ "first": "1h", "shortest": "1h", "longest": "1h" });
    let gateway = Gateway::with_config(config).await;

    let replies = create_at_once(&[&gateway], 3_000).await;
    assert_eq!(count(&replies, StatusCode::OK), 1_000);
    for reply in replies.iter().filter(|reply| reply.status != StatusCode::OK) {
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{reply:?}");
        assert_eq!(reply.json()["code"], "too_many_concurrent_tasks");
        assert!(reply.header("retry-after").parse::<u32>().is_ok_and(|wait_s| wait_s > 0));
    }
    assert_eq!(gateway.metric("filmgate_tasks_accepted_total", &[]).await, 1000.0);
    let labels = [("limit", "client"), ("kind", "tasks")];
    assert_eq!(gateway.metric("filmgate_limit_rejections_total", &labels).await, 2000.0);

    // What was accepted arrives, once each.
    let all = tests::eventually("all 1000 submits", async || {
        Some(sandbox.ledger().await).filter(|ledger| ledger.len() >= 1000)
    });
    let ledger = all.await;
    assert!(ledger.entries().iter().all(|entry| ledger.accepted(entry["prompt"].as_str().unwrap()) == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_may_begin_a_minute_with_a_tenth_of_it_at_once() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    // So slow that hardly anything comes back while the story lasts.
    config["limits"]["requests_per_minute"] = json!(300);
    let gateway = Gateway::with_config(config).await;
    let start = Instant::now();
    let replies = create_at_once(&[&gateway], 100).await;
    let given_back = usize::try_from(start.elapsed().as_millis() / 200).unwrap();
    let accepted = count(&replies, StatusCode::OK);
    assert!((30..=30 + given_back).contains(&accepted), "{accepted} of 30 and {given_back}");
    let refused = count(&replies, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(accepted + refused, 100);
    let labels = [("limit", "client"), ("kind", "rate")];
    assert!(gateway.metric("filmgate_limit_rejections_total", &labels).await >= 70.0 - given_back as f64);
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
    for number in 0..3 {
        ids.push(gateway.create("images", &image(&format!("number {number}"))).await);
    }
    for id in &ids {
        assert_eq!(gateway.ended("images", id).await["status"], "SUCCESS");
    }
    // The first goes at once; each of the others has to wait for its share of the minute.
    assert!(started.elapsed() >= Duration::from_secs(6), "3 submits in {:?}", started.elapsed());
    assert_eq!(sandbox.ledger().await.len(), 3);
    assert!(gateway.metric("filmgate_limit_rejections_total", &[("limit", "account")]).await > 0.0);
}

/// A gateway with a key of the story's own, which may do what `rules` say.
async fn with_key(sandbox: &SandboxProcess, mut rules: Value) -> Gateway {
    let mut config = config(&sandbox.url());
    rules["name"] = json!("story");
    rules["key"] = json!("env:STORY_KEY");
    config["keys"] = json!([rules]);
    Gateway::start(Options::config(config).variable("STORY_KEY", STORY_KEY)).await
}

#[tokio::test]
async fn a_key_has_so_many_tasks_of_one_model_and_more_of_another() {
    let sandbox = SandboxProcess::start().await;
    let rules = json!({ "per_model": [{ "model": model::V2_IMAGE, "concurrent_tasks": 2 }] });
    let mut gateway = with_key(&sandbox, rules).await;
    let ask = async |gateway: &Gateway, prompt: &str, name: &str| {
        let mut request =
            gateway.client().with_key(STORY_KEY).post_request(IMAGES, image(prompt).to_string());
        request.headers_mut().insert("idempotency-key", name.parse().unwrap());
        gateway.client().call(request).await
    };
    let first = ask(&gateway, "one [sandbox:never]", "1").await;
    let short = ask(&gateway, "two [sandbox:slow=6s]", "2").await;
    assert_eq!((first.status, short.status), (StatusCode::OK, StatusCode::OK), "{first:?} {short:?}");
    let full = ask(&gateway, "three", "3").await;
    assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS, "{full:?}");
    assert_eq!(
        full.json()["message"],
        format!("too many concurrent tasks: this key may have 2 of {}", model::V2_IMAGE)
    );
    assert!(full.header("retry-after").parse::<u32>().is_ok_and(|wait_s| wait_s > 0));
    let again = ask(&gateway, "one [sandbox:never]", "1").await;
    assert_eq!(
        (again.status, again.json()),
        (StatusCode::OK, first.json()),
        "what was accepted needs no slot"
    );
    let reused = ask(&gateway, "another one", "1").await;
    assert_eq!(reused.json()["code"], "idempotency_key_reused", "{reused:?}");

    let client = gateway.client().with_key(STORY_KEY);
    let other = client.post(VIDEOS, video("a film [sandbox:never]", model::V2_VIDEO).to_string()).await;
    assert_eq!(other.status, StatusCode::OK, "{other:?}");
    let stranger = gateway.client().post(IMAGES, image("of another key").to_string()).await;
    assert_eq!(stranger.status, StatusCode::OK, "{stranger:?}");

    gateway.restart().await;
    assert_eq!(
        ask(&gateway, "three", "3").await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "they are counted from the store"
    );
    let labels = [("limit", "client_model"), ("kind", "tasks")];
    assert_eq!(gateway.metric("filmgate_limit_rejections_total", &labels).await, 1.0);
    let path = format!("{IMAGES}/{}", short.json()["task_id"].as_str().unwrap());
    tests::eventually("the end of the short one", async || {
        let task = gateway.client().with_key(STORY_KEY).get(&path).await.json();
        (task["status"] == "SUCCESS").then_some(())
    })
    .await;
    assert_eq!(ask(&gateway, "three [sandbox:never]", "3").await.status, StatusCode::OK, "its end made room");
    assert_eq!(ask(&gateway, "four", "4").await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_key_makes_so_many_tasks_of_one_model_a_minute() {
    let sandbox = SandboxProcess::start().await;
    let rules = json!({ "per_model": [{ "model": model::V2_IMAGE, "requests_per_minute": 2 }] });
    let gateway = with_key(&sandbox, rules).await;
    let client = gateway.client().with_key(STORY_KEY);
    let statuses = async |count: u32| {
        let mut statuses = Vec::new();
        for number in 0..count {
            statuses.push(client.post(IMAGES, image(&number.to_string()).to_string()).await.status);
        }
        statuses
    };
    assert_eq!(statuses(2).await, [StatusCode::OK; 2]);
    let refused = client.post(IMAGES, image("another").to_string()).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    assert_eq!(refused.json()["code"], "rate_limited");
    assert!((1..=30).contains(&refused.header("retry-after").parse().unwrap_or(0)), "{refused:?}");
    assert_eq!(refused.header("x-ratelimit-limit-requests"), "10000", "the headers are about all requests");
    let polled = client.get(&format!("{IMAGES}/none")).await;
    assert_eq!(polled.status, StatusCode::NOT_FOUND, "only new tasks are counted");
}

#[tokio::test]
async fn a_model_that_a_key_may_not_use_is_one_that_does_not_exist() {
    let sandbox = SandboxProcess::start().await;
    let gateway = with_key(&sandbox, json!({ "models": [model::V2_IMAGE] })).await;
    let client = gateway.client().with_key(STORY_KEY);
    assert_eq!(client.post(IMAGES, image("allowed").to_string()).await.status, StatusCode::OK);
    let told = async |model: &str| {
        let body = json!({ "prompt": "a film", "model": model, "aspect_ratio": "no such thing" }).to_string();
        let reply = client.post(VIDEOS, body).await;
        (reply.status, reply.json()["message"].as_str().unwrap().replace(model, "MODEL"))
    };
    let hidden = told(model::V2_VIDEO).await;
    assert_eq!(hidden, told("veo-of-tomorrow").await);
    assert_eq!(hidden.1, "model: \"MODEL\" does not exist");
}
