//! The Videos part of OpenAI's API.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::{House, Reply};

const SUBMIT: &str = "/v1/videos";

/// Sends the fields as a form, as OpenAI's clients do.
async fn post_form(house: &House, fields: &[(&str, &str)]) -> Reply {
    let mut body = String::new();
    for (disposition, value) in fields {
        body += &format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n");
    }
    let mut request = house.request(Method::POST, SUBMIT, body + "--b--\r\n");
    let form = "multipart/form-data; boundary=b".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, form);
    house.call(request).await.unwrap()
}

async fn ended(house: &House, submitted: &Reply) -> Value {
    assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
    let submitted = submitted.json();
    assert_eq!((&submitted["object"], &submitted["status"]), (&json!("video"), &json!("queued")));
    let path = format!("{SUBMIT}/{}", submitted["id"].as_str().unwrap());
    let is_end = |reply: &Value| reply["status"] == "completed" || reply["status"] == "failed";
    house.until(&path, |reply| is_end(reply).then(|| reply.clone())).await
}

#[tokio::test]
async fn a_clip_is_ordered_by_form_or_json_and_fetched_in_two_places() {
    let house = House::with_faults("").await;
    let by_form = post_form(
        &house,
        &[
            ("name=\"prompt\"", "a cat"),
            ("name=\"seconds\"", "8"),
            ("name=\"input_reference\"; filename=\"a.png\"", "PNG"),
        ],
    )
    .await;
    let by_json = house.post(SUBMIT, &json!({ "prompt": "a cat", "seconds": "8" })).await;
    for submitted in [by_form, by_json] {
        let done = ended(&house, &submitted).await;
        assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!(100)));
        assert_eq!((&done["model"], &done["error"]), (&json!("sora-2"), &Value::Null));
        let content = format!("{SUBMIT}/{}/content", done["id"].as_str().unwrap());
        let (content, by_url) = (house.get(&content).await, house.get(done["url"].as_str().unwrap()).await);
        assert_eq!(content.headers[header::CONTENT_TYPE], "video/mp4");
        assert_eq!(content.body, by_url.body);
    }
    let entries = house.ledger().await["entries"].clone();
    assert_eq!(entries[0]["body"]["input_reference"], json!({ "filename": "a.png", "bytes": 3 }));
}

#[tokio::test]
async fn content_takes_the_key_and_is_not_there_before_the_end() {
    let house = House::with_faults("").await;
    let order = json!({ "prompt": "a cat [sandbox:never,slow=10ms]" });
    let id = house.post(SUBMIT, &order).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{SUBMIT}/{id}");
    let running = house.until(&path, |poll| (poll["status"] == "in_progress").then(|| poll.clone())).await;
    assert!((1..100).contains(&running["progress"].as_u64().unwrap()) && running["url"].is_null());
    let content = format!("{path}/content");
    assert_eq!(house.get(&content).await.status, StatusCode::NOT_FOUND);
    let mut without_key = house.request(Method::GET, &content, "");
    without_key.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(house.call(without_key).await.unwrap().status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_failure_is_http_200_with_a_code() {
    let house = House::with_faults("").await;
    for (word, code) in [("fail", "server_error"), ("policy", "moderation_blocked")] {
        let order = json!({ "prompt": format!("a cat [sandbox:{word}]") });
        let failed = ended(&house, &house.post(SUBMIT, &order).await).await;
        assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!(code)));
        assert!(failed["url"].is_null());
    }
}

#[tokio::test]
async fn refusals_have_a_status_and_openais_shape() {
    let house = House::with_faults("").await;
    let said = |reply: Reply| {
        let body = reply.json();
        assert!(body["error"]["message"].is_string() && body["error"]["type"].is_string(), "{body}");
        (reply.status.as_u16(), body["error"]["code"].clone())
    };
    let broken = house.call(house.request(Method::POST, SUBMIT, "{")).await.unwrap();
    assert_eq!(said(broken), (400, Value::Null));
    let wrong = post_form(&house, &[("name=\"prompt\"", "a cat"), ("name=\"seconds\"", "5")]).await;
    assert_eq!(said(wrong), (400, json!("invalid_value")));
    assert_eq!(said(house.get("/v1/videos/video_1").await), (404, json!("not_found")));
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}
