//! Replicate's predictions.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::House;

const MODEL: &str = "/v1/models/google/veo-3.1-fast/predictions";

async fn submit(house: &House, prompt: &str) -> Value {
    let reply = house.post(MODEL, &json!({ "input": { "prompt": prompt } })).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    reply.json()
}

/// The prediction once it has ended, asked for by the address in the first answer.
async fn finished(house: &House, prompt: &str) -> Value {
    let submitted = submit(house, prompt).await;
    let url = submitted["urls"]["get"].as_str().unwrap();
    let is_end = |status: &Value| status != "starting" && status != "processing";
    house.until(url, |prediction| is_end(&prediction["status"]).then(|| prediction.clone())).await
}

#[tokio::test]
async fn a_clip_is_ordered_watched_and_fetched() {
    let house = House::with_faults("").await;
    let finished = finished(&house, "a cat").await;
    assert_eq!((&finished["status"], &finished["error"]), (&json!("succeeded"), &Value::Null));
    assert_eq!((&finished["model"], &finished["version"]), (&json!("google/veo-3.1-fast"), &json!("hidden")));
    let clip = house.get(finished["output"].as_str().unwrap()).await;
    assert_eq!(clip.status, StatusCode::OK);
    assert_eq!(clip.headers[header::CONTENT_TYPE], "video/mp4");
    assert_eq!(&clip.body[4..8], b"ftyp");
}

#[tokio::test]
async fn a_model_can_be_asked_for_by_its_version() {
    let house = House::with_faults("").await;
    let version = "0546b4e90d4f215c7fc42c9b8d815df3a7b6e47a754ee94ddb62b3f667fea9a5";
    let order = json!({ "version": version, "input": { "prompt": "a cat", "duration": 5 } });
    let submitted = house.post("/v1/predictions", &order).await;
    assert_eq!(submitted.status, StatusCode::CREATED);
    let poll = house.get(&format!("/v1/predictions/{}", submitted.json()["id"].as_str().unwrap())).await;
    assert_eq!((poll.status, &poll.json()["model"]), (StatusCode::OK, &json!("google/veo-2")));
}

#[tokio::test]
async fn behind_its_name_the_addresses_are_there_too() {
    let house = House::with_faults("").await;
    let submitted = house.post(&format!("/replicate{MODEL}"), &json!({ "input": { "prompt": "a" } })).await;
    let url = submitted.json()["urls"]["get"].as_str().unwrap().to_owned();
    assert!(url.contains("/replicate/v1/predictions/"), "{url}");
    assert_eq!(house.get(&url).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_prediction_at_work_has_no_output() {
    let house = House::with_faults("").await;
    let seen = async |words: &str, status: &str| {
        let submitted = submit(&house, &format!("a cat [sandbox:{words}]")).await;
        let url = submitted["urls"]["get"].as_str().unwrap();
        house.until(url, |poll| (poll["status"] == status).then(|| poll.clone())).await
    };
    for (words, status) in [("slow=3600s", "starting"), ("never,slow=10ms", "processing")] {
        let prediction = seen(words, status).await;
        assert_eq!((&prediction["output"], &prediction["metrics"]), (&Value::Null, &json!({})));
    }
}

#[tokio::test]
async fn a_prediction_can_fail_in_two_ways() {
    let house = House::with_faults("").await;
    for (word, said) in [("fail", "internal error"), ("policy", "flagged as sensitive")] {
        let failed = finished(&house, &format!("a cat [sandbox:{word}]")).await;
        assert_eq!((&failed["status"], &failed["output"]), (&json!("failed"), &Value::Null));
        assert!(failed["error"].as_str().unwrap().contains(said), "{failed}");
    }
}

#[tokio::test]
async fn a_prediction_at_work_can_be_stopped_and_one_that_has_ended_cannot() {
    let house = House::with_faults("").await;
    let cancel = async |prediction: &Value| {
        let reply = house.post(prediction["urls"]["cancel"].as_str().unwrap(), &json!({})).await;
        assert_eq!(reply.status, StatusCode::OK);
        reply.json()["status"].clone()
    };
    let at_work = submit(&house, "a cat [sandbox:slow=3600s]").await;
    assert_eq!(cancel(&at_work).await, "canceled");
    let poll = house.get(at_work["urls"]["get"].as_str().unwrap()).await.json();
    assert_eq!((&poll["status"], &poll["output"]), (&json!("canceled"), &Value::Null));
    let ended = finished(&house, "a cat").await;
    assert_eq!(cancel(&ended).await, "succeeded");
    let poll = house.get(ended["urls"]["get"].as_str().unwrap()).await.json();
    assert_eq!((&poll["status"], &poll["output"]), (&ended["status"], &ended["output"]));
    assert_eq!(house.post("/v1/predictions/none/cancel", &json!({})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn refusals_say_their_status_and_a_detail() {
    let house = House::with_faults("").await;
    let said = async |request| {
        let reply = house.call(request).await.unwrap();
        let body = reply.json();
        assert_eq!(body["status"], reply.status.as_u16());
        assert!(body["detail"].is_string(), "{body}");
        reply.status.as_u16()
    };
    let post = |path: &str, body: &str| house.request(Method::POST, path, body.to_owned());
    assert_eq!(said(post(MODEL, "{")).await, 400);
    assert_eq!(said(post(MODEL, r#"{"input":{}}"#)).await, 422);
    assert_eq!(said(post("/v1/predictions", r#"{"version":"1","input":{"prompt":"a"}}"#)).await, 422);
    let unknown = post("/v1/models/google/veo-9/predictions", r#"{"input":{"prompt":"a"}}"#);
    assert_eq!(said(unknown).await, 404);
    assert_eq!(said(house.request(Method::GET, "/v1/predictions/none", "")).await, 404);
    let mut without_key = post(MODEL, r#"{"input":{"prompt":"a"}}"#);
    without_key.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(said(without_key).await, 401);
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}
