//! How the gateway stops.

use std::time::Duration;

use http::StatusCode;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::{request, rude, task_body, until, until_closed};
use crate::house::{House, settings, within};

const HEAD: &str =
    "POST /v2/videos/generations HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer fg_alice\r\n";

#[tokio::test]
async fn a_request_under_way_comes_to_its_end() {
    let mut house = House::open().await;
    let body = task_body();
    let mut under_way = rude(house.address, format!("{HEAD}content-length: {}\r\n\r\n", body.len())).await;
    house.until_metric("filmgate_http_requests_in_flight", 1).await;
    house.stop();
    within(async {
        while house.draining.is_ready() || TcpStream::connect(house.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    under_way.write_all(body.as_bytes()).await.unwrap();
    let said = until_closed(&mut under_way).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(house.task_count().await, 1);
    house.stopped().await;
}

#[tokio::test]
async fn who_still_comes_is_served_until_the_load_balancer_has_noticed() {
    let delay = Duration::from_millis(300);
    let mut house = House::with(frontend::Settings { drain_delay: delay, ..settings() }).await;
    house.stop();
    within(async {
        while house.draining.is_ready() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut late = rude(house.address, "GET /v1/models HTTP/1.1\r\nhost: gateway.example\r\n\r\n").await;
    let said = until_closed(&mut late).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("connection: close\r\n"), "{said}");
    within(async { while TcpStream::connect(house.address).await.is_ok() {} }).await;
    house.stopped().await;
}

#[tokio::test]
async fn idle_and_silent_connections_do_not_hold_up_the_end() {
    let mut house = House::open().await;
    let silent = rude(house.address, "").await;
    let mut idle = rude(house.address, "GET /v1/models HTTP/1.1\r\nhost: gateway.example\r\n\r\n").await;
    until(&mut idle, "\r\n\r\n").await;
    let io = TokioIo::new(TcpStream::connect(house.address).await.unwrap());
    let (mut http2, connection) =
        http2::handshake::<_, _, Full<bytes::Bytes>>(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut asked = request("GET", "http://gateway.example/v1/models", "");
    asked.headers_mut().remove("host");
    assert_eq!(http2.send_request(asked).await.unwrap().status(), StatusCode::OK);
    house.until_metric("filmgate_http_connections", 3).await;
    house.stop();
    house.stopped().await;
    within(connection).await.unwrap().expect("HTTP/2 says goodbye");
    drop((silent, idle));
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let mut house =
        House::with(frontend::Settings { drain_timeout: Duration::from_millis(50), ..settings() }).await;
    let mut never_ending = rude(house.address, format!("{HEAD}content-length: 100\r\n\r\n")).await;
    house.until_metric("filmgate_http_requests_in_flight", 1).await;
    house.stop();
    house.stopped().await;
    assert_eq!(until_closed(&mut never_ending).await, "");
}
