//! A client that sends a request again: with a key it is the same task, in every API, whatever crashed in between.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};
use tests::client::filled;
use tests::config::{config, image};
use tests::{Client, Gateway, Reply, SandboxOptions, SandboxProcess, figures};

const REPLAYED: &str = "idempotency-replayed";

/// A client API: its name, where it creates, and with what body for a prompt.
type Api = (&'static str, &'static str, fn(&str) -> Value);

const APIS: [Api; 12] = [
    ("v2", "/v2/videos/generations", |prompt| json!({ "prompt": prompt, "model": "veo3.1-fast" })),
    (
        "v2's images",
        "/v1/images/generations?async=true",
        |prompt| json!({ "prompt": prompt, "model": "nano-banana" }),
    ),
    (
        "evolink",
        "/evolink/v1/videos/generations",
        |prompt| json!({ "prompt": prompt, "model": "veo3.1-fast" }),
    ),
    ("apixo", "/api/v1/generateTask/veo-3-1", |prompt| {
        json!({
            "request_type": "async",
            "input": { "mode": "fast", "prompt": prompt, "generationType": "TEXT_2_VIDEO" }
        })
    }),
    ("kie", "/api/v1/veo/generate", |prompt| json!({ "prompt": prompt, "model": "veo3_fast" })),
    (
        "replicate",
        "/v1/models/google/veo-3.1-fast/predictions",
        |prompt| json!({ "input": { "prompt": prompt } }),
    ),
    ("fal", "/fal-ai/veo3.1/fast", |prompt| json!({ "prompt": prompt })),
    (
        "apimart",
        "/apimart/v1/videos/generations",
        |prompt| json!({ "prompt": prompt, "model": "veo3.1-fast" }),
    ),
    ("openai", "/v1/videos", |prompt| json!({ "prompt": prompt, "model": "veo3.1-fast" })),
    (
        "gemini",
        "/v1beta/models/veo-3.1-fast-generate-preview:predictLongRunning",
        |prompt| json!({ "instances": [{ "prompt": prompt }] }),
    ),
    (
        "interactions",
        "/v1beta/interactions",
        |prompt| json!({ "model": "veo3.1-fast", "input": prompt, "background": true }),
    ),
    (
        "vertex",
        "/v1/projects/p/locations/l/publishers/google/models/veo-3.1-fast-generate-001:predictLongRunning",
        |prompt| json!({ "instances": [{ "prompt": prompt }] }),
    ),
];

async fn create(client: &Client, path: &str, body: &Value, key: &str) -> Reply {
    let mut request = client.request(Method::POST, path).header("idempotency-key", key);
    if path.starts_with("/fal-ai/") {
        let as_fal_wants_it = request.headers_ref().and_then(bearer);
        let key = as_fal_wants_it.expect("the client has a key");
        if let Some(headers) = request.headers_mut() {
            headers.insert(header::AUTHORIZATION, format!("Key {key}").parse().expect("a header"));
        }
    }
    client.call(filled(request, body.to_string())).await
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned)
}

/// What names the task, wherever the API has it.
fn ids(reply: &Reply) -> Vec<String> {
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let is_id = |word: &&str| word.len() == 36 && word.split('-').count() == 5;
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    words.filter(is_id).map(str::to_owned).collect::<HashSet<_>>().into_iter().collect()
}

#[tokio::test]
async fn in_every_api_the_same_key_is_the_same_task() {
    let gateway = Gateway::embedded().await;
    for (name, path, body) in APIS {
        let key = format!("key of {name}").replace(' ', "-");
        let first = create(gateway.client(), path, &body("a cat"), &key).await;
        assert!(first.status.is_success(), "{name}: {first:?}");
        assert!(first.headers.get(REPLAYED).is_none(), "{name}");
        let again = create(gateway.client(), path, &body("a cat"), &key).await;
        assert_eq!(
            again.headers.get(REPLAYED).map(header::HeaderValue::as_bytes),
            Some(&b"true"[..]),
            "{name}"
        );
        assert_eq!((again.status, ids(&again)), (first.status, ids(&first)), "{name}: {again:?}");
        assert_eq!(ids(&first).len(), 1, "{name}: {first:?}");

        let other = create(gateway.client(), path, &body("a dog"), &key).await;
        // All but one say it as the status of HTTP, that one in its body.
        let said = if name == "kie" {
            other.json()["code"]
                .as_u64()
                .and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok())
        } else {
            Some(other.status)
        };
        assert_eq!(said, Some(StatusCode::UNPROCESSABLE_ENTITY), "{name}: {other:?}");
    }
    for key in ["", "two words", &"k".repeat(256)] {
        let refused = create(gateway.client(), APIS[0].1, &(APIS[0].2)("a cat"), key).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{key:?}: {refused:?}");
    }
}

