//! The configuration changes while the gateway runs: as a whole, for whoever comes next, and not for tasks under way.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use serde_json::{Value, json};
use tests::begun::Begun;
use tests::config::{account, config, image, model, of, route};
use tests::{Client, Gateway, Options, SandboxProcess, eventually};
use tokio::task::JoinSet;

const IMAGES: &str = "/v2/images/generations";
/// Often enough that stories need not wait.
const WATCHED: &str = "20ms";

/// How often the config was read again with that outcome.
async fn reloads(gateway: &Gateway, outcome: &str) -> u32 {
    let count = gateway.metric("filmgate_config_reloads_total", &[("outcome", outcome)]).await;
    format!("{count:.0}").parse().unwrap()
}

/// Waits until that many versions were applied, the first by the start.
async fn applied(gateway: &Gateway, revision: f64) {
    eventually(&format!("revision {revision}"), async || {
        (gateway.metric("filmgate_config_revision", &[]).await == revision).then_some(())
    })
    .await;
}

/// The names of all public models.
async fn models(client: &Client) -> Vec<String> {
    let reply = client.get("/v1/models").await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let data = reply.json()["data"].as_array().unwrap().clone();
    data.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

/// One that has a model which no other has.
fn marked(base: &Value, marker: &str) -> Value {
    let mut config = base.clone();
    config["models"] = json!([{ "name": marker, "scope": "images" }]);
    config["routes"].as_array_mut().unwrap().push(json!({
        "model": marker,
        "accounts": [{ "account": "v2", "upstream_model": model::V2_IMAGE }],
    }));
    config
}

/// What cannot be used, each time for another reason.
fn broken(base: &Value, number: usize) -> String {
    let mut config = marked(base, &format!("bad-{number}"));
    match number / 2 % 6 {
        0 => config["keyz"] = json!([]),
        1 => config["accounts"][0]["provider"] = json!("nobody"),
        2 => config["accounts"][1]["credential"] = json!("env:THIS_IS_NOT_SET"),
        3 => config["routes"][0]["accounts"] = json!(["gone"]),
        4 => return config.to_string().replace('}', ""),
        // As a disk that is full leaves it.
        _ => return String::new(),
    }
    config.to_string()
}

/// Puts a new file in the place of the config, as editors do.
fn rename_over(file: &Path, text: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, file).unwrap();
}

