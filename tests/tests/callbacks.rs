//! Clients' own servers are told how tasks ended: in the words of the API that the task was made through, signed, and
//! whatever happens to the gateway in between.

use std::net::Ipv4Addr;

use http::{Method, header};
use serde_json::{Value, json};
use tests::client::filled;
use tests::listener::Listener;
use tests::{Finished, Gateway, Options, Process, eventually};

const PROMPT: &str = "a lighthouse in a storm";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A client API that calls back.
struct Api {
    name: &'static str,
    /// Where a clip is asked for, with a key of that scheme, and with what; the listener is `LISTENER`.
    create: &'static str,
    scheme: &'static str,
    body: fn() -> Value,
    /// Where in the message the task is named, and where it says how the task ended.
    id_at: &'static str,
    state_at: &'static str,
    done: fn() -> Value,
    /// Where the clip is.
    clip_at: &'static str,
}

const APIS: &[Api] = &[
    Api {
        name: "v2",
        create: "/v2/videos/generations",
        scheme: "Bearer",
        body: || json!({ "prompt": PROMPT, "model": "veo3.1-fast", "notify_hook": "LISTENER" }),
        id_at: "/task_id",
        state_at: "/status",
        done: || json!("SUCCESS"),
        clip_at: "/data/output",
    },
    Api {
        name: "evolink",
        create: "/evolink/v1/videos/generations",
        scheme: "Bearer",
        body: || json!({ "prompt": PROMPT, "model": "veo3.1-fast", "callback_url": "LISTENER" }),
        id_at: "/id",
        state_at: "/status",
        done: || json!("completed"),
        clip_at: "/results/0",
    },
    Api {
        name: "kie",
        create: "/api/v1/veo/generate",
        scheme: "Bearer",
        body: || json!({ "prompt": PROMPT, "model": "veo3_fast", "callBackUrl": "LISTENER" }),
        id_at: "/data/taskId",
        state_at: "/code",
        done: || json!(200),
        clip_at: "/data/info/resultUrls/0",
    },
    Api {
        name: "apixo",
        create: "/api/v1/generateTask/veo-3-1",
        scheme: "Bearer",
        body: || {
            json!({
                "request_type": "callback",
                "callback_url": "LISTENER",
                "input": { "mode": "fast", "prompt": PROMPT, "generationType": "TEXT_2_VIDEO" }
            })
        },
        id_at: "/data/taskId",
        state_at: "/data/state",
        done: || json!("success"),
        clip_at: "/data/resultJson",
    },
    Api {
        name: "fal",
        create: "/fal-ai/veo3.1/fast?fal_webhook=LISTENER",
        scheme: "Key",
        body: || json!({ "prompt": PROMPT }),
        id_at: "/request_id",
        state_at: "/status",
        done: || json!("OK"),
        clip_at: "/payload/video/url",
    },
    Api {
        name: "replicate",
        create: "/v1/models/google/veo-3.1-fast/predictions",
        scheme: "Bearer",
        body: || json!({ "input": { "prompt": PROMPT }, "webhook": "LISTENER" }),
        id_at: "/id",
        state_at: "/status",
        done: || json!("succeeded"),
        clip_at: "/output",
    },
];

/// A gateway on the embedded sandbox whose clients may listen on loopback.
fn options() -> Options {
    Options::config(json!({
        "sandbox": { "embed": true },
        "egress": { "allow": ["127.0.0.1"] },
        "callbacks": { "allow_http": true, "secrets": ["env:CALLBACK_SECRET"], "retry_after": "50ms" },
    }))
    .variable("CALLBACK_SECRET", SECRET)
}

async fn create(gateway: &Gateway, api: &Api, listener: &str) {
    let client = gateway.client();
    let mut request = client.request(Method::POST, &api.create.replace("LISTENER", listener));
    if let Some(headers) = request.headers_mut() {
        let key = format!("{} {}", api.scheme, gateway.key());
        headers.insert(header::AUTHORIZATION, key.parse().expect("a key fits into a header"));
    }
    let body = (api.body)().to_string().replace("LISTENER", listener);
    let reply = client.call(filled(request, body)).await;
    assert!(reply.status.is_success(), "{}: {reply:?}", api.name);
}

#[tokio::test]
async fn every_api_is_told_in_its_own_words() {
    let listener = Listener::start(&[200]).await;
    let gateway = Gateway::start(options()).await;
    for api in APIS {
        create(&gateway, api, &format!("{}/{}", listener.url(), api.name)).await;
    }
    let heard = listener.hears(APIS.len()).await;
    for api in APIS {
        let message = heard.iter().find(|message| message.path == format!("/{}", api.name));
        let message = message.unwrap_or_else(|| panic!("{}: nothing came", api.name));
        let body = message.json();
        assert_eq!(body.pointer(api.state_at), Some(&(api.done)()), "{}: {body}", api.name);
        let id = body.pointer(api.id_at).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(gateway.poll("videos", id).await["status"], "SUCCESS", "{}: {body}", api.name);
        let clip = body.pointer(api.clip_at).map(Value::to_string).unwrap_or_default();
        assert!(clip.contains("/assets/"), "{}: {body}", api.name);
        for name in ["webhook-id", "webhook-timestamp"] {
            assert!(message.headers.contains_key(name), "{}: {name}", api.name);
        }
        let signature = message.headers.get("webhook-signature").and_then(|value| value.to_str().ok());
        assert!(signature.is_some_and(|signature| signature.starts_with("v1,")), "{}", api.name);
    }
}

