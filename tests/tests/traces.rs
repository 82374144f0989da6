//! One trace for each task, from the request that is accepted to the message about its end.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::collections::HashMap;

use http::Method;
use serde_json::{Value, json};
use tests::client::filled;
use tests::config::{self, account, image, model, route};
use tests::listener::{Listener, Message};
use tests::otlp::{self, Collector, Overheard};
use tests::{Gateway, Options, Reply, SandboxOptions, SandboxProcess, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN: &str = "b7ad6b7169203331";
const PROMPT: &str = "a prompt that no trace may tell";

/// A gateway whose upstream takes that long, and who hears what.
struct House {
    gateway: Gateway,
    upstream: Overheard,
    _sandbox: SandboxProcess,
}

impl House {
    async fn new(traces: Value, generation_s: f64) -> Self {
        let sandbox =
            SandboxProcess::with(SandboxOptions { generation_s, ..SandboxOptions::default() }).await;
        let upstream = Overheard::in_front_of(sandbox.client()).await;
        let routes = vec![route(model::V2_IMAGE, &["v2"])];
        let mut config = config::of(vec![account("v2", "v2", upstream.url())], routes);
        config["traces"] = traces;
        config["log"] = json!({ "format": "json" });
        config["egress"] = json!({ "allow": ["127.0.0.1/32"] });
        config["callbacks"] = json!({ "allow_http": true, "retry_after": "50ms" });
        let options = Options::config(config).variable(otlp::KEY_VARIABLE, otlp::KEY);
        Self { gateway: Gateway::start(options).await, upstream, _sandbox: sandbox }
    }

    /// Asks for an image; the answer.
    async fn ask(&self, listener: Option<&Listener>, traceparent: Option<&str>) -> Reply {
        let mut body = image(PROMPT);
        if let Some(listener) = listener {
            body["notify_hook"] = listener.url().into();
        }
        let client = self.gateway.client();
        let mut request = client.request(Method::POST, "/v2/images/generations");
        request = request.header("content-type", "application/json");
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent).header("tracestate", "shop=1");
        }
        client.call(filled(request, body.to_string())).await
    }
}

fn task_of(reply: &Reply) -> String {
    reply.json()["task_id"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

fn trace_of(traceparent: &str) -> &str {
    traceparent.split('-').nth(1).unwrap_or_else(|| panic!("{traceparent} is no traceparent"))
}

/// The spans of a trace, when the one of the whole task and a delivered message are among them.
async fn spans_of(collector: &Collector, trace: &str) -> Vec<Value> {
    eventually("the spans of the trace", async || {
        let spans: Vec<Value> = collector.spans().into_iter().filter(|span| span["trace"] == trace).collect();
        let has_delivered = spans.iter().any(|span| span["attributes"]["filmgate.outcome"] == "delivered");
        let has_ended = spans.iter().any(|span| span["name"] == "generation");
        (has_delivered && has_ended).then_some(spans)
    })
    .await
}

fn named<'a>(spans: &'a [Value], name: &str) -> Vec<&'a Value> {
    spans.iter().filter(|span| span["name"] == name).collect()
}

/// Whoever is called hears of the span that its call is, and of no other.
fn each_is_told_the_span_of_its_call(
    spans: &[Value],
    submit: &Value,
    (upstream, messages): (&[(String, http::HeaderMap)], &[Message]),
) {
    let calls: HashMap<&str, &Value> = spans
        .iter()
        .filter(|span| span["kind"] == "SPAN_KIND_CLIENT")
        .map(|span| (span["id"].as_str().unwrap(), span))
        .collect();
    for (call, headers) in upstream {
        let Some(told) = headers.get("traceparent").and_then(|told| told.to_str().ok()) else {
            panic!("{call} has no traceparent: {headers:?}");
        };
        assert_eq!(trace_of(told), TRACE, "{call}");
        assert!(!headers.contains_key("tracestate"), "{call} tells what the client keeps");
        let span = told.split('-').nth(2).unwrap();
        assert!(calls.contains_key(span), "{call} is told of no span that came: {told}");
    }
    let submitted = upstream.iter().find(|(call, _)| call.starts_with("POST")).unwrap().1["traceparent"]
        .to_str()
        .unwrap();
    assert_eq!(calls[submitted.split('-').nth(2).unwrap()]["parent"], submit["id"]);
    for message in messages {
        let span = message.header("traceparent").split('-').nth(2).unwrap();
        assert_eq!(
            (trace_of(message.header("traceparent")), message.header("tracestate")),
            (TRACE, "shop=1")
        );
        assert_eq!(calls[span]["attributes"]["http.response.status_code"], message.answer);
    }
}

