//! A reply through a provider: decoded, and what it says told to clients.

use domain::{Call, Failure, GenerationRequest, Output, OutputMedia, Scope, TaskState, Timestamp};
use fastrand::Rng;
use translation::{DIALECTS, Found, LostSubmission, PollTarget, Progress, Provider, Results, SubmitOutcome};

use crate::corpus::Corpus;
use crate::message::Message;
use crate::texts;
use crate::world::{self, check_answer, check_failure, check_upstream_call, check_url, measured};

/// Bytes of a reason for the operator.
const REASON_CHARS_MAX: usize = 1025;
/// The prompt that the fixtures of lists have.
const FOUND_PROMPT: &str = "A cat surfing at sunset";
/// Results of one task.
const RESULTS_MAX: usize = 16;

/// Checks what `provider` takes `message` for after a submission.
pub(crate) fn check_submit(
    provider: &'static dyn Provider,
    message: &Message,
    corpus: &Corpus,
    random: &mut Rng,
) -> &'static str {
    let reply = message.reply();
    let request = request(random);
    if let Ok(url) = measured(message.size(), || provider.decode_upload(&reply)) {
        check_url(&url);
    }
    match measured(message.size(), || provider.decode_submit_of(&request, &reply)) {
        SubmitOutcome::Accepted { handle } => {
            assert!(!handle.trim().is_empty(), "a handle of spaces");
            check_polls(
                provider,
                &PollTarget { handle: &handle, upstream_model: model(provider, random), request: &request },
            );
            "accepted"
        }
        SubmitOutcome::Finished(results) => {
            check_results(results, request, corpus, random);
            "finished"
        }
        SubmitOutcome::Rejected(failure) => {
            check_ended(failure, request, corpus, random);
            "rejected"
        }
        SubmitOutcome::Unknown { reason } => {
            check_reason(&reason);
            "unknown"
        }
    }
}

/// Checks what `provider` takes `message` for after a poll.
pub(crate) fn check_poll(
    provider: &'static dyn Provider,
    message: &Message,
    corpus: &Corpus,
    random: &mut Rng,
) -> &'static str {
    let reply = message.reply();
    let request = request(random);
    let handle = texts::text(random);
    let target = PollTarget { handle: &handle, upstream_model: model(provider, random), request: &request };
    match measured(message.size(), || provider.decode_poll(&target, &reply)) {
        Progress::Running { percent } => {
            assert!(percent.is_none_or(|percent| percent <= 100), "{percent:?}");
            "running"
        }
        Progress::Finished(results) => {
            check_results(results, request, corpus, random);
            "finished"
        }
        Progress::Elsewhere(call) => {
            check_upstream_call(&call);
            "elsewhere"
        }
        Progress::Failed(failure) => {
            check_ended(failure, request, corpus, random);
            "failed"
        }
        Progress::Unclear { reason } => {
            check_reason(&reason);
            "unclear"
        }
    }
}

/// Checks what `provider` takes `message` for after a search for a lost submission, and as a callback.
pub(crate) fn check_find(
    provider: &'static dyn Provider,
    message: &Message,
    random: &mut Rng,
) -> &'static str {
    let callback = Call { headers: message.headers.clone(), ..Call::post_json("/", message.body.to_vec()) };
    let handle = measured(message.size(), || provider.handle_in_callback(&callback));
    assert!(handle.is_none_or(|handle| !handle.trim().is_empty()), "a handle of spaces");
    let reply = message.reply();
    let request = GenerationRequest::new(Scope::Videos, "veo3.1", FOUND_PROMPT);
    let attempt_key = texts::text(random);
    // From the beginning of time on, so that it is the rest that decides.
    let (upstream_model, intended_at) = (model(provider, random), Timestamp::from_millis(i64::MIN));
    let lost = LostSubmission { attempt_key: &attempt_key, upstream_model, request: &request, intended_at };
    provider.encode_find(&lost).iter().for_each(check_upstream_call);
    match measured(message.size(), || provider.decode_find(&lost, &reply)) {
        Found::Tasks(handles) => {
            for handle in &handles {
                assert!(!handle.trim().is_empty(), "a handle of spaces");
                check_polls(provider, &PollTarget { handle, upstream_model, request: &request });
            }
            "tasks"
        }
        Found::Absent => "absent",
        Found::Unclear { reason } => {
            check_reason(&reason);
            "unclear"
        }
    }
}

fn model(provider: &'static dyn Provider, random: &mut Rng) -> &'static str {
    &provider.models()[random.usize(..provider.models().len())].upstream_model
}

fn request(random: &mut Rng) -> GenerationRequest {
    GenerationRequest::new(Scope::ALL[random.usize(..Scope::ALL.len())], "veo3.1", "a cat")
}

/// An id that an upstream chose can be asked for.
fn check_polls(provider: &dyn Provider, target: &PollTarget<'_>) {
    check_upstream_call(&provider.encode_poll(target));
    provider.encode_cancel(target).iter().for_each(check_upstream_call);
}

fn check_reason(reason: &str) {
    let chars = reason.chars().count();
    assert!((1..=REASON_CHARS_MAX).contains(&chars), "{chars} characters: {reason}");
}

fn check_results(results: Results, request: GenerationRequest, corpus: &Corpus, random: &mut Rng) {
    let outputs: Vec<Output> = match results {
        Results::Kept(sources) => {
            sources.iter().for_each(|source| check_url(&source.url));
            sources
                .into_iter()
                .map(|source| Output { kind: source.kind, media: OutputMedia::Remote { url: source.url } })
                .collect()
        }
        Results::Delivered(media) => {
            return assert!((1..=RESULTS_MAX).contains(&media.len()), "{} results", media.len());
        }
    };
    assert!((1..=RESULTS_MAX).contains(&outputs.len()), "{} results", outputs.len());
    let at = Timestamp::from_millis(1_795_000_000_000);
    check_told(TaskState::Succeeded { outputs, at }, request, corpus, random);
}

fn check_ended(failure: Failure, request: GenerationRequest, corpus: &Corpus, random: &mut Rng) {
    check_failure(&failure);
    assert!(!failure.public.contains("://"), "a client reads a URL: {failure:?}");
    assert!(failure.internal.chars().count() <= REASON_CHARS_MAX, "{failure:?}");
    let at = Timestamp::from_millis(1_795_000_000_000);
    check_told(TaskState::Failed { failure, at }, request, corpus, random);
}

/// How a task ended can be told in any dialect.
fn check_told(state: TaskState, request: GenerationRequest, corpus: &Corpus, random: &mut Rng) {
    let mut task = world::task(request, corpus, random);
    task.state = state;
    let dialect = DIALECTS[random.usize(..DIALECTS.len())];
    let endpoint = &dialect.endpoints()[random.usize(..dialect.endpoints().len())];
    check_answer(&dialect.encode_task(endpoint, &task, &world::links(&http::HeaderMap::new())));
}
