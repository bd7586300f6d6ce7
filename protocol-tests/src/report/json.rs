//! JSON for other programs. `schema` is raised when a field changes its meaning or goes; new ones may come at any time.

use serde_json::{Value, json};

use crate::citation::{Citation, Place};
use crate::connection::Entry;
use crate::outcome::{Broken, Case, Figure, Summary, Verdict};
use crate::sections;

use super::About;
use super::table::{Row, rows};

/// The version of what is written here.
pub const SCHEMA: u32 = 1;

/// The whole document.
pub fn report(about: &About, cases: &[Case]) -> Result<String, serde_json::Error> {
    let addresses: serde_json::Map<String, Value> =
        about.addresses.iter().map(|(service, address)| ((*service).to_owned(), json!(address))).collect();
    let document = json!({
        "schema": SCHEMA,
        "suite": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "server": { "name": about.server, "version": about.version, "addresses": addresses },
        "began": about.began,
        "summary": counts(Summary::of(cases)),
        "sections": rows(cases).iter().map(section).collect::<Vec<_>>(),
        "cases": cases.iter().map(|c| case(about, c)).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

fn counts(summary: Summary) -> Value {
    let Summary { passed, failed, not_offered, own, known } = summary;
    json!({ "passed": passed, "failed": failed, "not-offered": not_offered, "own-choice": own, "known-to-differ": known })
}

/// A row of the table: the whole chapter where there is no document, the whole document where there is no place.
fn section(row: &Row) -> Value {
    json!({
        "chapter": row.chapter,
        "document": row.citation.as_ref().map(|citation| &citation.document),
        "place": row.citation.as_ref().and_then(|citation| citation.place.as_ref()).map(ToString::to_string),
        "heading": row.citation.as_ref().and_then(sections::heading),
        "must": counts(row.must),
        "should": counts(row.should),
        "own": counts(row.own),
    })
}

fn case(about: &About, case: &Case) -> Value {
    let (reason, failure) = match &case.verdict {
        Verdict::Passed | Verdict::OwnChoice => (None, None),
        Verdict::NotOffered(what) => (Some(what.clone()), None),
        Verdict::Missing(what) => (Some(format!("not offered: {what}")), None),
        Verdict::Failed(broken) => (None, Some(broken)),
        Verdict::KnownToDiffer(difference, broken) => (Some(difference.to_string()), Some(broken)),
    };
    let tells = about.verbose || failure.is_some();
    json!({
        "name": case.name,
        "chapter": case.chapter(),
        "rule": case.rule,
        "level": case.level.name(),
        "citations": case.citations.iter().map(citation).collect::<Vec<_>>(),
        "outcome": case.verdict.name(),
        "reason": reason,
        "failure": failure.map(broken),
        "conversation": tells.then(|| case.conversation.iter().map(entry).collect::<Vec<_>>()),
        "figures": case.figures.iter().filter_map(figure).collect::<Vec<_>>(),
        "took-ms": case.took.as_secs_f64() * 1000.0,
    })
}

fn citation(citation: &Citation) -> Value {
    let kind = citation.place.as_ref().map(|place| match place {
        Place::Section(_) => "section",
        Place::Appendix(_) => "appendix",
        Place::Heading(_) => "heading",
    });
    json!({
        "document": citation.document,
        "place": citation.place.as_ref().map(ToString::to_string),
        "kind": kind,
        "heading": sections::heading(citation),
    })
}

fn broken(broken: &Broken) -> Value {
    json!({ "line": broken.line, "expected": broken.expected, "got": broken.got })
}

fn entry(entry: &Entry) -> Value {
    let from = if entry.arrow == '→' { "client" } else { "server" };
    json!({ "line": entry.line, "connection": entry.connection, "from": from, "text": entry.text })
}

fn figure(figure: &Figure) -> Option<Value> {
    let spread = figure.spread()?;
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
    Some(json!({
        "line": figure.line,
        "what": figure.what,
        "least-ms": ms(spread.least),
        "median-ms": ms(spread.median),
        "most-ms": ms(spread.most),
        "samples-ms": figure.samples.iter().copied().map(ms).collect::<Vec<_>>(),
    }))
}
