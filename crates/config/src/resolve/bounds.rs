//! The plain sections: no bound is zero, no bound contradicts another, addresses and files are there.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use domain::Network;
use url::Url;

use crate::environment::Environment;
use crate::file::File;
use crate::findings::Findings;
use crate::resolve::{limits, traces};
use crate::sections::{Callbacks, Egress, Retention, Server, Tasks, Tls};

/// Below, ordinary requests would be refused; above, a head is no longer one.
const HEAD_BYTES: std::ops::RangeInclusive<u64> = 8 << 10..=1 << 20;

/// What clients expect of those who know keys of idempotency.
const IDEMPOTENCY_LIFETIME_MIN: Duration = Duration::from_secs(24 * 3600);

/// More often, looking would cost more than it tells.
const WATCH_EVERY_MIN: Duration = Duration::from_millis(10);

/// A spool for fewer submits at one time would hold up the others.
const SPOOL_BYTES_MIN: u64 = 64 << 10;

/// Checks the plain sections and brings URLs into their plain form.
pub(super) fn check(file: &mut File, environment: &dyn Environment, findings: &mut Findings<'_>) {
    server(&mut file.server, findings);
    for (path, tls) in [("server.tls", &file.server.tls), ("server.admin_tls", &file.server.admin_tls)] {
        if let Some(tls) = tls {
            check_tls((path, tls), environment, findings);
        }
    }
    super::store::check(&file.store, environment, findings);
    tasks(&file.tasks, findings);
    retention(&file.retention, findings);
    limits::check(&file.limits, findings);
    limits::check_health(&file.health, findings);
    if !file.reload.watch_every.is_zero() && file.reload.watch_every < WATCH_EVERY_MIN {
        findings.add("reload.watch_every", "must be 0s or at least 10ms");
    }
    egress(&mut file.egress, environment, findings);
    callbacks(&file.callbacks, findings);
    traces::check(&mut file.traces, findings);
    findings.name("ledger.currency", &file.ledger.currency);
    if file.data_dir.as_os_str().is_empty() {
        findings.add("data_dir", "must not be empty");
    }
    if file.media_dir.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()) {
        findings.add("media_dir", "must not be empty");
    }
}

fn server(server: &mut Server, findings: &mut Findings<'_>) {
    findings.positive("server.connections_max", server.connections_max == 0);
    findings.positive("server.streams_max", server.streams_max == 0);
    findings.positive("server.body_bytes_per_second_min", server.body_bytes_per_second_min == 0);
    if !HEAD_BYTES.contains(&server.head_bytes_max) {
        findings.add("server.head_bytes_max", "must be from 8KiB to 1MiB");
    }
    findings.positive("server.requests_in_flight_max", server.requests_in_flight_max == 0);
    findings.positive("server.first_byte_timeout", server.first_byte_timeout.is_zero());
    findings.positive("server.header_timeout", server.header_timeout.is_zero());
    findings.positive("server.body_timeout", server.body_timeout.is_zero());
    findings.positive("server.request_timeout", server.request_timeout.is_zero());
    findings.positive("server.wait_timeout", server.wait_timeout.is_zero());
    findings.positive("server.waits_max", server.waits_max == 0);
    findings.positive("server.events_max", server.events_max == 0);
    findings.positive("server.events_keep_alive", server.events_keep_alive.is_zero());
    findings.positive("server.events_timeout", server.events_timeout.is_zero());
    findings.positive("server.idle_timeout", server.idle_timeout.is_zero());
    findings.positive("server.body_bytes_max", server.body_bytes_max == 0);
    if server.body_bytes_max > server.buffered_bytes_max {
        let text = "must not be less than body_bytes_max, or the largest body could never be taken";
        findings.add("server.buffered_bytes_max", text);
    }
    if server.listen == server.admin_listen && server.listen.port() != 0 {
        findings.add("server.admin_listen", "must not be the same as listen");
    }
    if let Some(text) = &mut server.public_url {
        match base_url(text) {
            Ok(url) => *text = url,
            Err(message) => findings.add("server.public_url", message),
        }
    }
    for (index, origin) in server.cors_origins.iter().enumerate() {
        if origin != "*" && !is_origin(origin) {
            findings.add(
                &format!("server.cors_origins[{index}]"),
                "must be \"*\" or an origin such as https://example.com",
            );
        }
    }
}

fn check_tls((path, tls): (&str, &Tls), environment: &dyn Environment, findings: &mut Findings<'_>) {
    let mut check = |key: &str, file: &Path| {
        let path = &format!("{path}.{key}");
        if file.as_os_str().is_empty() {
            findings.add(path, "is required");
        } else if let Err(error) = environment.file(file) {
            findings.add(path, format!("{} cannot be read: {error}", file.display()));
        }
    };
    check("cert_file", &tls.cert_file);
    check("key_file", &tls.key_file);
}

