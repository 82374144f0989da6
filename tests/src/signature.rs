//! Verifies messages by the Standard Webhooks specification, apart from the code that signs them.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::listener::Message;

/// Whether one of a message's signatures is of `secret`, written as `whsec_` and base64.
///
/// # Panics
/// If the secret is not written so.
pub fn is_valid(message: &Message, secret: &str) -> bool {
    let encoded = secret.strip_prefix("whsec_").expect("a secret begins with whsec_");
    let key = STANDARD.decode(encoded).expect("a secret is base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let (id, at) = (message.header("webhook-id"), message.header("webhook-timestamp"));
    let signed = [id.as_bytes(), b".", at.as_bytes(), b".", &message.body].concat();
    let signatures = message.header("webhook-signature").split(' ');
    let decoded = signatures.filter_map(|part| STANDARD.decode(part.strip_prefix("v1,")?).ok());
    decoded.into_iter().any(|signature| hmac::verify(&key, &signed, &signature).is_ok())
}
