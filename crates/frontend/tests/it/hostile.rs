//! Requests that two servers could understand differently, and heads without end.

use crate::client::{rude, task_body, until_closed};
use crate::house::House;

const KEY: &str = "host: gateway.example\r\nauthorization: Bearer fg_alice\r\n";
/// Hidden behind an ambiguous request; must never be answered.
const SMUGGLED: &str = "GET /v1/models HTTP/1.1\r\nhost: gateway.example\r\n\r\n";

/// All that comes in answer to `fields` and `body`, with another request hidden behind them.
async fn answers(house: &House, fields: &str, body: &str) -> String {
    let sent = format!("POST /v2/videos/generations HTTP/1.1\r\n{KEY}{fields}\r\n\r\n{body}{SMUGGLED}");
    until_closed(&mut rude(house.address, sent).await).await
}

#[tokio::test]
async fn a_malformed_request_is_refused_once_and_the_connection_closed() {
    let house = House::open().await;
    let body = task_body();
    let length = body.len();
    let malformed = [
        format!("content-length: {length}\r\ncontent-length: 3"),
        format!("content-length: {length}, 3"),
        format!("content-length: +{length}"),
        format!("content-length: -{length}"),
        format!("content-length: 0x{length:x}"),
        "content-length: 99999999999999999999".to_owned(),
        "transfer-encoding: chunky".to_owned(),
        "transfer-encoding: chunked, identity".to_owned(),
        format!("content-length : {length}"),
        format!("x-a: b\r\n c: d\r\ncontent-length: {length}"),
        format!("x-a: \0\r\ncontent-length: {length}"),
    ];
    for fields in malformed {
        let said = answers(&house, &fields, &body).await;
        assert!(said.starts_with("HTTP/1.1 4"), "{fields:?}: {said:?}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{fields:?}: {said:?}");
    }
    assert_eq!(house.task_count().await, 0);
}

/// RFC 9112, section 6.1: chunked counts, and nothing that follows is trusted.
#[tokio::test]
async fn nothing_hides_behind_a_body_with_two_lengths() {
    let house = House::open().await;
    let body = task_body();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let fields = [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "transfer-encoding: CHUNKED\r\ncontent-length: 0",
    ];
    for (count, fields) in (1..).zip(fields) {
        let said = answers(&house, fields, &chunks).await;
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{fields:?}: {said:?}");
        assert_eq!(house.task_count().await, count, "the chunks are the body");
    }
}

#[tokio::test]
async fn chunks_that_are_none_end_the_connection() {
    let house = House::open().await;
    for chunk in
        ["+1\r\n{\r\n0\r\n\r\n", "0x1\r\n{\r\n0\r\n\r\n", "1 1\r\n{\r\n0\r\n\r\n", "fffffffffffffffff\r\n{"]
    {
        let head = format!("POST /v2/videos/generations HTTP/1.1\r\n{KEY}transfer-encoding: chunked\r\n\r\n");
        let said = until_closed(&mut rude(house.address, format!("{head}{chunk}{SMUGGLED}")).await).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{chunk:?}: {said:?}");
        assert!(said.matches("HTTP/1.1 ").count() <= 1, "{chunk:?}: {said:?}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let house = House::open().await;
    let long = format!("GET /v1/models HTTP/1.1\r\n{KEY}x-long: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET /v1/models HTTP/1.1\r\n{KEY}{}\r\n", "x-many: a\r\n".repeat(200));
    for sent in [long, many] {
        let mut stream = rude(house.address, "").await;
        let _refused_while_sending = tokio::io::AsyncWriteExt::write_all(&mut stream, sent.as_bytes()).await;
        let said = until_closed(&mut stream).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said:?}");
    }
}

#[tokio::test]
async fn several_requests_at_once_are_answered_in_turn() {
    let house = House::open().await;
    let last = SMUGGLED.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let said = until_closed(&mut rude(house.address, format!("{SMUGGLED}{SMUGGLED}{last}")).await).await;
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 3, "{said}");
}

/// Opening streams and resetting them at once costs a client next to nothing (CVE-2023-44487).
#[tokio::test]
async fn a_client_that_resets_what_it_opens_is_cut_off() {
    let house = House::open().await;
    let mut frames = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream in (1..20_000u32).step_by(2).map(u32::to_be_bytes) {
        // A whole request: GET, http, / (of the static table), and its end.
        frames.extend([&[0, 0, 3, 1, 5], &stream[..], &[0x82, 0x86, 0x84]].concat());
        frames.extend([&[0, 0, 4, 3, 0], &stream[..], &[0, 0, 0, 8]].concat());
    }
    let mut stream = rude(house.address, "").await;
    let _cut_off_while_sending = tokio::io::AsyncWriteExt::write_all(&mut stream, &frames).await;
    until_closed(&mut stream).await;
    let body = task_body();
    let fields = format!("connection: close\r\ncontent-length: {}", body.len());
    assert!(answers(&house, &fields, &body).await.starts_with("HTTP/1.1 200"), "others are served");
}
