//! Traces: where they go, and with which headers.

use domain::Credential;

use super::{accounts, bounds};
use crate::environment::Environment;
use crate::findings::Findings;
use crate::sections::Traces;

/// Checks the section and brings its URL into the plain form.
pub(super) fn check(traces: &mut Traces, findings: &mut Findings<'_>) {
    if let Some(endpoint) = &mut traces.endpoint {
        match bounds::base_url(endpoint) {
            Ok(url) => *endpoint = url,
            Err(message) => findings.add("traces.endpoint", message),
        }
    }
    if !(0.0..=1.0).contains(&traces.sample_ratio) {
        findings.add("traces.sample_ratio", "must be from 0 to 1");
    }
    findings.positive("traces.timeout", traces.timeout.is_zero());
    findings.positive("traces.queue_max", traces.queue_max == 0);
    if traces.service_name.is_empty() {
        findings.add("traces.service_name", "must not be empty");
    }
}

/// The headers, with their secrets.
pub(super) fn headers(
    traces: &Traces,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Vec<(String, Credential)> {
    let mut headers = Vec::new();
    for (index, header) in traces.headers.iter().enumerate() {
        let path = format!("traces.headers[{index}]");
        if !is_token(&header.name) {
            findings.add(&format!("{path}.name"), "must be the name of a header");
        }
        if header.scheme.as_ref().is_some_and(|scheme| !is_token(scheme)) {
            findings.add(&format!("{path}.scheme"), "must be a word such as Bearer");
        }
        let path = format!("{path}.value");
        let Some(secret) = accounts::credential(header.value.as_ref(), &path, environment, findings) else {
            continue;
        };
        let value = match &header.scheme {
            Some(scheme) => Credential::new(format!("{scheme} {}", secret.expose())),
            None => secret,
        };
        headers.push((header.name.clone(), value));
    }
    headers
}

/// A token of HTTP (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}
