//! Clients that are slow, silent or do not read. Each must be let go; how soon is a setting.

use std::time::Duration;

use frontend::Settings;
use tokio::io::AsyncWriteExt as _;

use crate::assets::stored_picture;
use crate::client::{rude, task_body, until, until_closed};
use crate::house::{House, settings};

const POST: &str =
    "POST /v2/videos/generations HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer fg_alice\r\n";
const GET: &str = "GET /v1/models HTTP/1.1\r\nhost: gateway.example\r\n\r\n";
const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Long enough to get through a request, and short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);

/// All bounds out of reach, but those that are named, so that each test shows that its own bound works.
async fn bounded(change: fn(&mut Settings)) -> House {
    let mut bounds = settings();
    change(&mut bounds);
    House::with(bounds).await
}

#[tokio::test]
async fn one_that_does_not_say_what_it_speaks() {
    let house = bounded(|bounds| bounds.first_byte_timeout = SHORT).await;
    for sent in ["", "P", "PRI * HTTP/2.0\r\n"] {
        assert_eq!(until_closed(&mut rude(house.address, sent).await).await, "", "{sent:?}");
    }
}

#[tokio::test]
async fn one_that_does_not_finish_its_head() {
    let house = bounded(|bounds| bounds.header_timeout = SHORT).await;
    for sent in ["G", "GET /v2/vid", &POST[..POST.len() - 9], POST] {
        until_closed(&mut rude(house.address, sent).await).await;
    }
    let mut second = rude(house.address, GET).await;
    until(&mut second, "\r\n\r\n").await;
    second.write_all(b"GET /v2/vid").await.unwrap();
    until_closed(&mut second).await;
}

#[tokio::test]
async fn one_that_does_not_finish_its_body() {
    let house = bounded(|bounds| bounds.body_timeout = SHORT).await;
    for encoding in ["content-length: 100", "transfer-encoding: chunked"] {
        let mut half = rude(house.address, format!("{POST}{encoding}\r\n\r\n5\r\n{{")).await;
        let said = until(&mut half, "\r\n").await;
        assert_eq!(said, "HTTP/1.1 408 Request Timeout\r\n", "{encoding}");
    }
}

#[tokio::test]
async fn one_that_is_done_but_stays() {
    let house = bounded(|bounds| bounds.idle_timeout = SHORT).await;
    let mut idle = rude(house.address, GET).await;
    assert!(until_closed(&mut idle).await.starts_with("HTTP/1.1 200"));
    for preface_only in [PREFACE.to_owned(), format!("{PREFACE}\0\0\0\x04\0\0\0\0\0")] {
        let mut http2 = rude(house.address, preface_only).await;
        until_closed(&mut http2).await;
    }
}

#[tokio::test]
async fn one_that_keeps_the_line_warm_without_asking() {
    let house = bounded(|bounds| bounds.idle_timeout = SHORT).await;
    let mut pinging = rude(house.address, format!("{PREFACE}\0\0\0\x04\0\0\0\0\0")).await;
    let (mut reading, mut writing) = pinging.split();
    let pings = async {
        let ping = b"\0\0\x08\x06\0\0\0\0\0pingping";
        while writing.write_all(ping).await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let mut sink = tokio::io::sink();
    let reads = tokio::io::copy(&mut reading, &mut sink);
    let (_closed_in_whatever_way, ()) = crate::house::within(async { tokio::join!(reads, pings) }).await;
}

#[tokio::test]
async fn one_that_does_not_read_its_answer() {
    let house = bounded(|bounds| bounds.idle_timeout = SHORT).await;
    let path = stored_picture(&house).await;
    let file = std::fs::File::options().write(true).open(house.asset_files().pop().unwrap()).unwrap();
    file.set_len(1 << 30).unwrap();
    house.until_metric("filmgate_http_connections", 0).await;
    let unread = rude(house.address, format!("GET {path} HTTP/1.1\r\nhost: gateway.example\r\n\r\n")).await;
    house.until_metric("filmgate_http_connections", 1).await;
    house.until_metric("filmgate_http_connections", 0).await;
    drop(unread);
}

#[tokio::test]
async fn one_that_is_slow_is_no_harm_to_another() {
    let house = bounded(|bounds| bounds.body_timeout = Duration::from_secs(20)).await;
    let _slow: Vec<_> = {
        let mut slow = Vec::new();
        for _ in 0..50 {
            slow.push(rude(house.address, format!("{POST}content-length: 100\r\n\r\n{{")).await);
        }
        slow
    };
    house.until_metric("filmgate_http_requests_in_flight", 50).await;
    let body = task_body();
    let mut quick = rude(house.address, format!("{POST}content-length: {}\r\n\r\n{body}", body.len())).await;
    assert!(until(&mut quick, "\r\n").await.starts_with("HTTP/1.1 200"));
}
