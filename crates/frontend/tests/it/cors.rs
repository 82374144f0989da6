//! Scripts of other origins.

use http::{Method, StatusCode, header};

use crate::client::{CREATE, ask, request};
use crate::house::{House, settings};

#[tokio::test]
async fn a_script_may_ask_with_its_key_and_read_the_answer() {
    let house = House::open().await;
    let mut preflight = request("OPTIONS", CREATE, "");
    let headers = preflight.headers_mut();
    headers.remove(header::AUTHORIZATION);
    headers.insert(header::ORIGIN, "https://app.example".parse().unwrap());
    headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, "POST".parse().unwrap());
    headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type".parse().unwrap());
    let said = ask(house.address, preflight).await;
    assert_eq!(said.status, StatusCode::OK);
    assert_eq!(said.header("access-control-allow-origin"), "*");
    assert_eq!(said.header("access-control-allow-methods"), "POST");
    assert_eq!(said.header("access-control-allow-headers"), "authorization,content-type");

    let mut refused = request("POST", CREATE, "{");
    refused.headers_mut().insert(header::ORIGIN, "https://app.example".parse().unwrap());
    let said = ask(house.address, refused).await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST);
    assert_eq!(said.header("access-control-allow-origin"), "*", "errors can be read, too");
    assert!(said.header("access-control-expose-headers").contains("x-ratelimit-remaining-requests"));
}

#[tokio::test]
async fn other_origins_are_not_allowed() {
    let house =
        House::with(frontend::Settings { cors_origins: vec!["https://app.example".into()], ..settings() })
            .await;
    for (origin, allowed) in [("https://app.example", "https://app.example"), ("https://evil.example", "")] {
        for method in [Method::OPTIONS, Method::GET] {
            let mut asked = request(method.as_str(), "/v1/models", "");
            asked.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
            let said = ask(house.address, asked).await;
            assert_eq!(said.header("access-control-allow-origin"), allowed, "{method} {origin}");
        }
    }
}
