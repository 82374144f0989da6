//! The operator's API, through the real binary: every call once with the right scope and once with another, lists to their
//! ends, keys and tokens through their lives, and what the log says of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};
use tests::config::{config, image, model};
use tests::{Client, Gateway, Options, Process, Reply, SandboxProcess, eventually};

const KEY: &str = "the-key-of-the-operator-for-everything";
const READER: &str = "the-key-of-somebody-who-only-reads";
const CLERK: &str = "the-key-of-somebody-who-makes-client-keys";

/// A gateway with keys for everything, for reading, and for client keys.
async fn operated(sandbox: &SandboxProcess) -> Gateway {
    let mut config = config(&sandbox.url());
    config["server"]["admin_key"] = json!("env:ADMIN");
    config["server"]["admin_keys"] = json!([
        { "name": "reader", "key": "env:READER", "scopes": ["read"] },
        { "name": "clerk", "key": "env:CLERK", "scopes": ["keys:read", "keys:write"] },
    ]);
    for route in config["routes"].as_array_mut().unwrap() {
        let account = route["accounts"][0].clone();
        route["accounts"] = json!([{ "account": account, "price": "0.4" }]);
    }
    let options =
        Options::config(config).variable("ADMIN", KEY).variable("READER", READER).variable("CLERK", CLERK);
    Gateway::start(options).await
}

fn admin(gateway: &Gateway) -> Client {
    gateway.operator().with_key(KEY)
}

async fn call(client: &Client, method: &str, path: &str, body: &str) -> Reply {
    if method == "GET" { client.get(path).await } else { client.post(path, body.to_owned()).await }
}

/// All of a list, in parts of that size.
async fn all(client: &Client, path: &str, name: &str, max: usize) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let join = if path.contains('?') { '&' } else { '?' };
        let part = client.get(&format!("{path}{join}max={max}{after}")).await;
        assert_eq!(part.status, StatusCode::OK, "{part:?}");
        let part = part.json();
        let list = part[name].as_array().unwrap();
        assert!(list.len() <= max, "{part}");
        items.extend(list.iter().cloned());
        match part["next"].as_str() {
            Some(next) => after = format!("&after={}", next.replace('/', "%2F")),
            None => return items,
        }
    }
}

/// What one credential or another may do, by what the API says of itself.
#[tokio::test]
async fn every_call_needs_its_scope() {
    let sandbox = SandboxProcess::start().await;
    let gateway = operated(&sandbox).await;
    let admin = admin(&gateway);
    let description = admin.get("/admin/openapi.json").await.json();
    let mut asked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let scope = operation["security"][0]["operator"][0].as_str().unwrap();
            let wish = |scopes: &[&str]| json!({ "name": "t", "scopes": scopes, "seconds": 60 }).to_string();
            let token = async |scopes: &[&str]| {
                let made = admin.post("/admin/tokens", wish(scopes)).await;
                assert_eq!(made.status, StatusCode::OK, "{made:?}");
                gateway.operator().with_key(made.json()["token"].as_str().unwrap())
            };
            let method = method.to_uppercase();
            let path = path.replace("{id}", "none").replace("{name}", "none").replace("{task}", "none");
            let strangers = call(gateway.operator(), &method, &path, "{}").await;
            assert_eq!(strangers.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            let others: Vec<&str> = ["tasks", "deliveries", "accounts", "keys", "ledger", "config"]
                .iter()
                .flat_map(|of| [format!("{of}:read"), format!("{of}:write")])
                .filter(|other| other != scope)
                .map(|other| &*other.leak())
                .collect();
            let refused = call(&token(&others).await, &method, &path, "{}").await;
            let expected = if scope == "own" { refused.status } else { StatusCode::FORBIDDEN };
            assert_eq!(refused.status, expected, "{method} {path}: {refused:?}");
            let right = if scope == "own" { "keys:read" } else { scope };
            let allowed = call(&token(&[right]).await, &method, &path, "{}").await;
            let is_refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&allowed.status);
            assert!(!is_refused && !allowed.status.is_server_error(), "{method} {path}: {allowed:?}");
            asked += 1;
        }
    }
    assert!(asked > 30, "{asked}");
}

