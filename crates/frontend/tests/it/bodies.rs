//! Large, strange and cut bodies.

use http::{StatusCode, header};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::client::{CREATE, Http, ask, ask_over, keyed, request, rude, task_body, until, until_closed};
use crate::house::{House, settings};

const HEAD: &str =
    "POST /v2/videos/generations HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer fg_alice\r\n";
/// More than `body_bytes_max`, and more than sockets hold, so that its sender is still sending when it is refused.
const TOO_MUCH: usize = 24 << 20;

#[tokio::test]
async fn a_sender_of_too_much_sees_why() {
    let house = House::open().await;
    for http in [Http::One, Http::Two] {
        let said = ask_over(http, house.address, request("POST", CREATE, vec![b' '; TOO_MUCH])).await;
        assert_eq!(said.status, StatusCode::PAYLOAD_TOO_LARGE, "{http:?}");
        assert_eq!(said.json()["code"], "body_too_large", "{http:?}");
    }
}

#[tokio::test]
async fn a_sender_that_reads_only_when_all_is_sent_sees_why() {
    let house = House::open().await;
    let mut stream = rude(house.address, format!("{HEAD}content-length: {TOO_MUCH}\r\n\r\n")).await;
    stream.write_all(&vec![b' '; TOO_MUCH]).await.unwrap();
    assert!(until(&mut stream, "\r\n").await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_length_that_is_not_told_is_held_to_the_cap() {
    let house = House::open().await;
    let mut stream = rude(house.address, format!("{HEAD}transfer-encoding: chunked\r\n\r\n")).await;
    let chunk = [b"100000\r\n".to_vec(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
    for _ in 0..8 {
        stream.write_all(&chunk).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert!(until(&mut stream, "\r\n").await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_stranger_with_a_large_body_sees_why_too() {
    let house = House::open().await;
    for http in [Http::One, Http::Two] {
        let stranger = keyed("fg_nobody", "POST", CREATE, vec![b' '; 1 << 20]);
        assert_eq!(
            ask_over(http, house.address, stranger).await.status,
            StatusCode::UNAUTHORIZED,
            "{http:?}"
        );
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let house = House::open().await;
    for coding in ["gzip", "zstd", "deflate"] {
        let mut asked = request("POST", CREATE, task_body());
        asked.headers_mut().insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        let said = ask(house.address, asked).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST, "{coding}");
        assert_eq!(said.json()["error"]["param"], "Content-Encoding");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_our_word_gets_it_only_if_it_is_welcome() {
    let house = House::open().await;
    let body = task_body();
    let expect = format!("expect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut welcome = rude(house.address, format!("{HEAD}{expect}")).await;
    assert_eq!(until(&mut welcome, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    welcome.write_all(body.as_bytes()).await.unwrap();
    assert!(until(&mut welcome, "\r\n").await.starts_with("HTTP/1.1 200"));

    let stranger = HEAD.replace("fg_alice", "fg_nobody");
    let mut unwelcome = rude(house.address, format!("{stranger}{expect}")).await;
    let said = until_closed(&mut unwelcome).await;
    assert!(said.starts_with("HTTP/1.1 401") && !said.contains("100 Continue"), "{said}");
}

#[tokio::test]
async fn a_body_that_is_cut_off_makes_no_task() {
    let house = House::open().await;
    let body = task_body();
    let whole = format!("{HEAD}content-length: {}\r\n\r\n{body}", body.len());
    for length in (HEAD.len()..whole.len()).step_by(3) {
        let mut stream = rude(house.address, &whole[..length]).await;
        stream.shutdown().await.unwrap();
        assert!(!until_closed(&mut stream).await.starts_with("HTTP/1.1 200"), "cut at {length}");
    }
    assert_eq!(house.task_count().await, 0);
    assert!(until(&mut rude(house.address, whole).await, "\r\n").await.starts_with("HTTP/1.1 200"));
}

/// Whatever moment a client leaves at, its picture is stored if and only if its task is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_leaves_nothing_half_done() {
    let house = House::open().await;
    let body =
        json!({ "model": "veo3.1", "prompt": "a cat", "images": ["iVBORw0KGgowMTIzNDU2Nzg5"] }).to_string();
    let whole = format!("{HEAD}content-length: {}\r\n\r\n{body}", body.len());
    for patience in 0..60 {
        let stream = rude(house.address, &whole).await;
        for _ in 0..patience * 20 {
            tokio::task::yield_now().await;
        }
        drop(stream);
    }
    let last = ask(house.address, request("POST", CREATE, body)).await;
    assert_eq!(last.status, StatusCode::OK);
    house.until_metric("filmgate_http_requests_in_flight", 0).await;
    crate::house::within(async {
        while house.asset_files().len() as u64 != house.task_count().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(house.task_count().await >= 1);
}

#[tokio::test]
async fn all_bodies_together_have_a_bound() {
    let bounds = frontend::Settings { buffered_bytes_max: 2 << 20, ..settings() };
    let house = House::with(bounds).await;
    let length = 700 << 10;
    let mut first = rude(house.address, format!("{HEAD}content-length: {length}\r\n\r\n{{")).await;
    house.until_metric("filmgate_http_requests_in_flight", 1).await;
    let mut refused = ask(house.address, request("POST", CREATE, vec![b' '; length])).await;
    while refused.status != StatusCode::SERVICE_UNAVAILABLE {
        // The first may not have come as far as to take its room.
        refused = ask(house.address, request("POST", CREATE, vec![b' '; length])).await;
    }
    assert_eq!(refused.header("retry-after"), "1");
    first.write_all(&vec![b' '; length]).await.unwrap();
    assert!(until(&mut first, "\r\n").await.starts_with("HTTP/1.1 400"), "its own room was kept for it");
    let later = ask(house.address, request("POST", CREATE, vec![b' '; length])).await;
    assert_eq!(later.status, StatusCode::BAD_REQUEST, "the room is free again");
}
