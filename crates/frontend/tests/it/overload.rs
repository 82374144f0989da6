//! More than fits.

use http::StatusCode;

use crate::client::{CREATE, ask, request, rude, until};
use crate::house::{House, settings};

const POST: &str =
    "POST /v2/videos/generations HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer fg_alice\r\n";
const GET: &str = "GET /v1/models HTTP/1.1\r\nhost: gateway.example\r\n\r\n";

#[tokio::test]
async fn connections_beyond_the_cap_wait_until_one_ends() {
    let house = House::with(frontend::Settings { connections_max: 1, ..settings() }).await;
    let mut first = rude(house.address, GET).await;
    until(&mut first, "]}").await;
    let mut second = rude(house.address, GET).await;
    for _ in 0..20 {
        tokio::io::AsyncWriteExt::write_all(&mut first, GET.as_bytes()).await.unwrap();
        until(&mut first, "]}").await;
    }
    let mut nothing = [0; 1];
    let early = second.try_read(&mut nothing).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
    assert_eq!(house.metric("filmgate_http_connections"), 1);
    drop(first);
    assert!(until(&mut second, "\r\n").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn requests_beyond_the_cap_are_turned_away_at_once() {
    let house = House::with(frontend::Settings { requests_in_flight_max: 2, ..settings() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(rude(house.address, format!("{POST}content-length: 100\r\n\r\n{{")).await);
    }
    house.until_metric("filmgate_http_requests_in_flight", 2).await;
    let said = ask(house.address, request("GET", &format!("{CREATE}/x"), "")).await;
    assert_eq!(said.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((said.header("retry-after"), &said.json()["code"]), ("1", &"overloaded".into()));
    drop(held);
    house.until_metric("filmgate_http_requests_in_flight", 0).await;
    assert_eq!(
        ask(house.address, request("GET", &format!("{CREATE}/x"), "")).await.status,
        StatusCode::NOT_FOUND
    );
}
