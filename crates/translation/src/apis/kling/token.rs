//! The token that proves who calls: a JWT (RFC 7519) signed with HS256 (RFC 7518, section 3.2).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use serde_json::json;

/// How long a token holds; Kling's documents use the same.
const LIFETIME_S: i64 = 1800;
/// How long before now it holds already, for clocks that are late.
const CLOCK_SKEW_S: i64 = 5;

/// The token for a call at `now` with a credential `ACCESS_KEY:SECRET_KEY`; `None` if it is not of that form.
pub(super) fn sign(credential: &str, now: Timestamp) -> Option<String> {
    let (access_key, secret_key) = credential.split_once(':')?;
    if access_key.is_empty() || secret_key.is_empty() {
        return None;
    }
    let now_s = now.as_millis().div_euclid(1000);
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let claims = json!({ "iss": access_key, "exp": now_s + LIFETIME_S, "nbf": now_s - CLOCK_SKEW_S });
    let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret_key.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    Some(format!("{signed}.{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_999);

    #[test]
    fn a_token_is_what_another_implementation_makes() {
        // Made with Python's hmac and json modules.
        let expected = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhY2Nlc3MiLCJleHAiOjE3OTAwMDE4MDAsIm5iZiI6MTc4OTk5OTk5NX0.qqHiWKGXc8c0GkPEAz4_mn4myFw12VHFrMpghy2mXHE";
        assert_eq!(sign("access:secret", NOW).as_deref(), Some(expected));
        assert_ne!(sign("access:other", NOW).as_deref(), Some(expected));
    }

    #[test]
    fn only_a_pair_of_keys_signs() {
        for credential in ["", "plain-token", ":secret", "access:"] {
            assert_eq!(sign(credential, NOW), None, "{credential}");
        }
        assert!(sign("access:se:cret", NOW).is_some(), "a secret may hold any sign");
    }
}
