//! What proves to a client's server that a message is from this gateway: the headers of the Standard Webhooks
//! specification (<https://www.standardwebhooks.com>), version 1.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Credential, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue};

/// In front of a secret that is written as base64.
const PREFIX: &str = "whsec_";
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Signs messages with every live secret, so that secrets can be changed without a message that nobody can verify.
#[derive(Debug, Clone, Default)]
pub struct Signer {
    keys: Vec<hmac::Key>,
}

impl Signer {
    /// A signer with these secrets, newest first; without any, messages are not signed. A secret is the text itself, or
    /// base64 behind `whsec_`.
    pub fn new(secrets: &[Credential]) -> Self {
        let key = |secret: &Credential| {
            let text = secret.expose();
            let decoded = text.strip_prefix(PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
            hmac::Key::new(hmac::HMAC_SHA256, decoded.as_deref().unwrap_or(text.as_bytes()))
        };
        Self { keys: secrets.iter().map(key).collect() }
    }

    /// The headers of a message that is sent at `now`.
    pub(crate) fn headers(&self, id: &str, now: Timestamp, body: &[u8]) -> HeaderMap {
        let seconds = now.as_millis().div_euclid(1000).to_string();
        let signed = [id.as_bytes(), b".", seconds.as_bytes(), b".", body].concat();
        let sign = |key: &hmac::Key| format!("v1,{}", STANDARD.encode(hmac::sign(key, &signed)));
        let signatures: Vec<String> = self.keys.iter().map(sign).collect();
        let mut headers = HeaderMap::new();
        let mut insert = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        insert(ID, id);
        insert(TIMESTAMP, &seconds);
        if !signatures.is_empty() {
            insert(SIGNATURE, &signatures.join(" "));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_message_is_signed_as_the_specification_says() {
        let secret = Credential::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let other = Credential::new("another");
        let now = Timestamp::from_millis(1_614_265_330_999);
        let headers = Signer::new(&[secret, other]).headers(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            now,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        let signatures = headers["webhook-signature"].to_str().unwrap();
        let (first, second) = signatures.split_once(' ').unwrap();
        assert_eq!(first, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(second.starts_with("v1,") && second != first);
        assert!(!Signer::default().headers("m", now, b"").contains_key("webhook-signature"));
    }
}
