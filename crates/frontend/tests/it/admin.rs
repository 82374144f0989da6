//! The operator's listener.

use std::net::SocketAddr;

use bytes::Bytes;
use frontend::admin::{self, Admin};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::client::{CREATE, ask, create, keyed, request};
use crate::house::{House, KEY, OPERATOR_KEY, settings, within};

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

fn operators(method: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    keyed(OPERATOR_KEY, method, path, body.to_owned())
}

#[tokio::test]
async fn a_task_is_shown_without_what_its_client_asked_for() {
    let house = House::open().await;
    let admin = operated(&house).await;
    let secret_wish = "a portrait of somebody we know";
    let body = json!({ "model": "veo3.1", "prompt": secret_wish }).to_string();
    let mut asked = request("POST", CREATE, body);
    asked.headers_mut().insert("x-filmgate-route", "cheapest".parse().unwrap());
    let id = ask(house.address, asked).await.json()["task_id"].as_str().unwrap().to_owned();
    let path = format!("/admin/tasks/{id}");
    let said = ask(admin, operators("GET", &path, "")).await;
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let task = said.json();
    assert_eq!(task["id"], id);
    let shown = ["owner", "dialect", "model", "state", "preference"].map(|field| task[field].clone());
    assert_eq!(shown, ["config:fg_alice", "v2", "veo3.1", "queued", "cheapest"].map(Value::from));
    assert_eq!((&task["attempts"], &task["quote"]["reserved"]), (&json!([]), &json!("0")));
    assert!(task["deadline_at_ms"].as_i64() > task["created_at_ms"].as_i64(), "{task}");
    assert!(!task.to_string().contains(secret_wish), "{task}");

    house.fail_tasks();
    let ended = within(async {
        loop {
            let task = ask(admin, operators("GET", &path, "")).await.json();
            if task["ended_at_ms"].is_i64() {
                break task;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((&ended["state"], &ended["failure"]["code"]), (&json!("failed"), &json!("no_route")));
    let unknown = ask(admin, operators("GET", "/admin/tasks/none", "")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_request_is_explained_and_none_is_made() {
    let house = House::open().await;
    let admin = operated(&house).await;
    let question = json!({ "model": "veo3.1", "route": "fastest", "key": KEY });
    let said = ask(admin, operators("POST", "/admin/explain", &question.to_string())).await;
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let explanation = said.json();
    assert_eq!(explanation["strategy"], json!({ "value": "fastest", "by": "request" }));
    assert_eq!(explanation["conditions_are_live"], true);
    assert_eq!(explanation["outcome"], "fails", "the only account is not configured");
    let rejected = &explanation["rejected"][0];
    assert_eq!((&rejected["account"], &rejected["code"]), (&json!("nobody"), &json!("incapable")));
    assert_eq!(house.task_count().await, 0);
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_says_why() {
    let house = House::open().await;
    let admin = operated(&house).await;
    for (question, status, text) in [
        ("", StatusCode::BAD_REQUEST, "body: EOF"),
        (
            r#"{"modell":"veo3.1"}"#,
            StatusCode::BAD_REQUEST,
            "unknown field `modell`, expected one of `scope`",
        ),
        (r#"{"model":"veo31"}"#, StatusCode::NOT_FOUND, "did you mean veo3"),
        (r#"{"model":"veo3.1","key":"eve"}"#, StatusCode::BAD_REQUEST, "the config has none with the name"),
        (r#"{"model":"veo3.1","route":"cheap"}"#, StatusCode::BAD_REQUEST, "route: \"cheap\" is not known"),
        (&" ".repeat(70_000), StatusCode::PAYLOAD_TOO_LARGE, "65536"),
    ] {
        let said = ask(admin, operators("POST", "/admin/explain", question)).await;
        assert_eq!(said.status, status, "{said:?}");
        let message = said.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(text), "{message}");
    }
    let strangers = ask(admin, request("POST", "/admin/explain", " ".repeat(70_000))).await;
    assert_eq!(strangers.status, StatusCode::UNAUTHORIZED, "its body is not even read");
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
        ("GET", "/admin/accounts", OPERATOR_KEY, StatusCode::OK),
        ("POST", "/admin/accounts/nobody/drain", OPERATOR_KEY, StatusCode::NOT_FOUND),
        ("GET", "/admin/accounts/nobody/resume", OPERATOR_KEY, StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/admin/explain", OPERATOR_KEY, StatusCode::METHOD_NOT_ALLOWED),
        ("POST", "/admin/tasks/none", OPERATOR_KEY, StatusCode::METHOD_NOT_ALLOWED),
        // Nobody reads a configuration here.
        ("POST", "/admin/reload", OPERATOR_KEY, StatusCode::SERVICE_UNAVAILABLE),
        ("POST", "/admin/reload", "", StatusCode::UNAUTHORIZED),
        ("GET", "/admin/accounts", crate::house::KEY, StatusCode::UNAUTHORIZED),
        ("GET", "/admin/tasks/none", "", StatusCode::UNAUTHORIZED),
        ("POST", "/admin/explain", crate::house::KEY, StatusCode::UNAUTHORIZED),
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
