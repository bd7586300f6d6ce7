//! Several servers side by side, from the JSON that a run of each wrote ([`super::json`]): tables in Markdown, which
//! `compare` puts into a page.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{json, markdown};

/// What one server did.
#[derive(Debug)]
pub struct Results {
    /// Its name and version.
    pub server: String,
    cases: BTreeMap<String, Told>,
}

#[derive(Debug, Deserialize)]
struct Document {
    schema: u32,
    cases: Vec<Told>,
}

#[derive(Debug, Deserialize)]
struct Told {
    name: String,
    chapter: String,
    rule: String,
    level: String,
    citations: Vec<Cited>,
    outcome: String,
    reason: Option<String>,
    failure: Option<Failure>,
    figures: Vec<Figure>,
}

#[derive(Debug, Deserialize)]
struct Cited {
    document: String,
}

#[derive(Debug, Deserialize)]
struct Failure {
    expected: String,
    got: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Figure {
    what: String,
    median_ms: f64,
    most_ms: f64,
}

impl Results {
    /// Reads what a run wrote as JSON.
    pub fn read(server: &str, text: &str) -> Result<Results, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if document.schema != json::SCHEMA {
            return Err(format!("schema {} is not {}", document.schema, json::SCHEMA));
        }
        let cases = document.cases.into_iter().map(|case| (case.name.clone(), case)).collect();
        Ok(Results { server: server.to_owned(), cases })
    }
}

impl Told {
    /// Whether it is one that the server does not keep: known differences are differences.
    fn differs(&self) -> bool {
        matches!(self.outcome.as_str(), "failed" | "known-to-differ")
    }
}

/// How many of some cases ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    must: usize,
    should: usize,
    not_offered: usize,
}

impl Tally {
    fn count(&mut self, case: &Told) {
        match case.outcome.as_str() {
            "passed" => self.passed += 1,
            "not-offered" => self.not_offered += 1,
            _ if case.differs() && case.level == "should" => self.should += 1,
            _ if case.differs() => self.must += 1,
            // What Postbell chose is nothing that others could be asked for.
            _ => {}
        }
    }
}

/// `passed / failed must / failed should / not offered`; nothing where there is nothing.
fn cell(tally: Tally) -> String {
    let Tally { passed, must, should, not_offered } = tally;
    match tally {
        tally if tally == Tally::default() => String::new(),
        Tally { passed: 0, must: 0, should: 0, .. } => "–".to_owned(),
        _ => format!("{passed} / {must} / {should} / {not_offered}"),
    }
}

/// The tables, one below the other.
pub fn tables(servers: &[Results]) -> String {
    let mut out = String::from("## By protocol and folder\n\n");
    out += &by(servers, "", |case| {
        let folder = case.name.rsplit_once('/').map_or(case.name.as_str(), |(folder, _)| folder);
        vec![format!("**{}**", case.chapter), folder.to_owned()]
    });
    out += "\n## By RFC\n\nA case counts for each document that it cites.\n\n";
    out += &by(servers, "RFC ", |case| {
        let mut documents: Vec<String> = case.citations.iter().map(|cited| cited.document.clone()).collect();
        documents.sort();
        documents.dedup();
        documents
    });
    for server in servers {
        out += &differences(server);
    }
    out
}