/// Mounts the config anew, as Kubernetes does: the file is a link into a folder, and the folder is a link that changes.
fn remount(file: &Path, text: &str, number: usize) {
    let folder = file.parent().unwrap();
    let version = format!("..version_{number}");
    std::fs::create_dir(folder.join(&version)).unwrap();
    std::fs::write(folder.join(&version).join("filmgate.yaml"), text).unwrap();
    symlink(&version, folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    if !file.is_symlink() {
        symlink("..data/filmgate.yaml", file.with_extension("link")).unwrap();
        std::fs::rename(file.with_extension("link"), file).unwrap();
    }
}

/// A client that makes tasks and looks at them until it is told to stop; how many requests it made, all of which were
/// answered well.
async fn live(client: Client, number: usize, stop: Arc<AtomicBool>) -> usize {
    let mut requests = 0;
    for round in 0.. {
        let body = image(&format!("{number}.{round}")).to_string();
        let made = client.post(IMAGES, body).await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
        let path = format!("{IMAGES}/{}", made.json()["task_id"].as_str().unwrap());
        requests += 1;
        loop {
            let read = client.get(&path).await;
            assert_eq!(read.status, StatusCode::OK, "{read:?}");
            requests += 1;
            match read.json()["status"].as_str() {
                Some("SUCCESS") => break,
                Some("FAILURE") => panic!("{read:?}"),
                _ => tokio::task::yield_now().await,
            }
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    requests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_100_reloads_under_load_the_good_ones_are_applied_and_no_request_fails() {
    let sandbox = SandboxProcess::start().await;
    let mut base = config(&sandbox.url());
    base["limits"] = json!({ "requests_per_minute": 60_000_000, "requests_burst": 1_000_000 });
    base["reload"] = json!({ "watch_every": "0s" });
    let gateway = Gateway::with_config(base.clone()).await;
    let (file, client) = (gateway.config_file(), gateway.client().clone());
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..4 {
        clients.spawn(live(client.clone(), number, Arc::clone(&stop)));
    }

    let (mut good, mut bad) = (0, 0);
    for number in 0..100 {
        let by_signal = number < 50;
        if number == 48 {
            // From this one on the file is watched.
            base["reload"] = json!({ "watch_every": WATCHED });
        }
        let is_good = number % 2 == 0;
        let text = if is_good {
            marked(&base, &format!("good-{number}")).to_string()
        } else {
            broken(&base, number)
        };
        match number % 3 {
            // A file that is written in place is empty for a moment, at which nobody may look who is not asked to.
            0 if by_signal && number < 48 => std::fs::write(&file, text).unwrap(),
            1 => rename_over(&file, &text),
            _ => remount(&file, &text, number),
        }
        if number <= 48 {
            gateway.hang_up();
        }
        if is_good {
            good += 1;
            applied(&gateway, f64::from(good + 1)).await;
        } else {
            bad += 1;
            eventually("a refusal", async || (reloads(&gateway, "failed").await == bad).then_some(())).await;
        }
        let names = models(&client).await;
        let markers: Vec<_> =
            names.iter().filter(|n| n.starts_with("good-") || n.starts_with("bad-")).collect();
        assert_eq!(markers, [&format!("good-{}", number - number % 2)]);
        let successful = gateway.metric("filmgate_config_last_reload_successful", &[]).await;
        assert_eq!(successful, f64::from(u8::from(is_good)));
    }
    stop.store(true, Ordering::Relaxed);
    let requests: usize = clients.join_all().await.iter().sum();
    assert!(requests > 200, "{requests} requests");
    assert_eq!((good, bad), (50, 50));
    assert_eq!(gateway.metric("filmgate_config_revision", &[]).await, 51.0);
    assert_eq!((reloads(&gateway, "applied").await, reloads(&gateway, "failed").await), (50, 50));
    let log = gateway.stderr();
    for told in
        ["keyz", "it is empty", "nobody", "THIS_IS_NOT_SET is not set", "accounts[0]", "filmgate.yaml:"]
    {
        assert!(log.contains(told), "{told}");
    }
    assert!(!log.contains("sandbox-upstream-key"), "no secret is logged");
}

/// A config with one account at `v2`, called `main`, whose credential is in that file.
fn with_credential_in(file: &Path, sandbox: &SandboxProcess) -> Value {
    let mut main = account("main", "v2", &sandbox.url());
    main["credential"] = json!(format!("file:{}", file.display()));
    let mut config = of(vec![main], vec![route(model::V2_IMAGE, &["main"])]);
    config["reload"] = json!({ "watch_every": WATCHED });
    config
}

const OLD: &str = "the-credential-of-yesterday";
const NEW: &str = "the-credential-of-today";

/// Waits until the sandbox was polled once more with the old credential.
async fn polled_with_the_old_one(sandbox: &SandboxProcess) {
    let before = sandbox.ledger().await.calls_with(OLD, "v2.poll");
    eventually("a poll", async || (sandbox.ledger().await.calls_with(OLD, "v2.poll") > before).then_some(()))
        .await;
}

#[tokio::test]
async fn a_running_task_keeps_the_credential_that_it_was_submitted_with() {
    let sandbox = SandboxProcess::start().await;
    let secrets = tempfile::tempdir().unwrap();
    let secret = secrets.path().join("credential");
    std::fs::write(&secret, OLD).unwrap();
    let gateway = Gateway::with_config(with_credential_in(&secret, &sandbox)).await;
    let running = gateway.create("images", &image("before [sandbox:slow=8s]")).await;
    polled_with_the_old_one(&sandbox).await;

    // Nothing but what the file holds that the config names.
    rename_over(&secret, NEW);
    applied(&gateway, 2.0).await;
    polled_with_the_old_one(&sandbox).await;
    assert_eq!(sandbox.ledger().await.calls_with(NEW, "v2.poll"), 0);
    eventually("word of the old credential", async || {
        (gateway.metric("filmgate_accounts_retired", &[("account", "main")]).await == 1.0).then_some(())
    })
    .await;

    gateway.succeeded("images", &image("after")).await;
    let ledger = sandbox.ledger().await;
    assert_eq!((ledger.calls_with(OLD, "v2.submit"), ledger.calls_with(NEW, "v2.submit")), (1, 1));
    assert_eq!(gateway.ended("images", &running).await["status"], "SUCCESS");

    // Nobody needs it any more.
    eventually("an end of the old credential", async || {
        (gateway.metric("filmgate_accounts_retired", &[]).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn after_a_restart_a_running_task_is_asked_about_with_the_credential_that_its_account_has_then() {
    let sandbox = SandboxProcess::start().await;
    let secrets = tempfile::tempdir().unwrap();
    let secret = secrets.path().join("credential");
    std::fs::write(&secret, OLD).unwrap();
    let mut gateway = Gateway::with_config(with_credential_in(&secret, &sandbox)).await;
    let running = [
        gateway.create("images", &image("one [sandbox:slow=4s]")).await,
        gateway.create("images", &image("two [sandbox:slow=4s]")).await,
    ];
    polled_with_the_old_one(&sandbox).await;
    eventually("both", async || (sandbox.ledger().await.len() == 2).then_some(())).await;
    gateway.kill();
    std::fs::write(&secret, NEW).unwrap();
    gateway.restart().await;
    for id in &running {
        assert_eq!(gateway.ended("images", id).await["status"], "SUCCESS");
    }
    assert_eq!(gateway.stderr().matches("had before a restart").count(), 1, "one warning for both");
    assert!(sandbox.ledger().await.calls_with(NEW, "v2.poll") > 0);
    assert_eq!(sandbox.ledger().await.len(), 2, "none was submitted again");
}

/// Images at `first`, one at a time and for a price; later at `second`.
fn served_by(name: &str, sandbox: &SandboxProcess, credential: &Path) -> Value {
    let mut config = with_credential_in(credential, sandbox);
    config["accounts"][0]["name"] = json!(name);
    config["accounts"][0]["concurrent_tasks"] = json!(1);
    config["routes"][0]["accounts"] = json!([{ "account": name, "price": "0.25" }]);
    config
}

#[tokio::test]
async fn a_removed_account_finishes_what_it_has_and_what_nobody_serves_any_more_fails() {
    let sandbox = SandboxProcess::start().await;
    let secrets = tempfile::tempdir().unwrap();
    let (old, new) = (secrets.path().join("old"), secrets.path().join("new"));
    std::fs::write(&old, OLD).unwrap();
    std::fs::write(&new, NEW).unwrap();
    let mut config = served_by("first", &sandbox, &old);
    config["routes"].as_array_mut().unwrap().push(route(model::V2_AUDIO, &["first"]));
    let mut gateway = Gateway::with_config(config).await;
    let running = gateway.create("images", &image("running [sandbox:slow=6s]")).await;
    eventually("a submit", async || (sandbox.ledger().await.len() == 1).then_some(())).await;
    let waiting = gateway.create("images", &image("waiting")).await;
    let sound = json!({ "prompt": "waiting", "model": model::V2_AUDIO });
    let sound = gateway.create("audio", &sound).await;

    gateway.set_config(served_by("second", &sandbox, &new));
    gateway.hang_up();
    applied(&gateway, 2.0).await;
    let refused = gateway.ended("images", &waiting).await;
    assert_eq!(refused["status"], "FAILURE", "its price was agreed for an account that is gone: {refused}");
    let unserved = gateway.ended("audio", &sound).await;
    assert_eq!(unserved["status"], "FAILURE", "nobody makes such sounds now: {unserved}");
    let released = [("kind", "release")];
    assert_eq!(gateway.metric("filmgate_ledger_units_total", &released).await, 0.25);

    // Who comes now goes to the other one, which has room although the first has none.
    gateway.succeeded("images", &image("next")).await;
    let done = gateway.ended("images", &running).await;
    assert_eq!(done["status"], "SUCCESS", "{done}");
    let ledger = sandbox.ledger().await;
    assert_eq!((ledger.calls_with(OLD, "v2.submit"), ledger.calls_with(NEW, "v2.submit")), (1, 1));
    let captured = |account| [("kind", "capture"), ("account", account)];
    for account in ["first", "second"] {
        assert_eq!(gateway.metric("filmgate_ledger_units_total", &captured(account)).await, 0.25);
    }
}

#[tokio::test]
async fn a_lowered_limit_lets_nobody_in_until_enough_have_left() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["accounts"][1]["concurrent_tasks"] = json!(3);
    config["limits"]["concurrent_tasks"] = json!(6);
    let mut gateway = Gateway::with_config(config.clone()).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(gateway.create("images", &image(&format!("early {number} [sandbox:slow=5s]"))).await);
    }
    eventually("three submits", async || (sandbox.ledger().await.len() == 3).then_some(())).await;

    config["accounts"][1]["concurrent_tasks"] = json!(1);
    config["limits"]["concurrent_tasks"] = json!(4);
    gateway.set_config(config);
    gateway.hang_up();
    applied(&gateway, 2.0).await;
    ids.push(gateway.create("images", &image("late 0")).await);
    let refused = gateway.client().post(IMAGES, image("too many").to_string()).await;
    assert_eq!(refused.json()["message"], "too many concurrent tasks: this key may have 4", "{refused:?}");
    for id in &ids {
        assert_eq!(gateway.ended("images", id).await["status"], "SUCCESS");
    }
    let ledger = sandbox.ledger().await;
    let time = |entry: &Value, name: &str| entry[name].as_u64().unwrap();
    let (early, late): (Vec<_>, Vec<_>) =
        ledger.entries().iter().partition(|entry| entry["prompt"].as_str().unwrap().starts_with("early"));
    let ended = early.iter().map(|entry| time(entry, "accepted_at_ms") + time(entry, "generation_ms"));
    assert_eq!((early.len(), late.len()), (3, 1));
    assert!(time(late[0], "accepted_at_ms") >= ended.max().unwrap(), "it came while another was there");
}

#[tokio::test]
async fn a_limit_that_comes_later_counts_what_runs_already() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    let mut gateway = Gateway::with_config(config.clone()).await;
    let early = gateway.create("images", &image("early [sandbox:slow=4s]")).await;
    eventually("a submit", async || (sandbox.ledger().await.len() == 1).then_some(())).await;
    config["providers"] = json!([{ "provider": "v2", "concurrent_tasks": 1 }]);
    gateway.set_config(config);
    gateway.hang_up();
    applied(&gateway, 2.0).await;
    let late = gateway.create("images", &image("late")).await;
    for id in [&early, &late] {
        assert_eq!(gateway.ended("images", id).await["status"], "SUCCESS");
    }
    assert_eq!(sandbox.ledger().await.most_at_once(), 1);
}

/// Either of two configs: a key, and a model that only that key can have, because the other config has neither.
fn either(base: &Value, name: &str) -> Value {
    let mut config = marked(base, &format!("model-{name}"));
    config["keys"] = json!([{ "name": name, "key": format!("env:KEY_{}", name.to_uppercase()) }]);
    config
}

fn key(name: &str) -> String {
    format!("the-key-that-is-called-{name}")
}

async fn begun(gateway: &Gateway, (name, model): (&str, &str)) -> Begun {
    let mut body = image("between two");
    body["model"] = json!(model);
    Begun::new(gateway.url(), IMAGES, &key(name), &body).await
}

#[tokio::test]
async fn no_request_has_the_key_of_one_version_and_the_models_of_another() {
    let sandbox = SandboxProcess::start().await;
    let base = config(&sandbox.url());
    let mut options = Options::config(either(&base, "a"));
    for name in ["a", "b"] {
        options = options.variable(&format!("KEY_{}", name.to_uppercase()), &key(name));
    }
    let mut gateway = Gateway::start(options).await;
    assert_eq!(begun(&gateway, ("a", "model-a")).await.finish().await, StatusCode::OK);

    // The key is good when the request begins; the model is there when its body has come.
    let between = begun(&gateway, ("a", "model-b")).await;
    gateway.set_config(either(&base, "b"));
    gateway.hang_up();
    applied(&gateway, 2.0).await;
    assert_eq!(between.finish().await, StatusCode::UNAUTHORIZED);
    assert_eq!(begun(&gateway, ("b", "model-b")).await.finish().await, StatusCode::OK);
}

#[tokio::test]
async fn what_only_a_start_reads_is_named_and_the_rest_is_applied() {
    let sandbox = SandboxProcess::start().await;
    let config = config(&sandbox.url());
    let mut gateway = Gateway::with_config(config.clone()).await;
    let mut changed = marked(&config, "good-1");
    changed["server"]["idle_timeout"] = json!("9s");
    changed["tasks"]["attempts_max"] = json!(2);
    gateway.set_config(changed.clone());
    gateway.hang_up();
    applied(&gateway, 2.0).await;
    assert!(models(gateway.client()).await.contains(&"good-1".to_owned()));
    let named = "takes effect at the next start";
    let lines = |gateway: &Gateway| {
        let log = gateway.stderr();
        log.lines().filter(|line| line.contains(named)).map(str::to_owned).collect::<Vec<_>>()
    };
    let told = lines(&gateway);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("server.idle_timeout, tasks.attempts_max"), "{told:?}");

    // What was read at the start counts, not what was read last: nothing is left to say.
    gateway.set_config(config);
    gateway.hang_up();
    applied(&gateway, 3.0).await;
    assert_eq!(lines(&gateway).len(), 1);

    // And the same once more is nothing new.
    gateway.hang_up();
    eventually("word of that", async || (reloads(&gateway, "unchanged").await == 1).then_some(())).await;
    assert_eq!(gateway.metric("filmgate_config_revision", &[]).await, 3.0);
}

#[tokio::test]
async fn without_a_config_a_wish_to_read_it_again_changes_nothing() {
    let gateway = Gateway::embedded().await;
    gateway.hang_up();
    eventually("word of that", async || (reloads(&gateway, "unchanged").await == 1).then_some(())).await;
    gateway.succeeded("images", &image("as before")).await;
}
