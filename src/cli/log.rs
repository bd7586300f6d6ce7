//! Logs: on standard error, as lines for people or as JSON, filtered by `RUST_LOG`.
//!
//! What strangers send gets into logs, so every control character but the line's own end is written as an escape: a log
//! can't move the cursor of whoever reads it, nor fake a line.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::Failure;
use crate::config::{Log, LogFormat};

/// Begins to log; panics are logged too. Errs where `RUST_LOG` is not understood.
pub(super) fn begin(log: &Log) -> Result<(), Failure> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(asked) if !asked.is_empty() => EnvFilter::try_new(asked)
            .map_err(|error| Failure::usage(format_args!("{}: {error}", EnvFilter::DEFAULT_ENV)))?,
        _ => EnvFilter::new(&log.filter),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Escaped).with_ansi(false);
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, panic = panic.payload_as_str().unwrap_or("without a text"), "a bug: something panicked");
    }));
    Ok(())
}

/// Standard error, without control characters.
struct Escaped;

impl<'w> MakeWriter<'w> for Escaped {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        Line
    }
}

/// One event: the subscriber writes it in one piece.
struct Line;

impl Write for Line {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = escape_controls(text);
        line.push('\n');
        io::stderr().lock().write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// `text` with its control characters as escapes such as `\n` and `\u{1b}`; those that reorder text (Unicode UAX 9 §2)
/// and end lines too.
pub(super) fn escape_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_line_steers_a_terminal_or_ends_the_line() {
        assert_eq!(
            escape_controls("a\r\nb\u{1b}[2J\u{9b}\u{7f}\u{202e} ü"),
            "a\\r\\nb\\u{1b}[2J\\u{9b}\\u{7f}\\u{202e} ü"
        );
    }
}
