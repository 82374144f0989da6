//! What proves that a callback is kie's: a signature over the id of the task and the moment, if the account has a key for
//! it. Source of the rules: docs.kie.ai/common-api/webhook-verification.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Call, Credential, Timestamp};

use super::more_wire::SignedIds;
use super::wire::Envelope;
use crate::{CallbackProof, CallbackSecrets, web};

const TIMESTAMP: &str = "x-webhook-timestamp";
const SIGNATURE: &str = "x-webhook-signature";
/// A message from farther away may be an old one, sent again by somebody else.
const AGE_MAX_MS: u64 = 300_000;
/// The documents have seconds; a larger number can only be milliseconds.
const SECONDS_MAX: i64 = 100_000_000_000;

/// What the signature of a callback shows.
pub(super) fn check(call: &Call, secrets: &CallbackSecrets<'_>, now: Timestamp) -> CallbackProof {
    let Some(secret) = secrets.secret else { return CallbackProof::Unsigned };
    match verify(call, secret, now) {
        Ok(()) => CallbackProof::Proved,
        Err(reason) => CallbackProof::Forged(reason),
    }
}

/// The id of the task that a callback tells of, under either of its names. Of two that differ only one can be signed, so
/// they tell of none.
pub(super) fn handle(call: &Call) -> Option<String> {
    let SignedIds { camel, snake } = ids(call);
    match (camel.as_str(), snake.as_str()) {
        (id, "") | ("", id) => web::handle(id).ok(),
        (camel, snake) if camel == snake => web::handle(camel).ok(),
        _ => None,
    }
}

fn ids(call: &Call) -> SignedIds {
    Envelope::<SignedIds>::parse(&call.body).and_then(|envelope| envelope.data).unwrap_or_default()
}

fn verify(call: &Call, secret: &Credential, now: Timestamp) -> Result<(), &'static str> {
    let header = |name| call.headers.get(name).and_then(|value| value.to_str().ok());
    let timestamp = header(TIMESTAMP).ok_or("no X-Webhook-Timestamp")?;
    let signature = header(SIGNATURE).ok_or("no X-Webhook-Signature")?;
    let sent: i64 = timestamp.parse().map_err(|_| "X-Webhook-Timestamp is not a whole number")?;
    let sent_ms = if sent > SECONDS_MAX { sent } else { sent.saturating_mul(1000) };
    if now.as_millis().abs_diff(sent_ms) > AGE_MAX_MS {
        return Err("X-Webhook-Timestamp is more than 300 seconds from now");
    }
    let signature = STANDARD.decode(signature).map_err(|_| "X-Webhook-Signature is not base64")?;
    let SignedIds { camel, snake } = ids(call);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let is_of = |id: &String| {
        !id.is_empty() && hmac::verify(&key, format!("{id}.{timestamp}").as_bytes(), &signature).is_ok()
    };
    if [camel, snake].iter().any(is_of) {
        Ok(())
    } else {
        Err("X-Webhook-Signature is of another secret, task or moment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ids_that_differ_name_no_task() {
        let told = |data: &str| {
            handle(&Call::post_json("/", format!(r#"{{"code":200,"data":{data}}}"#).into_bytes()))
        };
        assert_eq!(told(r#"{"taskId":"a"}"#).as_deref(), Some("a"));
        assert_eq!(told(r#"{"task_id":"a"}"#).as_deref(), Some("a"));
        assert_eq!(told(r#"{"taskId":"a","task_id":"a"}"#).as_deref(), Some("a"));
        assert_eq!(told(r#"{"taskId":"planted","task_id":"signed"}"#), None);
        assert_eq!(told("{}"), None);
    }
}
