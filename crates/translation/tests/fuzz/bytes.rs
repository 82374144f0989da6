//! Changes of bytes that know nothing of what the bytes mean.

use fastrand::Rng;

/// Most changes of one body.
const EDITS_MAX: usize = 6;
/// What a byte becomes that is not random.
const BYTES: &[u8] = b"\0\x01\t\n\r \"'%&+,-./0:;<=>?@[\\]_{|}~\x7f\x80\xbf\xc0\xed\xf0\xff";
/// What is put between others: the words of forms and JSON.
const TOKENS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"--",
    b"\r\n--",
    b"name=\"\"",
    b"name=\"a[b]\"",
    b"name=\"a[]\"",
    b"filename=\"x\"",
    b"filename*=UTF-8''x",
    b"Content-Disposition: form-data; ",
    b"Content-Type: image/png",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"\"",
    b"\\",
    b"\\u",
    b",",
    b":",
    b"\x89PNG\r\n\x1a\n",
];

/// Changes a few places of `bytes`.
pub(crate) fn edit(bytes: &mut Vec<u8>, random: &mut Rng) {
    for _ in 0..random.usize(1..=EDITS_MAX) {
        let at = random.usize(..=bytes.len());
        match random.u8(..8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            2 if at < bytes.len() => bytes[at] = random.u8(..),
            3 if at < bytes.len() => bytes[at] = BYTES[random.usize(..BYTES.len())],
            4 => drop(bytes.drain(range(at, bytes.len(), random))),
            5 => {
                let copy = bytes[range(at, bytes.len(), random)].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let token = TOKENS[random.usize(..TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
        }
    }
}

/// The beginning of `one` and the end of `other`.
pub(crate) fn splice(one: &[u8], other: &[u8], random: &mut Rng) -> Vec<u8> {
    let (to, from) = (random.usize(..=one.len()), random.usize(..=other.len()));
    [&one[..to], &other[from..]].concat()
}

fn range(at: usize, len: usize, random: &mut Rng) -> std::ops::Range<usize> {
    let length = if random.u8(..4) == 0 { len } else { random.usize(..16) };
    at..(at + length).min(len)
}
