//! Money, seen from outside: what is set aside, spent and freed, in every way that a task can end; budgets; bills.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::path::PathBuf;

use http::StatusCode;
use serde_json::{Value, json};
use tests::config::{account, image, model, of, route};
use tests::{Client, Finished, Gateway, Options, Process, SandboxProcess, eventually, figures};
use tokio::task::JoinSet;

const IMAGES: &str = "/v2/images/generations";

/// A gateway whose images cost 1 at `dear`, which is tried first, and 0.3 at `cheap`.
fn two_accounts(dear: &str, cheap: &str) -> Value {
    let mut route = route(model::V2_IMAGE, &[]);
    route["accounts"] = json!([{ "account": "dear", "price": "1" }, { "account": "cheap", "price": 0.3 }]);
    of(vec![account("dear", "v2", dear), account("cheap", "v2", cheap)], vec![route])
}

/// A gateway whose images cost that, as its account says.
fn priced(url: &str, price: &Value) -> Value {
    let mut main = account("main", "v2", url);
    main["prices"] = json!([{ "upstream_model": model::V2_IMAGE, "price": price }]);
    of(vec![main], vec![route(model::V2_IMAGE, &["main"])])
}

/// `filmgate` with those words, beside a running gateway.
async fn command(gateway: &Gateway, words: &[&str]) -> Finished {
    let mut command = Process::command();
    command.args(words).arg("--data").arg(gateway.data()).arg("--config").arg(gateway.config_file());
    Process::run(command.env("UPSTREAM_KEY", "any")).await
}

async fn json_of(gateway: &Gateway, words: &[&str]) -> Vec<Value> {
    let said = command(gateway, words).await;
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

/// The ledger: task, kind, amount, account.
async fn ledger(gateway: &Gateway) -> Vec<[String; 4]> {
    let rows = json_of(gateway, &["ledger", "export", "--format", "json"]).await;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    rows.iter().map(|row| ["task", "kind", "amount", "account"].map(|field| text(&row[field]))).collect()
}

fn row(task: &str, kind: &str, amount: &str, account: &str) -> [String; 4] {
    [task, kind, amount, account].map(str::to_owned)
}

/// The first line of totals by key: open, spent.
async fn open_and_spent(gateway: &Gateway) -> (String, String) {
    let totals = json_of(gateway, &["ledger", "totals", "--format", "json"]).await;
    let text = |field: &str| totals[0][field].as_str().unwrap().to_owned();
    (text("open"), text("spent"))
}

/// An image that ends as it does.
async fn ended(gateway: &Gateway, prompt: &str) -> (String, Value) {
    let id = gateway.create("images", &image(prompt)).await;
    let status = gateway.ended("images", &id).await["status"].clone();
    (id, status)
}

#[tokio::test]
async fn a_success_spends_the_price_and_a_failure_frees_it() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(priced(&sandbox.url(), &json!("0.40"))).await;
    let (good, status) = ended(&gateway, "good").await;
    assert_eq!(status, "SUCCESS");
    let (bad, status) = ended(&gateway, "[sandbox:fail]").await;
    assert_eq!(status, "FAILURE");
    assert_eq!(
        ledger(&gateway).await,
        [
            row(&good, "reserve", "0.4", "-"),
            row(&good, "capture", "0.4", "main"),
            row(&bad, "reserve", "0.4", "-"),
            row(&bad, "release", "0.4", "-"),
        ]
    );
    assert_eq!(open_and_spent(&gateway).await, ("0".to_owned(), "0.4".to_owned()));
    assert_eq!(
        gateway.metric("filmgate_ledger_units_total", &[("kind", "capture"), ("account", "main")]).await,
        0.4
    );
}

#[tokio::test]
async fn a_failover_to_a_cheaper_account_spends_what_that_costs() {
    let (dear, cheap) = (SandboxProcess::with_faults("submit:429").await, SandboxProcess::start().await);
    let gateway = Gateway::with_config(two_accounts(&dear.url(), &cheap.url())).await;
    let (id, status) = ended(&gateway, "either").await;
    assert_eq!(status, "SUCCESS");
    let expected =
        [row(&id, "reserve", "1", "-"), row(&id, "capture", "0.3", "cheap"), row(&id, "release", "0.7", "-")];
    assert_eq!(ledger(&gateway).await, expected);
}

