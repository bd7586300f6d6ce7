//! A page in Markdown: the table by chapter, RFC and section, what failed with its conversation, the figures.

use crate::citation::{Citation, Place};
use crate::outcome::{Case, Verdict};
use crate::sections;

use super::table::{Row, rows};
use super::{About, conversation, milliseconds, summary};

/// The whole page.
pub fn report(about: &About, cases: &[Case]) -> String {
    let version = about.version.as_ref().map(|version| format!(" {}", text(version))).unwrap_or_default();
    let mut out = format!("# {}{version}\n\n{}; {}.\n", text(&about.server), about.began, summary(cases));
    out += &table(cases);
    out += &figures(cases);
    let listed = |heading: &str, lines: Vec<String>| match lines.is_empty() {
        true => String::new(),
        false => format!("\n## {heading}\n\n{}\n", lines.join("\n")),
    };
    let known = cases.iter().filter_map(|case| match &case.verdict {
        Verdict::KnownToDiffer(difference, _) => {
            Some(format!("- `{}` {}: {}", case.name, text(&case.rule), text(&difference.to_string())))
        }
        _ => None,
    });
    out += &listed("Known to differ", known.collect());
    let missing = cases.iter().filter_map(|case| match &case.verdict {
        Verdict::NotOffered(what) => Some(format!("- `{}`: {}", case.name, text(what))),
        _ => None,
    });
    out += &listed("Not offered", missing.collect());
    for case in cases {
        let conversation = match &case.verdict {
            Verdict::Failed(broken) => conversation::broken(case, broken),
            Verdict::Missing(what) => format!("not offered: {what}\n"),
            Verdict::Passed if about.verbose => conversation::whole(case, usize::MAX),
            _ => continue,
        };
        let fence = fence(&conversation);
        let verdict = if case.verdict.is_failure() { "failed" } else { "passed" };
        out += &format!("\n## `{}` {verdict}\n\n{fence}text\n{conversation}{fence}\n", case.name);
    }
    out
}

fn table(cases: &[Case]) -> String {
    let mut out = String::new();
    for row in rows(cases) {
        if row.citation.is_none() {
            out += &format!(
                "\n## {}\n\n| | must | should | known to differ | not offered | own choice |\n|---|---|---|---|---|---|\n",
                row.chapter
            );
        }
        out += &line(&row);
    }
    out
}

fn line(row: &Row) -> String {
    let name = match &row.citation {
        None => format!("**{}**", row.chapter),
        Some(citation) if citation.place.is_none() => format!("**{citation}**{}", heading(citation)),
        Some(citation) => format!("{citation}{}", heading(citation)),
    };
    let passed = |summary: crate::outcome::Summary| match summary.passed + summary.failed {
        0 => String::new(),
        offered if summary.failed > 0 => format!("**{} of {offered}**", summary.passed),
        offered => format!("{offered} of {offered}"),
    };
    let count = |number: usize| if number == 0 { String::new() } else { number.to_string() };
    let all = row.all();
    let own = count(all.own + row.own.passed + row.own.failed);
    format!(
        "| {name} | {} | {} | {} | {} | {own} |\n",
        passed(row.must),
        passed(row.should),
        count(all.known),
        count(all.not_offered)
    )
}

fn heading(citation: &Citation) -> String {
    match (&citation.place, sections::heading(citation)) {
        (Some(Place::Heading(_)), _) | (_, None) => String::new(),
        (_, Some(heading)) => format!(" {}", text(heading)),
    }
}

fn figures(cases: &[Case]) -> String {
    let mut out = String::new();
    for case in cases {
        for figure in &case.figures {
            let Some(spread) = figure.spread() else { continue };
            out += &format!(
                "| `{}` `{}` | {} | {} | {} | {} |\n",
                case.name,
                figure.what.replace('|', "\\|"),
                milliseconds(spread.least),
                milliseconds(spread.median),
                milliseconds(spread.most),
                figure.samples.len()
            );
        }
    }
    if out.is_empty() {
        return out;
    }
    format!("\n## Told after so many milliseconds\n\n| | least | median | most | times |\n|---|---|---|---|---|\n{out}")
}

/// What Markdown would read as its own is escaped.
pub(super) fn text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "\\`*_|<>[]#".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A fence that the text does not close.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Broken;

    #[test]
    fn what_a_server_says_stays_in_its_fence() {
        let broken = Broken::before("* OK ```` then\n# Not a heading");
        let case = Case { verdict: Verdict::Failed(broken), ..Case::unreadable("imap/a", String::new()) };
        let page = report(&About { server: "a*b".to_owned(), ..About::default() }, &[case]);
        assert!(page.contains("# a\\*b"), "{page}");
        assert!(page.contains("`````text\n* OK ```` then"), "{page}");
        assert!(page.trim_end().ends_with("`````"), "{page}");
    }
}