#[tokio::test]
async fn tasks_are_searched_to_their_end() {
    let sandbox = SandboxProcess::start().await;
    let gateway = operated(&sandbox).await;
    let admin = admin(&gateway);
    let made = admin.post("/admin/keys", json!({ "name": "other" }).to_string()).await.json();
    let other = gateway.client().with_key(made["key"].as_str().unwrap());
    let mut expected = BTreeSet::new();
    for number in 0..150 {
        let body = image(&format!("[sandbox:never] {number}")).to_string();
        let client = if number % 3 == 0 { &other } else { gateway.client() };
        let created = client.post("/v2/images/generations", body).await;
        expected.insert(created.json()["task_id"].as_str().unwrap().to_owned());
    }
    let ids = |tasks: &[Value]| {
        tasks.iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let found = ids(&all(&admin, "/admin/tasks", "tasks", 40).await);
    assert_eq!(found.len(), 150, "each is there once");
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), expected);
    let owner = made["id"].as_str().unwrap();
    let narrowed =
        format!("/admin/tasks?owner={owner}&scope=images&model={}&from=2026-01-01", model::V2_IMAGE);
    assert_eq!(all(&admin, &narrowed, "tasks", 7).await.len(), 50);
    assert_eq!(
        all(&admin, &format!("{narrowed}&scope=videos").replace("scope=images&", ""), "tasks", 7).await.len(),
        0
    );
    assert_eq!(all(&admin, "/admin/tasks?to=2026-01-01", "tasks", 100).await.len(), 0);
    assert_eq!(all(&admin, "/admin/tasks?state=succeeded", "tasks", 100).await.len(), 0);
    eventually("work on all of them", async || {
        (all(&admin, "/admin/tasks?account=v2", "tasks", 1000).await.len() == 150).then_some(())
    })
    .await;
    for (query, field) in [
        ("?stat=queued", "stat"),
        ("?max=0", "max"),
        ("?max=x", "max"),
        ("?state=lost", "state"),
        ("?from=soon", "from"),
    ] {
        let refused = admin.get(&format!("/admin/tasks{query}")).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["field"]),
            (StatusCode::BAD_REQUEST, &json!(field)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_task_is_read_with_its_money_and_may_be_stopped() {
    let sandbox = SandboxProcess::start().await;
    let gateway = operated(&sandbox).await;
    let admin = admin(&gateway);
    let done = gateway.succeeded("images", &image("a wish of somebody")).await;
    let id = done["task_id"].as_str().unwrap();
    let said = admin.get(&format!("/admin/tasks/{id}")).await;
    assert!(!String::from_utf8_lossy(&said.body).contains("a wish of somebody"), "no prompt: {said:?}");
    let task = said.json();
    assert_eq!(
        (&task["state"], &task["spent"], &task["quote"]["reserved"]),
        (&json!("succeeded"), &json!("0.4"), &json!("0.4"))
    );
    let kinds: Vec<&Value> = task["ledger"].as_array().unwrap().iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["reserve", "capture"]);
    assert_eq!(task["attempts"][0]["outcome"], "accepted");
    for act in ["cancel", "due"] {
        let refused = admin.post(&format!("/admin/tasks/{id}/{act}"), "").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "it has ended: {refused:?}");
    }
    assert_eq!(admin.post(&format!("/admin/tasks/{id}/release"), "").await.status, StatusCode::NOT_FOUND);

    // Nothing works on it: its account takes nothing.
    assert_eq!(admin.post("/admin/accounts/v2/drain", "").await.json()["standing"], "drained");
    let waiting = gateway.create("images", &image("never mind")).await;
    assert_eq!(admin.post(&format!("/admin/tasks/{waiting}/due"), "").await.status, StatusCode::OK);
    let asked = admin.post(&format!("/admin/tasks/{waiting}/cancel"), "").await.json();
    assert!(asked["cancel_requested_at_ms"].is_i64(), "{asked}");
    assert_eq!(gateway.ended("images", &waiting).await["status"], "FAILURE");
    assert_eq!(
        admin.post("/admin/accounts/v2/reset", "").await.json()["standing"],
        "drained",
        "a drain is no fault"
    );
    assert_eq!(admin.post("/admin/accounts/v2/resume", "").await.json()["standing"], "ready");
    gateway.succeeded("images", &image("and on")).await;
}

