//! Who may ask what of the operator's API: keys of the config, and tokens that were derived from them.
//!
//! A token is kept nowhere. It says what it may do and until when, signed with a key that follows from the credential that
//! it comes from; so it ends with that credential, and every replica knows it. Whoever derives one cannot give it more
//! than they have, and what the credential loses, its tokens lose.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{AdminScope, AdminScopes, Credential, Failure, FailureKind, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Begins every token, so that leak scanners and people recognise one.
const PREFIX: &str = "fgt_";
/// What the key of tokens is for: a credential's own bytes sign nothing.
const PURPOSE: &[u8] = b"filmgate operator token, version 1";
/// Longer text is no credential of ours and is not even hashed.
const PRESENTED_BYTES_MAX: usize = 2048;
/// Between the names of a token and of what it comes from.
const OF: char = '/';
/// Of a token with those that it comes from.
const NAME_CHARS_MAX: usize = 200;
const LIFETIME_USUAL: Duration = Duration::from_secs(3600);
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// The credentials of the operator's API. Its default is none, by which nobody is an operator.
#[derive(Debug, Default)]
pub struct Operators {
    credentials: Vec<Known>,
}

/// A credential without the credential.
#[derive(Debug)]
struct Known {
    name: String,
    scopes: AdminScopes,
    digest: [u8; 32],
    tokens: hmac::Key,
}

/// What somebody may do who has presented a credential.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The credential's name; a token's begins with the names of what it comes from.
    pub name: String,
    /// What that is.
    pub scopes: AdminScopes,
    /// Until when; absent for as long as the config says so.
    pub until: Option<Timestamp>,
    tokens: hmac::Key,
}

/// Who one is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GrantView {
    /// The credential's name; a token's begins with the names of what it comes from.
    pub name: String,
    /// What one may do.
    #[schemars(with = "Vec<String>")]
    pub scopes: AdminScopes,
    /// Until when, in milliseconds since the Unix epoch; absent for as long as the config says so.
    pub until_ms: Option<i64>,
}

/// A token that is wished for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What the log calls whoever uses it: 1 to 64 letters, digits and `.`, `_`, `-`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,64}$"))]
    pub name: String,
    /// What it may do; no more than whoever asks for it.
    #[schemars(with = "Vec<super::schema::ScopeWord>", length(min = 1))]
    pub scopes: Vec<String>,
    /// How long, in seconds, from 1 to 86400; an hour if absent. It never outlives the token that it comes from.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86400))]
    pub seconds: Option<u64>,
}

/// A token, which is shown once.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Token {
    /// To be presented as `Authorization: Bearer`.
    pub token: String,
    /// Its name, after the names of what it comes from.
    pub name: String,
    /// What it may do.
    #[schemars(with = "Vec<String>")]
    pub scopes: AdminScopes,
    /// When it ends, in milliseconds since the Unix epoch.
    pub until_ms: i64,
}

/// Why there is no token.
#[derive(Debug)]
pub enum NotDerived {
    /// It was to do what whoever asked for it may not.
    Wider(AdminScopes),
    /// It cannot be.
    Invalid(Failure),
}

/// What a token says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    name: String,
    scopes: AdminScopes,
    until_ms: i64,
}

