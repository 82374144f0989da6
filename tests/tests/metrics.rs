//! What operators are told in numbers: its page, its names, and that no client can make more of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use http::Method;
use serde_json::json;
use tests::client::filled;
use tests::config::{config, image};
use tests::metrics::{Family, families};
use tests::{Gateway, Redis, SandboxProcess, eventually, tool};

/// Set, it writes the page anew instead of comparing it.
const UPDATE: &str = "UPDATE_METRICS";
/// The labels that there may be, and where their values come from.
const LABELS: [(&str, &str); 18] = [
    ("account", "names of accounts in the config; empty where no account has to do with it"),
    ("action", "what a request wants, by our own list; `none` where it wants nothing that there is"),
    ("by", "where a lost answer was looked for: `spool`, `callback`, `key`, `search`, `policy`"),
    ("change", "what became of an account: `ejected`, `out_credential`, `out_money`, `paused`, `readmitted`"),
    ("dialect", "names of APIs that clients speak, by our own list; `none` where it is none"),
    ("from", "names of accounts in the config"),
    (
        "kind",
        "of money: `reserve`, `capture`, `release`, `late_adjustment`, `held`; of a limit: `rate`, `tasks`, `budget`, \
         `tasks_of_day`, `spend_of_day`",
    ),
    ("limit", "whose limit: `client`, `client_model`, `account`, `provider`"),
    ("model", "names of models in the catalogue; `other` for one that is not there any more"),
    ("operation", "`check` of rates, `acquire` of slots"),
    ("outcome", "what came of it, by our own lists"),
    ("reason", "the kind of a failure, by our own list; empty where nothing failed"),
    ("scope", "`videos`, `images`, `audio`"),
    ("source", "`input`, `result`"),
    (
        "standing",
        "how an account stands: `ready`, `probe`, `ejected`, `out_credential`, `out_money`, `paused`, `drained`",
    ),
    ("state", "names of states of tasks"),
    ("status", "status codes that we answer with"),
    ("version", "ours"),
];
/// It has one more label, whose values are ours too.
const WHAT: (&str, &str) = ("what", "what was deleted, or what was refused, by our own lists");
const COMMON: &str = "The same in all replicas of one database: read it with max.";

fn page_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md")
}

/// A gateway that has all parts which tell something, after a task, a read of it and a refusal.
async fn used_gateway() -> (Gateway, SandboxProcess, Redis) {
    let (sandbox, redis) = (SandboxProcess::start().await, Redis::start().await);
    let mut config = config(&sandbox.url());
    config["limits"]["shared"] = redis.shared(1);
    let gateway = Gateway::with_config(config).await;
    gateway.succeeded("images", &image("a lighthouse")).await;
    eventually("what the store tells", async || {
        gateway.metrics().await.contains("filmgate_tasks_live_detailed{").then_some(())
    })
    .await;
    (gateway, sandbox, redis)
}

#[tokio::test]
async fn the_page_of_metrics_is_what_a_gateway_tells() {
    let (gateway, _sandbox, _redis) = used_gateway().await;
    let text = gateway.metrics().await;
    let page = page(&families(&text));
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(page_file(), &page).unwrap();
    }
    let stored = std::fs::read_to_string(page_file()).unwrap_or_default();
    assert_eq!(stored, page, "docs/metrics.md is stale: run this test with {UPDATE}=1");

    let complaints = complaints(&families(&text));
    assert_eq!(complaints, Vec::<String>::new());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics.txt");
    std::fs::write(&file, &text).unwrap();
    let said = tool::run("sh", &["-c", &format!("promtool check metrics < {}", file.display())]);
    assert_eq!(said, "", "promtool complains");
}

#[test]
fn bad_metrics_are_complained_of() {
    let text = "# HELP filmgate_wait_ms Waits, in milliseconds.\n# TYPE filmgate_wait_ms gauge\n\
                # HELP filmgate_looks Looks.\n# TYPE filmgate_looks counter\nfilmgate_looks{prompt=\"x\"} 1\n\
                # HELP filmgate_times_seconds Times in seconds\n# TYPE filmgate_times_seconds histogram\n\
                # HELP other_total Others.\n# TYPE other_total gauge\n# HELP filmgate_b_bytes Looks.\n\
                # TYPE filmgate_b_bytes gauge\n";
    let found = complaints(&families(text)).join("\n");
    for part in [
        "_ms",
        "filmgate_looks: a counter",
        "prompt",
        "ends with a full stop",
        "other_total: begins",
        "says the same",
    ] {
        assert!(found.contains(part), "no complaint of {part}: {found}");
    }
}

#[tokio::test]
async fn odd_clients_make_no_series() {
    let (gateway, _sandbox, _redis) = used_gateway().await;
    // What odd clients are answered with has its series once they have come.
    annoy(&gateway, "zebra-one").await;
    let before = settled(&gateway).await;
    for marker in ["zebra-two", "zebra-three"] {
        annoy(&gateway, marker).await;
    }
    let after = settled(&gateway).await;
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(after.iter().all(|series| !series.contains("zebra")), "a client's words are in a label");
}