#[tokio::test]
async fn the_ledger_is_that_of_the_command_line() {
    let sandbox = SandboxProcess::start().await;
    let gateway = operated(&sandbox).await;
    for number in 0..3 {
        gateway.succeeded("images", &image(&format!("{number}"))).await;
    }
    let reader = gateway.operator().with_key(READER);
    let cli = async |arguments: &[&str]| {
        let mut command = Process::command();
        command.arg("ledger").args(arguments).arg("--data").arg(gateway.data());
        let said = Process::run(&mut command).await;
        serde_json::from_str::<Value>(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
    };
    let rows = all(&reader, "/admin/ledger", "rows", 2).await;
    let expected = cli(&["export", "--format", "json"]).await;
    let brief = |row: &Value| {
        ["sequence", "task", "kind", "amount", "owner", "key", "model", "account", "handle"]
            .map(|name| row[name].clone())
    };
    assert_eq!(rows.len(), 6, "{rows:?}");
    assert_eq!(
        rows.iter().map(brief).collect::<Vec<_>>(),
        expected.as_array().unwrap().iter().map(brief).collect::<Vec<_>>()
    );
    for by in ["owner", "account", "model", "day"] {
        let totals = all(&reader, &format!("/admin/ledger/totals?by={by}"), "totals", 1).await;
        let name = if by == "owner" { "key" } else { by };
        let mut expected = cli(&["totals", "--by", name, "--format", "json"]).await;
        let expected = expected.as_array_mut().unwrap();
        for row in expected.iter_mut() {
            row.as_object_mut().unwrap().shift_remove("currency");
        }
        expected.sort_by_key(|row| row["of"].as_str().unwrap().to_owned());
        let same = totals.len() == expected.len()
            && totals.iter().zip(&*expected).all(|(one, other)| {
                other.as_object().unwrap().iter().all(|(name, value)| one[name] == *value)
            });
        assert!(same, "{by}: {totals:?}, {expected:?}");
    }
    let handle = rows[1]["handle"].as_str().unwrap();
    let work = reader.get(&format!("/admin/ledger/work?account=v2&handle={handle}")).await.json();
    assert_eq!((&work["task"], &work["spent"]), (&rows[1]["task"], &json!("0.4")));
    let settle = admin(&gateway)
        .post("/admin/ledger/held/none/settle", json!({ "verdict": "release" }).to_string())
        .await;
    assert_eq!(settle.status, StatusCode::NOT_FOUND);
    assert_eq!(all(&reader, "/admin/ledger/held", "held", 10).await.len(), 0);
}

#[tokio::test]
async fn a_key_is_made_shown_once_used_and_revoked() {
    let sandbox = SandboxProcess::start().await;
    let mut gateway = operated(&sandbox).await;
    let clerk = gateway.operator().with_key(CLERK);
    let wish = json!({ "name": "studio", "concurrent_tasks": 1, "budget": "5" });
    let made = clerk.post("/admin/keys", wish.to_string()).await.json();
    let (key, id) = (made["key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned());
    let client = gateway.client().with_key(&key);
    let created = client.post("/v2/images/generations", image("[sandbox:never]").to_string()).await;
    assert_eq!(created.status, StatusCode::OK, "{created:?}");
    let said = clerk.get(&format!("/admin/keys/{id}")).await;
    assert!(!String::from_utf8_lossy(&said.body).contains(&key), "{said:?}");
    let view = said.json();
    assert_eq!(
        (&view["live_tasks"], &view["committed"], &view["budget"]),
        (&json!(1), &json!("0.4"), &json!("5"))
    );
    let limits = all(&gateway.operator().with_key(READER), "/admin/limits?kind=client", "limits", 1).await;
    let of_key = limits.iter().find(|limit| limit["of"] == *id).unwrap();
    assert_eq!((&of_key["slots"], &of_key["slots_in_use"]), (&json!(1), &json!(1)));

    let listed = all(&clerk, "/admin/keys", "keys", 1).await;
    let ids: Vec<&str> = listed.iter().map(|key| key["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["config:environment", id.as_str()]);
    let of_config = clerk.post("/admin/keys/config:environment/revoke", "").await;
    assert_eq!(of_config.status, StatusCode::BAD_REQUEST, "{of_config:?}");
    assert_eq!(clerk.post(&format!("/admin/keys/{id}/revoke"), "").await.json()["is_revoked"], true);
    assert_eq!(clerk.post(&format!("/admin/keys/{id}/revoke"), "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/v2/images/generations/none").await.status, StatusCode::UNAUTHORIZED);
    for (wrong, field) in [
        (json!({ "name": "x", "budgett": "1" }), "budgett"),
        (json!({ "name": "x", "budget": "-1" }), "budget"),
        (json!({ "name": "", "budget": "1" }), "name"),
        (json!({ "name": "x", "dialect": "klingon" }), "dialect"),
        (json!({ "name": "x", "concurrent_tasks": "1" }), "concurrent_tasks"),
    ] {
        let refused = clerk.post("/admin/keys", wrong.to_string()).await;
        let said = (refused.status, refused.json()["error"]["field"].clone());
        assert_eq!(said, (StatusCode::BAD_REQUEST, json!(field)), "{refused:?}");
    }
    audited(&mut gateway, &[&key, CLERK, READER, KEY]).await;
}

/// The log names who did what, and holds none of the secrets.
async fn audited(gateway: &mut Gateway, secrets: &[&str]) {
    gateway.terminate();
    gateway.exit().await;
    let log = gateway.stderr();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("an operator's wish")).collect();
    for (action, outcome) in [
        ("create_key", "done"),
        ("revoke_key", "done"),
        ("create_key", "invalid_request"),
        ("revoke_key", "not_found"),
    ] {
        let is_it =
            |line: &&&str| ["clerk", "keys:write", action, outcome].iter().all(|word| line.contains(word));
        assert!(lines.iter().any(|line| is_it(&line)), "{action} {outcome}: {lines:?}");
    }
    for secret in secrets {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[tokio::test]
async fn a_token_does_less_and_ends_with_its_credential() {
    let sandbox = SandboxProcess::start().await;
    let mut gateway = operated(&sandbox).await;
    let reader = gateway.operator().with_key(READER);
    let wish = |scopes: &[&str]| json!({ "name": "board", "scopes": scopes }).to_string();
    let wider = reader.post("/admin/tokens", wish(&["tasks:read", "tasks:write"])).await;
    assert_eq!((wider.status, &wider.json()["error"]["field"]), (StatusCode::FORBIDDEN, &json!("scopes")));
    let made = reader.post("/admin/tokens", wish(&["tasks:read"])).await.json();
    assert_eq!(made["name"], "reader/board");
    let token = made["token"].as_str().unwrap().to_owned();
    let board = gateway.operator().with_key(&token);
    assert_eq!(board.get("/admin/tasks").await.status, StatusCode::OK);
    assert_eq!(board.get("/admin/keys").await.status, StatusCode::FORBIDDEN);
    assert_eq!(board.get("/admin/self").await.json()["scopes"], json!(["tasks:read"]));
    assert_eq!(board.post("/admin/tokens", wish(&["read"])).await.status, StatusCode::FORBIDDEN);

    gateway.set_variable("READER", Some("another-key-of-somebody-who-reads"));
    gateway.restart().await;
    let board = gateway.operator().with_key(&token);
    assert_eq!(board.get("/admin/tasks").await.status, StatusCode::UNAUTHORIZED);
    gateway.terminate();
    gateway.exit().await;
    assert!(!gateway.stderr().contains(&token), "a token is not logged");
}

#[tokio::test]
async fn who_guesses_is_held_back_and_others_are_not() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["server"]["admin_key"] = json!("env:ADMIN");
    config["limits"]["unauthorized_per_minute"] = json!(5);
    let gateway = Gateway::start(Options::config(config).variable("ADMIN", KEY)).await;
    assert_eq!(admin(&gateway).get("/admin/status").await.json()["is_ready"], true);
    let mut last = StatusCode::OK;
    for number in 0..7 {
        let guess = gateway.operator().with_key(&format!("a-guess-at-the-key-number-{number}"));
        last = guess.get("/admin/status").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        admin(&gateway).get("/admin/status").await.status,
        StatusCode::OK,
        "its key was good here before"
    );
    assert_eq!(gateway.operator().get("/livez").await.status, StatusCode::OK);
}
