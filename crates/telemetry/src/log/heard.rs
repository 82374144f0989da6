//! Which events make a log line. Of libraries, never more than level `info`, whatever an operator asks for: below it some
//! print what they send and read, and so prompts and keys.

use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber, span};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

/// Libraries that say at level `info` what only their authors want to know.
const QUIET: &str = "refinery_core=warn,tokio_postgres=warn";
/// What upstreams said, word by word. They may repeat the prompt.
const SAID: &str = "filmgate::said";
/// What our events and spans are told by: the crates of the gateway.
const OURS: [&str; 12] = [
    "config",
    "domain",
    "filmgate",
    "frontend",
    "limits",
    "routing",
    "sandbox",
    "store",
    "tasks",
    "telemetry",
    "translation",
    "upstream",
];

/// What is heard by an operator's directives.
pub(super) struct Heard {
    directives: EnvFilter,
}

impl Heard {
    pub(super) fn new(directives: &str) -> Result<Self, ParseError> {
        let said = if directives.contains(SAID) { String::new() } else { format!(",{SAID}=off") };
        Ok(Self { directives: EnvFilter::try_new(format!("{QUIET},{directives}{said}"))? })
    }
}

/// Whether `metadata` is of the gateway's own code.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    let of = metadata.target().split("::").next().unwrap_or_default();
    OURS.contains(&of)
}

/// The spans that stand in lines and in traces. They do not depend on directives: a warning without the id of its task
/// helps nobody.
pub(crate) fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::INFO && is_ours(metadata)
}

fn may_be_heard(metadata: &Metadata<'_>) -> bool {
    is_ours(metadata) || *metadata.level() <= Level::INFO
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Filter<S> for Heard {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        if metadata.is_span() {
            return is_own_span(metadata);
        }
        may_be_heard(metadata) && Filter::enabled(&self.directives, metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked also about spans: directives may name them.
        let asked = Filter::<S>::callsite_enabled(&self.directives, metadata);
        match metadata.is_span() {
            true if is_own_span(metadata) => Interest::always(),
            false if may_be_heard(metadata) => asked,
            _ => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.directives).map(|hint| hint.max(LevelFilter::INFO))
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        Filter::on_new_span(&self.directives, attributes, id, context);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        Filter::on_record(&self.directives, id, values, context);
    }

    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        Filter::on_enter(&self.directives, id, context);
    }

    fn on_exit(&self, id: &span::Id, context: Context<'_, S>) {
        Filter::on_exit(&self.directives, id, context);
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        Filter::on_close(&self.directives, id, context);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{Layer, Registry};

    use super::*;

    /// The targets of what was heard.
    #[derive(Clone, Default)]
    struct Targets(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Targets {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            let metadata = event.metadata();
            self.0.lock().unwrap().push(format!("{}={}", metadata.target(), metadata.level()));
        }
    }

    fn heard_by(directives: &str) -> Vec<String> {
        let targets = Targets::default();
        let layer = targets.clone().with_filter(Heard::new(directives).unwrap());
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            tracing::trace!(target: "hyper::proto", "bytes");
            tracing::debug!(target: "tokio_postgres", "a query");
            tracing::info!(target: "tokio_postgres", "a notice");
            tracing::warn!(target: "hyper", "a warning");
            tracing::info!(target: "somebody", "a fact");
            tracing::trace!(target: "tasks::submit", "ours");
            tracing::debug!(target: "filmgate::said", "the prompt again");
        });
        targets.0.lock().unwrap().clone()
    }

    #[test]
    fn libraries_never_say_more_than_facts() {
        assert_eq!(heard_by("trace"), ["hyper=WARN", "somebody=INFO", "tasks::submit=TRACE"]);
        let all = heard_by("trace,hyper=trace,tokio_postgres=trace,rustls=trace");
        assert_eq!(all, ["tokio_postgres=INFO", "hyper=WARN", "somebody=INFO", "tasks::submit=TRACE"]);
    }

    #[test]
    fn what_upstreams_said_is_heard_by_those_who_ask_for_it() {
        assert!(!heard_by("trace").contains(&"filmgate::said=DEBUG".to_owned()));
        assert!(!heard_by("filmgate=trace").contains(&"filmgate::said=DEBUG".to_owned()));
        assert!(heard_by("warn,filmgate::said=debug").contains(&"filmgate::said=DEBUG".to_owned()));
    }
}
