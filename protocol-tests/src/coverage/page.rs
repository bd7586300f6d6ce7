//! docs/RFC.md as Markdown: the statements, beside each where it is done and what shows it, and a table of all on top.

use std::collections::{BTreeMap, BTreeSet};

use super::statements::{Piece, Statement, Verdict};
use super::{Cited, Coverage, Kind};
use crate::citation::Citation;
use crate::sections;

/// How many files and cases are named before the rest is folded or counted.
const NAMED: usize = 4;

const TOP: &str = "<!-- Made from docs/rfc-statements.md and from what the code and the transcripts cite, by
     `cargo run -p protocol-tests -- coverage`. Nothing is edited here. -->\n\n";

/// The whole page.
pub(super) fn print(coverage: &Coverage) -> String {
    let mut out = String::from(TOP);
    let mut is_in_table = false;
    for piece in &coverage.statements.page {
        match piece {
            Piece::Line(line) => out += &format!("{line}\n"),
            Piece::Heading(line, document) => {
                is_in_table = false;
                out += &format!("{line}\n\n{}\n", title(document));
            }
            Piece::Summary => out += &summary(coverage),
            Piece::Rows(rows) => {
                if !is_in_table {
                    out += "| section | | where | shown by |\n|---|---|---|---|\n";
                    is_in_table = true;
                }
                out += &row(coverage, rows);
            }
        }
    }
    out
}

fn title(document: &str) -> String {
    match sections::heading(&Citation { document: document.to_owned(), place: None }) {
        Some(title) => format!("*{title}*"),
        None => {
            "*Its text was not at hand when this was written: the numbers of its sections are from memory.*".to_owned()
        }
    }
}

/// One row of the page: what is said of the same places, and all that cites them.
fn row(coverage: &Coverage, rows: &[usize]) -> String {
    let said: Vec<&Statement> = rows.iter().map(|at| &coverage.statements.all[*at]).collect();
    let cited: Vec<&Cited> =
        coverage.belongs.get(&rows[0]).into_iter().flatten().map(|index| &coverage.cited[*index]).collect();
    let (subject, says) = match said[..] {
        [one] => (subject(one), one.says.clone()),
        _ => (places(said[0]), said.iter().map(|one| about(one)).collect::<Vec<_>>().join("<br>")),
    };
    format!("| {subject} | {says} | {} | {} |\n", files(coverage, &cited), shown(&cited))
}

/// The places of a statement; of a single one its heading too.
fn places(statement: &Statement) -> String {
    let numbers: Vec<String> = statement.places.iter().map(ToString::to_string).collect();
    let heading = match &statement.places[..] {
        [place] => sections::heading(&Citation { document: statement.document.clone(), place: Some(place.clone()) }),
        _ => None,
    };
    format!("{} {}", numbers.join(", "), heading.unwrap_or_default()).trim_end().to_owned()
}

/// What a statement is about, besides its place.
fn topic(statement: &Statement) -> &str {
    match &statement.places[..] {
        [place] => statement.subject.strip_prefix(&place.to_string()).unwrap_or(&statement.subject).trim(),
        _ => &statement.subject,
    }
}

fn subject(statement: &Statement) -> String {
    match topic(statement) {
        "" => places(statement),
        _ => statement.subject.clone(),
    }
}

fn about(statement: &Statement) -> String {
    match topic(statement) {
        "" => statement.says.clone(),
        topic => format!("*{topic}*: {}", statement.says),
    }
}

/// The files that do it: first those that are about little else.
fn files(coverage: &Coverage, cited: &[&Cited]) -> String {
    let mut here: BTreeMap<&str, usize> = BTreeMap::new();
    for cited in cited.iter().filter(|cited| cited.kind == Kind::Code) {
        *here.entry(&cited.by).or_default() += 1;
    }
    let all = |file: &str| coverage.cited.iter().filter(|cited| cited.kind == Kind::Code && cited.by == file).count();
    let mut files: Vec<(usize, usize, &str)> = here.into_iter().map(|(file, here)| (here, all(file), file)).collect();
    // By the share of its citations, as fractions.
    files.sort_by(|(a, of_a, file), (b, of_b, other)| (b * of_a).cmp(&(a * of_b)).then(file.cmp(other)));
    let links: Vec<String> = files.iter().map(|(_, _, file)| code(file)).collect();
    folded(&links)
}

