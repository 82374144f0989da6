//! When two requests are the same one.

use domain::{Draft, DraftBasis, DraftInput, DraftMedia, Failure, FailureKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::IdempotencyKey;

use crate::Settings;

/// The longest key that a client may give, in characters.
const KEY_CHARS_MAX: usize = 255;

/// What names a request: the client's own `key`, or what it asks for, if the operator wants copies to be known by that.
/// The failure is for a key that is none.
pub(crate) fn name(
    key: Option<&str>,
    draft: &Draft,
    settings: &Settings,
) -> Result<Option<IdempotencyKey>, Failure> {
    let fingerprint = || fingerprint(draft);
    // Begun by what they are, so that no key of a client is ever taken for a digest.
    if let Some(key) = key {
        if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let text = format!("Idempotency-Key: must be 1 to {KEY_CHARS_MAX} visible ASCII characters");
            return Err(Failure::new(FailureKind::InvalidRequest, text));
        }
        let lifetime = settings.idempotency_lifetime;
        return Ok(Some(IdempotencyKey { key: format!("key:{key}"), fingerprint: fingerprint(), lifetime }));
    }
    let lifetime = settings.duplicate_window;
    if lifetime.is_zero() {
        return Ok(None);
    }
    let fingerprint = fingerprint();
    Ok(Some(IdempotencyKey { key: format!("body:{}", hex(&fingerprint)), fingerprint, lifetime }))
}

/// Two drafts that ask for the same have the same, however their requests were written: in whichever order of fields,
/// with whichever boundary of a form, in base64 or as a file.
fn fingerprint(draft: &Draft) -> [u8; 32] {
    let Draft { scope, model, prompt, inputs, output, basis, callback, preference, vendor, trace: _ } = draft;
    let basis = basis
        .as_ref()
        .map(|DraftBasis { task, index, derivation }| json!([task.as_str(), index, derivation.as_str()]));
    let inputs: Vec<Value> = inputs.iter().map(input).collect();
    let mut asked = json!({
        "scope": scope, "model": model, "prompt": prompt, "inputs": inputs, "output": output, "basis": basis,
        "callback": callback, "preference": (!preference.is_empty()).then_some(preference), "vendor": vendor,
    });
    asked.sort_all_objects();
    Sha256::digest(asked.to_string()).into()
}

fn input(input: &DraftInput) -> Value {
    let DraftInput { role, field: _where_it_stood, media } = input;
    let media = match media {
        DraftMedia::Url(url) => json!({ "url": url }),
        DraftMedia::Inline(bytes) => json!({ "sha256": hex(&Sha256::digest(bytes)) }),
    };
    json!({ "role": role, "media": media })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use domain::{Callback, Derivation, OutputSpec, Preference, Role, Scope, TaskId, Vendor};

    use super::*;

    fn vendor(fields: &str) -> Option<Vendor> {
        Some(Vendor { api: "kie".into(), fields: serde_json::from_str(fields).unwrap() })
    }

    fn with_input(role: Option<Role>, media: DraftMedia) -> Draft {
        Draft { inputs: vec![DraftInput { role, field: "images[0]".into(), media }], ..Draft::default() }
    }

    #[test]
    fn how_a_request_is_written_does_not_matter() {
        let one = Draft { vendor: vendor(r#"{"a":1,"b":{"c":2,"d":[3]}}"#), ..Draft::default() };
        let two = Draft { vendor: vendor(r#"{"b":{"d":[3],"c":2},"a":1}"#), ..Draft::default() };
        assert_eq!(fingerprint(&one), fingerprint(&two));
        let mut named = with_input(None, DraftMedia::Inline(b"png".as_slice().into()));
        let before = fingerprint(&named);
        named.inputs[0].field = "image".into();
        assert_eq!(fingerprint(&named), before);
    }

    #[test]
    fn whatever_else_is_asked_for_is_another_request() {
        let basis = |derivation| DraftBasis { task: TaskId::new("t"), index: 0, derivation };
        let all = [
            Draft::default(),
            Draft { scope: Some(Scope::Videos), ..Draft::default() },
            Draft { model: Some("veo3".into()), ..Draft::default() },
            Draft { prompt: "a cat".into(), ..Draft::default() },
            Draft { output: OutputSpec { seed: Some(1), ..OutputSpec::default() }, ..Draft::default() },
            Draft { basis: Some(basis(Derivation::Remix)), ..Draft::default() },
            Draft { basis: Some(basis(Derivation::Upscale)), ..Draft::default() },
            Draft {
                callback: Some(Callback { url: "https://a".into(), events: vec![] }),
                ..Draft::default()
            },
            Draft { preference: Preference::official(), ..Draft::default() },
            Draft { vendor: vendor("{}"), ..Draft::default() },
            Draft { vendor: vendor(r#"{"a":[1,2]}"#), ..Draft::default() },
            Draft { vendor: vendor(r#"{"a":[2,1]}"#), ..Draft::default() },
            with_input(None, DraftMedia::Url("https://a".into())),
            with_input(Some(Role::Mask), DraftMedia::Url("https://a".into())),
            with_input(None, DraftMedia::Inline(b"https://a".as_slice().into())),
            with_input(None, DraftMedia::Inline(b"b".as_slice().into())),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().map(fingerprint).collect();
        assert_eq!(distinct.len(), all.len());
    }
}
