//! What stands around a codec in the gateway: tasks, links, models; and what must hold of everything that it returns.

use domain::{
    AssetId, Call, Draft, DraftMedia, Failure, GenerationRequest, Input, Media, Reply, Role, Task, Timestamp,
    media_type_of_bytes,
};
use fastrand::Rng;
use http::{HeaderMap, header};
use serde::de::IgnoredAny;
use translation::{Links, Provider, SubmitContext};

use crate::corpus::Corpus;

/// Where this gateway is reached.
const BASE_URL: &str = "https://gateway.example";
/// Bytes that a decoder may hold at a time whatever its input.
const HELD_BYTES: u64 = 64 << 10;
/// Bytes that it may hold for each byte of its input. The worst is a list of zeros: two bytes of text are 72 bytes of
/// value, and twice that while the list grows.
const HELD_BYTES_PER_BYTE: u64 = 192;
/// Characters of a failure's text.
const PUBLIC_CHARS_MAX: usize = 500;

/// Runs a decoder on `size` bytes, and checks how much memory it holds for them.
pub(crate) fn measured<T>(size: usize, decode: impl FnOnce() -> T) -> T {
    let mut decoded = None;
    let held = allocation_counter::measure(|| decoded = Some(decode())).bytes_max;
    let bound = HELD_BYTES + HELD_BYTES_PER_BYTE * size as u64;
    assert!(held <= bound, "{held} bytes held for an input of {size}");
    decoded.expect("the decoder ran")
}

/// The links of a reply to a call with these headers.
pub(crate) fn links(headers: &HeaderMap) -> Links {
    Links {
        base_url: BASE_URL.to_owned(),
        now: Timestamp::from_millis(1_795_000_000_000),
        headers: headers.clone(),
    }
}

/// A task of some fixture, for `request`.
pub(crate) fn task(request: GenerationRequest, corpus: &Corpus, random: &mut Rng) -> Task {
    Task { request, ..corpus.tasks[random.usize(..corpus.tasks.len())].clone() }
}

/// The request of a draft as the gateway completes it, whatever its model is.
pub(crate) fn request_of(draft: &Draft, random: &mut Rng) -> GenerationRequest {
    const MODELS: &[&str] =
        &["veo3.1", "veo3.1-fast", "veo3.1-4k", "veo3.1-components", "nano-banana", "suno-v4"];
    const ROLES: &[Role] = &[Role::FirstFrame, Role::LastFrame, Role::Reference];
    let scope = draft.scope.unwrap_or(domain::Scope::ALL[random.usize(..3)]);
    let mut request =
        GenerationRequest::new(scope, MODELS[random.usize(..MODELS.len())], draft.prompt.clone());
    let inputs = draft.inputs.iter().enumerate();
    request.inputs = inputs
        .map(|(index, input)| Input {
            role: input.role.unwrap_or(ROLES[index.min(random.usize(..ROLES.len()))]),
            media: match &input.media {
                DraftMedia::Url(url) => Media::Url(url.clone()),
                DraftMedia::Inline(bytes) => asset(media_type_of_bytes(bytes)),
            },
        })
        .collect();
    request.output = draft.output.clone();
    request.callback = draft.callback.clone();
    request.preference = draft.preference.clone();
    request.vendor = draft.vendor.clone();
    request
}

fn asset(media_type: Option<&str>) -> Media {
    let media_type = media_type.unwrap_or("application/octet-stream").to_owned();
    Media::Asset { id: AssetId::new("00112233445566778899aabbccddeeff"), media_type }
}

/// `provider` encodes `request`, or says what it cannot express.
pub(crate) fn check_submission(provider: &dyn Provider, request: &GenerationRequest, random: &mut Rng) {
    let served = &provider.models()[random.usize(..provider.models().len())];
    let context = SubmitContext::new(&served.upstream_model, BASE_URL);
    let mut request = request.clone();
    if provider.wants_bytes(context.upstream_model) {
        request.inputs.iter_mut().for_each(|input| input.media = asset(Some("image/png")));
    }
    match provider.encode_submit(&request, &context) {
        Ok(call) => check_upstream_call(&call),
        Err(unsupported) => {
            assert!(!unsupported.field.is_empty() && !unsupported.reason.is_empty(), "{unsupported:?}");
        }
    }
}

/// What we send is a call that HTTP can carry.
pub(crate) fn check_upstream_call(call: &Call) {
    let target = format!("{}?{}", call.path, call.query);
    assert!(
        call.path.starts_with('/') && target.bytes().all(|b| b.is_ascii_graphic() && b != b'#'),
        "{target}"
    );
    check_json(&call.headers, &call.body);
    for slot in &call.media {
        assert!(slot.at <= call.body.len(), "{slot:?} in a body of {}", call.body.len());
    }
}

/// What we answer is JSON, or nothing.
pub(crate) fn check_answer(reply: &Reply) {
    check_json(&reply.headers, &reply.body);
    let is_json = reply
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    assert!(is_json || reply.body.is_empty(), "{:?}", reply.headers);
}

fn check_json(headers: &HeaderMap, body: &[u8]) {
    let media_type = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    if media_type.is_some_and(|media_type| media_type.starts_with(b"application/json")) {
        let problem = serde_json::from_slice::<IgnoredAny>(body).err();
        assert!(problem.is_none(), "{problem:?}: {}", body.escape_ascii());
    }
}

/// A failure's text is one that can be shown.
pub(crate) fn check_failure(failure: &Failure) {
    let chars = failure.public.chars().count();
    assert!((1..=PUBLIC_CHARS_MAX).contains(&chars), "{chars} characters: {failure:?}");
    assert!(!failure.public.contains(char::is_control), "{failure:?}");
}

/// A URL that can be fetched.
pub(crate) fn check_url(url: &str) {
    let scheme = url.split(':').next().unwrap_or_default();
    assert!(["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)), "{url}");
    assert!(!url.contains(|c: char| c.is_control() || c.is_whitespace()), "{url:?}");
}
