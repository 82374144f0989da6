//! Reads a client's `multipart/form-data` body (RFC 7578) out of memory: files stay slices of the body, and everything
//! else becomes the JSON that the same client would have sent without a file.

use bytes::Bytes;
use domain::{Failure, FailureKind};
use http::{HeaderMap, header};
use memchr::memmem::Finder;
use serde_json::{Map, Value};

use crate::text::bounded;

/// Parts of one body.
const PARTS_MAX: usize = 128;
/// Bytes of the headers of one part.
const HEADER_BYTES_MAX: usize = 4096;
/// Characters of a boundary (RFC 2046, section 5.1.1).
const BOUNDARY_CHARS_MAX: usize = 70;
/// Characters of a field's name that a message shows.
const SHOWN_CHARS_MAX: usize = 40;

const LINE_END: &[u8] = b"\r\n";
const HEADERS_END: &[u8] = b"\r\n\r\n";

/// A body, read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Form {
    /// The parts that are no files: texts. `a[b]` is field `b` of object `a`; `a[]`, and a name that is there several
    /// times, is a list.
    pub(crate) fields: Map<String, Value>,
    /// The files, in order.
    pub(crate) files: Vec<File>,
}

/// One file of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// The field's name; `a[]` is `a`.
    pub(crate) field: String,
    /// The client's own name for it; empty if it gave none.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: Bytes,
}

/// Whether a body with these headers is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    media_type(content_type(headers)).eq_ignore_ascii_case("multipart/form-data")
}

impl Form {
    /// The form in `body`. The failure never repeats a value.
    pub(crate) fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Self, Failure> {
        let boundary = parameter(content_type(headers), "boundary").filter(|boundary| {
            (1..=BOUNDARY_CHARS_MAX).contains(&boundary.len()) && !boundary.chars().any(char::is_control)
        });
        let Some(boundary) = boundary else {
            return Err(Failure::invalid("Content-Type", "Content-Type: the form has no valid boundary"));
        };
        let mut form = Self::default();
        for part in split(&boundary, body).map_err(broken)? {
            form.take(part)?;
        }
        Ok(form)
    }

    fn take(&mut self, Part { name, file_name, bytes }: Part) -> Result<(), Failure> {
        if let Some(file_name) = file_name {
            let field = name.strip_suffix("[]").unwrap_or(&name).to_owned();
            self.files.push(File { field, name: file_name, bytes });
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            let shown = bounded(&name, SHOWN_CHARS_MAX);
            let text = format!("{shown}: neither a file nor text in UTF-8");
            return Err(Failure::invalid(shown, text));
        };
        match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
            Some((list, "")) => add(&mut self.fields, list, Value::Array(vec![text.into()])),
            Some((object, key)) if !key.contains(['[', ']']) => {
                let fields = self.fields.entry(object).or_insert_with(|| Value::Object(Map::new()));
                match fields {
                    Value::Object(fields) => add(fields, key, text.into()),
                    _ => {
                        let shown = bounded(object, SHOWN_CHARS_MAX);
                        let text = format!("{shown}: both a value and an object");
                        return Err(Failure::invalid(shown, text));
                    }
                }
            }
            _ => add(&mut self.fields, &name, text.into()),
        }
        Ok(())
    }
}

/// Puts a value in its place; beside one that is there already, in a list.
fn add(fields: &mut Map<String, Value>, name: &str, value: Value) {
    let Some(known) = fields.get_mut(name) else {
        fields.insert(name.to_owned(), value);
        return;
    };
    let mut values = list(known.take());
    values.extend(list(value));
    *known = Value::Array(values);
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        other => vec![other],
    }
}

struct Part {
    name: String,
    /// Of a file.
    file_name: Option<String>,
    bytes: Bytes,
}