/// The form of a retry has another boundary than the first one had.
#[tokio::test]
async fn a_form_that_is_built_anew_is_the_same_request() {
    let gateway = Gateway::embedded().await;
    let client = gateway.client();
    let form = async |boundary: &str| {
        let body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na cat\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nveo3.1-fast\r\n--{boundary}--\r\n"
        );
        let request = client
            .request(Method::POST, "/v1/videos")
            .header("idempotency-key", "form")
            .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"));
        let request = request.body(body.into_bytes().into()).expect("a request");
        client.call(request).await
    };
    let (first, again) = (form("one").await, form("another").await);
    assert!(first.status.is_success(), "{first:?}");
    assert_eq!(ids(&first), ids(&again));
    assert!(again.headers.contains_key(REPLAYED));
}

const KEYS: usize = 100;
const COPIES: usize = 50;
const KILLS: usize = 5;

/// 100 keys, 50 copies of each, and the gateway dies five times meanwhile: 100 tasks, each submitted at most once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_in_parallel_and_across_kills_make_one_task_for_each_key() {
    let options = SandboxOptions { generation_s: 0.1, ..SandboxOptions::default() };
    let sandbox = SandboxProcess::with(options).await;
    let mut config = config(&sandbox.url());
    config["limits"]["concurrent_tasks"] = json!(KEYS * COPIES);
    // None of these tasks is to blame for the kills.
    config["tasks"]["crashes_max"] = json!(KILLS + 1);
    let mut gateway = Gateway::with_config(config).await;
    let mut tasks: HashMap<usize, HashSet<String>> = HashMap::new();
    let (mut answered, mut lost) = (0, 0);
    let mut dice = fastrand::Rng::with_seed(0x01DE_0001);
    for round in 0..=KILLS {
        let client = gateway.client().clone();
        let mut asking = tokio::task::JoinSet::new();
        for _copy in 0..COPIES / (KILLS + 1) + usize::from(round < COPIES % (KILLS + 1)) {
            for key in 0..KEYS {
                let client = client.clone();
                asking.spawn(async move { (key, try_create(&client, key).await) });
            }
        }
        if round < KILLS {
            // The moment of the kill is what is random here; nothing waits for anything.
            tokio::time::sleep(Duration::from_millis(dice.u64(20..400))).await;
            gateway.kill();
        }
        for (key, reply) in asking.join_all().await {
            match reply {
                Some(reply) if reply.status == StatusCode::OK => {
                    answered += 1;
                    tasks.entry(key).or_default().extend(ids(&reply));
                }
                Some(reply) => panic!("{reply:?}"),
                None => lost += 1,
            }
        }
        if round < KILLS {
            gateway.restart().await;
        }
    }
    assert_eq!(answered + lost, KEYS * COPIES);
    assert!(lost >= KEYS && answered >= KEYS, "only {lost} of {} copies met a kill", KEYS * COPIES);
    let twice: Vec<_> = tasks.iter().filter(|(_, tasks)| tasks.len() != 1).collect();
    assert!(tasks.len() == KEYS && twice.is_empty(), "{} keys, {twice:?}", tasks.len());
    for ids in tasks.values() {
        for id in ids {
            gateway.ended("images", id).await;
        }
    }
    let ledger = sandbox.ledger().await;
    let failures = (0..KEYS).filter(|key| ledger.accepted(&prompt(*key)) > 1).count();
    assert_eq!(failures, 0, "keys whose task was submitted twice");
    assert!(ledger.len() <= KEYS);
    figures::note(
        "idempotency",
        json!({ "n": KEYS * COPIES, "keys": KEYS, "kills": KILLS, "lost_answers": lost, "failures": failures }),
    );
}

fn prompt(key: usize) -> String {
    format!("the task of key {key}")
}

/// `None` if no answer came: the gateway has died meanwhile.
async fn try_create(client: &Client, key: usize) -> Option<Reply> {
    let request = client
        .request(Method::POST, "/v2/images/generations")
        .header("idempotency-key", format!("key-{key}"));
    client.try_call(filled(request, image(&prompt(key)).to_string())).await.ok()
}
