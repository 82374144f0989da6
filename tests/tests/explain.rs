//! The operator asks where a request would go, and nothing goes anywhere.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::config::{account, image, model, of, route};
use tests::{Client, Finished, Gateway, Options, Process, SandboxOptions, SandboxProcess, eventually};

const OPERATOR_KEY: &str = "the-key-of-the-operator-alone";
const SECRET: &str = "the-secret-key-of-an-account";

/// `filmgate explain` with that config.
async fn explain_with(mut config: Value, arguments: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filmgate.yaml");
    config["data_dir"] = json!(folder.path().join("data"));
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Process::command();
    command.arg("explain").arg("--config").arg(&file).args(arguments).env("UPSTREAM_KEY", SECRET);
    let finished = Process::run(&mut command).await;
    assert!(!folder.path().join("data").exists(), "it leaves nothing behind");
    assert!(!finished.stdout.contains(SECRET) && !finished.stderr.contains(SECRET), "{finished:?}");
    finished
}

/// The same with three accounts at an address where nobody is.
async fn explain(arguments: &[&str]) -> Finished {
    let accounts = ["kie", "apixo", "gemini"].map(|name| account(name, name, "https://upstream.example"));
    let config = of(accounts.into(), vec![route("veo3.1-fast", &["kie", "apixo", "gemini"])]);
    explain_with(config, arguments).await
}

/// Accounts of four kinds for one model: a cheap one in Europe, a dear one at the maker, one that costs more than the route
/// allows, and one that cannot make clips of five seconds.
fn four() -> Value {
    let mut accounts = ["cheap", "dear", "luxury", "stiff"].map(|name| {
        let provider = if name == "stiff" { "gemini" } else { "v2" };
        account(name, provider, "https://upstream.example")
    });
    accounts[0]["regions"] = json!(["eu"]);
    accounts[1]["official"] = json!(true);
    let mut config = of(accounts.into(), vec![]);
    config["routes"] = json!([{
        "model": "veo3.1-fast",
        "price_max": "1.00",
        "accounts": [
            { "account": "cheap", "price": "0.40" },
            { "account": "dear", "price": "0.90", "tier": 2 },
            { "account": "luxury", "price": "1.20" },
            { "account": "stiff", "price": "0.50" },
        ],
    }]);
    let key =
        json!({ "name": "thrifty", "key": "env:UPSTREAM_KEY", "price_max": "0.60", "strategy": "cheapest" });
    config["keys"] = json!([key]);
    config
}

/// Each line of the table by its account: the number, and the reason.
fn table(said: &Finished) -> BTreeMap<String, (String, String)> {
    let rows = said.stdout.lines().skip_while(|line| !line.trim_start().starts_with("account  ")).skip(1);
    let rows = rows.take_while(|line| !line.is_empty()).map(|line| {
        let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        (cells[1].to_owned(), (cells[0].to_owned(), cells[cells.len() - 1].to_owned()))
    });
    rows.collect()
}