/// The parts between the boundaries, or what is wrong with the body.
fn split(boundary: &str, body: &Bytes) -> Result<Vec<Part>, &'static str> {
    let delimiter = format!("\r\n--{boundary}");
    let (delimiter, mut parts) = (Finder::new(delimiter.as_bytes()), Vec::new());
    // The first boundary needs no line before it.
    let opening = delimiter.needle().strip_prefix(LINE_END).unwrap_or_default();
    let mut at = match delimiter.find(body) {
        _ if body.starts_with(opening) => opening.len(),
        Some(found) => found + delimiter.needle().len(),
        None => return Err("the boundary is not there"),
    };
    loop {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        // The line end of the boundary may also be the first half of what ends the headers.
        let head = rest[padding..].strip_prefix(LINE_END).ok_or("a boundary is not alone on its line")?;
        if parts.len() == PARTS_MAX {
            return Err("too many parts");
        }
        let head_bytes = memchr::memmem::find(&head[..head.len().min(HEADER_BYTES_MAX)], HEADERS_END)
            .ok_or("a part's headers have no end, or are too long")?;
        let start = at + padding + LINE_END.len() + head_bytes + HEADERS_END.len();
        // An empty part's boundary begins with the line end of its headers.
        let look_from = start - LINE_END.len();
        let end = look_from + delimiter.find(&body[look_from..]).ok_or("the last boundary is missing")?;
        parts.extend(part(&head[..head_bytes], body.slice(start.min(end)..end))?);
        at = end + delimiter.needle().len();
    }
}

/// `None` for a file that was not chosen: browsers send it without name and bytes.
fn part(head: &[u8], bytes: Bytes) -> Result<Option<Part>, &'static str> {
    let head = std::str::from_utf8(head).map_err(|_| "a part's headers are not UTF-8")?;
    let mut disposition = "";
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or("a part's header has no colon")?;
        if name.eq_ignore_ascii_case("content-disposition") {
            disposition = value;
        }
        let encoding = name.eq_ignore_ascii_case("content-transfer-encoding").then(|| value.trim());
        if encoding.is_some_and(|encoding| !matches!(encoding, "7bit" | "8bit" | "binary")) {
            return Err("a part is encoded; bytes as they are are possible only");
        }
    }
    if !media_type(disposition).eq_ignore_ascii_case("form-data") {
        return Err("a part is no form-data");
    }
    let name = parameter(disposition, "name").filter(|name| !name.is_empty()).ok_or("a part has no name")?;
    let file_name = parameter(disposition, "filename").or_else(|| parameter(disposition, "filename*"));
    if bytes.is_empty() && file_name.as_deref() == Some("") {
        return Ok(None);
    }
    Ok(Some(Part { name, file_name, bytes }))
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What stands before the parameters.
fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// A parameter of a header's value, out of its quotes. A quote in it is written `\"`, or `%22` as browsers do.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let (_, mut rest) = value.split_once(';')?;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (text, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (text, next) = after.split_once(';').unwrap_or((after, ""));
                (text.trim().to_owned(), next)
            }
        };
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = next;
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text.replace("%22", "\""), &quoted[at + 1..])),
            // Old browsers send whole Windows paths, whose backslashes escape nothing.
            '\\' if quoted[at + 1..].starts_with(['"', '\\']) => text.extend(chars.next().map(|(_, c)| c)),
            _ => text.push(c),
        }
    }
    None
}

