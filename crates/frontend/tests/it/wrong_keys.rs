//! Who presents wrong keys is held back, and who shares an address with somebody who does goes on working.

use http::StatusCode;

use crate::client::{ask, keyed, request};
use crate::house::{House, KEY, OTHER_KEY, settings};

const PATH: &str = "/v2/videos/generations/none";

#[tokio::test]
async fn too_many_wrong_keys_hold_back_an_address_but_not_the_keys_that_were_good_there() {
    let bounds = frontend::Settings { wrong_keys_per_minute: 5, ..settings() };
    let house = House::with(bounds).await;
    let status = async |key: &str| ask(house.address, keyed(key, "GET", PATH, "")).await.status;
    assert_eq!(status(KEY).await, StatusCode::NOT_FOUND);
    for number in 0..5 {
        assert_eq!(status(&format!("guess-{number}")).await, StatusCode::UNAUTHORIZED);
    }
    let refused = ask(house.address, keyed("guess", "GET", PATH, "")).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    assert!((1..=12).contains(&refused.header("retry-after").parse::<u32>().unwrap()), "{refused:?}");
    assert_eq!(status(OTHER_KEY).await, StatusCode::TOO_MANY_REQUESTS, "a right guess looks like any other");
    assert_eq!(status(KEY).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_shows_no_key_has_not_guessed_one() {
    let bounds = frontend::Settings { wrong_keys_per_minute: 1, ..settings() };
    let house = House::with(bounds).await;
    for _request in 0..5 {
        let mut keyless = request("GET", PATH, "");
        keyless.headers_mut().remove(http::header::AUTHORIZATION);
        assert_eq!(ask(house.address, keyless).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(ask(house.address, request("GET", PATH, "")).await.status, StatusCode::NOT_FOUND);
}
