//! Requests: a plain one, and values for each of the fields that it does not say.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::{GenerationRequest, OutputSpec, Preference, Role};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// All roles, in the order in which inputs are compared.
pub(crate) const ROLES: &[Role] =
    &[Role::FirstFrame, Role::LastFrame, Role::Reference, Role::Video, Role::Audio, Role::Mask];

/// The fields that bring inputs, as providers call them, and the roles that are theirs.
pub(crate) const INPUT_FIELDS: &[(&str, &[Role])] = &[
    ("images", &[Role::FirstFrame, Role::LastFrame, Role::Reference]),
    ("videos", &[Role::Video]),
    ("audios", &[Role::Audio]),
    ("mask", &[Role::Mask]),
];

/// Other names that providers have for fields when they refuse them: those of clients.
const OTHER_NAMES: &[(&str, &str)] = &[("duration", "duration_s")];

/// Fields that providers may refuse although they are not there, because another one stands for them: images for all
/// that goes in, a size for a shape and a resolution.
const STAND_FOR: &[(&str, &[&str])] = &[
    ("images", &["videos", "audios", "mask"]),
    ("resolution", &["size", "upsample"]),
    ("aspect_ratio", &["size"]),
];

/// A field, and a value for it.
type Change = (&'static str, Value);

/// The names of all fields of the output, as the domain has them: it lists them when it meets another.
pub(crate) static OUTPUT_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let error = serde_json::from_str::<OutputSpec>("{\"?\":0}").expect_err("no such field").to_string();
    error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
});

/// Values of each field, one after the other.
pub(crate) fn sample_changes() -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for (field, values) in samples() {
        changes.extend(values.as_array().expect("a list").iter().map(|value| (field, value.clone())));
    }
    changes
}

/// Two fields of the output at a time: one may say what the other says, too.
pub(crate) fn sample_pairs() -> Vec<[Change; 2]> {
    let samples = output_samples();
    let mut pairs = Vec::new();
    for (index, (field, values)) in samples.iter().enumerate() {
        for (other, others) in &samples[index + 1..] {
            pairs.push([(*field, values[0].clone()), (*other, others[0].clone())]);
        }
    }
    pairs
}

/// For each field, values that APIs are known to treat in their own ways.
fn samples() -> Vec<(&'static str, Value)> {
    let mut samples = vec![
        (
            "prompt",
            json!([" a cat, with spaces ", "two\nlines, \"quotes\", \\ and /", "日本語 🎬 \u{0}\u{7f}"]),
        ),
        ("callback", json!([{ "url": "https://client.example/done" }])),
        ("preference", json!(["cheapest", "official"])),
        ("basis", json!([basis("remix")])),
        ("vendor", json!([{ "x_new": [1, null, { "deep": "text" }] }, { "input": { "x_new": true } }])),
        ("foreign vendor", json!([{ "x_new": "for-another-api" }])),
    ];
    samples.extend(input_samples());
    samples.extend(output_samples());
    samples
}

/// An earlier result, of which something is made.
pub(crate) fn basis(derivation: &str) -> Value {
    json!({ "task": "0190", "index": 0, "derivation": derivation, "account": "a", "handle": "h" })
}

fn input_samples() -> Vec<(&'static str, Value)> {
    let input = |role: &str, name: &str| json!({ "role": role, "media": { "url": format!("https://example.com/{name}") } });
    let asset = json!({ "asset": { "id": "00112233445566778899aabbccddeeff", "media_type": "image/png" } });
    let (first, last) = (input("first_frame", "a.png"), input("last_frame", "b.png"));
    let (one, two) = (input("reference", "c.png"), input("reference", "d.png"));
    vec![
        (
            "images",
            json!([
                [first], [last], [first, last], [last, first], [one], [one, two], [first, one],
                [one, two, one, two, one], [first, first], [{ "role": "first_frame", "media": asset }],
            ]),
        ),
        ("videos", json!([[input("video", "e.mp4")], [input("video", "e.mp4"), input("video", "f.mp4")]])),
        ("audios", json!([[input("audio", "g.mp3")]])),
        ("mask", json!([[one, input("mask", "h.png")]])),
    ]
}

