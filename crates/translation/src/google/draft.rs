//! A client's call that predicts, as a draft.

use domain::{Callback, Draft, DraftInput, Failure, OutputSpec, Role, Scope, Vendor};
use serde_json::{Map, Value};

use super::names;
use super::wire::{BYTES, INSTANCES, PARAMETERS, REFERENCE_TYPE, REFERENCES, WEBHOOK};
use crate::fields::{Fields, within};
use crate::{callback, inputs};

/// What a file is called by those who put it into the request (`inlineData`), and its bytes there.
const INLINE: (&str, &str) = ("inlineData", "data");
/// What a file is called that lies elsewhere: Google's own storage, or the web.
const ADDRESSES: [&str; 2] = ["gcsUri", "uri"];

/// What the fields of an instance hold, the rest of it, and what is made of both.
struct Instance {
    prompt: String,
    inputs: Vec<DraftInput>,
    rest: Map<String, Value>,
}

/// The draft in `body`, for the model that the path names; `api` is the one whose own fields the rest are.
pub(crate) fn decode(model: &str, body: &[u8], api: &str) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(body)?;
    let Instance { prompt, inputs, rest } = decode_instance(&mut fields)?;
    let (output, parameters) = decode_parameters(&mut fields)?;
    let callback = decode_webhook(&mut fields)?;
    let mut vendor = fields.rest()?;
    for (name, rest) in [(INSTANCES, list_of(rest)), (PARAMETERS, object_of(parameters))] {
        if let Some(rest) = rest {
            vendor.insert(name.to_owned(), rest);
        }
    }
    Ok(Draft {
        scope: Some(Scope::Videos),
        model: Some(names::public_of(model, &inputs)).filter(|model| !model.is_empty()),
        prompt,
        inputs,
        output,
        callback,
        vendor: (!vendor.is_empty()).then(|| Vendor { api: api.to_owned(), fields: vendor }),
        ..Draft::default()
    })
}

/// The one instance: the API has a list, but makes clips of one only.
fn decode_instance(fields: &mut Fields<'_>) -> Result<Instance, Failure> {
    let mut instances = fields.objects(INSTANCES)?;
    let (Some((name, mut instance)), true) = (instances.pop(), instances.is_empty()) else {
        return Err(Failure::invalid(INSTANCES, "instances: exactly one is possible"));
    };
    let inside = |failure| within(&name, failure);
    let prompt = instance.prose("prompt").map_err(inside)?.unwrap_or_default();
    let mut files = Files::default();
    for (name, role) in [("image", Role::FirstFrame), ("lastFrame", Role::LastFrame)] {
        files.take(&mut instance, name, role).map_err(inside)?;
    }
    files.take_references(&mut instance).map_err(inside)?;
    for (name, role) in [("video", Role::Video), ("mask", Role::Mask)] {
        files.take(&mut instance, name, role).map_err(inside)?;
    }
    let mut rest = instance.rest().map_err(inside)?;
    rest.extend(files.rest);
    let mut inputs = files.inputs;
    for input in &mut inputs {
        input.field = format!("{name}.{}", input.field);
    }
    Ok(Instance { prompt, inputs, rest })
}

/// The media of an instance, and what else its files say.
#[derive(Default)]
struct Files {
    inputs: Vec<DraftInput>,
    rest: Map<String, Value>,
}

impl Files {
    /// The file `name` of `fields`.
    fn take(&mut self, fields: &mut Fields<'_>, name: &str, role: Role) -> Result<(), Failure> {
        let Some(mut file) = fields.object(name)? else { return Ok(()) };
        let input = decode_file(&mut file, role).map_err(|failure| within(name, failure))?;
        self.inputs.extend(input.map(|input| below(name, input)));
        if let Some(rest) = object_of(file.rest()?) {
            self.rest.insert(name.to_owned(), rest);
        }
        Ok(())
    }

    /// The reference images of `fields`; what each is a reference for stays with the rest, in the same order.
    fn take_references(&mut self, fields: &mut Fields<'_>) -> Result<(), Failure> {
        let mut rests = Vec::new();
        for (name, mut reference) in fields.objects(REFERENCES)? {
            let mut one = Self::default();
            let taken = one.take(&mut reference, "image", Role::Reference);
            taken.map_err(|failure| within(&name, failure))?;
            let kind = reference.text(REFERENCE_TYPE).map_err(|failure| within(&name, failure))?;
            let mut rest = reference.rest()?;
            rest.extend(one.rest);
            if let Some(kind) = kind {
                rest.insert(REFERENCE_TYPE.to_owned(), kind.into());
            }
            self.inputs.extend(one.inputs.into_iter().map(|input| below(&name, input)));
            rests.push(Value::Object(rest));
        }
        if rests.iter().any(|rest| rest.as_object().is_some_and(|rest| !rest.is_empty())) {
            self.rest.insert(REFERENCES.to_owned(), Value::Array(rests));
        }
        Ok(())
    }
}

/// The media of a file. Its media type is not needed: the bytes show it.
fn decode_file(file: &mut Fields<'_>, role: Role) -> Result<Option<DraftInput>, Failure> {
    let mut found = inputs::images(file, &[BYTES, "encodedVideo"], Some(role))?;
    if let Some(mut inline) = file.object(INLINE.0)? {
        let inside = |failure| within(INLINE.0, failure);
        let images = inputs::images(&mut inline, &[INLINE.1], Some(role)).map_err(inside)?;
        found.extend(images.into_iter().map(|input| below(INLINE.0, input)));
    }
    for name in ADDRESSES {
        let address = file.text_kept(name)?;
        if address.is_some_and(|address| address.starts_with("gs://")) {
            let text = format!("{name}: files of Google Cloud Storage cannot be read here, send the bytes");
            return Err(Failure::invalid(name, text));
        }
    }
    found.extend(inputs::images(file, &ADDRESSES, Some(role))?);
    for name in ["mimeType", "encoding"] {
        file.text(name)?;
    }
    Ok(found.into_iter().next())
}