#[tokio::test]
async fn what_nobody_knows_stays_set_aside_until_the_operator_settles_it() {
    let sandbox = SandboxProcess::start().await;
    let mut gateway = Gateway::with_config(two_accounts(&sandbox.url(), &sandbox.url())).await;
    let mut ids = Vec::new();
    for number in 0..2 {
        let (id, status) = ended(&gateway, &format!("number {number} [sandbox:cut]")).await;
        assert_eq!(status, "FAILURE");
        ids.push(id);
    }
    assert_eq!(open_and_spent(&gateway).await, ("2".to_owned(), "0".to_owned()));
    // A crash changes nothing of it.
    gateway.restart().await;
    let held = command(&gateway, &["ledger", "held"]).await;
    assert!(ids.iter().all(|id| held.stdout.contains(id)) && held.stdout.contains("dear"), "{held:?}");

    let captured = command(&gateway, &["ledger", "settle", &ids[0], "--capture"]).await;
    assert_eq!(captured.stdout, "captured 1 and released 0 USD");
    let released = command(&gateway, &["ledger", "settle", &ids[1], "--release"]).await;
    assert_eq!(released.stdout, "captured 0 and released 1 USD");
    let again = command(&gateway, &["ledger", "settle", &ids[0], "--release"]).await;
    assert!(!again.status.success() && again.stderr.contains("nothing is set aside"), "{again:?}");
    assert_eq!(open_and_spent(&gateway).await, ("0".to_owned(), "1".to_owned()));
    assert_eq!(command(&gateway, &["ledger", "held"]).await.stdout.lines().count(), 1);
}

#[tokio::test]
async fn of_500_parallel_tasks_a_budget_for_100_accepts_100() {
    let sandbox = SandboxProcess::start().await;
    let mut config = priced(&sandbox.url(), &json!("0.40"));
    config["accounts"][0]["poll"] = json!({ "first": "1h", "shortest": "1h", "longest": "1h" });
    let gateway = Gateway::with_config(config).await;
    let made = command(&gateway, &["keys", "create", "--name", "studio", "--budget", "40.39"]).await;
    let key = made.stdout.trim().to_owned();
    let listed = command(&gateway, &["keys", "list"]).await.stdout;
    assert!(listed.lines().any(|line| line.contains("studio") && line.contains("40.39")), "{listed}");

    let mut creates = JoinSet::new();
    for number in 0..500 {
        let client = Client::new(gateway.url(), &key);
        let body = image(&format!("number {number} [sandbox:never]")).to_string();
        creates.spawn(async move { client.post(IMAGES, body).await });
    }
    let replies = creates.join_all().await;
    let with = |status| replies.iter().filter(|reply| reply.status == status).count();
    let (accepted, refused) = (with(StatusCode::OK), with(StatusCode::FORBIDDEN));
    let texts: Vec<Value> =
        replies.iter().filter(|reply| reply.status != StatusCode::OK).map(|reply| reply.json()).collect();
    assert_eq!((accepted, refused), (100, 400), "{:?}", texts.first());
    assert!(
        texts.iter().all(|text| text["message"].as_str().unwrap().contains("0.39 left")),
        "{:?}",
        texts.first()
    );

    let totals = json_of(&gateway, &["ledger", "totals", "--by", "key", "--format", "json"]).await;
    let sums = ["reserved", "captured", "released", "open"].map(|field| totals[0][field].as_str().unwrap());
    assert_eq!((totals.len(), sums), (1, ["40", "0", "0", "40"]));
    let rows = ledger(&gateway).await;
    assert!(rows.len() == 100 && rows.iter().all(|row| row[1..] == ["reserve", "0.4", "-"]), "{rows:?}");
    let figures =
        json!({ "n": 500, "failures": 0, "accepted": accepted, "refused": refused, "budget_for": 100 });
    figures::note("budget", figures);
}