/// A table with a row for each key that cases have; those that begin with `numbered` go by the number behind it.
fn by(servers: &[Results], numbered: &str, keys: impl Fn(&Told) -> Vec<String>) -> String {
    let mut table: BTreeMap<(u32, String), Vec<Tally>> = BTreeMap::new();
    for (column, server) in servers.iter().enumerate() {
        for case in server.cases.values() {
            for key in keys(case) {
                let number = key.strip_prefix(numbered).and_then(|rest| rest.parse().ok());
                // A chapter comes before its folders.
                let place = format!("{}\u{0}{}", key.trim_matches('*'), key);
                let row =
                    table.entry((number.unwrap_or(0), place)).or_insert_with(|| vec![Tally::default(); servers.len()]);
                row[column].count(case);
            }
        }
    }
    let mut out = head(servers, "");
    for ((_, place), row) in &table {
        let name = place.split_once('\u{0}').map_or(place.as_str(), |(_, name)| name);
        let cells: Vec<String> = row.iter().map(|tally| cell(*tally)).collect();
        out += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    out
}

fn head(servers: &[Results], first: &str) -> String {
    let names: Vec<String> = servers.iter().map(|server| markdown::text(&server.server)).collect();
    format!("| {first} | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(servers.len()))
}

/// What a server does otherwise, each with the sentence that it breaks where somebody has read it.
fn differences(server: &Results) -> String {
    let mut out = format!("\n## {} differs\n\n", markdown::text(&server.server));
    let before = out.len();
    for case in server.cases.values().filter(|case| case.differs()) {
        let why = match (&case.reason, &case.failure) {
            (Some(reason), _) => markdown::text(reason),
            (None, Some(failure)) => {
                let got = failure.got.lines().next().unwrap_or_default();
                format!("not looked into: {} was expected, and {} came", code(&failure.expected), code(got))
            }
            (None, None) => "nothing is known of it".to_owned(),
        };
        out += &format!("- `{}` ({}): {} *{why}*\n", case.name, case.level, markdown::text(&case.rule));
    }
    if out.len() == before {
        out += "In nothing that was asked of it.\n";
    }
    out
}

/// Text as code, on one line.
fn code(text: &str) -> String {
    let short: String = text.chars().take(120).collect();
    format!("`` {} ``", short.replace('`', "'").trim())
}

/// How long each server takes to tell: the median and the longest, in milliseconds.
pub fn figures(servers: &[Results]) -> String {
    let mut table: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (column, server) in servers.iter().enumerate() {
        for case in server.cases.values() {
            for figure in &case.figures {
                let row = table.entry((case.name.clone(), figure.what.clone()));
                let row = row.or_insert_with(|| vec![String::new(); servers.len()]);
                row[column] = format!("{:.2} ({:.2})", figure.median_ms, figure.most_ms);
            }
        }
    }
    let mut out = head(servers, "ms");
    for ((name, what), cells) in &table {
        out += &format!("| `{name}` `{}` | {} |\n", what.replace('|', "\\|"), cells.join(" | "));
    }
    out
}

/// `page` with what stands between the markers of `part` replaced: `<!-- PART -->` and `<!-- end of PART -->`.
pub fn put(page: &str, part: &str, text: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->"));
    let from = page.find(&begin).ok_or_else(|| format!("there is no {}", begin.trim_end()))? + begin.len();
    let to = page[from..].find(&end).ok_or_else(|| format!("there is no {end}"))? + from;
    Ok(format!("{}\n{}\n{}", &page[..from], text.trim(), &page[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation;
    use crate::known::Difference;
    use crate::outcome::{Broken, Case, Verdict};
    use crate::report::About;
    use crate::transcript::Level;

    fn case(name: &str, level: Level, verdict: Verdict) -> Case {
        let citations = citation::parse("RFC 9051 §7, RFC 3501 §6.4.3").unwrap();
        Case { citations, level, verdict, rule: "A rule.".to_owned(), ..Case::unreadable(name, String::new()) }
    }

    fn results(server: &str, cases: &[Case]) -> Results {
        Results::read(server, &json::report(&About::default(), cases).unwrap()).unwrap()
    }

    #[test]
    fn servers_stand_side_by_side() {
        let difference = Difference { reason: "sleeps".to_owned(), sentence: None };
        let one = [
            case("imap/idle/a", Level::Must, Verdict::Passed),
            case("imap/idle/b", Level::Should, Verdict::Failed(Broken::before("nothing"))),
            case("imap/idle/c", Level::Own, Verdict::OwnChoice),
        ];
        let two = [
            case("imap/idle/a", Level::Must, Verdict::KnownToDiffer(difference, Broken::before("nothing"))),
            case("imap/idle/b", Level::Should, Verdict::NotOffered("IDLE".to_owned())),
        ];
        let page = tables(&[results("One 1.0", &one), results("Two", &two)]);
        assert!(page.contains("| **imap** | 1 / 0 / 1 / 0 | 0 / 1 / 0 / 1 |\n| imap/idle |"), "{page}");
        assert!(page.contains("| RFC 3501 | 1 / 0 / 1 / 0 | 0 / 1 / 0 / 1 |\n| RFC 9051 |"), "{page}");
        assert!(page.contains("- `imap/idle/a` (must): A rule. *sleeps*\n"), "{page}");
        assert!(page.contains("`imap/idle/b` (should): A rule. *not looked into"), "{page}");
    }

    #[test]
    fn a_page_keeps_what_people_wrote() {
        let page = "before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n";
        let put_in = put(page, "results", "new\n").unwrap();
        assert_eq!(put_in, "before\n<!-- results -->\n\nnew\n<!-- end of results -->\nafter\n");
        assert_eq!(put(&put_in, "results", "new").unwrap(), put_in);
        assert!(put(page, "figures", "new").is_err());
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert!(Results::read("x", "{}").is_err());
        assert!(Results::read("x", r#"{"schema":0,"cases":[]}"#).unwrap_err().contains("schema 0"));
    }
}
