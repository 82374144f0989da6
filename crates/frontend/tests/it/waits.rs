//! Replies that wait for their task.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use tokio::task::JoinHandle;

use crate::client::{CREATE, Said, ask, create, request, task_body};
use crate::house::{House, settings};

const SHORT: Duration = Duration::from_millis(50);

async fn poll(house: &House, id: &str, query: &str) -> Said {
    ask(house.address, request("GET", &format!("{CREATE}/{id}{query}"), "")).await
}

/// A poll that waits, under way.
async fn waiting(house: &House, id: &str) -> JoinHandle<Said> {
    let before = house.metric("filmgate_http_requests_waiting");
    let asked = request("GET", &format!("{CREATE}/{id}?wait=600"), "");
    let address = house.address;
    let waiting = tokio::spawn(async move { ask(address, asked).await });
    house.until_metric("filmgate_http_requests_waiting", before + 1).await;
    waiting
}

fn applied(said: &Said) -> (StatusCode, &str, String) {
    (
        said.status,
        said.header("preference-applied"),
        said.json()["status"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn a_poll_waits_for_the_end() {
    let house = House::open().await;
    let id = create(house.address).await;
    let waiting = waiting(&house, &id).await;
    house.fail_tasks();
    let said = waiting.await.unwrap();
    assert_eq!(applied(&said), (StatusCode::OK, "wait=600", "FAILURE".to_owned()));
    assert_eq!(house.metric("filmgate_http_requests_waiting"), 0);
    let at_once = poll(&house, &id, "?wait=30").await;
    assert_eq!(applied(&at_once), (StatusCode::OK, "wait=30", "FAILURE".to_owned()));
}

#[tokio::test]
async fn a_create_that_waits_still_says_which_task_it_is() {
    let house = House::open().await;
    house.fail_tasks();
    for (path, prefer) in [(format!("{CREATE}?wait=60"), "handling=lenient"), (CREATE.to_owned(), "wait=60")]
    {
        let mut asked = request("POST", &path, task_body());
        asked.headers_mut().insert(HeaderName::from_static("prefer"), prefer.parse().unwrap());
        let said = ask(house.address, asked).await;
        assert_eq!(applied(&said), (StatusCode::OK, "wait=60", "FAILURE".to_owned()), "{path}");
        let id = said.json()["task_id"].as_str().unwrap().to_owned();
        assert_eq!(poll(&house, &id, "").await.json(), said.json());
    }
}

#[tokio::test]
async fn a_wait_that_is_over_answers_as_the_task_stands() {
    let house = House::with(frontend::Settings { wait_timeout: SHORT, ..settings() }).await;
    let said = ask(house.address, request("POST", &format!("{CREATE}?wait=3600"), task_body())).await;
    assert_eq!(applied(&said), (StatusCode::OK, "wait=0", "NOT_START".to_owned()));
    let id = said.json()["task_id"].as_str().unwrap().to_owned();
    let said = poll(&house, &id, "?wait=3600").await;
    assert_eq!(applied(&said), (StatusCode::OK, "wait=0", "NOT_START".to_owned()));
    let at_once = poll(&house, &id, "").await;
    assert_eq!(applied(&at_once), (StatusCode::OK, "", "NOT_START".to_owned()));
}

#[tokio::test]
async fn a_wait_may_be_longer_than_a_request() {
    let long = Duration::from_secs(2);
    let bounds = frontend::Settings { request_timeout: long, wait_timeout: long + SHORT, ..settings() };
    let house = House::with(bounds).await;
    let id = create(house.address).await;
    let said = poll(&house, &id, "?wait=3600").await;
    assert_eq!(applied(&said), (StatusCode::OK, "wait=2", "NOT_START".to_owned()));
}

#[tokio::test]
async fn a_wait_that_is_no_number_is_refused_and_makes_nothing() {
    let house = House::open().await;
    for wrong in ["soon", "-1", "1.5"] {
        for asked in [
            request("POST", &format!("{CREATE}?wait={wrong}"), task_body()),
            request("GET", &format!("{CREATE}/x?wait={wrong}"), ""),
        ] {
            let said = ask(house.address, asked).await;
            assert_eq!(said.status, StatusCode::BAD_REQUEST, "{said:?}");
            assert_eq!(said.json()["error"]["param"], "wait");
        }
    }
    assert_eq!(house.task_count().await, 0);
}

#[tokio::test]
async fn who_waits_takes_no_place_of_others() {
    let house = House::with(frontend::Settings { requests_in_flight_max: 1, ..settings() }).await;
    let id = create(house.address).await;
    let (one, other) = (waiting(&house, &id).await, waiting(&house, &id).await);
    assert_eq!(poll(&house, &id, "").await.status, StatusCode::OK);
    house.fail_tasks();
    for waiting in [one, other] {
        assert_eq!(waiting.await.unwrap().json()["status"], "FAILURE");
    }
}

#[tokio::test]
async fn who_finds_no_room_to_wait_is_answered_at_once() {
    let house = House::with(frontend::Settings { waits_max: 1, ..settings() }).await;
    let id = create(house.address).await;
    let waiting = waiting(&house, &id).await;
    assert_eq!(applied(&poll(&house, &id, "?wait=600").await), (StatusCode::OK, "", "NOT_START".to_owned()));
    house.fail_tasks();
    assert_eq!(waiting.await.unwrap().json()["status"], "FAILURE");
}

#[tokio::test]
async fn one_who_leaves_waits_no_longer() {
    let house = House::open().await;
    let id = create(house.address).await;
    waiting(&house, &id).await.abort();
    house.until_metric("filmgate_http_requests_waiting", 0).await;
}

#[tokio::test]
async fn a_gateway_that_stops_lets_nobody_wait() {
    let mut house = House::open().await;
    let id = create(house.address).await;
    let waiting = waiting(&house, &id).await;
    house.stop();
    let said = waiting.await.unwrap();
    assert_eq!((said.status, &said.json()["status"]), (StatusCode::OK, &"NOT_START".into()));
    house.stopped().await;
}
