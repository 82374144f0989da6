//! Fields in lines for people. What others said is written so that it can neither steer a terminal nor pretend to be
//! another line.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use super::is_shown;

/// Writes `name=value` with what could steer a terminal spelled out.
pub(super) struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Words { writer, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct Words<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    result: fmt::Result,
}

impl Visit for Words<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !is_shown(field) || self.result.is_err() {
            return;
        }
        let space = if std::mem::take(&mut self.is_first) { "" } else { " " };
        self.result = match field.name() {
            "message" => write!(Plain(&mut self.writer), "{space}{value:?}"),
            name => write!(Plain(&mut self.writer), "{space}{name}={value:?}"),
        };
    }
}

/// Spells out what is not simply read.
struct Plain<'a, 'writer>(&'a mut Writer<'writer>);

impl fmt::Write for Plain<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
            return self.0.write_str(text);
        }
        for character in text.chars() {
            if is_plain(character) {
                self.0.write_char(character)?;
            } else {
                write!(self.0, "{}", character.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Controls move cursors and colours; the others here turn, hide or break the text around them.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
pub(super) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{Registry, fmt};

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Written {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn nobody_steers_a_terminal_or_forges_a_line() {
        let hostile = "red \u{1b}[31m\r\n2026 INFO all is well \u{9b}2J \u{7} \u{202e}gnp";
        let written = Written::default();
        let layer = fmt::layer().with_ansi(false).with_writer(written.clone()).fmt_fields(TextFields);
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            let span = tracing::info_span!("request", request_id = %hostile);
            let _in_span = span.enter();
            tracing::warn!(shown = %hostile, quoted = hostile, debug = ?hostile, "{hostile}");
        });
        let text = written.text();
        assert_eq!(text.trim_end_matches('\n').chars().filter(|c| !is_plain(*c)).count(), 0, "{text:?}");
        assert_eq!(text.matches("\\u{1b}[31m").count(), 5, "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("shown=red"), "{text}");
    }
}
