//! The contract through all layers.

use http::{StatusCode, header};
use serde_json::json;

use crate::client::{CREATE, Http, Said, ask, ask_over, create, keyed, request, task_body};
use crate::house::{FAMILY_KEY, House, KEY, OTHER_KEY, SMALL_KEY};

fn assert_refused(said: &Said, status: StatusCode) {
    assert_eq!(said.status, status, "{said:?}");
    let body = said.json();
    assert!(
        body["message"].is_string() && body["error"]["message"].is_string(),
        "the dialect's shape: {body}"
    );
    assert!(!said.header("x-request-id").is_empty());
}

#[tokio::test]
async fn a_task_is_made_and_read_over_both_protocols() {
    let house = House::open().await;
    for http in [Http::One, Http::Two] {
        let made = ask_over(http, house.address, request("POST", CREATE, task_body())).await;
        assert_eq!(made.status, StatusCode::OK, "{http:?} {made:?}");
        let id = made.json()["task_id"].as_str().unwrap().to_owned();
        let read = ask_over(http, house.address, request("GET", &format!("{CREATE}/{id}"), "")).await;
        assert_eq!(read.status, StatusCode::OK);
        assert_eq!((&read.json()["task_id"], &read.json()["status"]), (&json!(id), &json!("NOT_START")));
        assert_eq!(read.header("x-ratelimit-limit-requests"), "100000");
    }
}

