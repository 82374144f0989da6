//! Calls to upstreams that hold stored media: JSON with base64 in it, and forms with files. The media itself is put in
//! when the call is sent; here only its places are noted.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use domain::{AssetId, Call, MediaForm, MediaSlot, extension_of};
use http::{HeaderValue, header};
use serde_json::Value;

/// A text of a JSON body whose value is stored media, by the place of the text: `/instances/0/image/bytesBase64Encoded`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaText {
    /// A JSON pointer (RFC 6901) to a text in the body, which the media replaces.
    pub(crate) pointer: String,
    /// The media.
    pub(crate) asset: AssetId,
}

/// A POST of `body`, in which the base64 of media stands in place of some texts. Places are told by where they are and
/// not by what they hold, so that nothing a client writes can be taken for one.
pub(crate) fn post_json_with_media(path: impl Into<String>, body: &Value, media: &[MediaText]) -> Call {
    let mut json = Json { text: String::new(), slots: Vec::new(), media };
    json.value(body, &mut String::new());
    let mut call = Call::post_json(path, json.text.into_bytes());
    call.media = json.slots;
    call
}

struct Json<'a> {
    text: String,
    slots: Vec<MediaSlot>,
    media: &'a [MediaText],
}

impl Json<'_> {
    /// Writes `value`, to which `pointer` points.
    fn value(&mut self, value: &Value, pointer: &mut String) {
        match value {
            Value::Array(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.separate(index);
                    self.below(item, pointer, &index.to_string());
                }
                self.text.push(']');
            }
            Value::Object(fields) => {
                self.text.push('{');
                for (index, (name, field)) in fields.iter().enumerate() {
                    self.separate(index);
                    self.text.push_str(&Value::from(name.as_str()).to_string());
                    self.text.push(':');
                    self.below(field, pointer, &name.replace('~', "~0").replace('/', "~1"));
                }
                self.text.push('}');
            }
            leaf => match self.media.iter().find(|media| media.pointer == *pointer) {
                Some(media) => {
                    self.text.push('"');
                    let at = self.text.len();
                    self.slots.push(MediaSlot { at, asset: media.asset.clone(), form: MediaForm::Base64 });
                    self.text.push('"');
                }
                None => self.text.push_str(&leaf.to_string()),
            },
        }
    }

    fn below(&mut self, value: &Value, pointer: &mut String, segment: &str) {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(segment);
        self.value(value, pointer);
        pointer.truncate(length);
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.text.push(',');
        }
    }
}

/// A `multipart/form-data` body (RFC 7578) under construction.
#[derive(Debug, Default)]
pub(crate) struct FormBody {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    name: Cow<'static, str>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Text(String),
    File { asset: AssetId, media_type: String },
}

impl FormBody {
    /// Adds a text. The name may be a client's.
    pub(crate) fn text(&mut self, name: impl Into<Cow<'static, str>>, text: impl Into<String>) {
        self.parts.push(Part { name: name.into(), content: Content::Text(text.into()) });
    }

    /// Adds a stored file, under a name that tells nothing but its type.
    pub(crate) fn file(&mut self, name: &'static str, asset: &AssetId, media_type: &str) {
        let content = Content::File { asset: asset.clone(), media_type: media_type.to_owned() };
        self.parts.push(Part { name: name.into(), content });
    }

    /// The POST that sends it.
    pub(crate) fn post(self, path: impl Into<String>) -> Call {
        let boundary = self.boundary();
        let mut body = String::new();
        let mut media = Vec::new();
        for Part { name, content } in &self.parts {
            let name = quoted(name);
            // Writing into a `String` cannot fail.
            let _ = write!(body, "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
            match content {
                Content::Text(text) => {
                    let _ = write!(body, "\r\n\r\n{text}\r\n");
                }
                Content::File { asset, media_type } => {
                    let file = format!("{}.{}", name.trim_end_matches("[]"), extension_of(media_type));
                    let _ = write!(body, "; filename=\"{file}\"\r\nContent-Type: {media_type}\r\n\r\n");
                    media.push(MediaSlot { at: body.len(), asset: asset.clone(), form: MediaForm::Raw });
                    body.push_str("\r\n");
                }
            }
        }
        let _ = write!(body, "--{boundary}--\r\n");
        let mut call = Call::post_json(path, Vec::new());
        call.body = Bytes::from(body);
        call.media = media;
        let content_type = format!("multipart/form-data; boundary={boundary}");
        if let Ok(value) = HeaderValue::from_str(&content_type) {
            call.headers.insert(header::CONTENT_TYPE, value);
        }
        call
    }

    /// A line that no part holds. The names of assets cannot be guessed, so no file can hold one on purpose; texts are
    /// looked through.
    fn boundary(&self) -> String {
        let file = self.parts.iter().find_map(|part| match &part.content {
            Content::File { asset, .. } => Some(asset.as_str()),
            Content::Text(_) => None,
        });
        let mut boundary = format!("filmgate-{}", file.unwrap_or("form"));
        let holds = |boundary: &str| {
            self.parts.iter().any(|part| match &part.content {
                Content::Text(text) => text.contains(boundary),
                Content::File { .. } => false,
            })
        };
        while holds(&boundary) {
            boundary.push('-');
        }
        boundary
    }
}

/// A name as it can stand between quotes: what would end the quotes or the line is percent-encoded, as browsers do.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn media_stands_where_it_was_put_and_nowhere_else() {
        let body = json!({ "prompt": "a \"cat\"", "in/put": [{ "data": "" }, 1, null, true] });
        let media =
            [MediaText { pointer: "/in~1put/0/data".to_owned(), asset: AssetId::new("0123456789abcdef") }];
        let call = post_json_with_media("/x", &body, &media);
        assert_eq!(serde_json::from_slice::<Value>(&call.body).unwrap(), body);
        let [slot] = call.media.as_slice() else { panic!("{:?}", call.media) };
        assert_eq!(
            (&call.body[slot.at - 8..=slot.at], slot.form),
            (&b"\"data\":\"\""[..], MediaForm::Base64)
        );
    }

    #[test]
    fn a_form_has_texts_and_files() {
        let mut form = FormBody::default();
        form.text("prompt", "a cat");
        form.file("image", &AssetId::new("00ff"), "image/png");
        let call = form.post("/edits");
        let text = String::from_utf8(call.body.to_vec()).unwrap();
        let expected = "--filmgate-00ff\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na cat\r\n\
                        --filmgate-00ff\r\nContent-Disposition: form-data; name=\"image\"; filename=\"image.png\"\r\n\
                        Content-Type: image/png\r\n\r\n\r\n--filmgate-00ff--\r\n";
        assert_eq!(text, expected);
        assert_eq!(call.headers[header::CONTENT_TYPE], "multipart/form-data; boundary=filmgate-00ff");
        assert!(text[..call.media[0].at].ends_with("image/png\r\n\r\n"));
    }

    #[test]
    fn a_text_cannot_end_its_part() {
        let mut form = FormBody::default();
        form.text("prompt", "--filmgate-form--\r\n");
        let call = form.post("/edits");
        assert_eq!(call.headers[header::CONTENT_TYPE], "multipart/form-data; boundary=filmgate-form---");
    }

    #[test]
    fn a_name_cannot_end_its_line() {
        let mut form = FormBody::default();
        form.text("a\"\r\nb: c".to_owned(), "1");
        let body = form.post("/edits").body;
        assert!(String::from_utf8_lossy(&body).contains("form-data; name=\"a%22%0D%0Ab: c\"\r\n\r\n1\r\n"));
    }
}
