//! Prints what [`parse`](super::parse) reads, one command a line, blocks indented. Only tests and properties print
//! scripts: what somebody wrote is kept and shown as they wrote it.

use std::fmt::Write as _;

use super::syntax::{Argument, Command, Test, Tests, Text, Value};

/// The script that reads as these commands.
pub(super) fn script(commands: &[Command]) -> String {
    let mut out = String::new();
    print_commands(&mut out, commands, 0);
    out
}

fn print_commands(out: &mut String, commands: &[Command], depth: usize) {
    for Command { name, arguments, tests, block, .. } in commands {
        let indent = "    ".repeat(depth);
        let _ = write!(out, "{indent}{name}");
        print_arguments(out, arguments);
        print_tests(out, tests);
        match block {
            None => out.push_str(";\r\n"),
            Some(commands) => {
                out.push_str(" {\r\n");
                print_commands(out, commands, depth + 1);
                let _ = write!(out, "{indent}}}\r\n");
            }
        }
    }
}

fn print_tests(out: &mut String, tests: &Tests) {
    match tests {
        Tests::None => {}
        Tests::One(test) => {
            out.push(' ');
            print_test(out, test);
        }
        Tests::List(tests) => {
            for (number, test) in tests.iter().enumerate() {
                out.push_str(if number == 0 { " (" } else { ", " });
                print_test(out, test);
            }
            out.push(')');
        }
    }
}

fn print_test(out: &mut String, Test { name, arguments, tests, .. }: &Test) {
    out.push_str(name);
    print_arguments(out, arguments);
    print_tests(out, tests);
}

fn print_arguments(out: &mut String, arguments: &[Argument]) {
    for Argument { value, .. } in arguments {
        out.push(' ');
        match value {
            Value::Tag(name) => {
                let _ = write!(out, ":{name}");
            }
            Value::Number(number) => print_number(out, *number),
            Value::String(text) => print_string(out, text),
            Value::Strings(texts) => {
                for (number, text) in texts.iter().enumerate() {
                    out.push_str(if number == 0 { "[" } else { ", " });
                    print_string(out, text);
                }
                out.push(']');
            }
        }
    }
}

fn print_number(out: &mut String, number: u64) {
    let units = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    let unit = units.into_iter().find(|(unit, _)| number > 0 && number.is_multiple_of(*unit));
    let (unit, quantifier) = unit.unwrap_or((1, ""));
    let _ = write!(out, "{}{quantifier}", number / unit);
}

/// Several lines that end as lines do become a `text:`, all others a quoted string.
fn print_string(out: &mut String, Text { text, .. }: &Text) {
    if text.ends_with("\r\n") {
        out.push_str("text:\r\n");
        for line in text.split_inclusive("\r\n") {
            out.push_str(if line.starts_with('.') { "." } else { "" });
            out.push_str(line);
        }
        out.push_str(".\r\n");
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
