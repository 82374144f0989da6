//! Clients that wait in place of asking again and again: by streams of events, and by replies that wait.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use http::{Method, StatusCode};
use serde_json::json;
use tests::client::filled;
use tests::config::{config, image};
use tests::event_stream::{Event, EventStream};
use tests::{Gateway, Options, Reply, SandboxProcess, eventually, figures, tool};
use tokio::task::JoinSet;

/// Streams, and waiting polls, at one time in the story of the crowd. Each is a connection of its own.
const CROWD: usize = 2000;
/// The tasks that they follow.
const CROWD_TASKS: usize = 200;
/// Files that the gateway and this process need for that: a connection has two ends.
const CROWD_FILES: u64 = 3 * CROWD as u64;
/// More memory than the gateway may need with the crowd.
const CROWD_BYTES_MAX: u64 = 512 << 20;

fn path(id: &str) -> String {
    format!("/v2/images/generations/{id}")
}

async fn house() -> (SandboxProcess, Gateway) {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    (sandbox, gateway)
}

fn percent(event: &Event) -> u32 {
    event.data["progress"].as_str().unwrap().trim_end_matches('%').parse().unwrap()
}

fn assert_succeeded(event: &Event) {
    assert_eq!((event.name.as_str(), &event.data["status"]), ("SUCCESS", &json!("SUCCESS")), "{event:?}");
}

#[tokio::test]
async fn a_stream_tells_of_progress_and_of_the_end() {
    let (_sandbox, gateway) = house().await;
    let id = gateway.create("images", &image("[sandbox:slow=2s]")).await;
    let stream = EventStream::open(&gateway, &id, None).await;
    assert_eq!(stream.status, StatusCode::OK);
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-cache"), ("x-accel-buffering", "no")]
    {
        assert_eq!(stream.headers[name], value);
    }
    let events = stream.rest().await;
    assert!(events.len() >= 3, "{events:?}");
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id), "{events:?}");
    assert!(events.windows(2).all(|pair| percent(&pair[0]) <= percent(&pair[1])), "{events:?}");
    let (end, before) = events.split_last().unwrap();
    assert!(before.iter().all(|event| event.name == event.data["status"] && event.name != "SUCCESS"));
    assert!(before.iter().any(|event| (1..100).contains(&percent(event))), "{events:?}");
    assert_succeeded(end);
    assert_eq!(end.data, gateway.poll("images", &id).await);
}

#[tokio::test]
async fn a_client_goes_on_where_it_was_and_stops_at_the_end() {
    let (_sandbox, gateway) = house().await;
    let id = gateway.create("images", &image("[sandbox:slow=1s]")).await;
    let mut stream = EventStream::open(&gateway, &id, None).await;
    let seen = stream.next().await.unwrap().unwrap().id;
    drop(stream);
    gateway.ended("images", &id).await;

    let missed = EventStream::open(&gateway, &id, Some(seen)).await.rest().await;
    let [end] = missed.as_slice() else { panic!("the end alone: {missed:?}") };
    assert_succeeded(end);
    let nothing = EventStream::open(&gateway, &id, Some(end.id)).await;
    assert_eq!(nothing.status, StatusCode::NO_CONTENT, "a client of the standard comes back no more");
}

#[tokio::test]
async fn only_who_owns_a_task_follows_it() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["keys"] = json!([{ "name": "other", "key": "env:OTHER_KEY" }]);
    let other = "the-other-client-of-the-stories";
    let gateway = Gateway::start(Options::config(config).variable("OTHER_KEY", other)).await;
    let id = gateway.create("images", &image("mine")).await;
    let stranger = gateway.client().with_key(other);
    let (own, unknown) = (format!("{}/events", path(&id)), format!("{}/events", path("no-such-task")));
    for (client, path, status) in [
        (&stranger, &own, StatusCode::NOT_FOUND),
        (gateway.client(), &unknown, StatusCode::NOT_FOUND),
        (&gateway.client().without_key(), &own, StatusCode::UNAUTHORIZED),
    ] {
        let reply = client.get(path).await;
        assert_eq!(reply.status, status, "{reply:?}");
        let body = reply.json();
        assert!(body["message"].is_string() && body["error"]["code"].is_string(), "the API's shape: {body}");
    }
}

#[tokio::test]
async fn replies_wait_as_long_as_they_are_asked_to() {
    let (_sandbox, gateway) = house().await;
    let create = async |query: &str, prompt: &str| {
        gateway.client().post(&format!("/v2/images/generations{query}"), image(prompt).to_string()).await
    };
    let made = create("?wait=100", "quick").await;
    assert_eq!((made.status, made.header("preference-applied")), (StatusCode::OK, "wait=100"));
    assert_eq!(made.json()["status"], "SUCCESS", "{made:?}");
    let id = made.json()["task_id"].as_str().unwrap().to_owned();
    assert_eq!(gateway.poll("images", &id).await, made.json());

    let outlasted = create("?wait=1", "[sandbox:slow=6s]").await;
    assert_eq!((outlasted.status, outlasted.header("preference-applied")), (StatusCode::OK, "wait=1"));
    let task = outlasted.json();
    assert!(task["status"] == "IN_PROGRESS" || task["status"] == "NOT_START", "{task}");
    let asked = gateway.client().request(Method::GET, &path(task["task_id"].as_str().unwrap()));
    let waited = gateway.client().call(filled(asked.header("prefer", "wait"), "")).await;
    assert_eq!(waited.json()["status"], "SUCCESS", "{waited:?}");
    assert_eq!(waited.header("preference-applied"), "wait=600", "as long as the gateway lets anyone wait");
}

