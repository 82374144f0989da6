//! Log lines: what is heard, and in which form it is written.

mod heard;
mod json;
mod text;

use std::io::{self, IsTerminal as _};

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::trace::TraceLayer;
pub(crate) use heard::is_own_span;

use heard::Heard;
use json::{JsonFields, JsonLines};
use text::TextFields;

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

/// Begins to log to standard error, and to record traces if there is a layer for them, once for the process. `directives`
/// is a level or a list such as `info,tasks=debug`. Whoever logs keeps keys and prompts out at every level; the words of
/// upstreams, which may repeat prompts, are heard only where `directives` name `filmgate::said`.
pub fn log(format: Format, directives: &str, traces: Option<TraceLayer>) -> Result<(), LogError> {
    let heard = Heard::new(directives)?;
    let begun =
        Registry::default().with(lines(format, heard)).with(traces.map(TraceLayer::filtered)).try_init();
    begun.map_err(|_begun_before| LogError::Twice)
}

fn lines(format: Format, heard: Heard) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_writer(io::stderr);
    match format {
        Format::Text => {
            let text = lines.with_target(false).with_ansi(io::stderr().is_terminal());
            text.fmt_fields(TextFields).with_filter(heard).boxed()
        }
        Format::Json => lines.fmt_fields(JsonFields).event_format(JsonLines).with_filter(heard).boxed(),
    }
}

/// Whether a field is for log lines. Names with a dot are attributes of traces.
fn is_shown(field: &tracing::field::Field) -> bool {
    !field.name().contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_directives_are_refused() {
        assert!(matches!(log(Format::Text, "filmgate=loud", None), Err(LogError::Directives(_))));
    }
}
