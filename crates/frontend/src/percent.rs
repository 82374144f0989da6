//! Percent-decoding of path segments, strictly: what is not well-formed names nothing.

/// The text that `encoded` stands for. `None` for a broken `%` sequence and for bytes that are not UTF-8.
/// A `+` is a plus: it means a space only in queries.
pub(crate) fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_segments_are_decoded() {
        assert_eq!(decode("veo3:1756").as_deref(), Some("veo3:1756"));
        assert_eq!(decode("veo3%3A1756").as_deref(), Some("veo3:1756"));
        assert_eq!(decode("%e7%8c%ab+%2f").as_deref(), Some("猫+/"));
    }

    #[test]
    fn broken_segments_name_nothing() {
        for broken in ["%", "%4", "%zz", "%+1", "%ff", "%c3%28"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
