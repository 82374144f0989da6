//! Logs, traces and the metrics registry. There is no global registry of metrics: the binary makes one and hands it to
//! each crate, so that tests run side by side. Logs and traces are two listeners to the same `tracing` spans.

mod log;
pub mod trace;

use prometheus::{IntGaugeVec, Opts, Registry};

pub use log::{Format, LogError, log};

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
}
