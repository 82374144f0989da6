//! A file that is sent ahead of a submit.

use http::request::Parts;
use http::{Response, header};
use hyper::body::Incoming;

use super::{host_of, read_whole, text_of};
use crate::apis::{Api, Place, Refusal, read_json};
use crate::desk::Desk;
use crate::form;
use crate::reply::{self, Body};

/// Reads a file, as a form or as JSON, and says where it would lie.
pub(super) async fn take(
    desk: &Desk,
    api: &dyn Api,
    (head, place): (&Parts, &Place<'_>),
    body: Incoming,
) -> Response<Body> {
    desk.counters.count_call(format!("{}.upload", api.name()));
    let answer = match read_whole(body).await {
        Ok(bytes) => {
            let url = format!("http://{}/files/{:032x}.png", host_of(head), fastrand::u128(..));
            read(desk, api, head, &bytes).and_then(|body| api.take_file(place, &body, &url))
        }
        Err(refusal) => Err(refusal),
    };
    reply::json(&answer.unwrap_or_else(|refusal| api.encode_refusal(&refusal)))
}

fn read(desk: &Desk, api: &dyn Api, head: &Parts, bytes: &[u8]) -> Result<serde_json::Value, Refusal> {
    desk.admit(api.key_in(&head.headers))?;
    let content_type = text_of(head, &header::CONTENT_TYPE).unwrap_or_default();
    form::read(content_type, bytes).unwrap_or_else(|| read_json(bytes))
}