/// The message of one whose poll has the same shape is that poll's reply, to the byte.
#[tokio::test]
async fn a_message_is_the_reply_to_a_poll() {
    let listener = Listener::start(&[200]).await;
    let gateway = Gateway::start(options()).await;
    create(&gateway, &APIS[0], listener.url()).await;
    let message = listener.hears(1).await.remove(0);
    let id = message.json()["task_id"].as_str().map(str::to_owned).unwrap_or_default();
    let polled = gateway.client().get(&format!("/v2/videos/generations/{id}")).await;
    assert_eq!(message.json(), polled.json());
}

#[tokio::test]
async fn a_message_survives_a_killed_gateway_and_is_sent_until_it_is_heard() {
    // The first two tries fail; the gateway is killed with the message in its store.
    let listener = Listener::start(&[500, 503, 204]).await;
    let mut gateway = Gateway::start(options()).await;
    create(&gateway, &APIS[0], listener.url()).await;
    let first = listener.hears(1).await.remove(0);
    gateway.kill();
    gateway.restart().await;
    let heard = listener.hears(3).await;
    let id = &first.headers["webhook-id"];
    for message in &heard {
        assert_eq!((&message.headers["webhook-id"], &message.body), (id, &first.body));
    }
    eventually("it is noted", async || {
        let tried = gateway.metric("filmgate_callback_tries_total", &[("outcome", "delivered")]).await;
        (tried >= 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_that_nobody_heard_is_kept_and_sent_again_on_demand() {
    let listener = Listener::start(&[500, 500, 500, 500, 200]).await;
    let gateway = Gateway::start(options()).await;
    create(&gateway, &APIS[0], listener.url()).await;
    listener.hears(4).await;
    let dead = eventually("the message is dead", async || {
        let listed = deliveries(&gateway, &["list"]).await.stdout;
        listed.lines().find(|line| line.starts_with("msg_")).map(str::to_owned)
    })
    .await;
    assert!(dead.contains("status 500") && dead.contains(listener.url()), "{dead}");
    let id = dead.split_whitespace().next().unwrap_or_default();
    assert!(deliveries(&gateway, &["replay", id]).await.status.success());
    let heard = listener.hears(5).await;
    assert_eq!(
        (&heard[4].body, &heard[4].headers["webhook-id"]),
        (&heard[0].body, &heard[0].headers["webhook-id"])
    );
    assert!(!deliveries(&gateway, &["replay", "msg_unknown"]).await.status.success());
}

/// One by one and in bulk, for who has the operator's key.
#[tokio::test]
async fn the_operators_api_lists_dead_messages_and_sends_them_again() {
    const OPERATOR_KEY: &str = "the-key-of-the-operator-alone";
    let listener = Listener::by_path(Ipv4Addr::LOCALHOST).await;
    let options = options().variable("FILMGATE_ADMIN_KEY", OPERATOR_KEY);
    let gateway = Gateway::start(options).await;
    for _ in 0..3 {
        create(&gateway, &APIS[0], &format!("{}/500,500,500,500,200", listener.url())).await;
    }
    let operator = gateway.operator().with_key(OPERATOR_KEY);
    let dead = eventually("three messages are dead", async || {
        let listed = operator.get("/admin/deliveries?state=dead").await.json()["deliveries"].clone();
        listed.as_array().filter(|listed| listed.len() == 3).cloned()
    })
    .await;
    let [one, others @ ..] = &dead[..] else { panic!("{dead:?}") };
    assert_eq!((&one["tries"], &one["last_error"]), (&json!(4), &json!("status 500")));
    let path = format!("/admin/deliveries/{}/replay", one["id"].as_str().unwrap_or_default());
    assert_eq!(operator.post(&path, String::new()).await.json(), json!({ "replayed": 1 }));
    let replayed = listener.hears(4 * 3 + 1).await;
    assert_eq!(replayed.last().map(|message| message.header("webhook-id")), one["id"].as_str());
    eventually("it is delivered", async || {
        let listed = operator.get("/admin/deliveries?state=delivered").await.json();
        (listed["deliveries"][0]["id"] == one["id"]).then_some(())
    })
    .await;
    let all = operator.post("/admin/deliveries/replay", String::new()).await.json();
    assert_eq!(all, json!({ "replayed": others.len() }));
    listener.hears(4 * 3 + 3).await;
    for key in ["", gateway.key()] {
        let refused = gateway.operator().with_key(key).post(&path, String::new()).await;
        assert_eq!(refused.status, 401, "{refused:?}");
    }
}

/// `filmgate deliveries`, beside the running gateway.
async fn deliveries(gateway: &Gateway, arguments: &[&str]) -> Finished {
    let mut command = Process::command();
    Process::run(command.arg("deliveries").args(arguments).arg("--data").arg(gateway.data())).await
}

#[tokio::test]
async fn a_listener_inside_is_refused_unless_the_operator_allows_it() {
    let listener = Listener::start(&[200]).await;
    let gateway = Gateway::embedded().await;
    for url in
        [listener.url().to_owned(), "https://127.0.0.1/x".to_owned(), "http://example.com/x".to_owned()]
    {
        let body = json!({ "prompt": PROMPT, "notify_hook": url });
        let reply = gateway.client().post("/v2/videos/generations", body.to_string()).await;
        assert_eq!(reply.status, 400, "{url}: {reply:?}");
        assert!(reply.json()["message"].as_str().is_some_and(|text| text.starts_with("callback_url: ")));
    }
    assert!(listener.heard().is_empty());
}
