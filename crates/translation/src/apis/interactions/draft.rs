//! A client's request to the Interactions API as a draft.

use domain::{
    Callback, Derivation, Draft, DraftBasis, DraftInput, DraftMedia, Failure, GenerationRequest, OutputSpec,
    Role, Scope, TaskId, Vendor,
};
use serde_json::{Map, Value};

use super::wire::{DELIVERY, GENERATION_CONFIG, NAME, RESPONSE_FORMAT, URI, VIDEO_CONFIG, kind, tag, task};
use crate::fields::{Fields, within};
use crate::media::decode_media;
use crate::{callback, web};

/// Images that can be the first frame and the last.
const FRAMES_MAX: usize = 2;

/// Whether the client wants its answer at once; else it waits for the result.
pub(super) fn is_background(body: &[u8]) -> bool {
    let asked = Fields::parse(body).and_then(|mut fields| fields.switch("background"));
    asked.ok().flatten().unwrap_or_default()
}

/// Whether the client wants a result's address and not its bytes.
pub(super) fn wants_uri(body: &[u8]) -> bool {
    let delivery = |mut fields: Fields<'_>| response_format(&mut fields)?.text(DELIVERY);
    Fields::parse(body).and_then(delivery).is_ok_and(|delivery| delivery.as_deref() == Some(URI))
}

/// Whether a task's client wants addresses, if it came by this API.
pub(super) fn wanted_uri(request: &GenerationRequest) -> bool {
    let vendor = request.vendor.as_ref().filter(|vendor| vendor.api == NAME);
    let format = vendor.and_then(|vendor| vendor.fields.get(RESPONSE_FORMAT));
    format.is_some_and(|format| format[DELIVERY] == URI)
}

/// The draft in `body`. Taken and not passed on: `background`, which is about the client's own answer, and `store`, since
/// a task that is not stored cannot be asked for.
pub(super) fn decode(body: &[u8]) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(body)?;
    if fields.switch("stream")? == Some(true) {
        return Err(Failure::invalid("stream", "stream: clips do not come as streams here, set background"));
    }
    if fields.text_kept("agent")?.is_some() {
        return Err(Failure::invalid("agent", "agent: no agents are here, name a model"));
    }
    fields.switch("background")?;
    fields.switch("store")?;
    let said = Said::read(&mut fields)?;
    let basis = fields.text("previous_interaction_id")?;
    let (output, vendor) = decode_output(&mut fields)?;
    let task = vendor.pointer(&format!("/{GENERATION_CONFIG}/{VIDEO_CONFIG}/task")).and_then(Value::as_str);
    Ok(Draft {
        scope: Some(Scope::Videos),
        model: fields.text("model")?.map(|name| name.strip_prefix("models/").unwrap_or(&name).to_owned()),
        inputs: said.inputs(task),
        prompt: said.texts.join("\n"),
        output,
        basis: basis.map(|id| DraftBasis { task: TaskId::new(id), index: 0, derivation: Derivation::Remix }),
        callback: decode_callback(&mut fields)?,
        vendor: with_rest(vendor, fields)?,
        ..Draft::default()
    })
}

/// What a client said, in its order.
#[derive(Default)]
struct Said {
    texts: Vec<String>,
    media: Vec<DraftInput>,
}

impl Said {
    /// `input` is a text, one block, a list of blocks, or a list of steps or turns that hold such.
    fn read(fields: &mut Fields<'_>) -> Result<Self, Failure> {
        let mut said = Self::default();
        if fields.is_object("input") {
            if let Some(block) = fields.object("input")? {
                said.step("input", block)?;
            }
        } else if fields.is_list_of_objects("input") {
            for (name, block) in fields.objects("input")? {
                said.step(&name, block)?;
            }
        } else {
            said.texts.extend(fields.prose("input")?);
        }
        Ok(said)
    }

    fn step(&mut self, name: &str, mut step: Fields<'_>) -> Result<(), Failure> {
        let inside = |failure| within(name, failure);
        let kind = step.text_kept("type").map_err(inside)?;
        let role = step.text("role").map_err(inside)?;
        match (kind.as_deref(), role.as_deref()) {
            (Some(kind::USER_INPUT), _) | (None, Some("user")) => self.content(name, step),
            (None, Some(_)) | (Some(kind::MODEL_OUTPUT), _) => {
                let text =
                    format!("{name}: what a model said is not taken, go on with previous_interaction_id");
                Err(Failure::invalid(name, text))
            }
            _ => self.block(name, step),
        }
    }

    fn content(&mut self, name: &str, mut step: Fields<'_>) -> Result<(), Failure> {
        let inside = |failure| within(name, failure);
        if step.is_object("content") {
            return match step.object("content").map_err(inside)? {
                Some(block) => self.block(&format!("{name}.content"), block),
                None => Ok(()),
            };
        }
        if step.is_list_of_objects("content") {
            for (inner, block) in step.objects("content").map_err(inside)? {
                self.block(&format!("{name}.{inner}"), block)?;
            }
            return Ok(());
        }
        self.texts.extend(step.prose("content").map_err(inside)?);
        Ok(())
    }

    fn block(&mut self, name: &str, mut block: Fields<'_>) -> Result<(), Failure> {
        let inside = |failure| within(name, failure);
        let role = match block.text("type").map_err(inside)?.as_deref() {
            Some(kind::TEXT) => {
                self.texts.extend(block.prose("text").map_err(inside)?);
                return Ok(());
            }
            Some(kind::IMAGE) => None,
            Some(kind::VIDEO) => Some(Role::Video),
            _ => {
                let text = format!("{name}.type: allowed is text, image, video");
                return Err(Failure::invalid(format!("{name}.type"), text));
            }
        };
        let (field, media) = media(name, block)?;
        self.media.push(DraftInput { role, field, media });
        Ok(())
    }

