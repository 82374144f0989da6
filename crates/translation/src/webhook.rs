//! What proves that a callback is from an upstream: the age that it may have, and the signatures of the Standard Webhooks
//! specification (<https://www.standardwebhooks.com>), version 1.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Call, Credential, Timestamp};

use crate::CallbackProof::{self, Forged, Proved, Unsigned};

/// How far the moment that was signed may be from now, in seconds, either way.
const AGE_S_MAX: u64 = 300;
/// In front of a secret, which is written as base64.
const SECRET_PREFIX: &str = "whsec_";
/// In front of a signature of the one version that there is with shared secrets.
const VERSION: &str = "v1,";

/// What is said of messages without all that a signature needs.
pub(crate) const NOT_SIGNED: CallbackProof = Forged("a header of the signature is missing");
/// What is said of messages from another time.
pub(crate) const NOT_NOW: CallbackProof = Forged("signed more than 300 s before or after now");

/// The text of a header, if it is there and is text.
pub(crate) fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.get(name)?.to_str().ok()
}

/// Whether `signed_at`, in Unix seconds, is near enough to `now` for the message to be no repetition.
pub(crate) fn is_fresh(signed_at: &str, now: Timestamp) -> bool {
    signed_at.parse().is_ok_and(|seconds: i64| now.as_secs().abs_diff(seconds) <= AGE_S_MAX)
}

/// What the signatures of `call` show; one that fits is enough, since a sender who changes secrets signs with both.
pub(crate) fn check(call: &Call, secret: Option<&Credential>, now: Timestamp) -> CallbackProof {
    let Some(secret) = secret else { return Unsigned };
    let Some(key) = key(secret) else {
        return Forged("the account's secret for callbacks is not `whsec_` and base64");
    };
    let [Some(id), Some(signed_at), Some(signatures)] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| header(call, name))
    else {
        return NOT_SIGNED;
    };
    if !is_fresh(signed_at, now) {
        return NOT_NOW;
    }
    let message = [id.as_bytes(), b".", signed_at.as_bytes(), b".", &call.body].concat();
    // Made once, however many signatures a forger sends.
    let expected = hmac::sign(&key, &message);
    let fits = |signature: &str| {
        let signature = signature.strip_prefix(VERSION).and_then(|encoded| STANDARD.decode(encoded).ok());
        signature
            .is_some_and(|bytes| constant_time::verify_slices_are_equal(expected.as_ref(), &bytes).is_ok())
    };
    if signatures.split(' ').any(fits) { Proved } else { Forged("no signature is by the account's secret") }
}

/// The key in a secret. An empty one is none: everybody has it.
fn key(secret: &Credential) -> Option<hmac::Key> {
    let bytes = STANDARD.decode(secret.expose().strip_prefix(SECRET_PREFIX)?).ok()?;
    (!bytes.is_empty()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED_AT_S: i64 = 1_614_265_330;

    /// The example of the specification's own libraries.
    fn example() -> Call {
        let mut call = Call::post_json("/callbacks/t", br#"{"test": 2432232314}"#.to_vec());
        for (name, value) in [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ] {
            call.headers.insert(name, value.parse().unwrap());
        }
        call
    }

    fn checked(call: &Call, secret: &str, now_s: i64) -> CallbackProof {
        check(call, Some(&Credential::new(secret)), Timestamp::from_millis(now_s * 1000))
    }

    #[test]
    fn the_example_of_the_specification_is_proved() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(checked(&example(), secret, SIGNED_AT_S), Proved);
        let mut renamed = example();
        renamed.headers.insert("webhook-id", "msg_another".parse().unwrap());
        assert!(matches!(checked(&renamed, secret, SIGNED_AT_S), Forged(_)));
    }

    #[test]
    fn the_moment_may_be_300_s_away_and_no_more() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for (distance_s, proof) in [(-301, NOT_NOW), (-300, Proved), (300, Proved), (301, NOT_NOW)] {
            assert_eq!(checked(&example(), secret, SIGNED_AT_S + distance_s), proof, "{distance_s} s");
        }
        let now = Timestamp::from_millis(0);
        for signed_at in ["", "soon", "1.5", "-9223372036854775808", "99999999999999999999"] {
            assert!(!is_fresh(signed_at, now), "{signed_at}");
        }
    }

    #[test]
    fn a_secret_that_is_none_proves_nothing() {
        let call = example();
        for secret in ["", "whsec_", "whsec_?", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            let proof = checked(&call, secret, SIGNED_AT_S);
            assert_eq!(
                proof,
                Forged("the account's secret for callbacks is not `whsec_` and base64"),
                "{secret}"
            );
        }
    }
}