#[tokio::test]
async fn an_id_may_be_percent_encoded() {
    let house = House::open().await;
    let id = create(house.address).await.replace('-', "%2D");
    assert_eq!(
        ask(house.address, request("GET", &format!("{CREATE}/{id}"), "")).await.status,
        StatusCode::OK
    );
    for broken in ["%zz", "%ff", "veo3%3A1756"] {
        let said = ask(house.address, request("GET", &format!("{CREATE}/{broken}"), "")).await;
        assert_refused(&said, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_task_exists_only_for_its_owner_and_in_its_scope() {
    let house = House::open().await;
    let id = create(house.address).await;
    let path = format!("{CREATE}/{id}");
    assert_refused(&ask(house.address, keyed(OTHER_KEY, "GET", &path, "")).await, StatusCode::NOT_FOUND);
    let elsewhere = format!("/v2/images/generations/{id}");
    assert_refused(&ask(house.address, request("GET", &elsewhere, "")).await, StatusCode::NOT_FOUND);
    assert_eq!(ask(house.address, request("GET", &path, "")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_one_good_key_opens() {
    let house = House::open().await;
    let bad: &[&[&str]] = &[
        &[],
        &["Bearer wrong"],
        &["Bearer "],
        &["Basic fg_alice"],
        &["fg_alice"],
        &["Bearer fg_alice", "Bearer fg_alice"],
        &["Bearer ' OR 1=1 --"],
    ];
    for values in bad {
        let mut asked = request("POST", CREATE, task_body());
        asked.headers_mut().remove(header::AUTHORIZATION);
        for value in *values {
            asked.headers_mut().append(header::AUTHORIZATION, value.parse().unwrap());
        }
        let said = ask(house.address, asked).await;
        assert_refused(&said, StatusCode::UNAUTHORIZED);
        assert_eq!(said.header("www-authenticate"), "Bearer");
        assert_eq!(said.header("x-ratelimit-limit-requests"), "", "{values:?}");
    }
    let mut asked = request("POST", CREATE, task_body());
    asked.headers_mut().insert(header::AUTHORIZATION, "bEARER fg_alice".parse().unwrap());
    assert_eq!(ask(house.address, asked).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_dialect_says_where_its_clients_have_their_key() {
    let house = House::open().await;
    let presented = |method, path: &str, value: &str| {
        let mut asked = request(method, path, task_body());
        asked.headers_mut().insert(header::AUTHORIZATION, value.parse().unwrap());
        ask(house.address, asked)
    };
    for good in ["Key fg_alice", "key  fg_alice", "Bearer fg_alice"] {
        let made = presented("POST", "/fal-ai/veo3.1", good).await;
        assert_eq!(made.status, StatusCode::OK, "{good}: {made:?}");
        let url = made.json()["status_url"].as_str().unwrap().to_owned();
        let path = url.split_once("/fal-ai/").map(|(_, rest)| format!("/fal-ai/{rest}?logs=0")).unwrap();
        assert_eq!(presented("GET", &path, good).await.status, StatusCode::ACCEPTED, "{path}");
    }
    for bad in ["Key wrong", "Key", "Basic fg_alice"] {
        let said = presented("POST", "/fal-ai/veo3.1", bad).await;
        assert_eq!(said.status, StatusCode::UNAUTHORIZED, "{bad}");
        assert_eq!(said.header("www-authenticate"), "Key");
        assert!(said.json()["detail"].is_string(), "the dialect's shape: {said:?}");
    }
    assert_refused(&presented("POST", CREATE, "Key fg_alice").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_public_needs_no_key() {
    let house = House::open().await;
    let mut asked = request("GET", "/v1/models", "");
    asked.headers_mut().remove(header::AUTHORIZATION);
    let said = ask(house.address, asked).await;
    assert_eq!(said.status, StatusCode::OK);
    assert!(said.json()["data"].as_array().unwrap().iter().any(|model| model["id"] == "veo3.1"));
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_refused() {
    let house = House::open().await;
    for path in ["/", "/v2/videos/generations/", "/v2/films/generations/x"] {
        assert_refused(&ask(house.address, request("GET", path, "")).await, StatusCode::NOT_FOUND);
    }
    let said = ask(house.address, request("GET", CREATE, "")).await;
    assert_refused(&said, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(said.header("allow"), "POST, OPTIONS");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let house = House::open().await;
    let path = format!("{CREATE}/{}", create(house.address).await);
    for http in [Http::One, Http::Two] {
        let get = ask_over(http, house.address, request("GET", &path, "")).await;
        let head = ask_over(http, house.address, request("HEAD", &path, "")).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{http:?}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{http:?}");
    }
}

#[tokio::test]
async fn a_bad_body_is_refused_and_the_field_named() {
    let house = House::open().await;
    for body in
        ["", "{", "[]", "null", "{\"prompt\": 1}", "{\"prompt\": \"\"}", "\u{feff}{", "{\"prompt\":\"a\"} x"]
    {
        let said = ask(house.address, request("POST", CREATE, body)).await;
        assert_refused(&said, StatusCode::BAD_REQUEST);
    }
    let wrong = json!({ "model": "veo3.1", "prompt": "a cat", "aspect_ratio": "7:5" }).to_string();
    let said = ask(house.address, request("POST", CREATE, wrong)).await;
    assert_refused(&said, StatusCode::BAD_REQUEST);
    assert_eq!(said.json()["error"]["param"], "aspect_ratio");
    assert_eq!(house.task_count().await, 0);
}

#[tokio::test]
async fn a_client_over_its_rate_is_told_when_to_come_back() {
    let house = House::open().await;
    let path = format!("{CREATE}/none");
    for remaining in ["1", "0"] {
        let said = ask(house.address, keyed(SMALL_KEY, "GET", &path, "")).await;
        assert_refused(&said, StatusCode::NOT_FOUND);
        assert_eq!(said.header("x-ratelimit-remaining-requests"), remaining, "on errors, too");
    }
    let said = ask(house.address, keyed(SMALL_KEY, "GET", &path, "")).await;
    assert_refused(&said, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(said.header("x-ratelimit-limit-requests"), "2");
    assert_eq!(said.header("x-ratelimit-remaining-requests"), "0");
    assert!((1..=30).contains(&said.header("retry-after").parse::<u32>().unwrap()));
    assert_refused(&ask(house.address, request("GET", &path, "")).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_client_with_too_many_tasks_is_refused_one_more() {
    let house = House::open().await;
    let first = ask(house.address, keyed(SMALL_KEY, "POST", CREATE, task_body())).await;
    assert_eq!(first.status, StatusCode::OK);
    let second = ask(house.address, keyed(SMALL_KEY, "POST", CREATE, task_body())).await;
    assert_refused(&second, StatusCode::TOO_MANY_REQUESTS);
    assert!(!second.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_request_keeps_its_own_name() {
    let house = House::open().await;
    let mut asked = request("GET", "/nowhere", "");
    asked.headers_mut().insert("x-request-id", "job-17".parse().unwrap());
    assert_eq!(ask(house.address, asked).await.header("x-request-id"), "job-17");
}

#[tokio::test]
async fn the_key_decides_whose_a_shared_path_is() {
    let house = House::open().await;
    let asked = async |key: &str| {
        let body = r#"{"prompt":"a boat","model":"no-such-model"}"#;
        ask(house.address, keyed(key, "POST", "/v1/images/generations", body)).await.json()
    };
    assert!(asked(FAMILY_KEY).await["message"].is_string(), "the shape of the key's own dialect");
    assert!(
        asked(KEY).await["message"].is_null(),
        "the shape of the one that claims the path without a query"
    );
}

#[tokio::test]
async fn where_upstreams_call_strangers_find_nothing_and_cannot_leave_much() {
    let house = House::open().await;
    for token in ["x", "0190a6f5-8a3b-7c21-9d10-5f2c6b7e8a90.1.00112233445566778899aabbccddeeff"] {
        let mut asked = request("POST", &format!("/callbacks/{token}"), "{}");
        asked.headers_mut().remove(header::AUTHORIZATION);
        assert_refused(&ask(house.address, asked).await, StatusCode::NOT_FOUND);
    }
    let large = "x".repeat((1 << 20) + 1);
    let said = ask(house.address, request("POST", "/callbacks/x", large)).await;
    assert_refused(&said, StatusCode::PAYLOAD_TOO_LARGE);
    let said = ask(house.address, request("GET", "/callbacks/x", "")).await;
    assert_refused(&said, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(said.header("allow"), "POST, OPTIONS");
}

#[tokio::test]
async fn on_a_shared_path_a_body_decides_in_whose_words_it_is_answered() {
    let house = House::open().await;
    // Longer bodies are looked at elsewhere than short ones.
    for prompt in ["a cat".to_owned(), "a cat ".repeat(100_000)] {
        let body = |mut fields: serde_json::Value| {
            fields["model"] = json!("no-such-model");
            fields["prompt"] = json!(prompt);
            fields.to_string()
        };
        let ask = async |fields| {
            let said = ask(house.address, request("POST", "/v1/images/generations", body(fields))).await;
            assert!(said.status.is_client_error(), "{said:?}");
            said.json()["error"]["code"].clone()
        };
        assert!(ask(json!({ "background": "opaque", "output_format": "png" })).await.is_string());
        assert!(ask(json!({ "image_urls": ["https://example.com/a.png"] })).await.is_number());
    }
}
