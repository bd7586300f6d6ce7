//! One conversation as it went, under the lines of the transcript that made it.

use crate::outcome::{Broken, Case};

/// The beginning and the end tell what happened; a thousand repetitions do not.
const SHOWN: usize = 60;

/// The rule, the end of the conversation, and where it broke.
pub fn broken(case: &Case, broken: &Broken) -> String {
    if case.source.is_empty() {
        return format!("{}\n", broken.got);
    }
    let mut out = whole(case, SHOWN);
    if broken.line == 0 {
        out += &format!("  {}\n", broken.got);
        return out;
    }
    out += &format!("  line {}\n    expected  {}\n    got       {}\n", broken.line, broken.expected, broken.got);
    out
}

/// The rule and the conversation, of which only the last `shown` entries are told.
pub fn whole(case: &Case, shown: usize) -> String {
    let mut out = format!("{}\n{} ({})\n", case.name, case.rule, case.rfc);
    let entries = &case.conversation[case.conversation.len().saturating_sub(shown)..];
    if entries.len() < case.conversation.len() {
        out += &format!("  ({} lines left out)\n", case.conversation.len() - entries.len());
    }
    let mut line = 0;
    for entry in entries {
        if entry.line != line {
            line = entry.line;
            out += &format!("  {:>4}  {}\n", line, case.line(line));
        }
        let name = if entry.connection.is_empty() { String::new() } else { format!("{} ", entry.connection) };
        out += &format!("        {} {name}{}\n", entry.arrow, entry.text);
    }
    out
}