fn tasks(tasks: &Tasks, findings: &mut Findings<'_>) {
    findings.positive("tasks.workers_max", tasks.workers_max == 0);
    findings.positive("tasks.task_deadline", tasks.task_deadline.is_zero());
    findings.positive("tasks.connect_timeout", tasks.connect_timeout.is_zero());
    findings.positive("tasks.submit_timeout", tasks.submit_timeout.is_zero());
    findings.positive("tasks.poll_timeout", tasks.poll_timeout.is_zero());
    findings.positive("tasks.result_timeout", tasks.result_timeout.is_zero());
    findings.positive("tasks.reply_bytes_max", tasks.reply_bytes_max == 0);
    findings.positive("tasks.result_bytes_max", tasks.result_bytes_max == 0);
    findings.positive("tasks.attempts_max", tasks.attempts_max == 0);
    findings.positive("tasks.crashes_max", tasks.crashes_max == 0);
    findings.positive("tasks.late_look_after", tasks.late_look_after.is_zero());
    if tasks.late_look_max < tasks.late_look_after {
        findings.add("tasks.late_look_max", "must not be shorter than late_look_after");
    }
    findings.positive("tasks.look_after", tasks.look_after.is_zero());
    findings.positive("tasks.absent_looks", tasks.absent_looks == 0);
    if tasks.look_after_max < tasks.look_after {
        findings.add("tasks.look_after_max", "must not be shorter than look_after");
    }
    if tasks.spool_bytes < SPOOL_BYTES_MIN {
        findings.add("tasks.spool_bytes", "must be at least 64KiB");
    }
    findings.positive("tasks.input_lifetime", tasks.input_lifetime.is_zero());
    if tasks.idempotency_lifetime < IDEMPOTENCY_LIFETIME_MIN {
        findings.add("tasks.idempotency_lifetime", "must be at least 1d: clients rely on it");
    }
    findings.positive("tasks.input_bytes_max", tasks.input_bytes_max == 0);
    findings.positive("tasks.input_timeout", tasks.input_timeout.is_zero());
    findings.positive("tasks.inline_result_bytes_max", tasks.inline_result_bytes_max == 0);
    if tasks.lease <= tasks.submit_timeout {
        let text =
            "must be longer than submit_timeout, or a second worker would take over a submit under way";
        findings.add("tasks.lease", text);
    }
    if tasks.unknown_hold > tasks.task_deadline {
        findings.add("tasks.unknown_hold", "must not be longer than task_deadline");
    }
}

fn retention(retention: &Retention, findings: &mut Findings<'_>) {
    findings.positive("retention.tasks", retention.tasks.is_zero());
    findings.positive("retention.results", retention.results.is_zero());
    findings.positive("retention.sweep_every", retention.sweep_every.is_zero());
    findings.positive("retention.batch_max", retention.batch_max == 0);
}

fn callbacks(callbacks: &Callbacks, findings: &mut Findings<'_>) {
    findings.positive("callbacks.timeout", callbacks.timeout.is_zero());
    findings.positive("callbacks.tries_max", callbacks.tries_max == 0);
    findings.positive("callbacks.retry_after", callbacks.retry_after.is_zero());
    findings.positive("callbacks.at_once_max", callbacks.at_once_max == 0);
    findings.positive("callbacks.per_host_max", callbacks.per_host_max == 0);
}

fn egress(egress: &mut Egress, environment: &dyn Environment, findings: &mut Findings<'_>) {
    for (index, text) in egress.allow.iter().enumerate() {
        let path = format!("egress.allow[{index}]");
        match text.parse::<Network>() {
            Ok(network) if network.to_string().ends_with("/0") => {
                findings.add(&path, "must not be all there is; name the blocks that may be called");
            }
            Ok(_) => {}
            Err(error) => findings.add(&path, error.to_string()),
        }
    }
    for (index, name) in egress.allow_names.iter().enumerate() {
        if !is_name(name) {
            let path = format!("egress.allow_names[{index}]");
            findings
                .add(&path, "must be a name in lower case such as n8n, or .svc.cluster.local for all below");
        }
    }
    for (index, text) in egress.nameservers.iter().enumerate() {
        if text.parse::<SocketAddr>().is_err() {
            let path = format!("egress.nameservers[{index}]");
            findings.add(&path, "must be an address with its port, such as 10.0.0.53:53");
        }
    }
    if egress.nat64_prefix.as_ref().is_some_and(|text| !is_nat64_prefix(text)) {
        findings.add(
            "egress.nat64_prefix",
            "must be a block such as 64:ff9b::/96, of 32, 40, 48, 56, 64 or 96 bits",
        );
    }
    if let Some(proxy) = &mut egress.proxy {
        match base_url(proxy) {
            Ok(url) if url.starts_with("http://") && url.matches('/').count() == 2 => *proxy = url,
            _ => findings.add("egress.proxy", "must be a URL such as http://egress.example.com:4750"),
        }
    }
    if let Some(file) = &egress.ca_file
        && let Err(error) = environment.file(file)
    {
        findings.add("egress.ca_file", format!("{} cannot be read: {error}", file.display()));
    }
}

/// A host name as URLs have it, or a dot and the name that all those meant end with.
fn is_name(text: &str) -> bool {
    let labels = text.strip_prefix('.').unwrap_or(text).split('.');
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    labels.into_iter().all(|label| !label.is_empty() && label.bytes().all(is_plain))
}

/// The lengths are those of RFC 6052.
fn is_nat64_prefix(text: &str) -> bool {
    let length = text.rsplit('/').next().unwrap_or_default();
    text.contains(':')
        && text.parse::<Network>().is_ok()
        && matches!(length, "32" | "40" | "48" | "56" | "64" | "96")
}

/// An `http` or `https` URL that paths can be appended to: no user, query or fragment, no slash at the end.
pub(super) fn base_url(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL such as https://api.example.com")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold a query or a fragment");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_nothing_that_a_path_cannot_follow() {
        assert_eq!(base_url("https://a.example/v1/"), Ok("https://a.example/v1".into()));
        for wrong in
            ["", "a.example", "ftp://a.example", "https://u:p@a.example", "https://a.example?x=1", "https://"]
        {
            assert!(base_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        assert!(is_origin("https://a.example"));
        assert!(is_origin("http://localhost:3000"));
        assert!(!is_origin("https://a.example/"));
        assert!(!is_origin("a.example"));
    }
}
