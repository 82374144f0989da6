//! One JSON object a line, flat: what the event says, and the fields of the spans around it. Of two fields with one name
//! the inner one counts.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, span};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::is_shown;

/// Writes events.
pub(super) struct JsonLines;

/// Keeps the fields of spans, as the text of an object.
pub(super) struct JsonFields;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut at = String::new();
        SystemTime.format_time(&mut Writer::new(&mut at))?;
        let metadata = event.metadata();
        let mut line = Line::default();
        line.0.insert("timestamp".into(), at.into());
        line.0.insert("level".into(), metadata.level().as_str().into());
        line.0.insert("target".into(), metadata.target().into());
        event.record(&mut line);
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>();
            for (name, value) in fields.map(|fields| read(&fields.fields)).unwrap_or_default() {
                line.0.entry(name).or_insert(value);
            }
        }
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

impl<'writer> FormatFields<'writer> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line::default();
        fields.record(&mut line);
        write!(writer, "{}", Value::Object(line.0))
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &span::Record<'_>,
    ) -> fmt::Result {
        let mut line = Line(read(&current.fields));
        fields.record(&mut line);
        current.fields = Value::Object(line.0).to_string();
        Ok(())
    }
}

/// What [`JsonFields`] has written.
fn read(fields: &str) -> Map<String, Value> {
    serde_json::from_str(fields).unwrap_or_default()
}

#[derive(Default)]
struct Line(Map<String, Value>);

impl Line {
    fn set(&mut self, field: &Field, value: Value) {
        if is_shown(field) {
            self.0.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{Registry, fmt};

    use super::*;
    use crate::log::text::tests::Written;

    #[test]
    fn a_line_has_the_fields_of_its_spans_beside_its_own() {
        let written = Written::default();
        let layer = fmt::layer().fmt_fields(JsonFields).event_format(JsonLines);
        let subscriber = Registry::default().with(layer.with_writer(written.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let request = tracing::info_span!("request", request_id = "r1", "http.route" = "/x");
            let _in_request = request.enter();
            let step = tracing::info_span!("step", task_id = "t1", trace_id = tracing::field::Empty);
            step.record("trace_id", "abc");
            let _in_step = step.enter();
            tracing::info!(task_id = "t2", tries = 3, late = true, "two\nlines");
        });
        let line: Value = serde_json::from_str(&written.text()).unwrap();
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
        let mut line = line.as_object().unwrap().clone();
        line.remove("timestamp");
        let expected = json!({
            "level": "INFO", "target": "telemetry::log::json::tests", "message": "two\nlines",
            "task_id": "t2", "tries": 3, "late": true, "trace_id": "abc", "request_id": "r1",
        });
        assert_eq!(Value::Object(line), expected);
        assert_eq!(written.text().lines().count(), 1);
    }
}
