//! What becomes of the fields of a request on its way.

use std::fmt;

use domain::{Draft, DraftMedia, GenerationRequest, Media, ModelSpec, OutputSpec, Preference, Role, Scope};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::requests::{INPUT_FIELDS, OUTPUT_NAMES, ROLES, field_refused, without};
use crate::ways::{ASSET, BASE_URL, Way};

/// How a field does not survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// It was there and is not any more.
    Dropped,
    /// It comes back as something else, or comes out of something else.
    Folded,
    /// The API says that it cannot express the field, or this value of it.
    Refused,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dropped => "dropped",
            Self::Folded => "folded",
            Self::Refused => "refused",
        })
    }
}

/// The fields that do not come back as they are; or what is wrong with an API whatever it can say. What is refused is
/// taken out of the request, and the rest tried again.
pub(crate) fn fates(way: &Way, request: &GenerationRequest) -> Result<Vec<(String, Fate)>, String> {
    let mut fates = Vec::new();
    let mut request = request.clone();
    let call = loop {
        let unsupported = match way.say(&request) {
            Ok(call) => break call,
            Err(unsupported) => unsupported,
        };
        let field = field_refused(&request, unsupported.field)
            .ok_or_else(|| format!("refuses what is not there: {unsupported}"))?;
        request = without(&request, &field).expect("it can be without what was found in it");
        fates.push((field, Fate::Refused));
    };
    let text = String::from_utf8_lossy(&call.body).into_owned();
    if text.contains("for-another-api") {
        return Err(format!("says what is for another API: {text}"));
    }
    let draft = way.understand(&call).map_err(|problem| format!("{problem}: {text}"))?;
    let (before, after) = (said(way, &way.prepared(&request)), understood(way, &request, &draft));
    for (field, before) in &before {
        match &after[field] {
            same if same == before => {}
            Value::Null => fates.push((field.clone(), Fate::Dropped)),
            _ => fates.push((field.clone(), Fate::Folded)),
        }
    }
    Ok(fates)
}

/// The fields of a request. What is not there is null.
fn said(way: &Way, request: &GenerationRequest) -> Map<String, Value> {
    let vendor = request.vendor.as_ref().filter(|vendor| vendor.api == way.api);
    let inputs = request.inputs.iter().map(|input| {
        let media = match &input.media {
            Media::Url(url) => url.clone(),
            Media::Asset { .. } => input.media.url(BASE_URL),
        };
        (input.role, media)
    });
    let mut fields = inputs_by_field(inputs.collect());
    fields.extend([
        ("scope".to_owned(), json!(request.scope)),
        ("model".to_owned(), json!(true)),
        ("prompt".to_owned(), some_text(&request.prompt)),
        ("callback".to_owned(), json!(request.callback)),
        ("preference".to_owned(), shown(&request.preference)),
        (
            "basis".to_owned(),
            // To an upstream the earlier task is called by the id that it gave.
            json!(request.basis.as_ref().map(|basis| (&basis.handle, basis.index, basis.derivation))),
        ),
        ("vendor".to_owned(), json!(vendor.map(|vendor| &vendor.fields))),
    ]);
    fields.extend(output_fields(&request.output));
    fields
}

/// The same fields of what came back; what the dialect leaves to the model counts as it is.
fn understood(way: &Way, request: &GenerationRequest, draft: &Draft) -> Map<String, Value> {
    let asset = way.prepared(request).inputs.iter().find_map(|input| match &input.media {
        Media::Asset { .. } => Some(input.media.url(BASE_URL)),
        Media::Url(_) => None,
    });
    let roles = model(request, draft).roles(&draft.inputs);
    let inputs = draft.inputs.iter().zip(roles).map(|(input, role)| {
        let media = match &input.media {
            DraftMedia::Url(url) => url.clone(),
            DraftMedia::Inline(bytes) if bytes == ASSET => asset.clone().unwrap_or_default(),
            DraftMedia::Inline(_) => "other bytes".to_owned(),
        };
        (role, media)
    });
    let wanted = request.vendor.as_ref().filter(|vendor| vendor.api == way.api);
    let wanted = wanted.map(|vendor| Value::from(vendor.fields.clone()));
    let found = draft.vendor.as_ref().map(|vendor| Value::from(vendor.fields.clone()));
    let basis = draft.basis.as_ref().map(|basis| (&basis.task, basis.index, basis.derivation));
    let mut fields = inputs_by_field(inputs.collect());
    fields.extend([
        ("scope".to_owned(), json!(draft.scope.unwrap_or(request.scope))),
        (
            "model".to_owned(),
            draft.model.as_deref().map_or(Value::Null, |model| json!(way.is_meant_by(model))),
        ),
        ("prompt".to_owned(), some_text(&draft.prompt)),
        ("callback".to_owned(), json!(draft.callback)),
        ("preference".to_owned(), shown(&draft.preference)),
        ("basis".to_owned(), json!(basis)),
        (
            "vendor".to_owned(),
            wanted.map_or(Value::Null, |wanted| common(&wanted, &found.unwrap_or_default())),
        ),
    ]);
    fields.extend(output_fields(&draft.output));
    fields
}

/// Inputs as providers name them when they refuse them; in the order of their roles, since no API has another.
fn inputs_by_field(mut inputs: Vec<(Role, String)>) -> Map<String, Value> {
    let order = |role: Role| ROLES.iter().position(|known| *known == role);
    inputs.sort_by_key(|(role, _)| order(*role));
    let mut fields = Map::new();
    for (field, roles) in INPUT_FIELDS {
        let of_field: Vec<_> = inputs.iter().filter(|(role, _)| roles.contains(role)).collect();
        let value = if of_field.is_empty() { Value::Null } else { json!(of_field) };
        fields.insert((*field).to_owned(), value);
    }
    fields
}

/// The fields of the output. One result, and a quality that the model chooses, is what comes without a word, too.
fn output_fields(output: &OutputSpec) -> impl Iterator<Item = (String, Value)> {
    let mut output = output.clone();
    output.count = output.count.filter(|count| *count != 1);
    output.quality = output.quality.filter(|quality| quality != "auto");
    let output = json!(output);
    OUTPUT_NAMES.iter().map(move |name| (name.clone(), output[name].clone()))
}

fn some_text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// The part of `wanted` that is in `found`: an API may add words of its own. Null if nothing is.
fn common(wanted: &Value, found: &Value) -> Value {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            let fields = wanted
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), common(value, found.get(name)?))));
            let fields: Map<String, Value> = fields.filter(|(_, value)| !value.is_null()).collect();
            if fields.is_empty() { Value::Null } else { fields.into() }
        }
        _ => found.clone(),
    }
}

/// The model that the client names, which decides on the roles of images that have none.
fn model(request: &GenerationRequest, draft: &Draft) -> ModelSpec {
    let name = draft.model.as_ref().unwrap_or(&request.model);
    let references = name.contains("components") || request.scope == Scope::Images;
    let used_as = if references { "references" } else { "frames" };
    let spec = json!({ "name": name, "scope": request.scope, "images": { "used_as": used_as } });
    serde_json::from_value(spec).expect("a model of the catalogue")
}

fn shown(preference: &Preference) -> Value {
    if preference.is_empty() { Value::Null } else { json!(preference) }
}
