//! What clients say of accounts and prices, in every API.

use std::path::Path;

use domain::Failure;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;
use translation::fixture::read_call;

use crate::client::{CREATE, Said, ask, request, task_body};
use crate::house::{House, key_of_dialect};

const ROUTE: &str = "x-filmgate-route";

fn create_by(route: &'static str) -> Request<Full<bytes::Bytes>> {
    let mut asked = request("POST", CREATE, task_body());
    asked.headers_mut().insert(ROUTE, route.parse().unwrap());
    asked
}

/// The request of the dialect's own scenario of a create, with the key of a client that speaks it.
fn created(dialect: &str) -> Request<Full<bytes::Bytes>> {
    let apis = Path::new(env!("CARGO_MANIFEST_DIR")).join("../translation/src/apis");
    let file = apis.join(dialect).join("fixtures/dialect/created/1-create.call.http");
    let call = read_call(&std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    let call = call.unwrap();
    let mut asked = Request::builder().method(Method::POST).uri(format!("{}?{}", call.path, call.query));
    let headers = asked.headers_mut().unwrap();
    *headers = call.headers;
    headers.remove("x-goog-api-key");
    headers.insert(header::HOST, "gateway.example".parse().unwrap());
    let key = format!("Bearer {}", key_of_dialect(dialect));
    headers.insert(header::AUTHORIZATION, key.parse().unwrap());
    asked.body(Full::new(call.body)).unwrap()
}

async fn preference(house: &House, said: &Said) -> String {
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    house.operator.task(said.json()["task_id"].as_str().unwrap()).await.unwrap().task.preference
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_the_words_of_each_api() {
    let house = House::open().await;
    let wrong = domain::Preference::parse("cheap").unwrap_err();
    let failure = Failure::invalid(ROUTE, format!("{ROUTE}: {wrong}"));
    for dialect in translation::DIALECTS {
        let mut asked = created(dialect.name());
        asked.headers_mut().insert(ROUTE, "cheap".parse().unwrap());
        let said = ask(house.address, asked).await;
        let expected = dialect.encode_failure(&failure);
        let body: Value = serde_json::from_slice(&expected.body).unwrap();
        assert_eq!(said.status, expected.status, "{}: {said:?}", dialect.name());
        assert_eq!(said.json(), body, "{}", dialect.name());
        assert!(body.to_string().contains("price_max=AMOUNT"), "what is allowed is told: {body}");
    }
    assert_eq!(house.task_count().await, 0);
}

#[tokio::test]
async fn what_is_wanted_is_kept_with_the_task() {
    let house = House::open().await;
    let said = ask(house.address, create_by("fastest, account=somebody|nobody, price_max=0.50")).await;
    // No account of this gateway has a price.
    assert_eq!(said.status, StatusCode::BAD_REQUEST, "{said:?}");
    let said = ask(house.address, create_by("fastest, account=somebody|nobody")).await;
    assert_eq!(preference(&house, &said).await, "fastest, account=nobody|somebody");
    let said = ask(house.address, request("POST", CREATE, task_body())).await;
    assert_eq!(preference(&house, &said).await, "");
}

#[tokio::test]
async fn a_request_that_no_account_may_take_is_refused_at_once_and_names_none() {
    let house = House::open().await;
    for (route, reason) in [
        ("official", "is not the maker of the model"),
        ("region=eu", "is not in the region eu"),
        ("account=somebody", "is none of those that are allowed"),
        ("price_max=100", "has no price for it"),
    ] {
        let said = ask(house.address, create_by(route)).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST, "{route}: {said:?}");
        let text = said.json()["message"].as_str().unwrap().to_owned();
        assert!(text.contains(reason) && !text.contains("nobody\""), "{route}: {text}");
    }
    assert_eq!(house.task_count().await, 0);
}

#[tokio::test]
async fn it_is_part_of_what_an_idempotency_key_stands_for() {
    let house = House::open().await;
    let keyed = |route| {
        let mut asked = create_by(route);
        asked.headers_mut().insert("idempotency-key", "one".parse().unwrap());
        asked
    };
    let first = ask(house.address, keyed("cheapest, account=a|nobody")).await;
    let again = ask(house.address, keyed("account=nobody|a,cheapest")).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::OK, "true"));
    assert_eq!(again.json()["task_id"], first.json()["task_id"]);
    let other = ask(house.address, keyed("fastest, account=a|nobody")).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{other:?}");
}

#[tokio::test]
async fn a_script_of_another_origin_may_send_it() {
    let house = House::open().await;
    let mut preflight = request("OPTIONS", CREATE, "");
    for (name, value) in [
        (header::ORIGIN, "https://app.example"),
        (header::ACCESS_CONTROL_REQUEST_METHOD, "POST"),
        (header::ACCESS_CONTROL_REQUEST_HEADERS, ROUTE),
    ] {
        preflight.headers_mut().insert(name, value.parse().unwrap());
    }
    let said = ask(house.address, preflight).await;
    assert_eq!(said.header("access-control-allow-headers"), ROUTE);
}
