//! Whom a submit names is told of the task's end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::client::House;

/// A server that is told, and says no to the first few messages.
struct Listener {
    url: String,
    told: mpsc::UnboundedReceiver<(String, Value)>,
}

impl Listener {
    async fn that_refuses_first(refused: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/callbacks/t", listener.local_addr().unwrap());
        let (sender, told) = mpsc::unbounded_channel();
        let left = Arc::new(AtomicUsize::new(refused));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, left) = (sender.clone(), Arc::clone(&left));
                let take = move |request: Request<Incoming>| {
                    let (sender, left) = (sender.clone(), Arc::clone(&left));
                    async move { Ok::<_, Infallible>(take(&sender, &left, request).await) }
                };
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(take)));
            }
        });
        Self { url, told }
    }

    async fn new() -> Self {
        Self::that_refuses_first(0).await
    }

    async fn next(&mut self) -> Value {
        self.told.recv().await.unwrap().1
    }
}

async fn take(
    sender: &mpsc::UnboundedSender<(String, Value)>,
    left: &AtomicUsize,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.headers()[header::CONTENT_TYPE], "application/json");
    let target = request.uri().to_string();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let is_refused =
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    sender.send((target, serde_json::from_slice(&body).unwrap())).unwrap();
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = if is_refused { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
    response
}

