//! The operator's listener.

use std::net::SocketAddr;

use frontend::admin::{self, Admin};
use http::StatusCode;
use tokio::net::TcpListener;

use crate::client::{ask, create, request};
use crate::house::{House, OPERATOR_KEY, settings};

async fn operated(house: &House) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let admin = Admin {
        registry: house.registry.clone(),
        tasks: house.tasks.clone(),
        draining: house.draining.clone(),
        operator: house.operator.clone(),
    };
    tokio::spawn(async move { admin::serve(listener, admin, &settings(), std::future::pending()).await });
    address
}

#[tokio::test]
async fn probes_learn_whether_tasks_can_be_accepted() {
    let house = House::open().await;
    let admin = operated(&house).await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(ask(admin, request("GET", path, "")).await.status, StatusCode::OK, "{path}");
    }
    house.draining.begin();
    assert_eq!(ask(admin, request("GET", "/readyz", "")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(admin, request("GET", "/livez", "")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_text_with_the_numbers_of_the_clients_listener() {
    let house = House::open().await;
    let admin = operated(&house).await;
    create(house.address).await;
    let said = ask(admin, request("GET", "/metrics", "")).await;
    assert!(said.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = String::from_utf8(said.body.to_vec()).unwrap();
    let line = "filmgate_http_requests_total{action=\"create\",dialect=\"v2\",status=\"200\"} 1";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn nothing_else_is_there() {
    let house = House::open().await;
    let admin = operated(&house).await;
    assert_eq!(ask(admin, request("GET", "/v1/models", "")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(admin, request("POST", "/livez", "")).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ask(house.address, request("GET", "/metrics", "")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_operators_api_is_for_who_has_its_key_alone() {
    let house = House::open().await;
    let admin = operated(&house).await;
    let with = |method: &str, path: &str, key: &str| {
        let mut request = request(method, path, "");
        let key = format!("Bearer {key}").parse().unwrap();
        request.headers_mut().insert("authorization", key);
        request
    };
    for (method, path, key, status) in [
        ("GET", "/admin/deliveries", OPERATOR_KEY, StatusCode::OK),
        ("GET", "/admin/deliveries?state=waiting&max=1", OPERATOR_KEY, StatusCode::OK),
        ("POST", "/admin/deliveries/replay", OPERATOR_KEY, StatusCode::OK),
        ("POST", "/admin/deliveries/msg_none/replay", OPERATOR_KEY, StatusCode::NOT_FOUND),
        ("GET", "/admin/deliveries?state=lost", OPERATOR_KEY, StatusCode::BAD_REQUEST),
        ("GET", "/admin/deliveries?max=0", OPERATOR_KEY, StatusCode::BAD_REQUEST),
        ("GET", "/admin/deliveries?max=1001", OPERATOR_KEY, StatusCode::BAD_REQUEST),
        ("DELETE", "/admin/deliveries", OPERATOR_KEY, StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/admin/nothing", OPERATOR_KEY, StatusCode::NOT_FOUND),
        ("GET", "/admin/deliveries", "", StatusCode::UNAUTHORIZED),
        ("GET", "/admin/deliveries", &OPERATOR_KEY[1..], StatusCode::UNAUTHORIZED),
        ("POST", "/admin/deliveries/replay", crate::house::KEY, StatusCode::UNAUTHORIZED),
    ] {
        let said = ask(admin, with(method, path, key)).await;
        assert_eq!(said.status, status, "{method} {path}: {said:?}");
    }
    let without = ask(admin, request("GET", "/admin/deliveries", "")).await;
    assert_eq!(without.status, StatusCode::UNAUTHORIZED);
    let of_clients = ask(house.address, with("GET", "/admin/deliveries", OPERATOR_KEY)).await;
    assert_ne!(of_clients.status, StatusCode::OK, "it is not there for clients");
}
