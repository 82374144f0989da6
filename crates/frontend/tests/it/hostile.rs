//! Requests that two servers could understand differently, and heads without end.

use crate::client::{rude, until_closed};
use crate::house::House;

const KEY: &str = "host: gateway.example\r\nauthorization: Bearer fg_alice\r\n";
/// Hidden behind an ambiguous request; must never be answered.
const SMUGGLED: &str = "GET /v1/models HTTP/1.1\r\nhost: gateway.example\r\n\r\n";

#[tokio::test]
async fn an_ambiguous_request_is_refused_once_and_the_connection_closed() {
    let house = House::open().await;
    let lengths = [
        ("two lengths", "content-length: 2\r\ncontent-length: 3"),
        ("length and chunks", "content-length: 4\r\ntransfer-encoding: chunked"),
        ("chunks and length", "transfer-encoding: chunked\r\ncontent-length: 4"),
        ("a list of lengths", "content-length: 2, 3"),
        ("a signed length", "content-length: +2"),
        ("a negative length", "content-length: -2"),
        ("a hexadecimal length", "content-length: 0x2"),
        ("a length beyond all bounds", "content-length: 99999999999999999999"),
        ("an unknown coding", "transfer-encoding: chunky"),
        ("chunked, but not last", "transfer-encoding: chunked, identity"),
        ("a space before the colon", "content-length : 2"),
        ("a folded header", "x-a: b\r\n c: d\r\ncontent-length: 2"),
        ("NUL in a header", "x-a: \0\r\ncontent-length: 2"),
    ];
    for (what, length) in lengths {
        let sent =
            format!("POST /v2/videos/generations HTTP/1.1\r\n{KEY}{length}\r\n\r\n{{}}0\r\n\r\n{SMUGGLED}");
        let said = until_closed(&mut rude(house.address, sent).await).await;
        assert!(said.starts_with("HTTP/1.1 4"), "{what}: {said:?}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{what}: {said:?}");
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
