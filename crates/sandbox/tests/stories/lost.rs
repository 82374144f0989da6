//! What remains of a submit whose answer was lost: the key, the name and the lists by which it is found.

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{House, Reply, settings};

const APIMART: &str = "/apimart/v1/videos/generations";
const KLING: &str = "/v1/videos/text2video";
const LUMA: &str = "/dream-machine/v1/generations";
const REPLICATE: &str = "/v1/models/google/veo-3.1-fast/predictions";
const OPENAI: &str = "/v1/videos";

fn clip(prompt: &str) -> Value {
    json!({ "model": "veo3.1-fast", "prompt": prompt })
}

/// Submits to APIMart with a key.
async fn keyed(house: &House, key: &str, body: &Value) -> Result<Reply, Box<dyn std::error::Error>> {
    let mut request = house.request(Method::POST, APIMART, body.to_string());
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    house.call(request).await
}

fn is_replayed(headers: &HeaderMap) -> bool {
    headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

fn id(reply: &Reply) -> String {
    reply.json()["data"][0]["task_id"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

async fn accepted(house: &House) -> usize {
    house.ledger().await["entries"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_key_that_is_repeated_stands_for_one_task() {
    let house = House::with_faults("").await;
    let first = keyed(&house, "key-1", &clip("a cat")).await.unwrap();
    let again = keyed(&house, "key-1", &clip("a cat")).await.unwrap();
    assert_eq!((is_replayed(&first.headers), is_replayed(&again.headers)), (false, true));
    assert_eq!(id(&first), id(&again));
    let other = keyed(&house, "key-2", &clip("a cat")).await.unwrap();
    assert_ne!(id(&first), id(&other));
    let without: Vec<String> =
        vec![id(&house.post(APIMART, &clip("a cat")).await), id(&house.post(APIMART, &clip("a cat")).await)];
    assert_ne!(without[0], without[1], "without a key each is a task of its own");
    assert_eq!(accepted(&house).await, 4);

    let changed = keyed(&house, "key-1", &clip("a dog")).await.unwrap();
    assert_eq!(changed.status, StatusCode::BAD_REQUEST, "another body is another order");
    for key in ["two words", &"x".repeat(192)] {
        assert_eq!(
            keyed(&house, key, &clip("a cat")).await.unwrap().status,
            StatusCode::BAD_REQUEST,
            "{key}"
        );
    }
    assert_eq!(accepted(&house).await, 4);
}

#[tokio::test]
async fn a_lost_answer_is_had_by_repeating_the_key() {
    let house = House::with_faults("").await;
    for word in ["cut", "garbage", "reuse"] {
        let body = clip(&format!("a cat [sandbox:{word}]"));
        let lost = keyed(&house, word, &body).await;
        let again = keyed(&house, word, &body).await.unwrap();
        assert!(is_replayed(&again.headers), "{word}: {lost:?}");
        let entries = house.ledger().await["entries"].clone();
        let accepted = entries.as_array().unwrap().last().unwrap();
        assert_eq!((&accepted["id"], &accepted["answer_fault"]), (&json!(id(&again)), &json!(word)));
    }
    assert_eq!(accepted(&house).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn copies_that_arrive_together_are_one_task() {
    let house = House::with_faults("").await;
    let mut copies = JoinSet::new();
    for _ in 0..64 {
        let mut request = house.request(Method::POST, APIMART, clip("a cat").to_string());
        request.headers_mut().insert("idempotency-key", "key".parse().unwrap());
        let client = house.client.clone();
        copies.spawn(async move { client.request(request).await.unwrap() });
    }
    let replies = copies.join_all().await;
    let replayed = replies.iter().filter(|reply| is_replayed(reply.headers())).count();
    assert!(replies.iter().all(|reply| reply.status() == StatusCode::OK));
    assert_eq!((replayed, accepted(&house).await), (63, 1));
}

#[tokio::test]
async fn a_key_outlives_a_restart() {
    let house = House::with_faults("").await;
    let first = keyed(&house, "key", &clip("a cat")).await.unwrap();
    let House { folder, sandbox, .. } = house;
    sandbox.stop().await;
    let settings = settings(folder.path(), "");
    let house = House::open(folder, settings).await;
    assert_eq!(id(&keyed(&house, "key", &clip("a cat")).await.unwrap()), id(&first));
}

#[tokio::test]
async fn kling_finds_a_task_by_its_callers_name() {
    let house = House::with_faults("").await;
    let order = json!({ "prompt": "a cat [sandbox:cut]", "external_task_id": "task-1.1" });
    let path = format!("{KLING}/task-1.1");
    let absent = house.get(&path).await;
    assert_eq!((absent.status, absent.json()["code"].clone()), (StatusCode::NOT_FOUND, json!(1203)));
    assert!(house.try_post(KLING, &order).await.is_err());
    let found = house.get(&path).await.json();
    assert_eq!(found["data"]["task_id"], house.ledger().await["entries"][0]["id"]);
    assert_eq!(found["data"]["task_info"]["external_task_id"], "task-1.1");
    let elsewhere = house.get("/v1/videos/image2video/task-1.1").await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND, "a task has one path");
    let taken = house.post(KLING, &order).await;
    assert_eq!((taken.status, taken.json()["code"].clone()), (StatusCode::BAD_REQUEST, json!(1201)));
    assert_eq!(accepted(&house).await, 1);
}

/// The prompts in a list, the newest first.
fn prompts(list: &Value, items: &str, prompt: &str) -> Vec<String> {
    let of = |item: &Value| item.pointer(prompt).and_then(Value::as_str).unwrap_or("(none)").to_owned();
    list[items].as_array().unwrap_or_else(|| panic!("{list}")).iter().map(of).collect()
}

#[tokio::test]
async fn lists_hold_what_was_accepted_and_nothing_else() {
    for (submit, list, order, [items, prompt, made_at]) in [
        (
            format!("{LUMA}/video"),
            format!("{LUMA}?limit=100&offset=0"),
            json!({ "model": "ray-2" }),
            ["generations", "/request/prompt", "/created_at"],
        ),
        (
            REPLICATE.to_owned(),
            "/v1/predictions?created_after=2026-01-01T00:00:00.000Z".to_owned(),
            json!({ "input": {} }),
            ["results", "/input/prompt", "/created_at"],
        ),
        (
            OPENAI.to_owned(),
            format!("{OPENAI}?limit=100&order=desc"),
            json!({ "model": "sora-2" }),
            ["data", "/prompt", "/created_at"],
        ),
    ] {
        let house = House::with_faults("").await;
        let with_prompt = |prompt: &str| {
            let mut order = order.clone();
            let fields = if order["input"].is_object() { &mut order["input"] } else { &mut order };
            fields["prompt"] = prompt.into();
            order
        };
        for word in ["", " [sandbox:error]", " [sandbox:cut]", " [sandbox:garbage]"] {
            let _lost = house.try_post(&submit, &with_prompt(&format!("a cat{word}"))).await;
        }
        let listed = house.get(&list).await;
        assert_eq!(listed.status, StatusCode::OK, "{list}: {listed:?}");
        let mut found = prompts(&listed.json(), items, prompt);
        found.sort();
        assert_eq!(found, ["a cat", "a cat [sandbox:cut]", "a cat [sandbox:garbage]"], "{list}");
        let first = &listed.json()[items][0];
        assert!(first.pointer(made_at).is_some_and(|at| !at.is_null()), "{first}");
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let house = House::with_faults("").await;
    for prompt in ["a", "b", "c"] {
        house.post(&format!("{LUMA}/video"), &json!({ "model": "ray-2", "prompt": prompt })).await;
    }
    let first = house.get(&format!("{LUMA}?limit=2")).await.json();
    let rest = house.get(&format!("{LUMA}?limit=2&offset=2")).await.json();
    let beyond = house.get(&format!("{LUMA}?limit=2&offset=9")).await.json();
    let more: Vec<&Value> = [&first, &rest, &beyond].into_iter().map(|page| &page["has_more"]).collect();
    assert_eq!(more, [&json!(true), &json!(false), &json!(false)]);
    let mut found = prompts(&first, "generations", "/request/prompt");
    found.extend(prompts(&rest, "generations", "/request/prompt"));
    found.sort();
    assert_eq!(found, ["a", "b", "c"]);
    let wrong = house.get(&format!("{LUMA}?limit=101")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);

    let far = house.get("/v1/predictions?created_after=2999-01-01T00:00:00Z").await.json();
    assert_eq!(far["results"], json!([]));
    let wrong = house.get("/v1/predictions?created_after=yesterday").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_answer_can_name_an_earlier_task() {
    let house = House::with_faults("").await;
    let submit = async |prompt: &str| {
        let order = json!({ "model": "m", "prompt": prompt });
        house.post("/v2/videos/generations", &order).await.json()["task_id"].as_str().unwrap().to_owned()
    };
    let alone = submit("a [sandbox:reuse]").await;
    assert_eq!(house.ledger().await["entries"][0]["id"], alone, "there is no earlier one");
    let reused = submit("b [sandbox:reuse]").await;
    assert_eq!(reused, alone);
    let entries = house.ledger().await["entries"].clone();
    assert_eq!((entries.as_array().unwrap().len(), &entries[1]["answer_fault"]), (2, &json!("reuse")));
    assert_ne!(entries[1]["id"], reused, "the task itself is there, and nobody was told its id");
}
