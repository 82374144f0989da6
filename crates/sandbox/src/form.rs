//! A `multipart/form-data` body as JSON: texts as they are, `a[b]` as field `b` of object `a`, `a[]` as one of a list, and
//! of a file its name, its size and its type. Strict: what a sender could have meant is not guessed.

use serde_json::{Map, Value, json};

use crate::apis::Refusal;

/// The fields of the form in `body`, whose `Content-Type` is `content_type`; `None` if that is no form.
pub(crate) fn read(content_type: &str, body: &[u8]) -> Option<Result<Value, Refusal>> {
    let parameters = content_type.strip_prefix("multipart/form-data")?;
    let boundary = parameters.split_once("boundary=").map(|(_, boundary)| boundary.trim_matches('"'));
    let fields = boundary.filter(|boundary| !boundary.is_empty()).and_then(|boundary| fields(boundary, body));
    Some(fields.ok_or_else(|| Refusal::Malformed("the multipart body could not be read".into())))
}

fn fields(boundary: &str, body: &[u8]) -> Option<Value> {
    let (first, next) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}"));
    let mut fields = Map::new();
    let mut rest = body.strip_prefix(first.as_bytes())?;
    loop {
        let (head, after) = split(rest, b"\r\n\r\n")?;
        let (content, after) = split(after, next.as_bytes())?;
        add(&mut fields, std::str::from_utf8(head).ok()?, content)?;
        // What follows the end is nothing's part, and some senders have an empty line there.
        if after.starts_with(b"--") {
            return Some(Value::Object(fields));
        }
        rest = after.strip_prefix(b"\r\n")?;
    }
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

fn add(fields: &mut Map<String, Value>, head: &str, content: &[u8]) -> Option<()> {
    let is_disposition =
        |line: &&str| line.to_ascii_lowercase().starts_with("content-disposition: form-data;");
    let disposition = head.split("\r\n").find(is_disposition)?;
    let parameter = |name: &str| {
        let (_, value) = disposition.split_once(&format!("; {name}=\""))?;
        Some(value.split_once('"')?.0)
    };
    let name = parameter("name")?;
    let value = match parameter("filename") {
        Some(file_name) => {
            let mut file = json!({ "filename": file_name, "bytes": content.len() });
            if let Some(media_type) = head.split("\r\n").find_map(content_type) {
                file["type"] = media_type.into();
            }
            file
        }
        None => std::str::from_utf8(content).ok()?.into(),
    };
    match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        Some((list, "")) => {
            let list = fields.entry(list).or_insert_with(|| json!([]));
            list.as_array_mut()?.push(value);
        }
        Some((object, key)) => {
            let inner = fields.entry(object).or_insert_with(|| json!({}));
            inner.as_object_mut()?.insert(key.to_owned(), value);
        }
        // A name that is there twice is a mistake: a list is written with `[]`.
        None if fields.contains_key(name) => return None,
        None => {
            fields.insert(name.to_owned(), value);
        }
    }
    Some(())
}

fn content_type(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case("content-type").then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "multipart/form-data; boundary=b";

    #[test]
    fn texts_objects_and_files_are_read() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na\r\n\r\ncat\r\n\
            --b\r\nContent-Disposition: form-data; name=\"r[image_url]\"\r\n\r\nhttps://example.com\r\n\
            --b\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\n\r\n\
            \x89PNG\r\n--b\r\nContent-Disposition: form-data; name=\"l[]\"\r\n\r\n1\r\n\
            --b\r\nContent-Disposition: form-data; name=\"l[]\"\r\n\r\n2\r\n--b--\r\n";
        let fields = json!({
            "prompt": "a\r\n\r\ncat", "r": { "image_url": "https://example.com" },
            "f": { "filename": "a.png", "bytes": 4, "type": "image/png" }, "l": ["1", "2"],
        });
        assert_eq!(read(FORM, body), Some(Ok(fields)));
        assert_eq!(read("application/json", b"{}"), None);
    }

    #[test]
    fn what_is_broken_is_refused() {
        for body in [
            "",
            "--b--",
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1",
            "--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--",
            "--b\r\n\r\n1\r\n--b--",
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--bc--",
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
             --b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--b--",
        ] {
            assert!(matches!(read(FORM, body.as_bytes()), Some(Err(Refusal::Malformed(_)))), "{body}");
        }
        assert!(matches!(read("multipart/form-data", b"--b--"), Some(Err(_))));
    }
}
