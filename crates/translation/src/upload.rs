//! Files that clients send ahead of a request.

use domain::{Call, DraftMedia, DraftUpload, Failure};
use serde_json::Value;

use crate::fields::Fields;
use crate::media::decode_media;
use crate::multipart::{self, Form};

/// The file in the field `field` of a form. Its name is the first of the texts `names`, else what the client's file is
/// called.
pub(crate) fn of_form(call: &Call, field: &str, names: &[&str]) -> Result<DraftUpload, Failure> {
    let missing =
        || Failure::invalid(field, format!("{field}: a file in a multipart/form-data body is required"));
    if !multipart::is_form(&call.headers) {
        return Err(missing());
    }
    let form = Form::parse(&call.headers, &call.body)?;
    let file = form.files.into_iter().find(|file| file.field == field).ok_or_else(missing)?;
    if file.bytes.is_empty() {
        return Err(Failure::invalid(field, format!("{field}: holds no bytes")));
    }
    let json = Value::Object(form.fields).to_string();
    let name = name(&mut Fields::parse(json.as_bytes())?, names)?;
    Ok(DraftUpload {
        media: DraftMedia::Inline(file.bytes),
        field: field.to_owned(),
        name: name.unwrap_or(file.name),
    })
}

/// The file in the field `field` of a JSON object: base64, or where it is on the web.
pub(crate) fn of_json(call: &Call, field: &str, names: &[&str]) -> Result<DraftUpload, Failure> {
    let mut fields = Fields::parse(&call.body)?;
    let items = fields.texts(field)?;
    let [item] = items.as_slice() else {
        return Err(Failure::invalid(field, format!("{field}: one is required")));
    };
    Ok(DraftUpload {
        media: decode_media(field, &item.text)?,
        field: field.to_owned(),
        name: name(&mut fields, names)?.unwrap_or_default(),
    })
}

/// The first of the texts that is there.
fn name(fields: &mut Fields<'_>, names: &[&str]) -> Result<Option<String>, Failure> {
    for name in names {
        if let Some(text) = fields.text(name)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}