/// A submit to each API that tells, without where: its path and body, the field for that, where in its answer the id is,
/// where in its message the same id and the result are.
fn submits() -> Vec<(&'static str, Value, &'static str, [&'static str; 3])> {
    let prompt = "a cat";
    vec![
        (
            "/v2/videos/generations",
            json!({ "model": "m", "prompt": prompt }),
            "notify_hook",
            ["/task_id", "/task_id", "/data/output"],
        ),
        (
            "/api/v1/veo/generate",
            json!({ "model": "veo3", "prompt": prompt }),
            "callBackUrl",
            ["/data/taskId", "/data/taskId", "/data/info/resultUrls/0"],
        ),
        (
            "/api/v1/jobs/createTask",
            json!({ "model": "google/nano-banana", "input": { "prompt": prompt } }),
            "callBackUrl",
            ["/data/taskId", "/data/taskId", "/data/resultJson"],
        ),
        (
            "/v1/videos/text2video",
            json!({ "prompt": prompt }),
            "callback_url",
            ["/data/task_id", "/task_id", "/task_result/videos/0/url"],
        ),
        (
            "/dream-machine/v1/generations/video",
            json!({ "model": "ray-2", "prompt": prompt }),
            "callback_url",
            ["/id", "/id", "/assets/video"],
        ),
        (
            "/v1/models/google/veo-3.1/predictions",
            json!({ "input": { "prompt": prompt } }),
            "webhook",
            ["/id", "/id", "/output"],
        ),
    ]
}

#[tokio::test]
async fn each_api_tells_in_its_own_words() {
    let house = House::with_faults("").await;
    for (path, mut order, field, [id, told_id, result]) in submits() {
        let mut listener = Listener::new().await;
        order[field] = listener.url.clone().into();
        let submitted = house.post(path, &order).await.json();
        let id = submitted.pointer(id).unwrap_or_else(|| panic!("{path}: {submitted}"));
        let told = listener.next().await;
        assert_eq!(told.pointer(told_id), Some(id), "{path}: {told}");
        let media = told.pointer(result).and_then(Value::as_str).unwrap_or_else(|| panic!("{path}: {told}"));
        assert!(media.contains("/media/"), "{path}: {told}");
    }
}

#[tokio::test]
async fn fal_is_told_where_in_the_query() {
    let house = House::with_faults("").await;
    let mut listener = Listener::new().await;
    let path = format!("/fal-ai/veo3.1?fal_webhook={}", listener.url.replace('/', "%2F").replace(':', "%3A"));
    let mut request = house.request(Method::POST, &path, r#"{"prompt":"a cat"}"#);
    request.headers_mut().insert(header::AUTHORIZATION, "Key some-key".parse().unwrap());
    let submitted = house.call(request).await.unwrap().json();
    let told = listener.next().await;
    assert_eq!((&told["request_id"], &told["status"]), (&submitted["request_id"], &json!("OK")));
    assert!(told["payload"]["video"]["url"].is_string(), "{told}");
}

#[tokio::test]
async fn a_failure_is_told_too() {
    let house = House::with_faults("").await;
    for (prompt, code) in [("[sandbox:fail]", 501), ("[sandbox:policy]", 400)] {
        let mut listener = Listener::new().await;
        let order = json!({ "prompt": prompt, "callBackUrl": listener.url });
        house.post("/api/v1/veo/generate", &order).await;
        let told = listener.next().await;
        assert_eq!((&told["code"], &told["data"]["info"]), (&json!(code), &Value::Null));
    }
}

#[tokio::test]
async fn a_lost_answer_does_not_keep_the_end_from_being_told() {
    let house = House::with_faults("submit:cut").await;
    let mut listener = Listener::new().await;
    let order = json!({ "model": "m", "prompt": "a cat", "notify_hook": listener.url });
    assert!(house.try_post("/v2/videos/generations", &order).await.is_err());
    assert_eq!(listener.next().await["task_id"], house.ledger().await["entries"][0]["id"]);
}

#[tokio::test]
async fn who_says_no_is_told_again() {
    let house = House::with_faults("").await;
    let mut listener = Listener::that_refuses_first(1).await;
    let order = json!({ "model": "m", "prompt": "a cat", "notify_hook": listener.url });
    house.post("/v2/videos/generations", &order).await;
    let first = listener.next().await;
    assert_eq!(listener.next().await, first, "the same message");
    assert_eq!(house.ledger().await["calls"]["v2.callback"], 2);
}

#[tokio::test]
async fn nobody_is_told_where_it_is_off_or_out_of_reach() {
    let house = House::with_faults("").await;
    let mut listener = Listener::new().await;
    let submit = async |prompt: &str, url: &str| {
        let order = json!({ "model": "m", "prompt": prompt, "notify_hook": url });
        house.post("/v2/videos/generations", &order).await.json()
    };
    submit("a cat [sandbox:callback:off]", &listener.url).await;
    submit("a cat [sandbox:never]", &listener.url).await;
    submit("a cat", "http://192.0.2.1/x").await;
    submit("a cat", "https://127.0.0.1/x").await;
    let told = submit("a cat", &listener.url).await;
    assert_eq!(listener.next().await["task_id"], told["task_id"], "the only one that is told of");
    let ledger = house.ledger().await;
    assert_eq!(ledger["faults"], json!({ "callback:off": 1 }));
    assert_eq!(ledger["calls"], json!({ "v2.submit": 5, "v2.callback": 1, "v2.callback_out_of_reach": 2 }));
}

#[tokio::test]
async fn a_task_that_was_stopped_is_not_told_of() {
    let house = House::with_faults("").await;
    let mut listener = Listener::new().await;
    let path = "/v1/models/google/veo-3.1/predictions";
    let order = |prompt: &str| json!({ "input": { "prompt": prompt }, "webhook": listener.url });
    let stopped = house.post(path, &order("a cat [sandbox:slow=1s]")).await.json();
    house.post(stopped["urls"]["cancel"].as_str().unwrap(), &json!({})).await;
    let later = house.post(path, &order("a cat [sandbox:slow=2s]")).await.json();
    assert_eq!(listener.next().await["id"], later["id"]);
}

#[tokio::test]
async fn a_server_that_stops_forgets_whom_to_tell() {
    let house = House::with_faults("").await;
    let listener = Listener::new().await;
    let order = json!({ "model": "m", "prompt": "a cat [sandbox:slow=3600s]", "notify_hook": listener.url });
    house.post("/v2/videos/generations", &order).await;
    // It would wait for whoever still holds the ledger.
    house.sandbox.stop().await;
}
