//! Scenarios with the whole gateway.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::begun::Begun;
use tests::client::filled;
use tests::config::{account, image, model, of, route};
use tests::house::{Fate, House, LATE, Told, Wish};
use tests::{DEADLINE, Gateway, Options, SandboxProcess, eventually};

const PLAIN: Wish = Wish { fault: "", told: Told::No, picture: false, keyed: true };

async fn house() -> House {
    House::new("", 0.2).await
}

/// Crashes the gateway once at a point, with that wish; then lets everything come to its end.
async fn crash(house: &mut House, point: &str, wish: &Wish) {
    house.wish(wish);
    assert!(house.start_to_crash(point, 1).await, "{point} was passed too early");
    house.live(Fate::KilledAfter(DEADLINE), 1).await;
    house.has_crashed_at(point).await;
}

async fn violations(house: House, invariant: &str) -> Vec<String> {
    let (history, _) = house.settle().await;
    history.check().of(invariant).violations.clone()
}

const NONE: [String; 0] = [];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intent_first() {
    let mut house = house().await;
    crash(&mut house, "reply_headers", &PLAIN).await;
    assert_eq!(violations(house, "I2").await, NONE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hold_unknown() {
    let mut house = house().await;
    house.wish(&Wish { fault: "[sandbox:cut]", ..PLAIN });
    assert_eq!(violations(house, "I2").await, NONE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outbox_in_transaction() {
    let mut house = house().await;
    crash(&mut house, "end_stored", &Wish { told: Told::At("200"), ..PLAIN }).await;
    assert_eq!(violations(house, "I6").await, NONE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dial_check() {
    let mut house = house().await;
    house.wish(&Wish { told: Told::InTheTrap, ..PLAIN });
    assert_eq!(violations(house, "I9").await, NONE);
}

/// The store takes nothing when the upstream's id comes, and the gateway dies before it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spool() {
    let mut house = house().await;
    house.wish(&Wish { fault: LATE, ..PLAIN });
    house.live_while_the_store_is_away(Fate::KilledAfter(Duration::from_secs(6))).await;
    let (history, _) = house.settle().await;
    let task = &history.books.tasks[0];
    assert_eq!(task.state, "succeeded", "its id was lost: {task:?}");
}

#[tokio::test]
async fn callback_signature() {
    let sandbox = SandboxProcess::start().await;
    let mut kie = account("kie", "kie", &sandbox.url());
    kie["callback_secret"] = json!("env:KIE_SECRET");
    let config = of(vec![kie], vec![route(model::KIE_VIDEO, &["kie"])]);
    let options = Options::config(config).variable("KIE_SECRET", "a-secret-of-twenty-four-bytes-or-more");
    let gateway = Gateway::start(options.reached_from_outside()).await;
    let prompt = "[sandbox:slow=30s]";
    gateway.create("videos", &json!({ "prompt": prompt, "model": model::KIE_VIDEO })).await;
    let url = eventually("the upstream was told where to call", async || {
        let ledger = sandbox.ledger().await;
        ledger.entries().first().and_then(|entry| entry["body"]["callBackUrl"].as_str().map(str::to_owned))
    })
    .await;
    let body = json!({ "code": 200, "data": { "taskId": "x" } }).to_string();
    let request = filled(gateway.client().without_key().request(Method::POST, &url), body);
    let reply = gateway.client().call(request).await;
    assert_eq!(reply.status, 401, "a forged callback was taken: {reply:?}");
}

/// A task that panics whoever takes a step with it is put aside after three times; its neighbour goes on.
#[tokio::test]
async fn quarantine() {
    let sandbox = SandboxProcess::start().await;
    let mut config: Value = tests::config::config(&sandbox.url());
    config["tasks"]["submit_timeout"] = json!("1s");
    config["tasks"]["lease"] = json!("2s");
    let options = Options::config(config).variable("FILMGATE_PANIC_ON", "poison");
    let gateway = Gateway::start(options).await;
    gateway.create("images", &image("poison")).await;
    let crashes = async || gateway.metric("filmgate_step_panics_total", &[]).await;
    eventually("a fourth crash, or quarantine", async || {
        let settled = crashes().await > 3.0 || gateway.stderr().contains("it is in quarantine");
        settled.then_some(())
    })
    .await;
    assert_eq!(crashes().await, 3.0, "the poison is not in quarantine");
    gateway.succeeded("images", &image("neighbour")).await;
}

/// The file that the credential is in changes while a task runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_pinned() {
    let sandbox = SandboxProcess::start().await;
    let folder = tempfile::tempdir().expect("a folder for the credential");
    let credential = folder.path().join("credential");
    std::fs::write(&credential, "the-old-one").expect("a file can be written");
    let mut main = account("main", "v2", &sandbox.url());
    main["credential"] = json!(format!("file:{}", credential.display()));
    let gateway = Gateway::with_config(of(vec![main], vec![route(model::V2_IMAGE, &["main"])])).await;
    gateway.create("images", &image("[sandbox:never]")).await;
    let polls = async || sandbox.ledger().await.calls("v2.poll");
    eventually("a poll", async || (polls().await > 0).then_some(())).await;
    std::fs::write(&credential, "the-new-one").expect("a file can be written");
    gateway.hang_up();
    eventually("the new credential", async || {
        (gateway.metric("filmgate_config_revision", &[]).await == 2.0).then_some(())
    })
    .await;
    // One may have been under way.
    let before = polls().await;
    eventually("polls", async || (polls().await > before + 1).then_some(())).await;
    let others = sandbox.ledger().await.calls_with("the-new-one", "v2.poll");
    assert_eq!(others, 0, "a task was asked about with another credential");
}

/// The key goes while the request is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_of_the_routes() {
    let sandbox = SandboxProcess::start().await;
    let config: Value = tests::config::config(&sandbox.url());
    let mut with_key = config.clone();
    with_key["keys"] = json!([{ "name": "short-lived", "key": "env:SHORT_LIVED_KEY" }]);
    let key = "the-key-that-will-be-gone";
    let mut gateway = Gateway::start(Options::config(with_key).variable("SHORT_LIVED_KEY", key)).await;
    let begun = Begun::new(gateway.url(), "/v2/images/generations", key, &image("late")).await;
    gateway.set_config(config);
    gateway.hang_up();
    eventually("the config without it", async || {
        (gateway.metric("filmgate_config_revision", &[]).await == 2.0).then_some(())
    })
    .await;
    assert_eq!(begun.finish().await, StatusCode::UNAUTHORIZED, "a key that is gone made a task");
}
