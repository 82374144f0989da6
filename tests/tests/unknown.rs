//! A submission was sent and its answer is lost: it is found where the provider has a way to find it, held where it has
//! none, and never made again by itself. What an upstream said survives a store that is away, and a crash meanwhile.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use rusqlite::Connection;
use serde_json::json;
use tests::config::{account, config, image, model, of, video};
use tests::{Gateway, Options, SandboxProcess, eventually};

const HELD: &str = "it could not be established whether the provider accepted the task";
const SPOOLED: &str = "filmgate_spooled_handles";
const RESOLUTIONS: &str = "filmgate_resolutions_total";
/// Longer than any story takes.
const LONG: &str = "1h";

/// Keeps all others from writing the gateway's store until it is dropped.
struct StoreAway {
    _connection: Connection,
}

impl StoreAway {
    fn new(gateway: &Gateway) -> Self {
        let connection = Connection::open(gateway.data().join("filmgate.db")).expect("the store is there");
        connection.busy_timeout(tests::DEADLINE).expect("waiting is possible");
        connection.execute_batch("BEGIN IMMEDIATE").expect("the store can be locked");
        Self { _connection: connection }
    }
}

/// A task whose upstream answers while the store is away; its id. When this returns the upstream's id is in the spool.
async fn spooled(sandbox: &SandboxProcess, gateway: &Gateway, prompt: &str) -> (String, StoreAway) {
    let id = gateway.create("images", &image(prompt)).await;
    eventually("a submission whose answer lingers", async || {
        (sandbox.ledger().await.len() == 1).then_some(())
    })
    .await;
    let away = StoreAway::new(gateway);
    eventually("an id in the spool", async || (gateway.metric(SPOOLED, &[]).await > 0.0).then_some(())).await;
    (id, away)
}

#[tokio::test]
async fn an_id_that_the_store_did_not_take_survives_a_crash() {
    let sandbox = SandboxProcess::start().await;
    let mut gateway = Gateway::with_config(config(&sandbox.url())).await;
    let prompt = "a cat [sandbox:latency=3s]";
    let (id, away) = spooled(&sandbox, &gateway, prompt).await;
    gateway.kill();
    drop(away);
    gateway.restart().await;
    assert_eq!(gateway.ended("images", &id).await["status"], "SUCCESS");
    assert_eq!(sandbox.ledger().await.accepted(prompt), 1);
    assert_eq!(gateway.metric("filmgate_submits_total", &[]).await, 0.0, "the second life submitted nothing");
    assert_eq!(gateway.metric(RESOLUTIONS, &[("by", "spool"), ("outcome", "accepted")]).await, 1.0);
    assert_eq!(gateway.metric(SPOOLED, &[]).await, 0.0, "the store has it");
}

#[tokio::test]
async fn a_store_that_comes_back_gets_what_was_said_meanwhile() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    let prompt = "a cat [sandbox:latency=3s]";
    let (id, away) = spooled(&sandbox, &gateway, prompt).await;
    drop(away);
    assert_eq!(gateway.ended("images", &id).await["status"], "SUCCESS");
    assert_eq!(sandbox.ledger().await.accepted(prompt), 1);
    assert_eq!(gateway.metric(SPOOLED, &[]).await, 0.0);
    assert_eq!(gateway.metric(RESOLUTIONS, &[]).await, 0.0, "there was never a doubt");
}

/// What is made at each provider that has a way to find a submission: its name, the model there, and how it is found.
const FINDERS: [(&str, &str, &str); 5] = [
    ("apimart", "veo3.1-fast", "key"),
    ("kling", "kling-v2-master", "search"),
    ("luma", "ray-2", "search"),
    ("replicate", "google/veo-3.1-fast", "search"),
    ("openai", "sora-2", "search"),
];

#[tokio::test]
async fn where_a_provider_has_a_way_a_lost_submission_is_found() {
    let sandbox = SandboxProcess::start().await;
    for (provider, upstream_model, by) in FINDERS {
        let base_url = format!("{}/{provider}", sandbox.url());
        let route = json!({
            "model": model::V2_VIDEO,
            "accounts": [{ "account": provider, "upstream_model": upstream_model }],
        });
        let mut config = of(vec![account(provider, provider, &base_url)], vec![route]);
        config["tasks"]["unknown_hold"] = json!(LONG);
        config["tasks"]["look_after"] = json!("100ms");
        let gateway = Gateway::with_config(config).await;
        let prompt = format!("lost at {provider} [sandbox:garbage]");
        let id = gateway.create("videos", &video(&prompt, model::V2_VIDEO)).await;
        let task = gateway.ended("videos", &id).await;
        assert_eq!(task["status"], "SUCCESS", "{provider}: {task}");
        assert_eq!(sandbox.ledger().await.accepted(&prompt), 1, "{provider}");
        assert_eq!(
            gateway.metric("filmgate_submits_total", &[("outcome", "unknown")]).await,
            1.0,
            "{provider}"
        );
        assert_eq!(
            gateway.metric(RESOLUTIONS, &[("by", by), ("outcome", "accepted")]).await,
            1.0,
            "{provider}"
        );
    }
}

