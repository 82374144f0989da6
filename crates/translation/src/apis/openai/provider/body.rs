//! What all bodies have in common: the client's own fields, if it speaks this API, too, and files.

use domain::{AssetId, Delivered, GenerationRequest, Input, Media, MediaKind, Reply, Vendor};
use http::header;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::wire::NAME;
use super::unsupported;
use crate::Unsupported;
use crate::outgoing::FormBody;

/// `body` with the client's own fields; where both have a field, ours counts.
pub(super) fn with_vendor(body: &impl Serialize, request: &GenerationRequest) -> Map<String, Value> {
    let mut fields: Map<String, Value> = match serde_json::to_value(body) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("a struct of texts and numbers encodes as an object"),
    };
    for (name, value) in vendor(request).iter().flat_map(|vendor| &vendor.fields) {
        fields.entry(name).or_insert_with(|| value.clone());
    }
    fields
}

/// The client's own fields, if it speaks this API.
pub(super) fn vendor(request: &GenerationRequest) -> Option<&Vendor> {
    request.vendor.as_ref().filter(|vendor| vendor.api == NAME)
}

/// The text of one of them.
pub(super) fn vendor_text<'a>(request: &'a GenerationRequest, name: &str) -> Option<&'a str> {
    vendor(request)?.fields.get(name)?.as_str()
}

/// A form of `fields`: objects and lists as `a[b]` and `a[]`, which is how OpenAI's clients write them.
pub(super) fn form(fields: Map<String, Value>) -> FormBody {
    let mut form = FormBody::default();
    for (name, value) in fields {
        add(&mut form, name, value);
    }
    form
}

fn add(form: &mut FormBody, name: String, value: Value) {
    match value {
        Value::Null => {}
        Value::String(text) => form.text(name, text),
        Value::Bool(_) | Value::Number(_) => form.text(name, value.to_string()),
        Value::Array(values) => values.into_iter().for_each(|value| add(form, format!("{name}[]"), value)),
        Value::Object(fields) => {
            fields.into_iter().for_each(|(key, value)| add(form, format!("{name}[{key}]"), value));
        }
    }
}

/// The stored file of an input; the gateway stores every input before it asks for a call of this API.
pub(super) fn file(input: &Input) -> Result<(&AssetId, &str), Unsupported> {
    match &input.media {
        Media::Asset { id, media_type } => Ok((id, media_type)),
        Media::Url(_) => Err(unsupported("images", "OpenAI takes images as files")),
    }
}

/// A reply that is a result itself.
pub(super) fn delivered(kind: MediaKind, reply: &Reply) -> Delivered {
    let media_type = reply.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    Delivered { kind, media_type: media_type.to_ascii_lowercase(), bytes: reply.body.clone() }
}
