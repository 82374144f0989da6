//! Streams of events.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use tokio::net::TcpStream;

use crate::client::{CREATE, Http, Said, ask, ask_over, create, keyed, request, rude, until, until_closed};
use crate::house::{House, OTHER_KEY, settings};

const SHORT: Duration = Duration::from_millis(50);

fn path(id: &str) -> String {
    format!("{CREATE}/{id}/events")
}

/// A stream over HTTP/1, of which nothing has been read.
async fn open(house: &House, id: &str) -> TcpStream {
    let path = path(id);
    rude(
        house.address,
        format!("GET {path} HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer fg_alice\r\n\r\n"),
    )
    .await
}

/// A stream of one who has seen this much, read to its end.
async fn resumed(house: &House, id: &str, seen: &str) -> Said {
    let mut asked = request("GET", &path(id), "");
    asked.headers_mut().insert(HeaderName::from_static("last-event-id"), seen.parse().unwrap());
    ask(house.address, asked).await
}

/// The events of a stream: id, name and data.
fn events(stream: &[u8]) -> Vec<(u64, String, serde_json::Value)> {
    let text = std::str::from_utf8(stream).unwrap();
    let field = |event: &str, name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
    };
    let read = |event: &str| {
        let data = serde_json::from_str(&field(event, "data")?).unwrap();
        Some((field(event, "id")?.parse().unwrap(), field(event, "event")?, data))
    };
    text.split("\n\n").filter_map(read).collect()
}

#[tokio::test]
async fn a_stream_tells_how_a_task_stands_and_ends_with_it() {
    let house = House::open().await;
    let id = create(house.address).await;
    let mut early = open(&house, &id).await;
    let begun = until(&mut early, "NOT_START").await;
    for said in ["200 OK", "text/event-stream", "cache-control: no-cache", "x-accel-buffering: no", "retry: "]
    {
        assert!(begun.contains(said), "{said} in {begun}");
    }
    house.fail_tasks();
    assert!(until_closed_chunked(&mut early).await.contains("event: FAILURE\n"));

    let poll = ask(house.address, request("GET", &format!("{CREATE}/{id}"), "")).await.json();
    for http in [Http::One, Http::Two] {
        let late = ask_over(http, house.address, request("GET", &path(&id), "")).await;
        let [(version, name, data)] = &events(&late.body)[..] else { panic!("one event in {late:?}") };
        assert_eq!((name.as_str(), data), ("FAILURE", &poll), "the data is what a poll says");
        assert!(*version > 0);
    }
    house.until_metric("filmgate_http_event_streams", 0).await;
}

/// What comes until the reply ends; the connection stays.
async fn until_closed_chunked(stream: &mut TcpStream) -> String {
    until(stream, "\r\n0\r\n\r\n").await
}

#[tokio::test]
async fn who_comes_back_hears_nothing_twice_and_does_not_come_again_after_the_end() {
    let house = House::open().await;
    let id = create(house.address).await;
    let mut first = open(&house, &id).await;
    assert!(until(&mut first, "NOT_START").await.contains("id: 0\n"));
    drop(first);
    let mut second = rude(
        house.address,
        format!(
            "GET {}?last_event_id=0 HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer fg_alice\r\n\r\n",
            path(&id)
        ),
    )
    .await;
    until(&mut second, "retry: ").await;
    house.fail_tasks();
    let rest = until_closed_chunked(&mut second).await;
    assert!(!rest.contains("NOT_START") && rest.contains("event: FAILURE\n"), "{rest}");

    let whole = resumed(&house, &id, "not-one-of-ours").await;
    let end = events(&whole.body).pop().expect("the end").0;
    let again = resumed(&house, &id, &end.to_string()).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NO_CONTENT, 0));
    let earlier = resumed(&house, &id, &(end - 1).to_string()).await;
    assert_eq!(events(&earlier.body).len(), 1, "{earlier:?}");
    let never_reached = resumed(&house, &id, &(end + 1).to_string()).await;
    assert_eq!(events(&never_reached.body).len(), 1, "an id of something else: {never_reached:?}");
}

