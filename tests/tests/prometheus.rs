//! Dashboards and alerts, with a Prometheus that scrapes two replicas on one database over TLS.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use http::{StatusCode, Version};
use rcgen::CertifiedKey;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use store::postgres_server::{DURABLE, Listen, PostgresServer};
use tempfile::TempDir;
use tests::config::{config, image, model, video};
use tests::listener::Listener;
use tests::{Client, Gateway, Options, Prometheus, Redis, SandboxProcess, eventually, tool};

const BOARDS: [&str; 3] = ["overview", "model-account", "money"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rules_file() -> PathBuf {
    repository().join("deploy/prometheus/filmgate.rules.yaml")
}

/// A certificate for 127.0.0.1 as files, and itself.
struct Certificate {
    folder: TempDir,
    itself: CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tls.crt"), cert.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), signing_key.serialize_pem()).unwrap();
        Self { folder, itself: cert.der().clone() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    fn config(&self) -> Value {
        json!({ "cert_file": self.file(), "key_file": self.folder.path().join("tls.key") })
    }
}

#[tokio::test]
async fn the_operator_is_served_over_tls() {
    let (certificate, sandbox) = (Certificate::new(), SandboxProcess::start().await);
    let mut config = config(&sandbox.url());
    config["server"]["admin_tls"] = certificate.config();
    let gateway = Gateway::with_config(config).await;
    assert!(gateway.url().starts_with("http://"), "clients are not: {}", gateway.url());
    let url = gateway.operator_url();
    assert!(url.starts_with("https://"), "{url}");
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let operator = Client::over_tls(url, gateway.key(), certificate.itself.clone(), version);
        for path in ["/metrics", "/livez", "/readyz"] {
            assert_eq!(operator.get(path).await.status, StatusCode::OK, "{path}");
        }
        assert_eq!(operator.get("/admin/accounts").await.status, StatusCode::UNAUTHORIZED);
    }
    let in_clear = Client::new(&url.replacen("https", "http", 1), gateway.key());
    let reply = in_clear.try_call(in_clear.post_request("/metrics", "")).await;
    assert!(reply.is_err(), "nothing is served in clear: {reply:?}");
}

#[test]
fn every_alert_fires_when_it_should_and_is_quiet_else() {
    let cases = rules_file().with_file_name("filmgate.rules.test.yaml");
    tool::run("promtool", &["check", "rules", &rules_file().to_string_lossy()]);
    tool::run("promtool", &["test", "rules", &cases.to_string_lossy()]);
    let cases = std::fs::read_to_string(cases).unwrap();
    for alert in alerts() {
        for case in [format!("name: {alert} fires\n"), format!("name: {alert} is quiet\n")] {
            assert!(cases.contains(&case), "there is no case \"{}\"", case.trim_end());
        }
    }
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let folder = repository().join("docs/runbooks");
    let pages = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let named = pages.filter_map(|page| page.file_stem().and_then(|name| name.to_str().map(str::to_owned)));
    let pages: BTreeSet<String> = named.filter(|name| name != "README").collect();
    assert_eq!(pages, alerts());
    let rules = std::fs::read_to_string(rules_file()).unwrap();
    let list = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for alert in alerts() {
        assert!(rules.contains(&format!("runbook_url: docs/runbooks/{alert}.md\n")), "{alert} names no page");
        assert!(list.contains(&format!("| [{alert}]({alert}.md) |")), "{alert} is not in the list");
        let page = std::fs::read_to_string(folder.join(format!("{alert}.md"))).unwrap();
        for part in
            [&format!("# {alert}\n"), "**Meaning.**", "**Impact.**", "## How to see it", "## What to do"]
        {
            assert!(page.contains(part), "the page of {alert} has no {part}");
        }
    }
}

#[tokio::test]
async fn all_that_dashboards_and_rules_ask_for_is_there() {
    let (certificate, sandbox, redis) =
        (Certificate::new(), SandboxProcess::start().await, Redis::start().await);
    let database = PostgresServer::start(Listen::Address(Ipv4Addr::LOCALHOST.into()), &DURABLE);
    let media = tempfile::tempdir().unwrap();
    let mut config = config(&sandbox.url());
    config["server"]["admin_tls"] = certificate.config();
    config["store"]["postgres"]["url"] = json!("env:DATABASE_URL");
    config["media_dir"] = json!(media.path());
    config["limits"]["shared"] = redis.shared(2);
    config["callbacks"] = json!({ "allow_http": true });
    config["egress"] = json!({ "allow": ["127.0.0.1"] });
    let options = Options::config(config).variable("DATABASE_URL", &database.network_url());
    let replicas = [Gateway::start(options.clone()).await, Gateway::start(options).await];
    let addresses = replicas.each_ref().map(|replica| replica.operator_url().trim_start_matches("https://"));
    let prometheus = Prometheus::start(&addresses, &certificate.file(), &rules_file()).await;
    // Before anything is asked of them: what a counter had when it was first seen is no increase.
    eventually("both replicas", async || {
        let up = prometheus.query("sum(up{job=\"filmgate\"})").await;
        up.first().is_some_and(|(_, up)| *up == 2.0).then_some(())
    })
    .await;
    for replica in &replicas {
        use_it(replica).await;
    }

    let boards = BOARDS.into_iter().flat_map(panel_queries);
    let boards: Vec<(String, String)> = boards.collect();
    assert!(boards.len() > 60, "{} queries", boards.len());
    let rules = prometheus.rules().await.into_iter().flat_map(|rule| rule_queries(&rule));
    for (place, query) in boards.into_iter().chain(rules) {
        eventually(&format!("{place}: {query}"), async || {
            (!prometheus.query(&query).await.is_empty()).then_some(())
        })
        .await;
    }
    assert_eq!(prometheus.query("ALERTS{alertstate=\"firing\", severity=\"critical\"}").await, []);
}

/// Tasks of all scopes, read until they have ended, of which one tells a client's own server.
async fn use_it(gateway: &Gateway) {
    let listener = Listener::start(&[200]).await;
    let mut told = video("a lighthouse", model::KIE_VIDEO);
    told["notify_hook"] = json!(format!("{}/done", listener.url()));
    gateway.succeeded("videos", &told).await;
    gateway.succeeded("images", &image("a lighthouse")).await;
    let sound = json!({ "prompt": "a lighthouse", "model": model::V2_AUDIO });
    gateway.succeeded("audio", &sound).await;
    listener.hears(1).await;
}

/// The names of all alerts.
fn alerts() -> BTreeSet<String> {
    let rules = std::fs::read_to_string(rules_file()).unwrap();
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: BTreeSet<String> = names.map(str::to_owned).collect();
    assert!(alerts.len() > 15, "{alerts:?}");
    alerts
}

/// What a dashboard asks, with its place; its variables stand for everything.
fn panel_queries(board: &str) -> Vec<(String, String)> {
    let file = repository().join(format!("deploy/grafana/{board}.json"));
    let board_json: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut queries = Vec::new();
    for panel in board_json["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let mut query = target["expr"].as_str().unwrap().to_owned();
            for (variable, value) in [
                ("$__rate_interval", "1m"),
                ("$__range", "5m"),
                ("$job", ".*"),
                ("$account", ".*"),
                ("$model", ".*"),
            ] {
                query = query.replace(variable, value);
            }
            assert!(!query.contains('$'), "an unknown variable: {query}");
            queries.push((format!("{board}, {}", panel["title"]), query));
        }
    }
    queries
}

