//! For people at a terminal: the conversations that failed, the table, the figures, the sentence at the end.

use crate::citation::{Citation, Place};
use crate::outcome::{Case, Verdict};
use crate::sections;

use super::table::{Row, rows};
use super::{About, conversation, milliseconds, summary};

/// The whole report.
pub fn report(about: &About, cases: &[Case]) -> String {
    let mut out = String::new();
    for case in cases {
        match &case.verdict {
            Verdict::Failed(broken) => out += &format!("---- FAILED {}\n", conversation::broken(case, broken)),
            Verdict::Missing(what) => out += &format!("---- FAILED {}\n  not offered: {what}\n\n", case.name),
            _ if !about.verbose => {}
            Verdict::Passed => out += &format!("---- passed {}\n", conversation::whole(case, usize::MAX)),
            Verdict::KnownToDiffer(difference, broken) => {
                out += &format!("---- differs, as known: {difference}: {}\n", conversation::broken(case, broken));
            }
            Verdict::NotOffered(what) => out += &format!("---- not offered: {what}: {}\n\n", case.name),
            Verdict::OwnChoice => out += &format!("---- not held to it, Postbell's own choice: {}\n\n", case.name),
        }
    }
    out += &table(cases);
    out += &figures(cases);
    out += &reasons(cases);
    for case in cases {
        if let Some(difference) = &case.stale {
            out += &format!("known to differ, but passes: {} ... {difference}\n", case.name);
        }
    }
    let failed: Vec<&str> = cases.iter().filter(|c| c.verdict.is_failure()).map(|c| c.name.as_str()).collect();
    if let Some(first) = failed.first() {
        out += &format!("{} failed:\n  {}\n", failed.len(), failed.join("\n  "));
        out += &format!("`protocol-tests explain {first}` tells of the first.\n");
    }
    let version = about.version.as_ref().map(|version| format!(" ({version})")).unwrap_or_default();
    out + &format!("\n{}{version}: {}\n", about.server, summary(cases))
}

/// How wide the first column is at most.
const WIDEST: usize = 52;

fn table(cases: &[Case]) -> String {
    let rows = rows(cases);
    let names: Vec<String> = rows.iter().map(name).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(WIDEST);
    let mut out = format!(
        "{:width$}  {:>15}  {:>15}  {:>7}  {:>7}  {:>7}\n{:width$}  {:>7} {:>7}  {:>7} {:>7}  {:>7}  {:>7}  {:>7}\n",
        "",
        "must",
        "should",
        "known",
        "not",
        "own",
        "",
        "passed",
        "failed",
        "passed",
        "failed",
        "differ",
        "offered",
        "choice"
    );
    for (row, name) in rows.iter().zip(&names) {
        if row.citation.is_none() && !out.ends_with("choice\n") {
            out += "\n";
        }
        let all = row.all();
        // Where everything is promised, what is Postbell's own choice counts as a rule like any other.
        let own = all.own + row.own.passed + row.own.failed;
        let cells =
            [row.must.passed, row.must.failed, row.should.passed, row.should.failed, all.known, all.not_offered, own];
        let [a, b, c, d, e, f, g] = cells.map(|count| if count == 0 { "·".to_owned() } else { count.to_string() });
        let name = match name.char_indices().nth(WIDEST - 1) {
            Some((at, _)) if name.chars().count() > WIDEST => format!("{}…", &name[..at]),
            _ => name.clone(),
        };
        out += &format!("{name:width$}  {a:>7} {b:>7}  {c:>7} {d:>7}  {e:>7}  {f:>7}  {g:>7}\n");
    }
    out + "\n"
}

fn name(row: &Row) -> String {
    let Some(citation) = &row.citation else { return row.chapter.clone() };
    match &citation.place {
        None => format!("  {}{}", citation.document, heading(citation)),
        Some(Place::Heading(words)) => format!("    {words}"),
        Some(place) => format!("    {place}{}", heading(citation)),
    }
}

fn heading(citation: &Citation) -> String {
    sections::heading(citation).map(|heading| format!("  {heading}")).unwrap_or_default()
}

/// What was measured: least, median, most.
fn figures(cases: &[Case]) -> String {
    let mut out = String::new();
    for case in cases {
        for figure in &case.figures {
            let Some(spread) = figure.spread() else { continue };
            out += &format!(
                "  {:>9} {:>9} {:>9}  {:>5}  {}  {}\n",
                milliseconds(spread.least),
                milliseconds(spread.median),
                milliseconds(spread.most),
                figure.samples.len(),
                case.name,
                figure.what
            );
        }
    }
    if out.is_empty() {
        return out;
    }
    format!("Told after so many milliseconds\n  {:>9} {:>9} {:>9}  {:>5}\n{out}\n", "least", "median", "most", "times")
}

/// What is not offered, and how many cases say nothing because of it.
fn reasons(cases: &[Case]) -> String {
    let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for case in cases {
        if let Verdict::NotOffered(what) = &case.verdict {
            *counts.entry(what).or_default() += 1;
        }
    }
    if counts.is_empty() {
        return String::new();
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(what, count)| (std::cmp::Reverse(*count), *what));
    let lines: String = counts.iter().map(|(what, count)| format!("  {count:>5}  {what}\n")).collect();
    format!("Not offered, so neither passed nor failed\n{lines}\n")
}
