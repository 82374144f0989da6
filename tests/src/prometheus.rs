//! A Prometheus of a story's own, with its programs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Client, Process, eventually, tool};

/// How often a free port is looked for, if others take it first.
const TRIES: usize = 20;
const NO_KEY: &str = "";

/// A running server.
pub struct Prometheus {
    client: Client,
    _process: Process,
    _folder: TempDir,
}

/// What one query found: the labels of each series, and its value.
pub type Found = Vec<(BTreeMap<String, String>, f64)>;

impl Prometheus {
    /// One that scrapes these addresses of HTTPS each half a second, trusting the certificate in a file, and evaluates the
    /// rules in another as often.
    ///
    /// # Panics
    /// If there is no `prometheus` (`cargo xtask setup`), or it does not take the config.
    pub async fn start(targets: &[&str], certificate: &Path, rules: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder for prometheus");
        let config = json!({
            "global": { "scrape_interval": "500ms", "evaluation_interval": "500ms" },
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "filmgate",
                "scheme": "https",
                "tls_config": { "ca_file": certificate },
                "static_configs": [{ "targets": targets }],
            }],
        });
        let file = folder.path().join("prometheus.yaml");
        std::fs::write(&file, config.to_string()).expect("a config file can be written");
        tool::run("promtool", &["check", "config", &file.to_string_lossy()]);
        for _try in 0..TRIES {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
            let address = free.expect("there is a free port");
            let mut command = Command::new("prometheus");
            command.arg(format!("--config.file={}", file.display()));
            command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
            command.arg(format!("--web.listen-address={address}"));
            let mut process = Process::start("prometheus", &mut command);
            let client = Client::new(&format!("http://{address}"), NO_KEY).without_key();
            let is_ready = eventually("prometheus", async || {
                let ready = client.request(http::Method::GET, "/-/ready");
                let reply = client.try_call(crate::client::filled(ready, "")).await;
                let is_ready = reply.is_ok_and(|reply| reply.status == http::StatusCode::OK);
                (is_ready || process.has_ended()).then_some(is_ready)
            });
            if is_ready.await {
                return Self { client, _process: process, _folder: folder };
            }
        }
        panic!("prometheus does not start");
    }

    /// What an expression finds now.
    ///
    /// # Panics
    /// If it is none.
    pub async fn query(&self, expression: &str) -> Found {
        let reply = self.client.get(&format!("/api/v1/query?query={}", encoded(expression))).await.json();
        assert_eq!(reply["status"], "success", "{expression}: {reply}");
        let series = reply["data"]["result"].as_array().unwrap_or_else(|| panic!("{expression}: {reply}"));
        let found = |series: &Value| {
            let labels = serde_json::from_value(series["metric"].clone()).expect("labels are text");
            let value = series["value"][1].as_str().and_then(|value| value.parse().ok());
            (labels, value.unwrap_or_else(|| panic!("{expression}: {series}")))
        };
        series.iter().map(found).collect()
    }

    /// All rules that it has, as it read them.
    ///
    /// # Panics
    /// If it does not say.
    pub async fn rules(&self) -> Vec<Value> {
        let reply = self.client.get("/api/v1/rules").await.json();
        let groups = reply["data"]["groups"].as_array().unwrap_or_else(|| panic!("{reply}"));
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect()
    }
}

/// For the query of a URL.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