#[tokio::test]
async fn where_a_provider_calls_back_that_brings_what_was_lost() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["tasks"]["unknown_hold"] = json!(LONG);
    let gateway = Gateway::start(Options::config(config).reached_from_outside()).await;
    let prompt = "a cat [sandbox:garbage]";
    let id = gateway.create("videos", &video(prompt, model::KIE_VIDEO)).await;
    assert_eq!(gateway.ended("videos", &id).await["status"], "SUCCESS");
    assert_eq!(sandbox.ledger().await.accepted(prompt), 1);
    assert_eq!(gateway.metric(RESOLUTIONS, &[("by", "callback"), ("outcome", "accepted")]).await, 1.0);
}

#[tokio::test]
async fn an_id_that_another_task_has_is_no_answer_and_stops_nobody() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    gateway.succeeded("images", &image("first")).await;
    let prompt = "second [sandbox:reuse]";
    let id = gateway.create("images", &image(prompt)).await;
    let task = gateway.ended("images", &id).await;
    assert_eq!((&task["status"], &task["fail_reason"]), (&json!("FAILURE"), &json!(HELD)));
    assert_eq!(sandbox.ledger().await.accepted(prompt), 1);
    gateway.succeeded("images", &image("third")).await;
}

#[tokio::test]
async fn at_the_end_of_the_hold_the_operators_policy_decides_on_money_and_submissions() {
    let expected = [("hold", 1, &["reserve"][..]), ("release", 1, &["reserve", "release"])];
    for (policy, submissions, ledger) in expected {
        let sandbox = SandboxProcess::start().await;
        let mut config = config(&sandbox.url());
        config["accounts"][1]["on_unknown"] = json!(policy);
        config["accounts"][1]["prices"] = json!([{ "upstream_model": model::V2_IMAGE, "price": "0.40" }]);
        let gateway = Gateway::with_config(config).await;
        let id = gateway.create("images", &image("[sandbox:garbage]")).await;
        let task = gateway.ended("images", &id).await;
        assert_eq!((&task["status"], &task["fail_reason"]), (&json!("FAILURE"), &json!(HELD)), "{policy}");
        assert_eq!(sandbox.ledger().await.len(), submissions, "{policy}");
        assert_eq!(rows(&gateway, "SELECT kind FROM ledger ORDER BY sequence"), ledger, "{policy}");
        let ended = gateway.metric(RESOLUTIONS, &[("by", "policy")]).await;
        assert_eq!(ended, 1.0, "{policy}");
    }
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["accounts"][1]["on_unknown"] = json!("resubmit");
    config["tasks"]["attempts_max"] = json!(2);
    let gateway = Gateway::with_config(config).await;
    let id = gateway.create("images", &image("[sandbox:garbage]")).await;
    assert_eq!(gateway.ended("images", &id).await["fail_reason"], json!(HELD));
    assert_eq!(sandbox.ledger().await.len(), 2, "as often as attempts are allowed");
    let warned = "the upstream may have taken it";
    assert!(gateway.stderr().contains(warned), "the operator is told of the risk");
}

/// The first column of a query of the gateway's store.
fn rows(gateway: &Gateway, sql: &str) -> Vec<String> {
    let connection = Connection::open(gateway.data().join("filmgate.db")).expect("the store is there");
    let mut statement = connection.prepare(sql).expect("the query is well-formed");
    let rows = statement.query_map([], |row| row.get(0)).expect("the query runs");
    rows.collect::<Result<_, _>>().expect("rows can be read")
}

/// What kie signs callbacks with, in the stories.
const SECRET: &str = "a-secret-of-thirty-two-characters";
/// Forged callbacks of each kind.
const OF_EACH_KIND: usize = 25;
const BIG_BODY_BYTES: usize = 50 << 20;

/// A message of kie, as it stands in a callback.
struct Message {
    body: String,
    timestamp: String,
    signature: String,
}

impl Message {
    /// One of that task, signed `age_s` ago with `secret`.
    fn signed(handle: &str, secret: &str, age_s: i64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let timestamp = (i64::try_from(now).expect("before the end of time") - age_s).to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signature = STANDARD.encode(hmac::sign(&key, format!("{handle}.{timestamp}").as_bytes()));
        let info = json!({ "resultUrls": ["https://evil.example/clip.mp4"] });
        let body =
            json!({ "code": 200, "msg": "ok", "data": { "taskId": handle, "info": info } }).to_string();
        Self { body, timestamp, signature }
    }
}

