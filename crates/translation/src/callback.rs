//! Where a client wants to be told how its task ended.

use domain::{Callback, Failure};

use crate::fields::Fields;
use crate::web;

/// The callback in the field `name`, which leaves the vendor fields: the gateway tells the client itself.
pub(crate) fn decode(fields: &mut Fields<'_>, name: &str) -> Result<Option<Callback>, Failure> {
    fields.text(name)?.map(|url| of_url(name, url)).transpose()
}

/// The callback to `url`, which came in as `name`.
pub(crate) fn of_url(name: &str, url: String) -> Result<Callback, Failure> {
    if web::is_web_url(&url) {
        return Ok(Callback { url, events: Vec::new() });
    }
    Err(Failure::invalid(name, format!("{name}: not a whole http(s) URL")))
}
