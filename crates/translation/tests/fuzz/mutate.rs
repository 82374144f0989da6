//! From a fixture's message to one that nobody meant.

use fastrand::Rng;
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::corpus::{Corpus, Seed};
use crate::message::Message;
use crate::{bytes, texts};

/// Statuses that decoders tell apart; the others are tried, too.
const STATUSES: &[u16] = &[
    200, 201, 202, 204, 206, 301, 304, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 451, 500, 501, 502,
    503, 504, 524,
];

/// Content types that decide how a body is read.
const CONTENT_TYPES: &[&str] = &[
    "application/json",
    "application/json; charset=utf-8",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=x",
    "multipart/form-data; boundary=\"x",
    "multipart/form-data; boundary=7d9c2a61e5b84f03",
    "text/plain",
    "text/html",
    "application/octet-stream",
    "image/png",
    "video/mp4",
    "audio/mpeg",
    "application/x-www-form-urlencoded",
    "",
];

/// `seed` with some of its parts changed; bodies may go on as that of `other`.
pub(crate) fn mutate(seed: &Seed, other: &Seed, corpus: &Corpus, random: &mut Rng) -> Message {
    let mut message = seed.message.clone();
    message.body = body(seed, other, corpus, random).unwrap_or(message.body);
    if random.u8(..4) == 0 {
        change_headers(&mut message, random);
    }
    if random.u8(..4) == 0 {
        change_query(&mut message.query, random);
    }
    match random.u8(..8) {
        0 | 1 => message.status = status(STATUSES[random.usize(..STATUSES.len())]),
        2 => message.status = status(random.u16(100..=999)),
        _ => {}
    }
    message
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("three digits")
}

/// Another body; `None` leaves it as it is.
fn body(seed: &Seed, other: &Seed, corpus: &Corpus, random: &mut Rng) -> Option<::bytes::Bytes> {
    let old = &seed.message.body;
    let mut new = match (random.u8(..20), &seed.json) {
        (0, _) => return None,
        (1, _) => old[..random.usize(..=old.len())].to_vec(),
        (2, _) => bytes::splice(old, &other.message.body, random),
        (3, _) => other.message.body.to_vec(),
        (_, Some(json)) => json.edited(random, &corpus.values, &corpus.keys).into_bytes(),
        (_, None) => old.to_vec(),
    };
    // What is no JSON has no other way to change.
    if seed.json.is_none() || random.u8(..5) == 0 {
        bytes::edit(&mut new, random);
    }
    Some(new.into())
}

fn change_headers(message: &mut Message, random: &mut Rng) {
    let headers = &mut message.headers;
    let known: Vec<HeaderName> = headers.keys().cloned().collect();
    let name = match random.u8(..8) {
        0..3 => random.choice(known).unwrap_or(header::AUTHORIZATION),
        3 | 4 => header::CONTENT_TYPE,
        5 => header::RETRY_AFTER,
        6 => header::USER_AGENT,
        _ => HeaderName::from_static("x-anything"),
    };
    let text = if name == header::CONTENT_TYPE && random.bool() {
        texts::pick(random, CONTENT_TYPES).to_owned()
    } else {
        texts::text(random)
    };
    match (random.u8(..4), HeaderValue::from_bytes(text.as_bytes())) {
        (0, _) => drop(headers.remove(name)),
        (1, Ok(value)) => drop(headers.append(name, value)),
        (_, Ok(value)) => drop(headers.insert(name, value)),
        (_, Err(_no_header_can_hold_it)) => {}
    }
}

fn change_query(query: &mut String, random: &mut Rng) {
    let text = texts::text(random);
    match random.u8(..6) {
        0 => query.clear(),
        1 => *query = text,
        2 => query.insert_str(0, &format!("{text}&")),
        3 => *query = query.replacen('=', &format!("={text}"), 1),
        4 => *query = query.replacen('=', "", 1),
        _ => *query = format!("{query}&{query}={text}"),
    }
}
