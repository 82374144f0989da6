//! Logs and the metrics registry. There is no global registry: the binary makes one and hands it to each crate, so
//! that tests run side by side.

use std::io::{self, IsTerminal as _};

use prometheus::{IntGaugeVec, Opts, Registry};
use tracing_subscriber::EnvFilter;

/// Libraries that log what only their authors want to know.
const QUIET: &str = "refinery_core=warn,hyper=warn,h2=warn,rustls=warn";

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directives cannot be read.
    #[error("log directives: {0}")]
    Directives(#[from] tracing_subscriber::filter::ParseError),
    /// Logging began before.
    #[error("logging began twice")]
    Twice,
}

/// Begins to log to standard error, once for the process. `directives` is a level or a list such as
/// `info,hyper=warn`. Whoever logs keeps keys out at every level, and what may repeat a prompt below `info`.
pub fn log(format: Format, directives: &str) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{directives}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let begun = match format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    begun.map_err(|_begun_before| LogError::Twice)
}

/// A registry that already tells the program's version.
pub fn registry(version: &str) -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    let build =
        IntGaugeVec::new(Opts::new("filmgate_build_info", "The running version; always 1."), &["version"])?;
    build.with_label_values(&[version]).set(1);
    registry.register(Box::new(build))?;
    Ok(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_tells_the_version() {
        let families = registry("1.2.3").unwrap().gather();
        let text = prometheus::TextEncoder::new().encode_to_string(&families).unwrap();
        assert!(text.contains("filmgate_build_info{version=\"1.2.3\"} 1"), "{text}");
    }

    #[test]
    fn bad_directives_are_refused() {
        assert!(matches!(log(Format::Text, "filmgate=loud"), Err(LogError::Directives(_))));
    }
}