#[tokio::test]
async fn one_trace_goes_from_the_client_to_the_message_over_a_restart() {
    let (collector, listener) = (Collector::start().await, Listener::start(&[503, 200]).await);
    let mut house = House::new(collector.config(), 3.0).await;
    let reply = house.ask(Some(&listener), Some(&format!("00-{TRACE}-{CLIENT_SPAN}-01"))).await;
    let id = task_of(&reply);
    assert_eq!(trace_of(reply.header("traceresponse")), TRACE, "{reply:?}");
    eventually("a poll", async || {
        let calls = house.upstream.calls();
        calls.iter().any(|(call, _)| call.starts_with("GET")).then_some(())
    })
    .await;
    // Told to stop, so that what it has recorded is sent.
    house.gateway.terminate();
    assert!(house.gateway.exit().await.success());
    let polls_before = house.upstream.calls().len();
    house.gateway.restart().await;
    house.gateway.ended("images", &id).await;
    let messages = listener.hears(2).await;

    let spans = spans_of(&collector, TRACE).await;
    let one = |name: &str| match named(&spans, name)[..] {
        [one] => one,
        _ => panic!("not one {name} in {spans:#?}"),
    };
    let request = one("POST /v2/{scope}/generations");
    assert_eq!((&request["parent"], &request["kind"]), (&json!(CLIENT_SPAN), &json!("SPAN_KIND_SERVER")));
    assert_eq!(request["attributes"]["http.response.status_code"], 200);
    let generation = one("generation");
    assert_eq!(generation["parent"], request["id"]);
    assert_eq!(generation["attributes"]["filmgate.outcome"], "succeeded");
    assert_eq!(generation["attributes"]["filmgate.account"], "v2");
    let submit = one("submit");
    for step in [vec![submit], named(&spans, "poll"), named(&spans, "deliver")].concat() {
        assert_eq!(step["parent"], generation["id"], "{step}");
        assert_eq!(step["attributes"]["filmgate.task.id"], id.as_str(), "{step}");
    }
    let delivered: Vec<&Value> =
        named(&spans, "deliver").iter().map(|span| &span["attributes"]["filmgate.outcome"]).collect();
    assert_eq!(delivered, ["failed", "delivered"]);
    assert_eq!(named(&spans, "deliver")[0]["status"], "STATUS_CODE_ERROR");
    let by_process = |spans: &[&Value]| {
        let of = |span: &&Value| span["resource"]["service.instance.id"].as_str().unwrap().to_owned();
        spans.iter().map(of).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(by_process(&named(&spans, "poll")), 2, "polls of both lives");
    assert_eq!(generation["resource"]["deployment.environment.name"], "a story");

    let upstream = house.upstream.calls();
    assert!(upstream.len() > polls_before, "polls after the restart");
    each_is_told_the_span_of_its_call(&spans, submit, (&upstream, &messages));

    let all = json!(spans).to_string();
    for secret in [PROMPT, house.gateway.key(), otlp::KEY, "notify_hook"] {
        assert!(!all.contains(secret), "{secret} is in the trace: {all}");
    }
    let log = house.gateway.stderr();
    let ended = log.lines().find(|line| line.contains("task ended")).unwrap();
    let ended: Value = serde_json::from_str(ended).unwrap();
    assert_eq!((&ended["trace_id"], &ended["task_id"]), (&json!(TRACE), &json!(id)), "{ended}");
}

#[tokio::test]
async fn a_request_without_a_trace_begins_one_and_its_polls_do_not() {
    let (collector, listener) = (Collector::start().await, Listener::start(&[200]).await);
    let mut traces = collector.config();
    traces["propagate_upstream"] = json!(false);
    traces["propagate_callbacks"] = json!(false);
    let house = House::new(traces, 0.2).await;
    let reply = house.ask(Some(&listener), Some("00-zz-hostile-01")).await;
    let trace = trace_of(reply.header("traceresponse")).to_owned();
    let poll = house.gateway.client().get(&format!("/v2/images/generations/{}", task_of(&reply))).await;
    assert_eq!(poll.header("traceresponse"), "");
    house.gateway.ended("images", &task_of(&reply)).await;
    let messages = listener.hears(1).await;
    assert_eq!(messages[0].header("traceparent"), "");
    assert!(house.upstream.calls().iter().all(|(_, headers)| !headers.contains_key("traceparent")));
    let spans = spans_of(&collector, &trace).await;
    assert_eq!(named(&spans, "POST /v2/{scope}/generations")[0]["parent"], "");
    assert!(collector.spans().iter().all(|span| span["trace"] == trace.as_str()), "{:#?}", collector.spans());
    assert!(house.gateway.metric("filmgate_trace_spans_total", &[("outcome", "sent")]).await > 0.0);
}

#[tokio::test]
async fn a_trace_that_its_client_does_not_record_is_recorded_by_nobody() {
    let (collector, listener) = (Collector::start().await, Listener::start(&[200]).await);
    let mut house = House::new(collector.config(), 0.2).await;
    let reply = house.ask(Some(&listener), Some(&format!("00-{TRACE}-{CLIENT_SPAN}-00"))).await;
    house.gateway.ended("images", &task_of(&reply)).await;
    let messages = listener.hears(1).await;
    assert!(messages[0].header("traceparent").ends_with("-00"), "{messages:?}");
    house.gateway.terminate();
    assert!(house.gateway.exit().await.success());
    assert_eq!(collector.spans(), [json!(null); 0]);
}

#[tokio::test]
async fn a_collector_that_is_away_changes_nothing_for_clients() {
    // Nobody listens there, and the queue holds next to nothing.
    let nowhere = json!({ "endpoint": "http://127.0.0.1:9", "queue_max": 2, "timeout": "1s" });
    let listener = Listener::start(&[200]).await;
    let mut house = House::new(nowhere, 0.2).await;
    for _ in 0..3 {
        let reply = house.ask(Some(&listener), None).await;
        assert_eq!(house.gateway.ended("images", &task_of(&reply)).await["status"], "SUCCESS");
    }
    listener.hears(3).await;
    let lost =
        async |outcome| house.gateway.metric("filmgate_trace_spans_total", &[("outcome", outcome)]).await;
    eventually("spans without room", async || (lost("dropped").await > 0.0).then_some(())).await;
    assert_eq!(lost("sent").await, 0.0);
    house.gateway.terminate();
    assert!(house.gateway.exit().await.success());
}

#[tokio::test]
async fn without_a_collector_nothing_is_recorded_or_told() {
    let listener = Listener::start(&[200]).await;
    let house = House::new(json!({}), 0.2).await;
    let reply = house.ask(Some(&listener), Some(&format!("00-{TRACE}-{CLIENT_SPAN}-01"))).await;
    house.gateway.ended("images", &task_of(&reply)).await;
    assert_eq!(reply.header("traceresponse"), "");
    assert_eq!(listener.hears(1).await[0].header("traceparent"), "");
    assert!(house.upstream.calls().iter().all(|(_, headers)| !headers.contains_key("traceparent")));
    assert!(!house.gateway.stderr().contains(TRACE));
}
