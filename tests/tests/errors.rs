//! What clients get wrong, and what they are told: always both shapes of an error, with the field, the value and what
//! is allowed.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tests::client::filled;
use tests::config::{config, image, model, video};
use tests::{Client, Gateway, Options, Reply, SandboxProcess};

const VIDEOS: &str = "/v2/videos/generations";
const OTHER_KEY: &str = "the-other-client-of-the-stories";

/// A gateway over a sandbox, for two clients, that takes small bodies only.
async fn house() -> (SandboxProcess, Gateway) {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["server"]["body_bytes_max"] = json!("64KiB");
    config["keys"] = json!([{ "name": "other", "key": "env:OTHER_KEY" }]);
    let options = Options::config(config).variable("OTHER_KEY", OTHER_KEY);
    (sandbox, Gateway::start(options).await)
}

/// The text of an error reply, which must hold both shapes and say the same in both.
fn told(reply: &Reply, status: u16, code: &str) -> String {
    assert_eq!(reply.status.as_u16(), status, "{reply:?}");
    assert_eq!(reply.header("content-type"), "application/json");
    let body = reply.json();
    let text = body["message"].as_str().unwrap_or_else(|| panic!("no message in {body}"));
    assert_eq!((&body["code"], body.get("data")), (&json!(code), Some(&Value::Null)), "{body}");
    let error = &body["error"];
    assert_eq!((&error["message"], &error["code"]), (&json!(text), &json!(code)), "{body}");
    assert!(error["type"].as_str().is_some_and(|kind| kind.ends_with("_error")), "{body}");
    text.to_owned()
}

async fn create(client: &Client, body: &Value) -> Reply {
    client.post(VIDEOS, body.to_string()).await
}

#[tokio::test]
async fn a_body_that_is_no_object_or_holds_wrong_types_is_refused_by_field() {
    let (sandbox, gateway) = house().await;
    for body in ["", "{", "[]", "\"a cat\"", "{\"prompt\": tru", "\u{0}"] {
        let text = told(&gateway.client().post(VIDEOS, body).await, 400, "invalid_request");
        assert!(text.starts_with("body: "), "{body:?}: {text}");
    }
    let wrong = [
        (json!({ "prompt": 7 }), "prompt: 7 found, allowed is text"),
        (
            json!({ "prompt": "a", "images": {} }),
            "images: an object found, allowed is text or a list of texts",
        ),
        (
            json!({ "prompt": "a", "images": ["https://example.com/a.png", 7] }),
            "images[1]: 7 found, allowed is text",
        ),
        (
            json!({ "prompt": "a", "duration": "long" }),
            "duration: \"long\" found, allowed is a whole number of seconds",
        ),
        (
            json!({ "prompt": "a", "watermark": "no thanks" }),
            "watermark: \"no thanks\" found, allowed is true or false",
        ),
        (json!({ "prompt": "" }), "prompt: required, and must not be empty"),
    ];
    for (mut body, expected) in wrong {
        body["model"] = json!(model::V2_VIDEO);
        let reply = create(gateway.client(), &body).await;
        assert_eq!(told(&reply, 400, "invalid_request"), expected);
        let field = expected.split(':').next().unwrap();
        assert_eq!(reply.json()["error"]["param"], field);
    }
    assert!(sandbox.ledger().await.is_empty());
}

