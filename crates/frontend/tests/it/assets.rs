//! Stored media as browsers and players ask for it.

use http::{StatusCode, header};
use serde_json::json;

use crate::client::{CREATE, Http, Said, ask, ask_over, request};
use crate::house::House;

/// The first bytes of every PNG, so that the picture is taken for one.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0123456789";

/// Gives the gateway a picture along with a task; where it can be read.
pub(crate) async fn stored_picture(house: &House) -> String {
    let body =
        json!({ "model": "veo3.1", "prompt": "a cat", "images": ["iVBORw0KGgowMTIzNDU2Nzg5"] }).to_string();
    let said = ask(house.address, request("POST", CREATE, body)).await;
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let file = house.asset_files().pop().expect("one picture is stored");
    assert_eq!(std::fs::read(&file).unwrap(), PNG);
    format!("/assets/{}.png", file.file_name().unwrap().to_str().unwrap())
}

async fn read(house: &House, method: &str, path: &str, headers: &[(&str, &str)]) -> Said {
    let mut asked = request(method, path, "");
    asked.headers_mut().remove(header::AUTHORIZATION);
    for (name, value) in headers {
        asked
            .headers_mut()
            .insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    ask(house.address, asked).await
}

#[tokio::test]
async fn whoever_knows_the_name_reads_the_bytes() {
    let house = House::open().await;
    let path = stored_picture(&house).await;
    for http in [Http::One, Http::Two] {
        let said = ask_over(http, house.address, request("GET", &path, "")).await;
        assert_eq!((said.status, &*said.body), (StatusCode::OK, PNG));
    }
    let said = read(&house, "GET", &path, &[("origin", "https://app.example")]).await;
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", "18"),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "inline"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(said.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn a_player_can_ask_for_a_part() {
    let house = House::open().await;
    let path = stored_picture(&house).await;
    for (range, part, name) in [
        ("bytes=1-3", &b"PNG"[..], "bytes 1-3/18"),
        ("bytes=16-", b"89", "bytes 16-17/18"),
        ("bytes=-1", b"9", "bytes 17-17/18"),
    ] {
        let said = read(&house, "GET", &path, &[("range", range)]).await;
        assert_eq!((said.status, &*said.body), (StatusCode::PARTIAL_CONTENT, part), "{range}");
        assert_eq!((said.header("content-range"), said.header("content-type")), (name, "image/png"));
    }
    let said = read(&house, "GET", &path, &[("range", "bytes=99-")]).await;
    assert_eq!(said.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(said.header("content-range"), "bytes */18");
}

#[tokio::test]
async fn head_tells_the_size_and_a_known_file_is_not_sent_again() {
    let house = House::open().await;
    let path = stored_picture(&house).await;
    let head = read(&house, "HEAD", &path, &[]).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!((head.header("content-length"), head.header("content-type")), ("18", "image/png"));
    let again = read(&house, "GET", &path, &[("if-none-match", head.header("etag"))]).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn other_names_lead_nowhere() {
    let house = House::open().await;
    let path = stored_picture(&house).await;
    let id = path.trim_start_matches("/assets/").trim_end_matches(".png");
    for other in [
        format!("/assets/{id}"),
        format!("/assets/{id}.html"),
        format!("/assets/{}.png", "0".repeat(32)),
        "/assets/..%2F..%2Ftasks.db.png".to_owned(),
        format!("/assets/%2e%2e/{id}.png"),
    ] {
        let said = read(&house, "GET", &other, &[]).await;
        assert_eq!(said.status, StatusCode::NOT_FOUND, "{other}");
        assert_eq!(said.json()["code"], "not_found", "{other}");
    }
    assert_eq!(read(&house, "POST", &path, &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
    std::fs::remove_file(house.asset_files().pop().unwrap()).unwrap();
    assert_eq!(read(&house, "GET", &path, &[]).await.status, StatusCode::NOT_FOUND);
}
