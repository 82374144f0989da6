//! Veo through Vertex AI.

use http::StatusCode;
use serde_json::{Value, json};

use crate::client::{House, POLL_INTERVAL, POLLS_MAX, Reply};

const PLACE: &str = "projects/film-1/locations/us-central1/";
const MODEL: &str = "publishers/google/models/veo-3.1-fast-generate-001";

fn order(prompt: &str) -> Value {
    json!({ "instances": [{ "prompt": prompt }], "parameters": { "sampleCount": 2, "generateAudio": false } })
}

/// Submits to the model at `start`, and asks there until the operation is done.
async fn done(house: &House, start: &str, order: &Value) -> Value {
    let submitted = house.post(&format!("{start}{MODEL}:predictLongRunning"), order).await;
    assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
    let question = json!({ "operationName": submitted.json()["name"] });
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    for _ in 0..POLLS_MAX {
        ticks.tick().await;
        let operation = house.post(&format!("{start}{MODEL}:fetchPredictOperation"), &question).await.json();
        assert_eq!(operation["name"], question["operationName"]);
        if operation["done"] == true {
            return operation;
        }
    }
    panic!("{question} was never done");
}

#[tokio::test]
async fn clips_come_in_the_answer_to_the_question() {
    let house = House::with_faults("").await;
    for start in [format!("/v1/{PLACE}"), "/v1beta1/".to_owned()] {
        let operation = done(&house, &start, &order("a cat")).await;
        let named_place = operation["name"].as_str().unwrap().starts_with(PLACE);
        assert_eq!(named_place, start.contains(PLACE), "{start}");
        let videos = operation["response"]["videos"].as_array().unwrap();
        let clips: Vec<&str> =
            videos.iter().map(|video| video["bytesBase64Encoded"].as_str().unwrap()).collect();
        assert_eq!(clips.len(), 2);
        // The base64 of the first bytes of every mp4: a length, then ftyp.
        assert!(
            clips.iter().all(|clip| clip.len() > 1000 && clip[5..].starts_with("GZ0eX")),
            "{:?}",
            &clips[0][..20]
        );
        assert_ne!(clips[0], clips[1]);
    }
}

#[tokio::test]
async fn an_operation_can_be_done_without_a_clip() {
    let house = House::with_faults("").await;
    let failed = done(&house, "/v1/", &order("a cat [sandbox:fail]")).await;
    assert_eq!((&failed["error"]["code"], &failed["response"]), (&json!(13), &Value::Null));
    let filtered = done(&house, "/v1/", &order("a cat [sandbox:policy]")).await;
    assert_eq!(filtered["response"]["raiMediaFilteredCount"], 1);
    assert_eq!(filtered["response"]["videos"], Value::Null);
}

#[tokio::test]
async fn refusals_have_googles_shape() {
    let house = House::with_faults("").await;
    let said = |reply: Reply| {
        let error = reply.json()["error"].clone();
        assert_eq!(error["code"], reply.status.as_u16(), "{error}");
        error["status"].as_str().unwrap().to_owned()
    };
    let bucket = json!({ "instances": [{ "prompt": "a cat" }], "parameters": { "storageUri": "gs://b/" } });
    let path = format!("/v1/{PLACE}{MODEL}");
    assert_eq!(said(house.post(&format!("{path}:predictLongRunning"), &bucket).await), "INVALID_ARGUMENT");
    let unknown = json!({ "operationName": format!("{PLACE}{MODEL}/operations/nobody") });
    assert_eq!(said(house.post(&format!("{path}:fetchPredictOperation"), &unknown).await), "NOT_FOUND");
    assert_eq!(
        said(house.post(&format!("{path}:fetchPredictOperation"), &json!({})).await),
        "INVALID_ARGUMENT"
    );
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}