#[tokio::test]
async fn without_exactly_one_good_key_nothing_is_told() {
    let (_sandbox, gateway) = house().await;
    let client = gateway.client();
    let task = gateway.create("videos", &video("mine", model::V2_VIDEO)).await;
    let task = format!("{VIDEOS}/{task}");
    let keyless = client.without_key();
    for target in [task.as_str(), "/v2/videos/generations/no-such-task"] {
        let mut said = vec![keyless.get(target).await, client.with_key("wrong").get(target).await];
        for authorization in ["Basic dGhlOmtleQ==", "Bearer", "Bearer ", ""] {
            let request = keyless.request(Method::GET, target).header(header::AUTHORIZATION, authorization);
            said.push(client.call(filled(request, "")).await);
        }
        let twice = format!("Bearer {}", gateway.key());
        said.push(
            client
                .call(filled(client.request(Method::GET, target).header(header::AUTHORIZATION, twice), ""))
                .await,
        );
        for reply in said {
            assert_eq!(told(&reply, 401, "invalid_api_key"), "missing or invalid API key");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
    }
    assert_eq!(
        told(&create(&keyless, &image("x")).await, 401, "invalid_api_key"),
        "missing or invalid API key"
    );
}

#[tokio::test]
async fn a_model_that_does_not_exist_is_answered_with_near_names() {
    let (_sandbox, gateway) = house().await;
    let text = told(&create(gateway.client(), &video("a", "veo31-fast")).await, 404, "model_not_found");
    assert!(text.starts_with("model: \"veo31-fast\" does not exist, did you mean "), "{text}");
    assert!(text.contains("veo3.1-fast"), "{text}");
    // Built in, but without a route.
    let text = told(&create(gateway.client(), &video("a", "veo2")).await, 404, "model_not_found");
    assert_eq!(text, "model: \"veo2\" is not served by this gateway");
    let text = told(&create(gateway.client(), &image("a")).await, 400, "invalid_request");
    assert_eq!(text, "model: nano-banana makes images, not videos");
}

#[tokio::test]
async fn what_a_model_cannot_do_is_refused_with_field_value_and_what_is_allowed() {
    let (sandbox, gateway) = house().await;
    let url = "https://example.com/a.png?n=";
    let urls = |count: usize| (0..count).map(|n| format!("{url}{n}")).collect::<Vec<_>>();
    let refused = [
        (json!({ "model": "veo3", "images": urls(1) }), "images: 1 given, veo3 takes 0"),
        (json!({ "model": "veo3.1-fast", "images": urls(3) }), "images: 3 given, veo3.1-fast takes 0 to 2"),
        (json!({ "model": "veo3-fast-frames" }), "images: 0 given, veo3-fast-frames takes 1 to 2"),
        (
            json!({ "model": "veo3", "aspect_ratio": "4:3" }),
            "aspect_ratio: \"4:3\" is not possible, veo3 takes 16:9, 9:16",
        ),
        (
            json!({ "model": "veo3", "resolution": "8K" }),
            "resolution: \"8k\" is not possible, veo3 takes 480p, 720p, 1080p, 4k",
        ),
        (
            json!({ "model": "veo3", "videos": ["https://example.com/a.mp4"] }),
            "videos: 1 given, veo3 takes at most 0",
        ),
    ];
    for (mut body, expected) in refused {
        body["prompt"] = json!("a cat");
        let reply = create(gateway.client(), &body).await;
        assert_eq!(told(&reply, 400, "invalid_request"), expected);
    }
    assert!(sandbox.ledger().await.is_empty());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_over_both_versions_of_http() {
    let (_sandbox, gateway) = house().await;
    let body = json!({ "prompt": "x".repeat(1 << 20), "model": model::V2_VIDEO }).to_string();
    for client in [gateway.client().clone(), gateway.http2_client()] {
        let reply = client.post(VIDEOS, body.clone()).await;
        assert_eq!(told(&reply, 413, "body_too_large"), "the body is larger than 65536 bytes");
        let after = create(&client, &image("a")).await;
        assert_eq!(after.status, StatusCode::BAD_REQUEST, "the client can go on: {after:?}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_say_its_length_is_held_to_the_limit_too() {
    let (_sandbox, gateway) = house().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, &vec![b' '; 1 << 20]).unwrap();
    let data = format!("@{}", file.path().display());
    let (key, url) =
        (format!("Authorization: Bearer {}", gateway.key()), format!("{}{VIDEOS}", gateway.url()));
    let arguments = [
        "-sS",
        "-H",
        &key,
        "-H",
        "Transfer-Encoding: chunked",
        "-w",
        "%{http_code}",
        "--data-binary",
        &data,
        &url,
    ];
    let said = tests::tool::run("curl", &arguments);
    assert!(said.contains("body_too_large") && said.ends_with("413"), "{said}");
}

#[tokio::test]
async fn a_task_exists_for_its_owner_and_in_its_scope_alone() {
    let (_sandbox, gateway) = house().await;
    let id = gateway.create("videos", &video("mine", model::V2_VIDEO)).await;
    let mine = format!("{VIDEOS}/{id}");
    let other = gateway.client().with_key(OTHER_KEY);
    let replies = [
        other.get(&mine).await,
        gateway.client().get(&format!("/v2/images/generations/{id}")).await,
        gateway.client().get(&format!("{VIDEOS}/no-such-task")).await,
        gateway.client().get(&format!("{VIDEOS}/veo3%3A1756693796-YQVHH4A3Lg")).await,
    ];
    for reply in replies {
        assert_eq!(told(&reply, 404, "not_found"), "no such task");
    }
    assert_eq!(gateway.client().get(&mine).await.status, StatusCode::OK);
    let encoded = format!("{VIDEOS}/{}", id.replace('-', "%2D"));
    assert_eq!(gateway.client().get(&encoded).await.json()["task_id"], id);
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_told_in_the_same_shape() {
    let (_sandbox, gateway) = house().await;
    let client = gateway.client();
    for target in ["/", "/v2/videos", "/assets/../filmgate.db", "/v2/videos/generations/a/b"] {
        told(&client.get(target).await, 404, "not_found");
    }
    told(&client.post("/v2/words/generations", "{\"prompt\":\"a\"}").await, 404, "not_found");
    for (method, target, allow) in [
        (Method::DELETE, VIDEOS, "POST, OPTIONS"),
        (Method::GET, VIDEOS, "POST, OPTIONS"),
        (Method::PUT, "/v2/videos/generations/a", "GET, HEAD, OPTIONS"),
    ] {
        let reply = client.call(filled(client.request(method, target), "")).await;
        told(&reply, 405, "method_not_allowed");
        assert_eq!(reply.header("allow"), allow);
    }
    // Nothing of the disk is served by its own name.
    let reply = client.get("/assets/%2e%2e%2f%2e%2e%2ffilmgate.db").await;
    told(&reply, 404, "not_found");
}

#[tokio::test]
async fn a_browser_may_ask_before_it_sends_a_key() {
    let (_sandbox, gateway) = house().await;
    let keyless = gateway.client().without_key();
    let preflight = keyless
        .request(Method::OPTIONS, VIDEOS)
        .header(header::ORIGIN, "https://app.example.com")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
    let reply = keyless.call(filled(preflight, "")).await;
    assert!(reply.status.is_success(), "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    assert!(reply.header("access-control-allow-headers").contains("authorization"), "{reply:?}");
    assert!(reply.header("access-control-allow-methods").contains("POST"), "{reply:?}");

    // An error can be read by the page as well.
    let request = keyless
        .request(Method::GET, "/v2/videos/generations/a")
        .header(header::ORIGIN, "https://app.example.com");
    let reply = keyless.call(filled(request, "")).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (StatusCode::UNAUTHORIZED, "*"));
}