#[tokio::test]
async fn the_sums_agree_however_often_the_gateway_dies() {
    let sandbox = SandboxProcess::start().await;
    let price = json!([{ "count": 2, "per_call": "0.25" }, { "per_megapixel": "10", "megapixels": 1 }]);
    let mut config = priced(&sandbox.url(), &price);
    config["limits"]["budget"] = json!("1000");
    let mut gateway = Gateway::with_config(config).await;
    let mut ids = Vec::new();
    for round in 0..3 {
        for fate in ["", "[sandbox:fail]", "[sandbox:cut]", "[sandbox:slow=2s]"] {
            ids.push(gateway.create("images", &image(&format!("{round} {fate}"))).await);
        }
        gateway.restart().await;
    }
    for id in &ids {
        gateway.ended("images", id).await;
    }
    let rows = ledger(&gateway).await;
    let sum = |wanted: &str| -> u64 {
        rows.iter().filter(|row| row[1] == wanted).map(|row| billionths(&row[2])).sum()
    };
    // 32 by 32 pixels at 10 a megapixel.
    assert_eq!(sum("reserve"), 12 * 10_240_000);
    for id in &ids {
        let kinds: Vec<&str> = rows.iter().filter(|row| row[0] == *id).map(|row| row[1].as_str()).collect();
        assert!(
            [&["reserve"][..], &["reserve", "capture"], &["reserve", "release"]].contains(&&kinds[..]),
            "{kinds:?}"
        );
    }
    for by in ["key", "model", "day"] {
        let totals = json_of(&gateway, &["ledger", "totals", "--by", by, "--format", "json"]).await;
        let of = |field: &str| -> u64 {
            totals.iter().map(|total| billionths(total[field].as_str().unwrap())).sum()
        };
        let [reserved, captured, released, open] = ["reserved", "captured", "released", "open"].map(of);
        assert_eq!((reserved, captured), (sum("reserve"), sum("capture")), "{by}");
        assert_eq!((released, open), (sum("release"), reserved - captured - released), "{by}");
    }
    // Nothing but what the operator must settle is still set aside.
    let held = command(&gateway, &["ledger", "held"]).await.stdout.lines().count() - 1;
    assert_eq!(sum("reserve") - sum("capture") - sum("release"), u64::try_from(held).unwrap() * 10_240_000);
}

/// Of decimal text.
fn billionths(text: &str) -> u64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<9}").parse().unwrap()
}

/// A supplier's bill in a file of its own.
async fn reconciled(gateway: &Gateway, bill: &str) -> (Finished, Vec<[String; 4]>) {
    let path: PathBuf = gateway.data().join("bill.csv");
    std::fs::write(&path, bill).unwrap();
    let words =
        ["ledger", "reconcile", "--account", "main", "--id-column", "job", "--format", "json", "--bill"];
    let said = command(gateway, &[&words[..], &[path.to_str().unwrap()]].concat()).await;
    let found: Vec<Value> =
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let each = found.iter();
    let found =
        each.map(|row| ["difference", "id", "billed", "booked"].map(|field| text(&row[field]))).collect();
    (said, found)
}

#[tokio::test]
async fn a_bill_that_differs_is_told_line_by_line() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(priced(&sandbox.url(), &json!("0.40"))).await;
    for number in 0..4 {
        assert_eq!(ended(&gateway, &format!("number {number}")).await.1, "SUCCESS");
    }
    let (_failed, status) = ended(&gateway, "[sandbox:fail]").await;
    assert_eq!(status, "FAILURE");
    let rows = json_of(&gateway, &["ledger", "export", "--format", "json"]).await;
    let handles: Vec<&str> = rows.iter().filter_map(|row| row["handle"].as_str()).collect();
    let [one, two, three, four] = handles[..] else { panic!("{rows:?}") };

    let right = format!("job,note,amount\n{one},\"a, b\",0.40\n{two},,0.4\n{three},,0.400\n{four},,0.40\n");
    let (said, found) = reconciled(&gateway, &right).await;
    assert!(said.status.success() && found.is_empty(), "{said:?}");

    let wrong = format!("amount,job\n0.40,{one}\n0.40,{one}\n0.50,{two}\n0.40,stranger\n0.40,{four}\n");
    let (said, found) = reconciled(&gateway, &wrong).await;
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    let expected = [
        row("not_on_bill", three, "-", "0.4"),
        row("billed_twice", one, "0.8", "0.4"),
        row("amounts_differ", two, "0.5", "0.4"),
        row("not_in_ledger", "stranger", "0.4", "0"),
    ];
    assert_eq!(found, expected);
    assert!(said.stderr.contains("differences: 4"), "{said:?}");

    let (said, _) =
        (command(&gateway, &["ledger", "reconcile", "--account", "main", "--bill", "nowhere"]).await, ());
    assert!(said.status.code() == Some(1) && said.stderr.contains("opening nowhere"), "{said:?}");
}