/// The parameters, and those among them that only Google's services know.
fn decode_parameters(fields: &mut Fields<'_>) -> Result<(OutputSpec, Map<String, Value>), Failure> {
    let inside = |failure| within(PARAMETERS, failure);
    let Some(mut parameters) = fields.object(PARAMETERS)? else { return Ok(Default::default()) };
    if parameters.text("storageUri").map_err(inside)?.is_some() {
        let text = "parameters.storageUri: results are kept by this gateway, leave it out";
        return Err(Failure::invalid("parameters.storageUri", text));
    }
    let output = decode_output(&mut parameters).map_err(inside)?;
    let mut rest = parameters.rest().map_err(inside)?;
    // Providers of other APIs understand it as a wish; for the same API it is the client's own word.
    if let Some(is_wanted) = output.enhance_prompt {
        rest.insert("enhancePrompt".to_owned(), is_wanted.into());
    }
    Ok((output, rest))
}

fn decode_output(parameters: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    let count = parameters.whole("sampleCount")?;
    let count = count.map(u32::try_from).transpose();
    Ok(OutputSpec {
        aspect_ratio: parameters.text("aspectRatio")?,
        resolution: parameters.text("resolution")?.map(|text| text.to_ascii_lowercase()),
        duration_s: parameters.seconds("durationSeconds")?,
        seed: parameters.whole("seed")?,
        enhance_prompt: parameters.switch("enhancePrompt")?,
        count: count.map_err(|_| Failure::invalid("sampleCount", "sampleCount: too large a number"))?,
        negative_prompt: parameters.text("negativePrompt")?,
        audio: parameters.switch("generateAudio")?,
        ..OutputSpec::default()
    })
}

/// Whom to tell. What the client wants to be told back is not kept.
fn decode_webhook(fields: &mut Fields<'_>) -> Result<Option<Callback>, Failure> {
    let Some(mut webhook) = fields.object(WEBHOOK)? else { return Ok(None) };
    let inside = |failure| within(WEBHOOK, failure);
    let mut uris = webhook.texts("uris").map_err(inside)?;
    if uris.len() > 1 {
        return Err(inside(Failure::invalid("uris", "uris: one is possible")));
    }
    uris.pop().map(|uri| callback::of_url(&uri.field, uri.text.into_owned()).map_err(inside)).transpose()
}

fn below(name: &str, input: DraftInput) -> DraftInput {
    DraftInput { field: format!("{name}.{}", input.field), ..input }
}

fn object_of(fields: Map<String, Value>) -> Option<Value> {
    (!fields.is_empty()).then_some(Value::Object(fields))
}

fn list_of(fields: Map<String, Value>) -> Option<Value> {
    object_of(fields).map(|fields| Value::Array(vec![fields]))
}

#[cfg(test)]
mod tests {
    use domain::{AssetId, GenerationRequest, Input, Media};
    use serde_json::json;

    use super::*;
    use crate::google::veo;
    use crate::wishes::Wish;

    /// The body that an upstream gets of what a client wrote; each file is stored as the asset of its number.
    fn through_the_gateway(body: &Value) -> Value {
        let draft = decode("veo-3.1-generate-001", body.to_string().as_bytes(), "google").unwrap();
        let inputs = draft.inputs.iter().enumerate().map(|(index, input)| Input {
            role: input.role.unwrap(),
            media: Media::Asset { id: AssetId::new(index.to_string()), media_type: "image/png".to_owned() },
        });
        let request = GenerationRequest {
            inputs: inputs.collect(),
            output: draft.output,
            vendor: draft.vendor,
            ..GenerationRequest::new(Scope::Videos, "veo3.1", draft.prompt)
        };
        let ingoing = veo::ingoing(&request, &[Wish::Several, Wish::NegativePrompt]).unwrap();
        let parameters = veo::parameters(&request, "veo-3.1-generate-001").unwrap();
        let call = veo::call("/x".to_owned(), ingoing, parameters, (&request, "google"));
        serde_json::from_slice(&call.body).unwrap()
    }

    #[test]
    fn what_a_client_writes_reaches_google_unchanged() {
        let file = json!({ "bytesBase64Encoded": "iVBORw0KGgo=", "mimeType": "image/png" });
        let mut body = json!({
            "instances": [{
                "prompt": " a cat, with spaces ",
                "referenceImages": [
                    { "image": file, "referenceType": "style", "weight": 0.5 },
                    { "image": file, "referenceType": "asset" },
                ],
                "camera": { "angles": [1, null] },
            }],
            "parameters": {
                "aspectRatio": "16:9", "resolution": "1080p", "durationSeconds": 8, "sampleCount": 2,
                "negativePrompt": "rain", "enhancePrompt": false, "personGeneration": "allow_adult",
            },
            "labels": { "team": ["film"] },
        });
        let sent = through_the_gateway(&body);
        for index in 0..2 {
            // The media is put in when the call is sent.
            body["instances"][0]["referenceImages"][index]["image"]["bytesBase64Encoded"] = "".into();
        }
        assert_eq!(sent, body);
    }
}
