//! The body of a request: a form or JSON, whichever a client sends.

use bytes::Bytes;
use domain::{Call, DraftInput, DraftMedia, Failure, Role, Vendor};
use serde_json::Value;

use super::super::wire::NAME;
use crate::fields::{Fields, within};
use crate::inputs;
use crate::multipart::{self, File, Form};
use crate::text::bounded;

/// Characters of a field's name that a message shows.
const SHOWN_CHARS_MAX: usize = 40;

/// A body. The texts of a form are the JSON that the same client would have sent without a file.
pub(super) struct Body {
    json: Bytes,
    files: Vec<File>,
}

impl Body {
    /// The body of `call`.
    pub(super) fn of(call: &Call) -> Result<Self, Failure> {
        if !multipart::is_form(&call.headers) {
            return Ok(Self { json: call.body.clone(), files: Vec::new() });
        }
        let form = Form::parse(&call.headers, &call.body)?;
        Ok(Self { json: Value::Object(form.fields).to_string().into(), files: form.files })
    }

    /// Its fields without the files.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Failure> {
        Fields::parse(&self.json)
    }

    /// Its files, each with the role that its field has in `allowed`.
    pub(super) fn files(&self, allowed: &[(&str, Option<Role>)]) -> Result<Vec<DraftInput>, Failure> {
        self.files.iter().map(|file| input(file, allowed)).collect()
    }
}

fn input(file: &File, allowed: &[(&str, Option<Role>)]) -> Result<DraftInput, Failure> {
    let field = &file.field;
    let Some((_, role)) = allowed.iter().find(|(name, _)| name == field) else {
        let shown = bounded(field, SHOWN_CHARS_MAX);
        let first = allowed.first().map_or("", |(name, _)| name);
        let text = format!("{shown}: a file found, allowed is one in {first} only");
        return Err(Failure::invalid(shown, text));
    };
    if file.bytes.is_empty() {
        return Err(Failure::invalid(field, format!("{field}: holds no bytes")));
    }
    Ok(DraftInput { role: *role, field: field.clone(), media: DraftMedia::Inline(file.bytes.clone()) })
}

/// The image that an object refers to, `{"image_url": ...}`; `field` is what messages call it.
pub(super) fn referred(
    field: &str,
    mut object: Fields<'_>,
    role: Option<Role>,
) -> Result<Vec<DraftInput>, Failure> {
    let inside = |failure| within(field, failure);
    if object.text("file_id").map_err(inside)?.is_some() {
        let field = format!("{field}.file_id");
        let text = format!("{field}: no files are kept here, send the image or its image_url");
        return Err(Failure::invalid(field, text));
    }
    let mut images = inputs::images(&mut object, &["image_url"], role).map_err(inside)?;
    for image in &mut images {
        image.field = format!("{field}.{}", image.field);
    }
    Ok(images)
}

/// What was not taken, for an upstream of the same API.
pub(super) fn vendor(fields: Fields<'_>) -> Result<Option<Vendor>, Failure> {
    let rest = Some(fields.rest()?).filter(|rest| !rest.is_empty());
    Ok(rest.map(|fields| Vendor { api: NAME.to_owned(), fields }))
}