    /// The media with its parts, as far as task or prompt tell; what is left open the model decides.
    fn inputs(&self, task: Option<&str>) -> Vec<DraftInput> {
        let images = self.media.iter().filter(|input| input.role.is_none()).count();
        let tagged = self.texts.iter().any(|text| text.contains(tag::REFERENCE));
        let references = match task {
            Some(task::REFERENCES) => true,
            Some(task::FRAMES) => false,
            _ => tagged || images > FRAMES_MAX || images < self.media.len(),
        };
        let part = |input: &DraftInput| input.role.or(references.then_some(Role::Reference));
        self.media.iter().map(|input| DraftInput { role: part(input), ..input.clone() }).collect()
    }
}

/// The media of a block: `data` is base64, `uri` an address that anybody can read.
fn media(name: &str, mut block: Fields<'_>) -> Result<(String, DraftMedia), Failure> {
    let inside = |failure| within(name, failure);
    if let Some(item) = block.texts("data").map_err(inside)?.pop() {
        let field = format!("{name}.data");
        let media = decode_media(&field, &item.text)?;
        return Ok((field, media));
    }
    let field = format!("{name}.uri");
    match block.text("uri").map_err(inside)? {
        Some(uri) if web::is_web_url(&uri) => Ok((field, DraftMedia::Url(uri))),
        Some(_) => {
            let text = format!("{field}: only whole http(s) URLs are possible, no files are kept here");
            Err(Failure::invalid(field, text))
        }
        None => Err(Failure::invalid(name, format!("{name}: data or uri is required"))),
    }
}

/// `response_format`: an object, or a list of one.
fn response_format<'a>(fields: &mut Fields<'a>) -> Result<Fields<'a>, Failure> {
    let wrong = || Failure::invalid(RESPONSE_FORMAT, "response_format: allowed is one of type video");
    let found = if fields.is_list_of_objects(RESPONSE_FORMAT) {
        let mut list = fields.objects(RESPONSE_FORMAT)?;
        if list.len() > 1 {
            return Err(wrong());
        }
        list.pop().map(|(_, format)| format)
    } else {
        fields.object(RESPONSE_FORMAT)?
    };
    let Some(mut format) = found else { return Fields::parse(b"{}") };
    match format.text("type").map_err(|failure| within(RESPONSE_FORMAT, failure))?.as_deref() {
        None | Some(kind::VIDEO) => Ok(format),
        Some(_) => Err(wrong()),
    }
}

/// What the result shall be like, and the fields beside it that only this API knows.
fn decode_output(fields: &mut Fields<'_>) -> Result<(OutputSpec, Value), Failure> {
    let mut format = response_format(fields)?;
    let inside = |failure| within(RESPONSE_FORMAT, failure);
    let mut output = OutputSpec {
        aspect_ratio: format.text("aspect_ratio").map_err(inside)?,
        duration_s: format.seconds("duration").map_err(inside)?,
        resolution: format.text("resolution").map_err(inside)?.map(|text| text.to_ascii_lowercase()),
        ..OutputSpec::default()
    };
    // It stays with the task, for later polls.
    format.text_kept(DELIVERY).map_err(inside)?;
    let mut vendor = Map::new();
    keep(&mut vendor, RESPONSE_FORMAT, format.rest().map_err(inside)?);
    if let Some(mut config) = fields.object(GENERATION_CONFIG)? {
        let inside = |failure| within(GENERATION_CONFIG, failure);
        output.seed = config.whole("seed").map_err(inside)?;
        keep(&mut vendor, GENERATION_CONFIG, config.rest().map_err(inside)?);
    }
    Ok((output, Value::Object(vendor)))
}

fn keep(vendor: &mut Map<String, Value>, name: &str, rest: Map<String, Value>) {
    if !rest.is_empty() {
        vendor.insert(name.to_owned(), Value::Object(rest));
    }
}

/// One listener; what the client wants to be told with every event is kept as JSON.
fn decode_callback(fields: &mut Fields<'_>) -> Result<Option<Callback>, Failure> {
    const NAME: &str = "webhook_config";
    let Some(mut config) = fields.object(NAME)? else { return Ok(None) };
    let inside = |failure| within(NAME, failure);
    let mut uris = config.texts("uris").map_err(inside)?;
    if uris.len() > 1 {
        return Err(Failure::invalid("webhook_config.uris", "webhook_config.uris: one is possible"));
    }
    let Some(uri) = uris.pop() else { return Ok(None) };
    let mut listener = callback::of_url(&format!("{NAME}.{}", uri.field), uri.text.into_owned())?;
    if let Some(metadata) = config.object("user_metadata").map_err(inside)? {
        listener.events.push(Value::Object(metadata.rest().map_err(inside)?).to_string());
    }
    Ok(Some(listener))
}

fn with_rest(vendor: Value, rest: Fields<'_>) -> Result<Option<Vendor>, Failure> {
    let mut fields = rest.rest()?;
    if let Value::Object(inner) = vendor {
        fields.extend(inner);
    }
    Ok(Some(fields).filter(|fields| !fields.is_empty()).map(|fields| Vendor { api: NAME.to_owned(), fields }))
}
