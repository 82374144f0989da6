//! Ten thousand submissions whose answers prove nothing: none is made again by itself, and each is found where there is a
//! way to find it.

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Account, Call, Draft, Pace, TaskId};
use serde_json::json;
use store::Tasks as _;
use tasks::HintSettings;
use tokio::task::JoinSet;

use crate::stage::{PATIENCE, Stage, Working, account, client, draft};
use crate::upstream::{Answer, Upstream};

const HOUR: Duration = Duration::from_secs(3600);
const BASE: &str = "https://gateway.example/callbacks/";
/// The folder that figures are appended in, if it is named.
const FIGURES: &str = "FILMGATE_FIGURES";
const SUBMITS_OF_V2: &str = "POST /v2/videos/generations";
const SUBMITS_OF_APIMART: &str = "POST /v1/videos/generations";
const SUBMITS_OF_KLING: &str = "POST /v1/videos/text2video";

/// An answer that proves neither acceptance nor refusal.
fn puzzle(seen: usize) -> Answer {
    match seen % 5 {
        0 => Answer::json(500, "{}"),
        1 => Answer::json(200, r#"{"hello":"world"}"#),
        2 => Answer::bytes(b"<html>"),
        3 => Answer::json(504, "{}"),
        _ => Answer::Close,
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE * 3, looking).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

/// What was counted of some submissions.
struct Counted {
    submits: usize,
    unknown: usize,
    resubmits: usize,
    resolved: usize,
}

/// A gateway and tasks whose submissions are in doubt, all of them.
struct Doubt {
    stage: Stage,
    ids: Vec<TaskId>,
    _working: Working,
}

impl Doubt {
    /// So many at an account of that provider.
    async fn of(provider: &str, up: &Upstream, count: u32) -> Self {
        let account = Account {
            provider: provider.into(),
            requests_per_minute: 100_000_000,
            concurrent_tasks: 1_000_000,
            pace: Some(Pace { first: HOUR, shortest: HOUR, longest: HOUR }),
            ..account("a", &up.url)
        };
        let stage = Stage::with(vec![account], |settings| {
            settings.task_deadline = HOUR * 2;
            settings.unknown_hold = HOUR;
            settings.look_after = Duration::from_secs(1);
            settings.look_after_max = Duration::from_secs(5);
            settings.steps_max = 64;
            settings.hints =
                Some(HintSettings { public_url: "https://gateway.example".into(), key: [7; 32] });
        })
        .await;
        let mut client = client("owner");
        client.limits.concurrent_tasks = u32::MAX;
        let mut creating = JoinSet::new();
        for number in 0..count {
            let (service, client) = (stage.service.clone(), client.clone());
            let draft = Draft { prompt: format!("cat {number}."), ..draft() };
            creating.spawn(async move { service.create(&client, "v2", draft, None).await.unwrap().task.id });
        }
        let ids = creating.join_all().await;
        let doubt = Self { _working: stage.work(), stage, ids };
        let unknown = async || doubt.stage.counted("filmgate_submits_total", "unknown") >= f64::from(count);
        until("the answer to each submission is lost", unknown).await;
        doubt
    }

    /// How many tasks are in that state.
    async fn in_state(&self, state: &str) -> usize {
        let live = self.stage.store.live_tasks().await.unwrap();
        let count = live.iter().find(|(name, _)| name == state).map_or(0, |(_, count)| *count);
        usize::try_from(count).unwrap()
    }

    /// Waits until all are in that state.
    async fn until_all(&self, state: &str) {
        until(&format!("all are {state}"), async || self.in_state(state).await == self.ids.len()).await;
    }

    async fn counted(&self) -> Counted {
        let mut attempts = 0;
        for id in &self.ids {
            attempts += self.stage.store.load(id).await.unwrap().unwrap().attempts.len();
        }
        let unknown = self.stage.counted("filmgate_submits_total", "unknown");
        let counted = Counted {
            submits: self.ids.len(),
            unknown: format!("{unknown:.0}").parse().unwrap(),
            resubmits: attempts - self.ids.len(),
            resolved: self.in_state("running").await,
        };
        assert_eq!((counted.unknown, counted.resubmits), (counted.submits, 0));
        counted
    }
}

/// The prompts of submissions; a prompt that is there twice was submitted twice.
fn prompts(requests: &[String]) -> Vec<&str> {
    fn prompt(request: &str) -> Option<&str> {
        let (_, from) = request.split_once("\"cat ")?;
        from.split('.').next()
    }
    requests.iter().map(|request| prompt(request).expect("a submission has its prompt")).collect()
}

async fn without_a_way(count: u32) -> Counted {
    let up = Upstream::start(|_call, seen| puzzle(seen)).await;
    let doubt = Doubt::of("v2", &up, count).await;
    doubt.until_all("unknown").await;
    assert_eq!(up.calls(), doubt.ids.len(), "one submission each, and nothing else");
    let sent = up.requests(SUBMITS_OF_V2);
    assert_eq!(prompts(&sent).into_iter().collect::<HashSet<_>>().len(), doubt.ids.len());
    doubt.counted().await
}

async fn by_callbacks(count: u32) -> Counted {
    let up = Upstream::start(|_call, seen| puzzle(seen)).await;
    let doubt = Doubt::of("v2", &up, count).await;
    for (number, sent) in up.requests(SUBMITS_OF_V2).iter().enumerate() {
        let (_, rest) = sent.split_once(BASE).expect("it is told where to call");
        let token = rest.split('"').next().unwrap();
        let body = json!({ "task_id": format!("up-{number}") }).to_string();
        let call = Call::post_json("/callbacks/x", body.into_bytes());
        doubt.stage.service.upstream_called(token, &call).await.unwrap();
    }
    doubt.until_all("running").await;
    assert_eq!(up.calls(), doubt.ids.len());
    doubt.counted().await
}

async fn by_keys(count: u32) -> Counted {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = Arc::clone(&is_well);
    let up = Upstream::start(move |_call, seen| {
        let accepted = || format!(r#"{{"code":200,"data":[{{"task_id":"up-{seen}"}}]}}"#);
        if well.load(Ordering::SeqCst) { Answer::json(200, &accepted()) } else { puzzle(seen) }
    })
    .await;
    let doubt = Doubt::of("apimart", &up, count).await;
    is_well.store(true, Ordering::SeqCst);
    doubt.until_all("running").await;
    let keys = up.requests(SUBMITS_OF_APIMART);
    let key = |request: &String| {
        let line = request.lines().find(|line| line.starts_with("idempotency-key: "));
        line.expect("a submission has its key").to_owned()
    };
    let keys: HashSet<String> = keys.iter().map(key).collect();
    assert_eq!(keys.len(), doubt.ids.len(), "one key for each task, however often it was repeated");
    doubt.counted().await
}

async fn by_names(count: u32) -> Counted {
    let up = Upstream::start(|call, seen| match call.strip_prefix("GET /v1/videos/text2video/") {
        Some(name) => Answer::json(200, &format!(r#"{{"code":0,"data":{{"task_id":"of-{name}"}}}}"#)),
        None => puzzle(seen),
    })
    .await;
    let doubt = Doubt::of("kling", &up, count).await;
    doubt.until_all("running").await;
    assert_eq!(up.seen(SUBMITS_OF_KLING), doubt.ids.len());
    doubt.counted().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_thousand_ambiguous_submissions_none_is_made_again() {
    let held = without_a_way(4_000).await;
    let (callback, key, name) = (by_callbacks(2_000).await, by_keys(2_000).await, by_names(2_000).await);
    let sum =
        |count: fn(&Counted) -> usize| [&held, &callback, &key, &name].into_iter().map(count).sum::<usize>();
    let resolved = json!({ "callback": callback.resolved, "key": key.resolved, "name": name.resolved });
    let submits = sum(|counted| counted.submits);
    assert_eq!(submits, 10_000);
    let figures = json!({
        "suite": "ambiguous_submits", "n": submits, "failures": submits - sum(|counted| counted.unknown),
        "unknown": sum(|counted| counted.unknown), "resubmits": sum(|counted| counted.resubmits),
        "resolved": resolved, "held": held.submits - held.resolved,
    });
    writeln!(std::io::stderr(), "{figures}").unwrap();
    if let Some(folder) = std::env::var_os(FIGURES) {
        let path = std::path::Path::new(&folder).join("ambiguous.jsonl");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{figures}").unwrap();
    }
}