#[tokio::test]
async fn a_gateway_that_stops_keeps_nobody_waiting() {
    let (_sandbox, mut gateway) = house().await;
    let id = gateway.create("images", &image("[sandbox:never]")).await;
    let mut stream = EventStream::open(&gateway, &id, None).await;
    stream.next().await.unwrap().unwrap();
    let (client, target) = (gateway.client().clone(), format!("{}?wait=600", path(&id)));
    let waiting = tokio::spawn(async move { client.get(&target).await });
    until_metric(&gateway, "filmgate_http_requests_waiting", 1).await;

    gateway.terminate();
    while stream.next().await.expect("ended, not cut").is_some() {}
    let reply = waiting.await.unwrap();
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.json()["status"] != "SUCCESS", "{reply:?}");
    assert!(gateway.exit().await.success());
}

#[tokio::test]
async fn a_client_of_a_gateway_that_died_hears_of_the_end_from_the_next() {
    let (_sandbox, mut gateway) = house().await;
    let id = gateway.create("images", &image("[sandbox:slow=3s]")).await;
    let mut stream = EventStream::open(&gateway, &id, None).await;
    // Not while the upstream's answer is under way: that is another story.
    let seen = loop {
        let event = stream.next().await.unwrap().unwrap();
        if event.data["start_time"] != 0 {
            break event.id;
        }
    };
    gateway.kill();
    while let Ok(Some(_event)) = stream.next().await {}

    gateway.restart().await;
    let events = EventStream::open(&gateway, &id, Some(seen)).await.rest().await;
    assert!(events.iter().all(|event| event.id > seen), "{events:?}");
    assert_succeeded(events.last().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_waiting_clients_costs_the_others_nothing() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    // No task gets anywhere until the crowd is there.
    sandbox.pause();
    config["tasks"]["submit_timeout"] = json!("100s");
    config["tasks"]["lease"] = json!("150s");
    config["server"]["requests_in_flight_max"] = json!(64);
    // The crowd comes at once.
    config["limits"]["requests_burst"] = json!(10_000);
    let gateway = Gateway::with_config(config).await;
    for process in [gateway.process_id(), std::process::id()] {
        let_open_files(process);
    }
    let mut tasks = Vec::new();
    for number in 0..CROWD_TASKS {
        tasks.push(gateway.create("images", &image(&format!("number {number}"))).await);
    }
    let (mut streams, mut waits) = (JoinSet::new(), JoinSet::new());
    for id in tasks.iter().cycle().take(CROWD) {
        let stream = EventStream::open(&gateway, id, None).await;
        assert_eq!(stream.status, StatusCode::OK);
        streams.spawn(stream.rest());
        let (client, target) = (gateway.client().clone(), format!("{}?wait=600", path(id)));
        waits.spawn(async move { client.get(&target).await });
    }
    for gauge in ["filmgate_http_event_streams", "filmgate_http_requests_waiting"] {
        until_metric(&gateway, gauge, CROWD).await;
    }
    let memory = resident_bytes(gateway.process_id());
    let polls: Vec<Reply> = {
        let mut polls = Vec::new();
        for id in &tasks {
            polls.push(gateway.client().get(&path(id)).await);
        }
        polls
    };
    assert!(polls.iter().all(|poll| poll.status == StatusCode::OK), "more than may be in flight wait");

    sandbox.resume();
    for events in streams.join_all().await {
        assert_succeeded(events.last().expect("an end"));
    }
    for reply in waits.join_all().await {
        assert_eq!((reply.status, &reply.json()["status"]), (StatusCode::OK, &json!("SUCCESS")), "{reply:?}");
    }
    for gauge in ["filmgate_http_event_streams", "filmgate_http_requests_waiting"] {
        until_metric(&gateway, gauge, 0).await;
    }
    let figure = json!({ "n": 2 * CROWD, "failures": 0, "tasks": CROWD_TASKS, "resident_bytes": memory });
    figures::note("waiting_clients", figure.clone());
    assert!(memory < CROWD_BYTES_MAX, "{figure}");
}

async fn until_metric(gateway: &Gateway, name: &str, value: usize) {
    let value = f64::from(u32::try_from(value).unwrap());
    eventually(&format!("{name} {value}"), async || {
        let is_there = (gateway.metric(name, &[]).await - value).abs() < 0.5;
        is_there.then_some(())
    })
    .await;
}

/// Raises the number of files that a process may open, where it is too low for a crowd.
fn let_open_files(process: u32) {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let soft: u64 = limit.split_whitespace().next().unwrap().parse().unwrap_or(u64::MAX);
    if soft < CROWD_FILES {
        tool::run("prlimit", &["--pid", &process.to_string(), &format!("--nofile={CROWD_FILES}:")]);
    }
}

/// What a process has in memory.
fn resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