/// What a rule asks. A recorded one is to find something; of an alert, which finds nothing while all is well, every
/// series that it looks at is to be there.
fn rule_queries(rule: &Value) -> Vec<(String, String)> {
    let (name, query) = (rule["name"].as_str().unwrap(), rule["query"].as_str().unwrap());
    if rule["type"] == "recording" {
        return vec![(name.to_owned(), query.to_owned())];
    }
    selectors(query).into_iter().map(|selector| (name.to_owned(), selector)).collect()
}

/// The selectors in an expression: names of metrics, each with its braces if it has some.
fn selectors(expression: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let mut found = BTreeSet::new();
    let mut rest = expression;
    while let Some(at) = rest.find("filmgate_") {
        let begin = rest[..at].rfind(|c| !is_name(c)).map_or(0, |before| before + 1);
        let end = rest[at..].find(|c| !is_name(c)).map_or(rest.len(), |end| at + end);
        let braces = rest[end..].starts_with('{').then(|| rest[end..].find('}')).flatten();
        let end = braces.map_or(end, |close| end + close + 1);
        found.insert(rest[begin..end].to_owned());
        rest = &rest[end..];
    }
    found
}

#[test]
fn selectors_of_an_expression_are_found() {
    let expression =
        "sum by (job) (rate(filmgate_a_total{x=\"1\"}[5m])) > 0 and on (job) job:filmgate_b:max == 1";
    let found = selectors(expression);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["filmgate_a_total{x=\"1\"}", "job:filmgate_b:max"]);
}
