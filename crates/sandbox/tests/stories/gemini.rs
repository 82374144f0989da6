//! Veo through the Gemini API.

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::{House, POLL_INTERVAL, POLLS_MAX, Reply};

const MODEL: &str = "/v1beta/models/veo-3.1-fast-generate-preview";

/// A call with a key as this API has it.
async fn ask(house: &House, method: Method, path: &str, body: &Value) -> Reply {
    let mut request = house.request(method, path, body.to_string());
    *request.headers_mut() =
        HeaderMap::from_iter([("x-goog-api-key".parse().unwrap(), "a-key".parse().unwrap())]);
    house.call(request).await.unwrap()
}

async fn submit(house: &House, order: &Value) -> Reply {
    ask(house, Method::POST, &format!("{MODEL}:predictLongRunning"), order).await
}

fn order(prompt: &str) -> Value {
    json!({ "instances": [{ "prompt": prompt }], "parameters": { "sampleCount": 2 } })
}

/// The operation once it is done.
async fn done(house: &House, order: &Value) -> Value {
    let submitted = submit(house, order).await;
    assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
    let path = format!("/v1beta/{}", submitted.json()["name"].as_str().unwrap());
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    for _ in 0..POLLS_MAX {
        ticks.tick().await;
        let operation = ask(house, Method::GET, &path, &Value::Null).await.json();
        if operation["done"] == true {
            return operation;
        }
        assert_eq!(operation["done"], Value::Null, "{operation}");
    }
    panic!("{path} was never done");
}

#[tokio::test]
async fn a_clip_is_a_file_that_wants_the_key() {
    let house = House::with_faults("").await;
    let operation = done(&house, &order("a cat")).await;
    let samples = operation["response"]["generateVideoResponse"]["generatedSamples"].as_array().unwrap();
    assert_eq!(samples.len(), 2, "{operation}");
    let mut clips = Vec::new();
    for sample in samples {
        let uri = sample["video"]["uri"].as_str().unwrap();
        let name = uri.split("/files/").nth(1).unwrap().split(':').next().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{uri}");
        assert_eq!(house.get(uri).await.status, StatusCode::BAD_REQUEST, "a bearer key is none here");
        let place = ask(&house, Method::GET, uri, &Value::Null).await;
        assert_eq!(place.status, StatusCode::FOUND);
        let clip = house.get(place.headers[header::LOCATION].to_str().unwrap()).await;
        assert_eq!((clip.status, &clip.body[4..8]), (StatusCode::OK, &b"ftyp"[..]));
        clips.push(clip.body);
    }
    assert_ne!(clips[0], clips[1]);
}

#[tokio::test]
async fn an_operation_can_be_done_without_a_clip() {
    let house = House::with_faults("").await;
    let failed = done(&house, &order("a cat [sandbox:fail]")).await;
    assert_eq!((&failed["error"]["code"], &failed["response"]), (&json!(13), &Value::Null));
    let filtered = done(&house, &order("a cat [sandbox:policy]")).await;
    let response = &filtered["response"]["generateVideoResponse"];
    assert_eq!(
        (&response["raiMediaFilteredCount"], &response["generatedSamples"]),
        (&json!(1), &Value::Null)
    );
    assert!(response["raiMediaFilteredReasons"][0].is_string(), "{filtered}");
}

#[tokio::test]
async fn refusals_have_googles_shape() {
    let house = House::with_faults("").await;
    let said = |reply: Reply| {
        let error = reply.json()["error"].clone();
        assert_eq!(error["code"], reply.status.as_u16(), "{error}");
        (reply.status.as_u16(), error["status"].as_str().unwrap().to_owned())
    };
    let expected = |status: u16, word: &str| (status, word.to_owned());
    let wrong = json!({ "instances": [{ "prompt": "a cat" }], "parameters": { "seed": 7 } });
    assert_eq!(said(submit(&house, &wrong).await), expected(400, "INVALID_ARGUMENT"));
    let unknown = format!("{MODEL}/operations/nobody");
    let unknown = ask(&house, Method::GET, &unknown, &Value::Null).await;
    assert_eq!(said(unknown), expected(404, "NOT_FOUND"));
    let keyless = house.post(&format!("{MODEL}:predictLongRunning"), &order("a cat")).await;
    assert_eq!(keyless.json()["error"]["details"][0]["reason"], "API_KEY_INVALID");
    assert_eq!(said(keyless), expected(400, "INVALID_ARGUMENT"));
    let busy = submit(&house, &order("a cat [sandbox:429]")).await;
    assert_eq!(said(busy), expected(429, "RESOURCE_EXHAUSTED"));
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}