impl Operators {
    /// Those credentials, each with its name and with what it may do.
    pub fn new(credentials: impl IntoIterator<Item = (String, Credential, AdminScopes)>) -> Self {
        let known = |(name, secret, scopes): (String, Credential, AdminScopes)| {
            let secret = secret.expose().as_bytes();
            let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), PURPOSE);
            let tokens = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
            Known { name, scopes, digest: Sha256::digest(secret).into(), tokens }
        };
        Self { credentials: credentials.into_iter().map(known).collect() }
    }

    /// Who presents that at `now`. Every wrong credential gets the same answer, after the same time.
    ///
    /// # Errors
    /// One for who presents nothing, or nothing that is good.
    pub fn authenticate(&self, presented: Option<&str>, now: Timestamp) -> Result<Grant, Failure> {
        let refused = |text| Failure::new(FailureKind::Unauthorized, text);
        if self.credentials.is_empty() {
            return Err(refused("the operator's API has no key: set server.admin_key or server.admin_keys"));
        }
        let presented = presented.filter(|presented| presented.len() <= PRESENTED_BYTES_MAX);
        let found = presented.and_then(|text| self.of_key(text).or_else(|| self.of_token(text, now)));
        found.ok_or_else(|| refused("missing or invalid operator key"))
    }

    fn of_key(&self, presented: &str) -> Option<Grant> {
        let presented: [u8; 32] = Sha256::digest(presented).into();
        let mut found = None;
        // All are compared, whichever it is.
        for known in &self.credentials {
            if bool::from(known.digest.ct_eq(&presented)) {
                found = Some(known);
            }
        }
        let Known { name, scopes, tokens, .. } = found?;
        Some(Grant { name: name.clone(), scopes: *scopes, until: None, tokens: tokens.clone() })
    }

    /// Nothing of what is presented is read before its signature has proved good.
    fn of_token(&self, token: &str, now: Timestamp) -> Option<Grant> {
        let (claims, signature) = token.strip_prefix(PREFIX)?.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_its = |known: &&Known| hmac::verify(&known.tokens, claims.as_bytes(), &signature).is_ok();
        let known = self.credentials.iter().find(is_its)?;
        let Claims { name, scopes, until_ms } =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let until = Timestamp::from_millis(until_ms);
        let scopes = scopes.intersection(known.scopes);
        (now < until).then(|| Grant { name, scopes, until: Some(until), tokens: known.tokens.clone() })
    }
}

impl Grant {
    /// Whether that may be done.
    pub fn may(&self, scope: AdminScope) -> bool {
        self.scopes.has(scope)
    }

    /// As its holder sees it.
    pub fn view(&self) -> GrantView {
        let until_ms = self.until.map(Timestamp::as_millis);
        GrantView { name: self.name.clone(), scopes: self.scopes, until_ms }
    }

    /// A token that may do what `wish` says, at most what this one may do, and no longer.
    ///
    /// # Errors
    /// If it would do more, or cannot be.
    pub fn derive(&self, wish: &NewToken, now: Timestamp) -> Result<Token, NotDerived> {
        let invalid = |field: &str, text: String| NotDerived::Invalid(Failure::invalid(field, text));
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !(1..=64).contains(&wish.name.len()) || !wish.name.chars().all(fits) {
            return Err(invalid("name", "name: must be 1 to 64 letters, digits and . _ -".to_owned()));
        }
        let name = format!("{}{OF}{}", self.name, wish.name);
        if name.len() > NAME_CHARS_MAX {
            return Err(invalid(
                "name",
                "name: too many tokens of tokens; derive it from an earlier one".to_owned(),
            ));
        }
        if wish.scopes.is_empty() {
            return Err(invalid("scopes", "scopes: must name at least one".to_owned()));
        }
        let scopes = AdminScopes::parse(wish.scopes.iter().map(String::as_str))
            .map_err(|error| invalid("scopes", format!("scopes: {error}")))?;
        if !scopes.within(self.scopes) {
            return Err(NotDerived::Wider(scopes.without(self.scopes)));
        }
        let lifetime = wish.seconds.map_or(LIFETIME_USUAL, Duration::from_secs);
        if lifetime.is_zero() || lifetime > LIFETIME_MAX {
            let text = format!("seconds: must be from 1 to {}", LIFETIME_MAX.as_secs());
            return Err(invalid("seconds", text));
        }
        let until = now.plus(lifetime);
        let until = self.until.map_or(until, |own| own.min(until));
        Ok(self.sign(name, scopes, until))
    }

    fn sign(&self, name: String, scopes: AdminScopes, until: Timestamp) -> Token {
        let claims = Claims { name, scopes, until_ms: until.as_millis() };
        let json = serde_json::to_vec(&claims).expect("claims are plain data");
        let text = URL_SAFE_NO_PAD.encode(json);
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.tokens, text.as_bytes()));
        let Claims { name, scopes, until_ms } = claims;
        Token { token: format!("{PREFIX}{text}.{signature}"), name, scopes, until_ms }
    }
}

#[cfg(test)]
mod tests;