/// All that a client may choose is `marker`, in every place where it may choose it.
async fn annoy(gateway: &Gateway, marker: &str) {
    let client = gateway.client();
    // More than the marker, which is logged where it names a request: what a prompt or a key says never is.
    let (prompt, key) = (format!("what {marker} wants to see"), format!("the-key-of-{marker}"));
    for model in [marker.to_owned(), format!("{marker}/x"), format!("{marker}\"}} 1\n#")] {
        let body = json!({ "model": model, "prompt": prompt, "size": marker }).to_string();
        for path in ["/v2/images/generations", "/v2/videos/generations", "/v1/videos", "/fal-ai/zebra"] {
            client.post(path, body.clone()).await;
        }
        let path = format!("/v1/models/{marker}/{marker}/predictions");
        client.post(&path, body).await;
    }
    for path in ["", "/v2/images/generations/", "/v2/", "/assets/", "/callbacks/", "/v1/videos/", "/api/v1/"]
    {
        client.get(&format!("{path}/{marker}?{marker}={marker}")).await;
        let method = Method::from_bytes(marker.to_uppercase().as_bytes()).unwrap();
        client.call(filled(client.request(method, &format!("{path}/{marker}")), "")).await;
    }
    for header in
        ["x-filmgate-route", "user-agent", "idempotency-key", "origin", "x-request-id", "traceparent"]
    {
        let request = client.request(Method::POST, "/v2/images/generations").header(header, marker);
        client.call(filled(request, image(&prompt).to_string())).await;
    }
    client.with_key(&key).post("/v2/images/generations", image(&prompt).to_string()).await;
    let callback =
        json!({ "model": "nano-banana", "prompt": "x", "notify_hook": format!("http://{marker}/") });
    client.post("/v2/images/generations", callback.to_string()).await;
}

/// The names of all series once no task is live.
async fn settled(gateway: &Gateway) -> BTreeSet<String> {
    eventually("the end of all tasks", async || {
        let text = gateway.metrics().await;
        let ended = tests::metrics::sum(&text, "filmgate_tasks_ended_total", &[]);
        let accepted = tests::metrics::sum(&text, "filmgate_tasks_accepted_total", &[]);
        let live = tests::metrics::sum(&text, "filmgate_tasks_live", &[]);
        (ended == accepted && live == 0.0).then(|| {
            let series = text.lines().filter(|line| !line.starts_with('#'));
            series.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
        })
    })
    .await
}

fn known_labels() -> BTreeMap<&'static str, &'static str> {
    LABELS.into_iter().chain([WHAT]).collect()
}

fn labels(family: &Family) -> BTreeSet<&str> {
    family.series.iter().flat_map(|series| series.keys().map(String::as_str)).collect()
}

/// What is wrong with names, types, texts and labels.
fn complaints(families: &BTreeMap<String, Family>) -> Vec<String> {
    let known = known_labels();
    let mut found = Vec::new();
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, family) in families {
        let mut complain = |what: &str| found.push(format!("{name}: {what}"));
        if !name.starts_with("filmgate_") {
            complain("begins with something else than filmgate_");
        }
        for unit in
            ["_ms", "_millis", "_minutes", "_hours", "_kb", "_mb", "_kib", "_percent", "_microseconds"]
        {
            if name.contains(unit) {
                complain(&format!("{unit} is no base unit"));
            }
        }
        match family.kind.as_str() {
            "counter" if !name.ends_with("_total") => complain("a counter ends with _total"),
            "gauge" | "histogram" if name.ends_with("_total") => complain("only a counter ends with _total"),
            "histogram" if !name.ends_with("_seconds") && !name.ends_with("_bytes") => {
                complain("a histogram ends with its unit");
            }
            "counter" | "gauge" | "histogram" => {}
            _ => complain("has no type"),
        }
        if name.contains("_seconds") != family.help.contains("in seconds") {
            complain("name and text disagree about seconds");
        }
        if name.contains("_bytes") != family.help.starts_with("Bytes") {
            complain("name and text disagree about bytes");
        }
        if !family.help.ends_with('.') || family.help.len() < 12 {
            complain("a text is a sentence and ends with a full stop");
        }
        if texts.insert(&family.help, name).is_some() {
            complain("says the same as another one");
        }
        for label in labels(family).into_iter().filter(|label| !known.contains_key(label)) {
            complain(&format!("the label {label} is not known"));
        }
        if family.series.is_empty() {
            complain("has no series");
        }
    }
    found
}

/// The page for operators.
fn page(families: &BTreeMap<String, Family>) -> String {
    let mut page = format!(
        "# Metrics\n\nAt `/metrics` of the operator's address (`server.admin_listen`), in Prometheus' text form. This page \
         is written by a test from what a gateway tells; [dashboards](../deploy/grafana), \
         [alerts](../deploy/prometheus/filmgate.rules.yaml) and [runbooks](runbooks/README.md) use nothing else.\n\n\
         Series with labels that are known are there from the start, at 0. What \"{COMMON}\" says is read from the \
         database every five seconds, and less often where reading takes long. `filmgate_limits_shared_up`, \
         `_outages_total`, `_local_decisions_total` and `_unavailable_total` are there only with `limits.shared`.\n\n\
         | metric | type | labels | what |\n|---|---|---|---|\n"
    );
    for (name, family) in families {
        let labels = labels(family).into_iter().collect::<Vec<_>>().join(", ");
        page += &format!("| `{name}` | {} | {labels} | {} |\n", family.kind, family.help);
    }
    page += "\n## Labels\n\nNo label ever holds what a client sent.\n\n| label | values |\n|---|---|\n";
    for (label, values) in known_labels() {
        page += &format!("| {label} | {values} |\n");
    }
    page
}