#[tokio::test]
async fn a_stream_is_of_a_task_of_the_client_in_its_scope() {
    let house = House::open().await;
    let id = create(house.address).await;
    let elsewhere = format!("/v2/images/generations/{id}/events");
    let mut nobody = request("GET", &path(&id), "");
    nobody.headers_mut().remove(http::header::AUTHORIZATION);
    for (asked, status) in [
        (request("GET", &path("no-such-task"), ""), StatusCode::NOT_FOUND),
        (keyed(OTHER_KEY, "GET", &path(&id), ""), StatusCode::NOT_FOUND),
        (request("GET", &elsewhere, ""), StatusCode::NOT_FOUND),
        (request("POST", &path(&id), ""), StatusCode::METHOD_NOT_ALLOWED),
        (nobody, StatusCode::UNAUTHORIZED),
    ] {
        let said = ask(house.address, asked).await;
        assert_eq!(said.status, status, "{said:?}");
        assert!(said.json()["error"]["message"].is_string(), "{said:?}");
    }
    assert_eq!(house.metric("filmgate_http_event_streams"), 0);
}

#[tokio::test]
async fn streams_beyond_the_cap_are_refused_until_one_ends() {
    let house = House::with(frontend::Settings { events_max: 2, ..settings() }).await;
    let id = create(house.address).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = open(&house, &id).await;
        until(&mut stream, "NOT_START").await;
        held.push(stream);
    }
    let refused = ask(house.address, request("GET", &path(&id), "")).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((refused.json()["code"].as_str(), refused.header("retry-after")), (Some("overloaded"), "5"));
    held.pop();
    house.until_metric("filmgate_http_event_streams", 1).await;
    until(&mut open(&house, &id).await, "NOT_START").await;
}

#[tokio::test]
async fn streams_take_nothing_from_requests() {
    let long = Duration::from_secs(2);
    let bounds = frontend::Settings {
        requests_in_flight_max: 1,
        request_timeout: long,
        idle_timeout: long,
        ..settings()
    };
    let house = House::with(bounds).await;
    let id = create(house.address).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = open(&house, &id).await;
        until(&mut stream, "NOT_START").await;
        streams.push(stream);
    }
    for stream in &mut streams {
        // Longer than a request may take, and than a connection may be idle.
        for _ in 0..3 {
            until(stream, ":\n\n").await;
        }
    }
    let poll = ask(house.address, request("GET", &format!("{CREATE}/{id}"), "")).await;
    assert_eq!(poll.status, StatusCode::OK);
    assert_eq!(house.metric("filmgate_http_event_streams"), 3);
}

#[tokio::test]
async fn a_stream_has_an_end_even_if_its_task_has_none() {
    let house = House::with(frontend::Settings { events_timeout: SHORT, ..settings() }).await;
    let id = create(house.address).await;
    let said = ask(house.address, request("GET", &path(&id), "")).await;
    assert_eq!(events(&said.body).len(), 1, "{said:?}");
    let rest = resumed(&house, &id, "0").await;
    assert_eq!((rest.status, events(&rest.body).len()), (StatusCode::OK, 0), "nothing has changed: {rest:?}");
}

#[tokio::test]
async fn a_client_that_makes_no_room_for_its_events_is_let_go() {
    let house = House::with(frontend::Settings { idle_timeout: SHORT * 10, ..settings() }).await;
    let id = create(house.address).await;
    // HTTP/2 with room for 0 bytes in each stream, which the client never changes.
    let no_room = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    let path = path(&id);
    let mut head = vec![0x82, 0x86, 0x41, 15];
    head.extend_from_slice(b"gateway.example");
    head.extend_from_slice(&[0x04, u8::try_from(path.len()).unwrap()]);
    head.extend_from_slice(path.as_bytes());
    head.extend_from_slice(&[0x0f, 0x08, 15]);
    head.extend_from_slice(b"Bearer fg_alice");
    let mut bytes = no_room.to_vec();
    bytes.extend_from_slice(&[0, 0, u8::try_from(head.len()).unwrap(), 1, 5, 0, 0, 0, 1]);
    bytes.extend_from_slice(&head);
    let mut stuck = rude(house.address, bytes).await;
    house.until_metric("filmgate_http_event_streams", 1).await;
    until_closed(&mut stuck).await;
    house.until_metric("filmgate_http_event_streams", 0).await;
}

#[tokio::test]
async fn a_gateway_that_stops_ends_its_streams_at_once() {
    let mut house = House::open().await;
    let id = create(house.address).await;
    let mut stream = open(&house, &id).await;
    until(&mut stream, "NOT_START").await;
    house.stop();
    assert!(until_closed(&mut stream).await.ends_with("\r\n0\r\n\r\n"), "whole, not cut");
    house.stopped().await;
}
