//! Faults: what goes wrong, what was accepted all the same, and that it is all written down.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::House;

const SUBMIT: &str = "/v2/videos/generations";

fn order(prompt: &str) -> Value {
    json!({ "model": "m", "prompt": prompt })
}

/// What the ledger says of the answers to the submits it accepted.
async fn answers(house: &House) -> Vec<Value> {
    let ledger = house.ledger().await;
    ledger["entries"].as_array().unwrap().iter().map(|entry| entry["answer_fault"].clone()).collect()
}

#[tokio::test]
async fn an_error_and_a_429_accept_nothing() {
    let house = House::with_faults("error").await;
    assert_eq!(house.post(SUBMIT, &order("a")).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(house.submit_kie("a").await["code"], 500);
    assert!(answers(&house).await.is_empty());

    let house = House::with_faults("submit:429").await;
    let busy = house.post(SUBMIT, &order("a")).await;
    assert_eq!(
        (busy.status, &busy.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"1".parse().unwrap())
    );
    assert_eq!(house.submit_kie("a").await["code"], 429);
    assert!(answers(&house).await.is_empty());
    let ledger = house.ledger().await;
    assert_eq!(ledger["faults"], json!({ "429": 2 }));
    assert_eq!(ledger["calls"], json!({ "kie.submit": 1, "v2.submit": 1 }));
}

#[tokio::test]
async fn a_cut_submit_was_accepted() {
    let house = House::with_faults("submit:cut").await;
    assert!(house.try_post(SUBMIT, &order("a")).await.is_err());
    assert_eq!(answers(&house).await, [json!("cut")]);
    let id = house.ledger().await["entries"][0]["id"].as_str().unwrap().to_owned();
    let poll = house.get(&format!("{SUBMIT}/{id}")).await;
    assert_eq!((poll.status, &poll.json()["task_id"]), (StatusCode::OK, &json!(id)));
}

#[tokio::test]
async fn a_garbled_submit_was_accepted() {
    let house = House::with_faults("").await;
    let reply = house.post(SUBMIT, &order("a [sandbox:garbage]")).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
    assert_eq!(answers(&house).await, [json!("garbage")]);
}

#[tokio::test]
async fn a_hanging_submit_was_accepted_and_is_never_answered() {
    let house = House::with_faults("submit:hang").await;
    let order = order("a");
    let mut hanging = Box::pin(house.try_post(SUBMIT, &order));
    let accepted = house
        .until("/sandbox/ledger", |ledger| ledger["entries"][0]["answer_fault"].as_str().map(str::to_owned));
    let accepted = tokio::select! {
        reply = &mut hanging => panic!("answered: {reply:?}"),
        accepted = accepted => accepted,
    };
    assert_eq!(accepted, "hang");
}

#[tokio::test]
async fn a_server_that_stops_cuts_what_hangs() {
    let house = House::with_faults("submit:hang").await;
    let request = house.request(Method::POST, SUBMIT, order("a").to_string());
    let hanging = tokio::spawn(house.client.request(request));
    house.until("/sandbox/ledger", |ledger| ledger["entries"][0]["id"].as_str().map(str::to_owned)).await;
    assert!(!hanging.is_finished());
    house.sandbox.stop().await;
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test]
async fn polls_have_faults_of_their_own() {
    let house = House::with_faults("").await;
    let poll = async |word: &str| {
        let submitted = house.post(SUBMIT, &order(&format!("a [sandbox:poll:{word}]"))).await.json();
        let id = submitted["task_id"].as_str().unwrap().to_owned();
        house.try_get(&format!("{SUBMIT}/{id}")).await
    };
    assert_eq!(poll("error").await.unwrap().status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(poll("429").await.unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    assert!(poll("cut").await.is_err());
    let garbled = poll("garbage").await.unwrap();
    assert!(garbled.status == StatusCode::OK && serde_json::from_slice::<Value>(&garbled.body).is_err());
    let faults = house.ledger().await["faults"].clone();
    assert_eq!(faults, json!({ "429": 1, "cut": 1, "error": 1, "garbage": 1 }));
}

#[tokio::test]
async fn media_has_faults_of_its_own() {
    let house = House::with_faults("").await;
    let fetch = async |word: &str| {
        let finished = house.finished_v2("audio", &order(&format!("a [sandbox:media:{word}]"))).await;
        house.try_get(finished["data"]["output"].as_str().unwrap()).await
    };
    assert_eq!(fetch("error").await.unwrap().status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(fetch("429").await.unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    assert!(fetch("cut").await.is_err(), "half a body is no reply");
    assert!(!fetch("garbage").await.unwrap().body.starts_with(b"RIFF"));
    assert!(fetch("latency=1ms").await.unwrap().body.starts_with(b"RIFF"));
}

#[tokio::test]
async fn a_late_answer_was_accepted_before_the_wait() {
    let house = House::with_faults("submit:latency=3600s").await;
    let order = order("a");
    let mut late = Box::pin(house.try_post(SUBMIT, &order));
    let accepted =
        house.until("/sandbox/ledger", |ledger| ledger["entries"][0]["id"].as_str().map(str::to_owned));
    tokio::select! {
        reply = &mut late => panic!("answered: {reply:?}"),
        _ = accepted => {}
    }
}

#[tokio::test]
async fn a_task_that_never_finishes_stays_at_work() {
    let house = House::with_faults("never,slow=10ms").await;
    let submitted = house.post(SUBMIT, &order("a")).await.json();
    let path = format!("{SUBMIT}/{}", submitted["task_id"].as_str().unwrap());
    house.until(&path, |poll| (poll["progress"] == "99%").then_some(())).await;
    assert_eq!(house.get(&path).await.json()["status"], "IN_PROGRESS");
    assert_eq!(house.ledger().await["entries"][0]["fate"], "never");
}

#[tokio::test]
async fn a_share_hits_some_and_spares_some() {
    let house = House::with_faults("submit:error=0.5").await;
    let mut codes = Vec::new();
    for _ in 0..64 {
        codes.push(house.submit_kie("a").await["code"].as_u64().unwrap());
    }
    assert!(codes.contains(&200) && codes.contains(&500), "{codes:?}");
    assert_eq!(answers(&house).await.len(), codes.iter().filter(|code| **code == 200).count());
}