fn output_samples() -> Vec<(&'static str, Value)> {
    vec![
        ("aspect_ratio", json!(["16:9", "9:16", "1:1", "4:3", "21:9"])),
        ("resolution", json!(["480p", "720p", "1080p", "2k", "4k"])),
        ("size", json!(["1280x720", "1920x1080", "1024x1024", "640x480", "square_hd"])),
        ("duration_s", json!([0, 1, 4, 5, 6, 8, 10, 60])),
        ("seed", json!([0, 7, 12345, 2_147_483_648_u64, u64::MAX])),
        ("enhance_prompt", json!([true, false])),
        ("upsample", json!([true, false])),
        ("watermark", json!([true, false])),
        ("count", json!([1, 2, 4, 100])),
        ("negative_prompt", json!(["rain, \"wind\""])),
        ("audio", json!([true, false])),
        ("quality", json!(["low", "medium", "high", "auto"])),
        ("format", json!(["png", "jpeg", "webp", "mp3", "wav"])),
        ("voice", json!(["alloy"])),
    ]
}

/// A few fields with any values, those above among them.
pub(crate) fn any_changes() -> impl Strategy<Value = BTreeMap<&'static str, Value>> {
    let samples = sample_changes();
    let any = prop_oneof![
        6 => select(samples),
        1 => ".{1,40}".prop_map(|text| ("prompt", json!(text))),
        1 => any::<u64>().prop_map(|seed| ("seed", json!(seed))),
        1 => any::<u32>().prop_map(|seconds| ("duration_s", json!(seconds))),
        1 => "[a-z]{1,9}".prop_map(|name| ("vendor", json!({ format!("x_{name}"): name }))),
    ];
    proptest::collection::vec(any, 0..8).prop_map(|changes| changes.into_iter().collect())
}

/// `request` with other values of some fields; `api` is whose own fields those of `vendor` are.
pub(crate) fn changed<'a>(
    api: &str,
    request: &GenerationRequest,
    changes: impl IntoIterator<Item = (&'a str, Value)>,
) -> GenerationRequest {
    let mut json = json!(request);
    json["inputs"] = json!(request.inputs);
    for (field, value) in changes {
        match field {
            "vendor" => json["vendor"] = json!({ "api": api, "fields": value }),
            "foreign vendor" => json["vendor"] = json!({ "api": "another", "fields": value }),
            field if INPUT_FIELDS.iter().any(|(name, _)| *name == field) => {
                let inputs = json["inputs"].as_array_mut().expect("a list");
                inputs.extend(value.as_array().expect("a list").iter().cloned());
            }
            field if is_output(field) => json["output"][field] = value,
            field => json[field] = value,
        }
    }
    serde_json::from_value(json).expect("a request of the domain")
}

/// The field of the domain that a provider refuses by this name in `request`; nothing if it is not there.
pub(crate) fn field_refused(request: &GenerationRequest, name: &str) -> Option<String> {
    let field = OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name, |(_, field)| *field);
    let standing_for = STAND_FOR.iter().filter(|(known, _)| *known == field).flat_map(|(_, fields)| *fields);
    let mut candidates = [field].into_iter().chain(standing_for.copied());
    candidates.find(|field| without(request, field).is_some_and(|rest| rest != *request)).map(str::to_owned)
}

/// `request` without a field; nothing if it cannot be without.
pub(crate) fn without(request: &GenerationRequest, field: &str) -> Option<GenerationRequest> {
    let mut request = request.clone();
    match field {
        "basis" => request.basis = None,
        "vendor" => request.vendor = None,
        "callback" => request.callback = None,
        "preference" => request.preference = Preference::default(),
        field if is_output(field) => {
            let mut output = json!(request.output);
            output.as_object_mut()?.remove(field);
            request.output = serde_json::from_value(output).ok()?;
        }
        field => {
            let (_, roles) = INPUT_FIELDS.iter().find(|(name, _)| *name == field)?;
            request.inputs.retain(|input| !roles.contains(&input.role));
        }
    }
    Some(request)
}

fn is_output(field: &str) -> bool {
    OUTPUT_NAMES.iter().any(|name| name == field)
}

#[test]
fn every_field_of_the_domain_has_samples() {
    let sampled: Vec<&str> = samples().into_iter().map(|(field, _)| field).collect();
    assert!(OUTPUT_NAMES.len() >= 8, "{OUTPUT_NAMES:?}");
    for name in OUTPUT_NAMES.iter() {
        assert!(sampled.contains(&name.as_str()), "no values for {name}");
    }
    for role in ROLES {
        assert!(INPUT_FIELDS.iter().any(|(_, roles)| roles.contains(role)), "no field for {role:?}");
    }
}
