//! What proves that a callback is from fal: its signature, which one of fal's public keys must verify.
//!
//! All of fal signs with the same keys, whoever's request it is: that the callback is on this submission, only the
//! address that it was told shows.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Call, Timestamp};

use super::wire::{Jwk, Jwks, SIGNATURE_HEADERS};
use crate::CallbackProof::{self, Forged, Proved};
use crate::webhook::{NOT_NOW, NOT_SIGNED, header, is_fresh};

/// What the signature of `call` shows, with fal's `keys` as they were served.
pub(super) fn check(call: &Call, keys: Option<&[u8]>, now: Timestamp) -> CallbackProof {
    let [Some(request), Some(user), Some(signed_at), Some(signature)] =
        SIGNATURE_HEADERS.map(|name| header(call, name))
    else {
        return NOT_SIGNED;
    };
    if !is_fresh(signed_at, now) {
        return NOT_NOW;
    }
    let Some(keys) = keys else { return Forged("the keys could not be had") };
    let Ok(Jwks { keys }) = serde_json::from_slice(keys) else {
        return Forged("what was had for keys is no key set");
    };
    let Some(signature) = decode_hex(signature) else {
        return Forged("the signature is not hexadecimal");
    };
    let body_sha256 = encode_hex(digest(&SHA256, &call.body).as_ref());
    let message = format!("{request}\n{user}\n{signed_at}\n{body_sha256}");
    let verifies =
        |key: Vec<u8>| UnparsedPublicKey::new(&ED25519, key).verify(message.as_bytes(), &signature).is_ok();
    if keys.iter().filter_map(public_key).any(verifies) {
        Proved
    } else {
        Forged("the signature is by none of the keys")
    }
}

/// The bytes of a key, if it is of the kind that signs here.
fn public_key(key: &Jwk) -> Option<Vec<u8>> {
    let is_ed25519 = key.kty == "OKP" && key.crv == "Ed25519";
    is_ed25519.then(|| URL_SAFE_NO_PAD.decode(key.x.trim_end_matches('=')).ok()).flatten()
}

fn encode_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a String takes all");
        digits
    })
}

fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(value(high)? << 4 | value(low)?));
    rest.is_empty().then(|| bytes.collect()).flatten()
}