/// Brings a message to an address of the gateway; the status of the answer.
async fn bring(gateway: &Gateway, token: &str, message: &Message) -> StatusCode {
    let client = gateway.client().without_key();
    let mut request = client.post_request(&format!("/callbacks/{token}"), message.body.clone());
    for (name, value) in
        [("x-webhook-timestamp", &message.timestamp), ("x-webhook-signature", &message.signature)]
    {
        if !value.is_empty() {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
    }
    client.call(request).await.status
}

/// A task at kie, and the token of the address that kie was told.
struct Told {
    id: String,
    handle: String,
    token: String,
}

async fn told(sandbox: &SandboxProcess, gateway: &Gateway, prompt: &str) -> Told {
    let id = gateway.create("videos", &video(prompt, model::KIE_VIDEO)).await;
    let entry = eventually("a task at kie", async || {
        let ledger = sandbox.ledger().await;
        ledger.entries().iter().find(|entry| entry["prompt"] == prompt).cloned()
    })
    .await;
    let url = entry["body"]["callBackUrl"].as_str().expect("kie is told where to call");
    let (_, token) = url.split_once("/callbacks/").expect("at an address of ours");
    Told { id, handle: entry["id"].as_str().expect("an id").to_owned(), token: token.to_owned() }
}

#[tokio::test]
async fn no_forged_callback_changes_anything() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["tasks"]["unknown_hold"] = json!(LONG);
    config["accounts"][0]["callback_secret"] = json!("env:KIE_CALLBACKS");
    config["accounts"][0]["poll"] = json!({ "first": LONG, "shortest": LONG, "longest": LONG });
    let options = Options::config(config).reached_from_outside().variable("KIE_CALLBACKS", SECRET);
    let gateway = Gateway::start(options).await;
    let running = told(&sandbox, &gateway, "running [sandbox:slow=3600s]").await;
    gateway.until("videos", &running.id, |task| task["start_time"] != 0).await;
    let lost = told(&sandbox, &gateway, "lost [sandbox:slow=3600s,garbage]").await;
    eventually("a lost answer", async || {
        let unknown = gateway.metric("filmgate_submits_total", &[("outcome", "unknown")]).await;
        (unknown > 0.0).then_some(())
    })
    .await;

    // A true one is a hint: it brings a poll, whatever it says.
    let genuine = Message::signed(&running.handle, SECRET, 0);
    assert_eq!(bring(&gateway, &running.token, &genuine).await, StatusCode::OK);
    eventually("a poll", async || (sandbox.ledger().await.calls("kie.poll") == 1).then_some(())).await;
    eventually("the end of all steps", async || {
        rows(&gateway, "SELECT id FROM tasks WHERE lease_holder IS NOT NULL").is_empty().then_some(())
    })
    .await;
    let stored = "SELECT id || state_data || version FROM tasks ORDER BY id";
    let before = rows(&gateway, stored);

    let mut refused = 0;
    for round in 0..OF_EACH_KIND {
        let target = if round % 2 == 0 { &running } else { &lost };
        let handle = &target.handle;
        let unsigned = || Message {
            timestamp: String::new(),
            signature: String::new(),
            ..Message::signed(handle, SECRET, 0)
        };
        let forged = [
            unsigned(),
            Message::signed(handle, "another-secret-of-some-characters", 0),
            Message::signed(handle, "", 0),
            Message::signed(handle, SECRET, 3600),
            Message::signed(handle, SECRET, -3600),
            Message { body: " ".repeat(BIG_BODY_BYTES), ..unsigned() },
        ];
        for message in &forged {
            let status = bring(&gateway, &target.token, message).await;
            assert!(status.is_client_error(), "{status}");
            refused += 1;
        }
        // What was said before, and what kie said of another task: both are truly signed.
        assert_eq!(bring(&gateway, &running.token, &genuine).await, StatusCode::OK);
        let mut misplaced = Message::signed(&running.handle, SECRET, 0);
        misplaced.body = misplaced.body.replace("ok", &format!("ok {round}"));
        assert_eq!(bring(&gateway, &lost.token, &misplaced).await, StatusCode::OK);
    }
    assert_eq!(refused, OF_EACH_KIND * 6);
    let taken = || gateway.metric(RESOLUTIONS, &[("by", "callback"), ("outcome", "taken")]);
    eventually("a look at the lost one", async || (taken().await > 0.0).then_some(())).await;
    assert_eq!(rows(&gateway, stored), before);
    assert_eq!(sandbox.ledger().await.calls("kie.poll"), 1, "nobody was asked");
    let outcome = |outcome| [("outcome", outcome)];
    let counted = async |name| gateway.metric("filmgate_upstream_callbacks_total", &outcome(name)).await;
    // The large ones do not come so far.
    assert_eq!(
        (counted("forged").await, counted("ignored").await, counted("woken").await),
        (125.0, 25.0, 26.0)
    );
    assert_eq!(gateway.metric(RESOLUTIONS, &outcome("accepted")).await, 0.0);
}