fn row(number: &str, reason: &str) -> (String, String) {
    (number.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn who_would_be_asked_for_what_and_who_cannot_be() {
    let said = explain(&["--model", "veo3.1-fast", "--prompt", "a heron", "--duration", "6"]).await;
    assert!(said.status.success(), "{said:?}");
    assert!(said.stdout.starts_with("veo3.1-fast, priority by the route\n"), "{said:?}");
    assert!(said.stdout.contains("accounts are taken to be well"), "{said:?}");
    let parts: Vec<&str> = said.stdout.split("\n1. kie would be sent\n").collect();
    let call = parts[1].split("\n2. apixo would be sent\n").next().unwrap();
    assert!(call.starts_with("   POST /api/v1/veo/generate HTTP/1.1\n"), "{said:?}");
    assert!(call.contains("\"duration\": 6") && call.contains("a heron"), "{said:?}");
    assert_eq!(table(&said).get("gemini"), Some(&row("3.", "number 3 of the route")), "{said:?}");
}

#[tokio::test]
async fn every_account_that_is_left_out_has_its_reason() {
    let five_seconds = ["--model", "veo3.1-fast", "--duration", "5"];
    let ask = |more: &[&'static str]| [&five_seconds[..], more].concat();
    let said = explain_with(four(), &ask(&[])).await;
    assert!(said.stdout.contains("at most 1 USD by the route\n0.9 USD would be set aside\n"), "{said:?}");
    let incapable = table(&said)["stiff"].1.clone();
    assert!(incapable.starts_with("duration"), "what it cannot express is named: {said:?}");
    let luxury = "it costs 1.2, and 1 is left";
    let elsewhere = "it is not in the region eu";
    let no_maker = "it is not at the maker of the model";
    let not_allowed = "it is not among the accounts that are allowed";
    for (arguments, expected) in [
        (&[][..], [("1.", "number 1 of the route"), ("2.", "number 2 of the route"), ("-", luxury)]),
        (
            &["--route", "cheapest, price_max=0.50"],
            [
                ("1.", "costs 0.4"),
                ("-", "it costs 0.9, and 0.5 is left"),
                ("-", "it costs 1.2, and 0.5 is left"),
            ],
        ),
        (
            &["--key", "thrifty"],
            [
                ("1.", "costs 0.4"),
                ("-", "it costs 0.9, and 0.6 is left"),
                ("-", "it costs 1.2, and 0.6 is left"),
            ],
        ),
        (&["--route", "region=eu"], [("1.", "number 1 of the route"), ("-", elsewhere), ("-", elsewhere)]),
        (&["--route", "official"], [("-", no_maker), ("1.", "number 2 of the route"), ("-", no_maker)]),
        (
            &["--route", "account=dear|luxury"],
            [("-", not_allowed), ("1.", "number 2 of the route"), ("-", luxury)],
        ),
    ] {
        let said = explain_with(four(), &ask(arguments)).await;
        assert!(said.status.success(), "{said:?}");
        let table = table(&said);
        for (name, (number, reason)) in ["cheap", "dear", "luxury"].into_iter().zip(expected) {
            assert_eq!(table[name], row(number, reason), "{name} by {arguments:?}: {said:?}");
        }
    }
}

#[tokio::test]
async fn who_decided_is_said_and_json_says_the_same() {
    let arguments = ["--model", "veo3.1-fast", "--key", "thrifty", "--route", "fastest", "--json"];
    let said = explain_with(four(), &arguments).await;
    let explanation: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(explanation["strategy"], json!({ "value": "fastest", "by": "request" }));
    assert_eq!(explanation["price_max"], json!({ "value": "0.6", "by": "key" }));
    assert_eq!(explanation["conditions_are_live"], false);
    let codes: BTreeMap<&str, &Value> = explanation["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["account"].as_str().unwrap(), &one["code"]))
        .collect();
    assert_eq!(
        codes,
        BTreeMap::from([("dear", &json!("too_expensive")), ("luxury", &json!("too_expensive"))])
    );
    let by_chance = |seed: &'static str| async move {
        let said =
            explain_with(four(), &["--model", "veo3.1-fast", "--route", "weighted", "--seed", seed]).await;
        table(&said)["cheap"].0.clone()
    };
    let mut orders = BTreeMap::new();
    for seed in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let first = by_chance(seed).await;
        assert_eq!(by_chance(seed).await, first, "a seed decides");
        *orders.entry(first).or_insert(0) += 1;
    }
    assert!(orders.len() > 1, "seeds differ: {orders:?}");
}

#[tokio::test]
async fn a_request_that_would_be_refused_says_why() {
    for (arguments, reason) in [
        (&["--model", "veo31-fast"][..], "did you mean veo3.1-fast, veo3-fast"),
        (&["--model", "veo3.1-fast", "--aspect-ratio", "4:3"][..], "aspect_ratio: \"4:3\" is not possible"),
        (&["--model", "grok-video-3"][..], "does not exist"),
        (&["--model", "veo3.1-fast", "--route", "cheap"][..], "route: \"cheap\" is not known; allowed are"),
        (&["--model", "veo3.1-fast", "--key", "eve"][..], "the config has none with the name \"eve\""),
        (&["--model", "veo3.1-fast", "--route", "price_max=1"][..], "each provider has no price for it"),
    ] {
        let said = explain(arguments).await;
        assert!(!said.status.success() && said.stdout.contains(reason), "{said:?}");
    }
}

/// What the gateway makes of a request now.
async fn explained(operator: &Client, route: Option<&str>) -> Value {
    let question = json!({ "scope": "images", "model": model::V2_IMAGE, "route": route });
    let reply = operator.post("/admin/explain", question.to_string()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// Makes an image by that route.
async fn create(gateway: &Gateway, prompt: &str, route: &str) -> String {
    let mut request = gateway.client().post_request("/v2/images/generations", image(prompt).to_string());
    request.headers_mut().insert("x-filmgate-route", route.parse().unwrap());
    let reply = gateway.client().call(request).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["task_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_first_that_is_explained_is_the_one_that_the_upstream_sees() {
    let sandbox = SandboxProcess::start().await;
    let names = ["one", "two", "three"];
    let accounts = names.map(|name| {
        let mut account = account(name, "v2", &sandbox.url());
        account["credential"] = json!(format!("env:CREDENTIAL_{name}"));
        account
    });
    let mut config = of(accounts.into(), vec![]);
    let hop = |(name, price): (&str, &str)| json!({ "account": name, "price": price });
    let hops: Vec<Value> = names.into_iter().zip(["0.3", "0.2", "0.1"]).map(hop).collect();
    config["routes"] = json!([{ "model": model::V2_IMAGE, "accounts": hops }]);
    let options = Options::config(config).variable("FILMGATE_ADMIN_KEY", OPERATOR_KEY);
    let credential = |options: Options, name| {
        options.variable(&format!("CREDENTIAL_{name}"), &format!("the-credential-of-{name}"))
    };
    let gateway = Gateway::start(names.into_iter().fold(options, credential)).await;
    let operator = gateway.operator().with_key(OPERATOR_KEY);
    let mut calls = BTreeMap::from(names.map(|name| (name, 0)));
    let mut turns = BTreeSet::new();
    for (route, expected) in [
        ("priority", Some("one")),
        ("cheapest", Some("three")),
        ("cheapest, account=one|two", Some("two")),
        ("round_robin", None),
        ("round_robin", None),
        ("round_robin", None),
    ] {
        let first = explained(&operator, Some(route)).await["candidates"][0]["account"].take();
        let first = first.as_str().unwrap();
        assert!(expected.is_none_or(|expected| expected == first), "{route}: {first}");
        turns.extend(expected.is_none().then(|| first.to_owned()));
        let id = create(&gateway, "a heron", route).await;
        gateway.ended("images", &id).await;
        *calls.get_mut(first).unwrap() += 1;
        let ledger = sandbox.ledger().await;
        for (name, count) in &calls {
            let seen = ledger.calls_with(&format!("the-credential-of-{name}"), "v2.submit");
            assert_eq!(seen, *count, "{name} after {route}");
        }
    }
    assert_eq!(turns.len(), names.len(), "each had its turn: {turns:?}");
}

#[tokio::test]
async fn a_running_gateway_knows_how_its_accounts_do() {
    let slow =
        SandboxProcess::with(SandboxOptions { generation_s: 3600.0, ..SandboxOptions::default() }).await;
    let strict = SandboxOptions { key: Some("another-key-than-ours".into()), ..SandboxOptions::default() };
    let strict = SandboxProcess::with(strict).await;
    let busy = SandboxProcess::with_faults("submit:429=1").await;
    let addresses = [
        ("full", slow.url()),
        ("out", strict.url()),
        ("ejected", "http://127.0.0.1:1".to_owned()),
        ("paused", busy.url()),
        ("drained", slow.url()),
    ];
    let names = addresses.each_ref().map(|(name, _)| *name);
    let mut accounts: Vec<Value> = addresses.iter().map(|(name, url)| account(name, "v2", url)).collect();
    accounts[0]["concurrent_tasks"] = json!(1);
    let mut config = of(accounts, vec![route(model::V2_IMAGE, &names)]);
    config["health"] = json!({ "failures_max": 1, "eject_for": "1h", "eject_for_max": "1h" });
    let gateway = Gateway::start(Options::config(config).variable("FILMGATE_ADMIN_KEY", OPERATOR_KEY)).await;
    let operator = gateway.operator().with_key(OPERATOR_KEY);
    let drained = operator.post("/admin/accounts/drained/drain", "").await;
    assert_eq!(drained.json()["standing"], "drained");
    for name in ["full", "out", "ejected", "paused"] {
        create(&gateway, "a heron", &format!("account={name}")).await;
    }
    let explanation = eventually("no account can be tried", async || {
        Some(explained(&operator, None).await).filter(|explanation| explanation["candidates"] == json!([]))
    })
    .await;
    assert_eq!(explanation["outcome"], "waits");
    for rejected in explanation["rejected"].as_array().unwrap() {
        assert_eq!(rejected["account"], rejected["code"], "{explanation}");
        let has_an_end = ["out", "ejected", "paused"].contains(&rejected["code"].as_str().unwrap());
        assert_eq!(rejected["until_ms"].is_i64(), has_an_end, "{explanation}");
    }
    let listed = operator.get("/admin/accounts").await.json();
    let of_name = |name: &str| {
        let all = listed["accounts"].as_array().unwrap().iter();
        all.into_iter().find(|account| account["name"] == name).unwrap().clone()
    };
    assert_eq!(
        (&of_name("out")["standing"], &of_name("out")["reason"]),
        (&json!("out"), &json!("credential"))
    );
    assert_eq!((&of_name("full")["slots_in_use"], &of_name("full")["slots"]), (&json!(1), &json!(1)));
    assert_eq!(of_name("ejected")["standing"], "ejected");
    assert!(!listed.to_string().contains("sandbox-upstream-key"), "{listed}");
    let resumed = operator.post("/admin/accounts/drained/resume", "").await;
    assert_eq!(resumed.json()["standing"], "ready");
    let explanation = explained(&operator, None).await;
    assert_eq!(
        (&explanation["outcome"], &explanation["candidates"][0]["account"]),
        (&json!("tried"), &json!("drained"))
    );
}