/// The transcripts that show it, and tests of the code.
fn shown(cited: &[&Cited]) -> String {
    let by = |kind| -> BTreeSet<&str> {
        cited.iter().filter(|cited| cited.kind == kind).map(|cited| cited.by.as_str()).collect()
    };
    let (cases, tests) = (by(Kind::Case), by(Kind::Test));
    let mut parts: Vec<String> = Vec::new();
    if cases.len() <= NAMED {
        parts.extend(cases.iter().map(|name| format!("[`{name}`](../protocol-tests/transcripts/{name}.transcript)")));
    } else {
        let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
        for name in &cases {
            *folders.entry(name.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default() += 1;
        }
        let mut folders: Vec<(&str, usize)> = folders.into_iter().collect();
        folders.sort_by_key(|(folder, cases)| (std::cmp::Reverse(*cases), *folder));
        let named: Vec<String> = folders
            .iter()
            .map(|(folder, cases)| format!("[`{folder}/`](../protocol-tests/transcripts/{folder}) {cases}"))
            .collect();
        parts.push(format!("{} cases: {}", cases.len(), folded(&named)));
    }
    let tests: Vec<String> = tests.iter().map(|file| code(file)).collect();
    if !tests.is_empty() {
        parts.push(folded(&tests));
    }
    parts.join(", ")
}

/// A link to a file; what is below `src/` is named from there.
fn code(file: &str) -> String {
    format!("[`{}`](../{file})", file.strip_prefix("src/").unwrap_or(file))
}

/// The first of them, and the others where one asks for them.
fn folded(links: &[String]) -> String {
    if links.len() <= NAMED {
        return links.join(", ");
    }
    let (named, others) = links.split_at(NAMED - 1);
    format!("{} <details><summary>and {} more</summary>{}</details>", named.join(", "), others.len(), others.join(", "))
}

/// The table of all documents, by the chapters that speak of them.
fn summary(coverage: &Coverage) -> String {
    let mut out =
        String::from("| | | yes | partly | no | files | cases | tests |\n|---|---|---|---|---|---|---|---|\n");
    let mut chapter = None;
    for piece in &coverage.statements.page {
        match piece {
            Piece::Line(line) => chapter = line.strip_prefix("## ").or(chapter),
            Piece::Heading(line, document) => {
                out += &chapter.take().map_or(String::new(), |chapter| format!("| **{chapter}** | | | | | | | |\n"));
                let heading = line.trim_start_matches("### ");
                let name = heading[document.len()..].trim_start_matches(", ");
                out += &format!("| [{document}](#{}) | {name} {}\n", anchor(heading), counts(coverage, Some(document)));
            }
            Piece::Summary | Piece::Rows(_) => {}
        }
    }
    out + &format!("| **all** | {}\n", counts(coverage, None))
}

/// The cells of the table of all documents that are numbers: statements, then what cites; of all where none is named.
fn counts(coverage: &Coverage, document: Option<&String>) -> String {
    let is_meant = |of: &String| document.is_none_or(|document| document == of);
    let said = |verdict| {
        let said = coverage.statements.all.iter();
        said.filter(|said| is_meant(&said.document) && said.verdict == verdict).count()
    };
    let by = |kind| {
        let cited = coverage.cited.iter().filter(|cited| cited.kind == kind && is_meant(&cited.citation.document));
        cited.map(|cited| &cited.by).collect::<BTreeSet<_>>().len()
    };
    let said = [Verdict::Yes, Verdict::Partly, Verdict::No].map(said);
    let by = [Kind::Code, Kind::Case, Kind::Test].map(by);
    let cell = |count: &usize| if *count == 0 { "| ".to_owned() } else { format!("| {count} ") };
    said.iter().chain(&by).map(cell).collect::<String>() + "|"
}

/// What a heading is called in links, as Markdown's readers make it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// All that is known of one place, for a terminal.
pub fn told(coverage: &Coverage, citation: &Citation) -> String {
    let heading = sections::heading(citation).unwrap_or_default();
    let mut out = format!("{citation}  {heading}").trim_end().to_owned() + "\n";
    for at in coverage.statements.of(citation).unwrap_or_default() {
        let statement = &coverage.statements.all[at];
        out += &format!("\n    {}\n    {}\n", statement.subject, statement.says);
        for (kind, what) in [(Kind::Code, "where"), (Kind::Case, "shown by"), (Kind::Test, "tested in")] {
            let cited = coverage.belongs.get(&at).into_iter().flatten().map(|index| &coverage.cited[*index]);
            let mut lines: Vec<String> = cited
                .filter(|cited| cited.kind == kind)
                .map(|cited| match kind {
                    Kind::Case => format!("        {}\n", cited.by),
                    Kind::Code | Kind::Test => format!("        {}:{}\n", cited.by, cited.line),
                })
                .collect();
            lines.dedup();
            if !lines.is_empty() {
                out += &format!("    {what}\n{}", lines.concat());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_folded() {
        let links = |count: usize| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(folded(&links(4)), "1, 2, 3, 4");
        assert_eq!(folded(&links(6)), "1, 2, 3 <details><summary>and 3 more</summary>4, 5, 6</details>");
    }

    #[test]
    fn a_heading_has_an_anchor() {
        assert_eq!(anchor("RFC 7888, LITERAL+"), "rfc-7888-literal");
        assert_eq!(anchor("RFC 9266, `tls-exporter`"), "rfc-9266-tls-exporter");
    }

    #[test]
    fn many_cases_are_counted_by_their_folders() {
        let case = |name: &str| Cited {
            citation: Citation { document: "RFC 1".to_owned(), place: None },
            kind: Kind::Case,
            by: name.to_owned(),
            line: 2,
        };
        let cited: Vec<Cited> = ["b/1", "a/1", "b/2", "b/3", "b/3", "a/2"].map(case).into();
        let all: Vec<&Cited> = cited.iter().collect();
        assert_eq!(
            shown(&all[..2]),
            "[`a/1`](../protocol-tests/transcripts/a/1.transcript), [`b/1`](../protocol-tests/transcripts/b/1.transcript)"
        );
        assert_eq!(
            shown(&all),
            "5 cases: [`b/`](../protocol-tests/transcripts/b) 3, [`a/`](../protocol-tests/transcripts/a) 2"
        );
    }
}
