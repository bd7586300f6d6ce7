//! JUnit's XML, as continuous integration reads it: a suite for each chapter; what is not offered is skipped.

use std::fmt::Write as _;

use crate::outcome::{Case, Summary, Verdict};

use super::{About, conversation, milliseconds};

/// The whole document.
pub fn report(about: &About, cases: &[Case]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let total = Summary::of(cases);
    let skipped = total.not_offered + total.own + total.known;
    let seconds: f64 = cases.iter().map(|case| case.took.as_secs_f64()).sum();
    let name = text(&about.server);
    let (tests, failures) = (cases.len(), total.failed);
    out += &format!(
        "<testsuites name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\">\n"
    );
    for suite in cases.chunk_by(|a, b| a.chapter() == b.chapter()) {
        let chapter = text(suite.first().map_or("", Case::chapter));
        let counts = Summary::of(suite);
        let skipped = counts.not_offered + counts.own + counts.known;
        let seconds: f64 = suite.iter().map(|case| case.took.as_secs_f64()).sum();
        let (tests, failures, began) = (suite.len(), counts.failed, text(&about.began));
        out += &format!(
            "  <testsuite name=\"{chapter}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\" timestamp=\"{began}\">\n"
        );
        for case in suite {
            out += &testcase(about, case);
        }
        out += "  </testsuite>\n";
    }
    out + "</testsuites>\n"
}

fn testcase(about: &About, case: &Case) -> String {
    let (folder, name) = case.name.rsplit_once('/').unwrap_or(("", &case.name));
    let mut out = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">\n",
        text(&folder.replace('/', ".")),
        text(name),
        case.took.as_secs_f64()
    );
    let mut properties = vec![("rule", case.rule.clone()), ("rfc", case.rfc.clone())];
    properties.push(("level", case.level.name().to_owned()));
    for figure in &case.figures {
        if let Some(spread) = figure.spread() {
            let [least, median, most] = [spread.least, spread.median, spread.most].map(milliseconds);
            let times = figure.samples.len();
            properties
                .push(("told-ms", format!("{}: least {least}, median {median}, most {most} of {times}", figure.what)));
        }
    }
    out += "      <properties>\n";
    for (name, value) in properties {
        out += &format!("        <property name=\"{name}\" value=\"{}\"/>\n", text(&value));
    }
    out += "      </properties>\n";
    let skipped = |why: &str| format!("      <skipped message=\"{}\"/>\n", text(why));
    out += &match &case.verdict {
        Verdict::Passed if about.verbose => {
            format!("      <system-out>{}</system-out>\n", text(&conversation::whole(case, usize::MAX)))
        }
        Verdict::Passed => String::new(),
        Verdict::Failed(broken) => format!(
            "      <failure message=\"{}\">{}</failure>\n",
            text(&format!("line {}: expected {}, got {}", broken.line, broken.expected, first_line(&broken.got))),
            text(&conversation::broken(case, broken))
        ),
        Verdict::Missing(what) => format!("      <failure message=\"not offered: {}\"/>\n", text(what)),
        Verdict::NotOffered(what) => skipped(&format!("not offered: {what}")),
        Verdict::OwnChoice => skipped("Postbell's own choice, to which nobody else is held"),
        Verdict::KnownToDiffer(difference, _) => skipped(&format!("known to differ: {difference}")),
    };
    out + "    </testcase>\n"
}

/// Text of XML 1.0: markup is escaped, and what XML cannot hold at all (§2.2) is named.
fn text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out += "&#10;",
            '\t' => out += "&#9;",
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// A message is a line; the conversation has the others.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_no_markup() {
        assert_eq!(text("<a href=\"x\">&\u{1}\n"), "&lt;a href=&quot;x&quot;&gt;&amp;\\u{1}&#10;");
    }
}
