//! The gateway on PostgreSQL, and the commands beside it: they work on the store that the config names.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use store::postgres_server::{DURABLE, Listen, PostgresServer};
use tests::config::{account, image, model, of, route};
use tests::media::probe_file;
use tests::{Finished, Gateway, Options, Process, SandboxProcess};

struct House {
    database: PostgresServer,
    gateway: Gateway,
    _sandbox: SandboxProcess,
}

impl House {
    /// Images cost 0.4.
    async fn start() -> Self {
        let sandbox = SandboxProcess::start().await;
        let database = PostgresServer::start(Listen::Address(Ipv4Addr::LOCALHOST.into()), &DURABLE);
        let mut main = account("main", "v2", &sandbox.url());
        main["prices"] = json!([{ "upstream_model": model::V2_IMAGE, "price": "0.40" }]);
        let mut config = of(vec![main], vec![route(model::V2_IMAGE, &["main"])]);
        config["store"]["postgres"]["url"] = json!("env:DATABASE_URL");
        let options = Options::config(config).variable("DATABASE_URL", &database.network_url());
        Self { database, gateway: Gateway::start(options).await, _sandbox: sandbox }
    }

    /// `filmgate` with those words, beside the gateway.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Process::command();
        command
            .args(words)
            .arg("--data")
            .arg(self.gateway.data())
            .arg("--config")
            .arg(self.gateway.config_file());
        command.env("UPSTREAM_KEY", "any").env("DATABASE_URL", self.database.network_url());
        command
    }

    async fn run(&self, words: &[&str]) -> Finished {
        let finished = Process::run(&mut self.command(words)).await;
        assert!(finished.status.success(), "{words:?}: {finished:?}");
        finished
    }

    async fn generate(&self, out: &Path) {
        let path = out.display().to_string();
        self.run(&["generate", "a cat", "--scope", "images", "--model", model::V2_IMAGE, "--out", &path])
            .await;
        assert_eq!(probe_file(out).codec, "png");
    }
}

#[tokio::test]
async fn commands_work_on_the_store_of_the_config() {
    let mut house = House::start().await;
    let id = house.gateway.create("images", &image("a cat")).await;
    assert_eq!(house.gateway.ended("images", &id).await["status"], "SUCCESS");
    let totals = house.run(&["ledger", "totals", "--format", "json"]).await.stdout;
    let totals: Vec<Value> = serde_json::from_str(&totals).unwrap();
    assert_eq!((&totals[0]["spent"], &totals[0]["open"]), (&json!("0.4"), &json!("0")), "{totals:?}");
    assert_eq!(house.run(&["ledger", "held"]).await.stdout.lines().count(), 1, "the heading");

    let made = house.run(&["keys", "create", "--name", "studio"]).await.stdout;
    let client = house.gateway.client().with_key(&made);
    assert_eq!(client.post("/v2/images/generations", image("with it").to_string()).await.status, 200);
    let listed = house.run(&["keys", "list"]).await.stdout;
    assert!(listed.contains("studio"), "{listed}");
    for nothing in [["deliveries", "list"], ["late", "list"], ["quarantine", "list"]] {
        assert_eq!(house.run(&nothing).await.stdout.lines().count(), 1, "{nothing:?}");
    }

    let folder = tempfile::tempdir().unwrap();
    house.generate(&folder.path().join("beside.png")).await;
    assert_eq!(house.gateway.metric("filmgate_tasks_accepted_total", &[("scope", "images")]).await, 3.0);
    house.gateway.terminate();
    house.gateway.exit().await;
    house.generate(&folder.path().join("alone.png")).await;
    assert!(!house.gateway.data().join("filmgate.db").exists(), "nothing went into an embedded store");
}
