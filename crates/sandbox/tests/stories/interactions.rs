//! The Interactions part of Google's Gemini API, behind its name, since others keep files at the same paths.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::client::{House, POLL_INTERVAL, POLLS_MAX, Reply};

const SUBMIT: &str = "/interactions/v1beta/interactions";

/// A call with the key where Google has it.
fn request(house: &House, method: Method, path: &str, body: &str) -> Request<Full<Bytes>> {
    let mut request = house.request(method, path, body.to_owned());
    request.headers_mut().remove(header::AUTHORIZATION);
    request.headers_mut().insert("x-goog-api-key", "some-key".parse().unwrap());
    request
}

async fn call(house: &House, method: Method, path: &str, body: &str) -> Reply {
    house.call(request(house, method, path, body)).await.unwrap()
}

async fn submit(house: &House, prompt: &str) -> String {
    let order = json!({
        "model": "gemini-omni-1.1-flash", "input": prompt, "background": true,
        "response_format": { "type": "video", "delivery": "uri" },
    });
    let submitted = call(house, Method::POST, SUBMIT, &order.to_string()).await;
    assert_eq!((submitted.status, &submitted.json()["status"]), (StatusCode::OK, &json!("in_progress")));
    format!("{SUBMIT}/{}", submitted.json()["id"].as_str().unwrap())
}

async fn until(house: &House, path: &str, status: &str) -> Value {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    for _ in 0..POLLS_MAX {
        ticks.tick().await;
        let poll = call(house, Method::GET, path, "").await.json();
        if poll["status"] == status {
            return poll;
        }
    }
    panic!("{path} was never {status}");
}

#[tokio::test]
async fn a_clip_is_ordered_watched_and_fetched_with_the_key() {
    let house = House::with_faults("").await;
    let done = until(&house, &submit(&house, "a cat").await, "completed").await;
    let content = &done["steps"].as_array().unwrap().last().unwrap()["content"][0];
    assert_eq!((&content["type"], &content["mime_type"]), (&json!("video"), &json!("video/mp4")));
    let uri = content["uri"].as_str().unwrap();
    let clip = call(&house, Method::GET, uri, "").await;
    assert_eq!(clip.headers[header::CONTENT_TYPE], "video/mp4");
    assert_eq!(&clip.body[4..8], b"ftyp");
    assert_eq!(house.get(uri).await.status, StatusCode::UNAUTHORIZED, "a bearer key is none here");
}

#[tokio::test]
async fn an_interaction_can_end_without_a_clip() {
    let house = House::with_faults("").await;
    let failed = until(&house, &submit(&house, "a cat [sandbox:fail]").await, "failed").await;
    assert_eq!(failed["errors"][0]["code"], "internal");
    let refused = until(&house, &submit(&house, "a cat [sandbox:policy]").await, "completed").await;
    assert_eq!(refused["steps"][2]["content"][0]["type"], "text");
}

#[tokio::test]
async fn an_interaction_at_work_can_be_stopped_once() {
    let house = House::with_faults("").await;
    let path = submit(&house, "a cat [sandbox:slow=3600s]").await;
    assert_eq!(call(&house, Method::GET, &path, "").await.json()["status"], "queued");
    let cancel = format!("{path}/cancel");
    assert_eq!(call(&house, Method::POST, &cancel, "").await.json()["status"], "cancelled");
    assert_eq!(call(&house, Method::GET, &path, "").await.json()["status"], "cancelled");
    let again = call(&house, Method::POST, &cancel, "").await;
    assert_eq!(
        (again.status, &again.json()["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_request"))
    );
    let file = path.replace("v1beta/interactions", "v1beta/files") + ":download?alt=media";
    assert_eq!(
        call(&house, Method::GET, &file, "").await.status,
        StatusCode::BAD_REQUEST,
        "nothing was made"
    );
    let done = submit(&house, "a cat").await;
    until(&house, &done, "completed").await;
    let late = call(&house, Method::POST, &format!("{done}/cancel"), "").await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn refusals_have_a_status_and_a_code() {
    let house = House::with_faults("").await;
    let said = async |request| {
        let reply = house.call(request).await.unwrap();
        (reply.status.as_u16(), reply.json()["error"]["code"].as_str().unwrap().to_owned())
    };
    let post = |body: &str| request(&house, Method::POST, SUBMIT, body);
    assert_eq!(said(post("{")).await, (400, "invalid_request".into()));
    assert_eq!(said(post(r#"{"model":"veo","input":"a"}"#)).await, (400, "invalid_request".into()));
    let mut bearer = post("{}");
    bearer.headers_mut().remove("x-goog-api-key");
    assert_eq!(said(bearer).await, (401, "authentication".into()));
    let unknown = request(&house, Method::GET, "/interactions/v1beta/interactions/v1_none", "");
    assert_eq!(said(unknown).await, (400, "invalid_request".into()));
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}
