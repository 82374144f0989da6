//! What proves that a service account calls: a JSON Web Token that it signs itself, which Google's services take in place
//! of an access token (google.aip.dev/auth/4111). Nothing has to be fetched for it.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

/// The service that the token is for.
const AUDIENCE: &str = "https://aiplatform.googleapis.com/";
/// How long a token is valid; Google takes no longer ones.
const LIFETIME: Duration = Duration::from_secs(3600);
/// A token is dated back to a multiple of this, so that calls shortly after each other carry the same.
const STEP_S: i64 = 300;

/// What of the key file of a service account is needed.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    private_key_id: String,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'static str,
    /// Unix seconds; so is the next.
    iat: i64,
    exp: i64,
}

/// The token of the account whose key file is `credential`; `None` if it is no key file, or its key does not sign.
pub(super) fn signed(credential: &str, now: Timestamp) -> Option<String> {
    let file: KeyFile = serde_json::from_str(credential).ok()?;
    let header = Header { alg: "RS256", typ: "JWT", kid: &file.private_key_id };
    let from = now.as_secs() - now.as_secs().rem_euclid(STEP_S);
    let until = Timestamp::from_millis(from.saturating_mul(1000)).plus(LIFETIME).as_secs();
    let email = &file.client_email;
    let claims = Claims { iss: email, sub: email, aud: AUDIENCE, iat: from, exp: until };
    let text = format!("{}.{}", part(&header)?, part(&claims)?);
    let signature = sign(&file.private_key, text.as_bytes())?;
    Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Whether `credential` can be an access token, and not for instance a key file that does not sign.
pub(super) fn is_token(credential: &str) -> bool {
    credential.trim().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte))
}

fn part(value: &impl Serialize) -> Option<String> {
    Some(URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).ok()?))
}

/// The signature of `text` by an RSA key in PEM. This padding takes no randomness into the signature.
fn sign(private_key: &str, text: &[u8]) -> Option<Vec<u8>> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(private_key.as_bytes()).ok()?;
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?;
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
    Some(signature)
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};

    use super::*;

    fn account() -> (RsaKeyPair, String) {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let der = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
        let file = json!({
            "type": "service_account", "project_id": "p", "private_key_id": "key-1", "private_key": pem,
            "client_email": "gateway@p.iam.gserviceaccount.com",
        });
        (pair, file.to_string())
    }

    /// A key file whose key nobody has.
    pub(in super::super) fn key_file() -> String {
        account().1
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000 + 999)
    }

    #[test]
    fn a_service_account_signs_its_own_token() {
        let (pair, file) = account();
        let token = signed(&file, at(1_790_000_123)).unwrap();
        let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
        let read = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        let json_of = |part: &str| serde_json::from_slice::<Value>(&read(part)).unwrap();
        assert_eq!(json_of(header), json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" }));
        assert_eq!(
            json_of(claims),
            json!({
                "iss": "gateway@p.iam.gserviceaccount.com",
                "sub": "gateway@p.iam.gserviceaccount.com",
                "aud": "https://aiplatform.googleapis.com/",
                "iat": 1_790_000_100, "exp": 1_790_003_700,
            })
        );
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key());
        let text = &token[..header.len() + 1 + claims.len()];
        assert!(key.verify(text.as_bytes(), &read(signature)).is_ok());
        assert!(key.verify(b"another text", &read(signature)).is_err());
    }

    #[test]
    fn calls_shortly_after_each_other_carry_the_same_token() {
        let (_, file) = account();
        assert_eq!(signed(&file, at(1_790_000_100)), signed(&file, at(1_790_000_399)));
        assert_ne!(signed(&file, at(1_790_000_399)), signed(&file, at(1_790_000_400)));
    }

    #[test]
    fn what_is_no_key_file_signs_nothing() {
        let broken = json!({ "client_email": "a", "private_key_id": "b", "private_key": "c" }).to_string();
        for credential in ["ya29.token", "", "{}", "[1]", broken.as_str()] {
            assert_eq!(signed(credential, at(0)), None, "{credential}");
        }
    }
}