fn broken(problem: &str) -> Failure {
    Failure::new(FailureKind::InvalidRequest, format!("body: not valid multipart/form-data: {problem}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        headers
    }

    fn parse(body: impl Into<Bytes>) -> Result<Form, Failure> {
        Form::parse(&headers("multipart/form-data; boundary=b"), &body.into())
    }

    /// The body of parts, each with what follows `form-data; ` and its bytes.
    fn body(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (disposition, bytes) in parts {
            body.extend(format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").bytes());
            body.extend(*bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--b--\r\n");
        body
    }

    #[test]
    fn texts_become_json_and_files_stay_bytes() {
        let form = parse(body(&[
            ("name=\"prompt\"", "a cät".as_bytes()),
            ("name=model", b""),
            ("name=\"input_reference[image_url]\"", b"https://example.com/a.png"),
            ("name=\"image[]\"", b"x"),
            ("name=\"image[]\"", b"y"),
            ("name=\"tag\"", b"1"),
            ("name=\"tag\"", b"2"),
            ("name=\"file[]\"; filename=\"a;b\\\"%22.png\"", b"\r\n--\xff\r\n"),
            ("filename*=utf-8''a.png; name=\"other\"", b""),
            ("name=\"not_chosen\"; filename=\"\"", b""),
        ]))
        .unwrap();
        let fields = json!({
            "prompt": "a cät", "model": "", "input_reference": { "image_url": "https://example.com/a.png" },
            "image": ["x", "y"], "tag": ["1", "2"],
        });
        assert_eq!(Value::Object(form.fields), fields);
        let files: Vec<(&str, &[u8])> = form.files.iter().map(|f| (f.field.as_str(), &f.bytes[..])).collect();
        assert_eq!(files, [("file", &b"\r\n--\xff\r\n"[..]), ("other", b"")]);
    }

    #[test]
    fn a_file_is_not_copied() {
        let body = Bytes::from(body(&[("name=\"f\"; filename=\"f\"", &[7; 1000])]));
        let form = parse(body.clone()).unwrap();
        assert!(body.as_ptr_range().contains(&form.files[0].bytes.as_ptr()));
    }

    #[test]
    fn what_the_rules_allow_is_read() {
        let loose: &[u8] = b"preamble\r\n--b \t\r\ncontent-type: text/plain\r\n\
            CONTENT-DISPOSITION: Form-Data; Name = \"a\"\r\nContent-Transfer-Encoding: binary\r\n\r\n1\r\n--b--epilogue";
        assert_eq!(Value::Object(parse(loose).unwrap().fields), json!({ "a": "1" }));
        assert_eq!(parse(&b"--b--"[..]).unwrap(), Form::default());
        let quoted = headers("Multipart/Form-Data; charset=utf-8; Boundary=\"b\"");
        assert!(is_form(&quoted));
        let body = Bytes::from(body(&[("name=\"a\"", b"1")]));
        assert_eq!(Form::parse(&quoted, &body).unwrap().fields.len(), 1);
        assert!(!is_form(&headers("application/json")) && !is_form(&HeaderMap::new()));
    }

    #[test]
    fn what_is_broken_is_refused_without_its_values() {
        let long = format!("--b\r\nx: {}\r\n\r\n\r\n--b--", "x".repeat(HEADER_BYTES_MAX));
        let many = body(&[("name=\"a\"", &b"secret"[..]); PARTS_MAX + 1]);
        let bodies: [&[u8]; 13] = [
            b"",
            b"{\"prompt\":\"secret\"}",
            b"--c\r\n",
            b"--b",
            b"--bsecret\r\n\r\n--b--",
            b"--b\r\n",
            b"--b\r\nsecret\r\n\r\nx\r\n--b--",
            b"--b\r\nContent-Type: text/plain\r\n\r\nsecret\r\n--b--",
            b"--b\r\nContent-Disposition: form-data\r\n\r\nsecret\r\n--b--",
            b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nsecret",
            b"--b\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--",
            long.as_bytes(),
            &many,
        ];
        for body in bodies {
            let failure = parse(body.to_vec()).unwrap_err();
            assert!(failure.public.starts_with("body: not valid multipart/form-data: "), "{failure}");
            assert!(!failure.public.contains("secret"), "{failure}");
        }
        assert_eq!(parse(body(&[("name=\"a\"", b"\xff")])).unwrap_err().field.as_deref(), Some("a"));
        let both = body(&[("name=\"a\"", b"1"), ("name=\"a[b]\"", b"2")]);
        assert_eq!(parse(both).unwrap_err().field.as_deref(), Some("a"));
        for content_type in ["multipart/form-data", "multipart/form-data; boundary=", "x; boundary=\"b"] {
            let failure = Form::parse(&headers(content_type), &Bytes::new()).unwrap_err();
            assert_eq!(failure.field.as_deref(), Some("Content-Type"), "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(files in proptest::collection::vec(any::<Vec<u8>>(), 0..5)) {
            prop_assume!(files.iter().all(|file| memchr::memmem::find(file, b"\r\n--b").is_none()));
            let parts: Vec<(&str, &[u8])> =
                files.iter().map(|file| ("name=\"f\"; filename=\"f.png\"", &file[..])).collect();
            let read = parse(body(&parts)).unwrap().files;
            prop_assert_eq!(read.iter().map(|file| file.bytes.to_vec()).collect::<Vec<_>>(), files);
        }

        #[test]
        fn no_bytes_make_it_panic(
            start in 0..200usize,
            end in 0..200usize,
            noise in any::<Vec<u8>>(),
            content_type in "multipart/form-data; ?boundary=\"?b\"?[;\"= \\\\a-z]{0,8}",
        ) {
            let mut bytes = body(&[("name=\"a[b]\"; filename=\"f\\\"\"", b"x"), ("name=\"c\"", b"")]);
            let (start, end) = (start.min(bytes.len()), end.min(bytes.len()));
            bytes.splice(start.min(end)..start.max(end), noise);
            let _ = Form::parse(&headers(&content_type), &bytes.into());
        }

        #[test]
        fn no_lines_make_it_panic(
            lines in proptest::collection::vec("(--b|--b--|Content-Disposition: form-data; name=\"[a\\[\\]\"]{0,3}||.{0,5})", 0..12),
        ) {
            let _ = parse(lines.join("\r\n"));
        }
    }
}