#[tokio::test]
async fn an_export_is_csv_and_its_days_are_whole() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(priced(&sandbox.url(), &json!(2))).await;
    let (id, _) = ended(&gateway, "one").await;
    let path = gateway.data().join("ledger.csv");
    let said = command(&gateway, &["ledger", "export", "--out", path.to_str().unwrap()]).await;
    assert!(said.status.success() && said.stdout.is_empty(), "{said:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "sequence,time,task,kind,amount,currency,owner,key,model,account,handle");
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[2].contains(&format!("Z,{id},capture,2,USD,config:environment,environment,")), "{text}");
    let today = &lines[1][2..12];
    let on = async |from: &str, to: &str| {
        let said = command(&gateway, &["ledger", "export", "--from", from, "--to", to]).await;
        said.stdout.lines().count() - 1
    };
    // Two, unless midnight came between the rows.
    assert!((1..=2).contains(&on(today, today).await));
    assert_eq!(on("2000-01-01", "2000-12-31").await, 0);
    let wrong = command(&gateway, &["ledger", "export", "--from", "yesterday"]).await;
    assert!(wrong.stderr.contains("a day such as 2026-11-21"), "{wrong:?}");
}

#[tokio::test]
async fn a_price_is_told_to_those_who_ask_and_to_clients_whose_api_has_it() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::start(Options::config(two_accounts(&sandbox.url(), &sandbox.url()))).await;
    let said = command(&gateway, &["explain", "--scope", "images", "--model", model::V2_IMAGE]).await;
    assert!(said.stdout.contains("1 USD would be set aside"), "{said:?}");
    assert!(said.stdout.lines().any(|line| line.contains("cheap") && line.contains(" 0.3 ")), "{said:?}");

    let made = command(&gateway, &["keys", "create", "--dialect", "evolink"]).await;
    let client = Client::new(gateway.url(), made.stdout.trim());
    let reply = client.post("/v1/images/generations", image("one").to_string()).await;
    assert_eq!(reply.json()["usage"]["credits_reserved"], 1, "{reply:?}");
    let made = command(&gateway, &["keys", "create", "--dialect", "apimart"]).await;
    let client = Client::new(gateway.url(), made.stdout.trim());
    let reply = client.post("/v1/images/generations", image("two").to_string()).await;
    let path = format!("/v1/tasks/{}", reply.json()["data"][0]["task_id"].as_str().unwrap());
    let cost = eventually("a settled cost", async || {
        let task = client.get(&path).await.json();
        task["data"]["cost"].as_f64()
    });
    assert_eq!(cost.await, 1.0);
}

#[tokio::test]
async fn a_route_where_only_some_accounts_have_a_price_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filmgate.yaml");
    let mut config = two_accounts("http://127.0.0.1:9", "http://127.0.0.1:9");
    config["accounts"][0]["prices"] = json!([{ "upstream_model": "another", "price": "1" }]);
    config["routes"][0]["accounts"][0].as_object_mut().unwrap().remove("price");
    std::fs::write(&file, config.to_string()).unwrap();
    for command in ["check", "serve"] {
        let mut process = Process::command();
        process.arg(command).arg("--config").arg(&file).current_dir(folder.path()).env("UPSTREAM_KEY", "any");
        let said = Process::run(&mut process).await;
        let text = said.stdout + &said.stderr;
        assert!(!said.status.success() && text.contains("but none by dear (nano-banana)"), "{text}");
    }
}
