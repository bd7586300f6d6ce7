//! The cases by chapter (which is the protocol, or push), RFC and section.
//!
//! A case that cites several sections counts in the row of each, and once in the rows that stand above them.

use std::collections::BTreeMap;

use crate::citation::{Citation, Place};
use crate::outcome::{Case, Summary};
use crate::transcript::Level;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// `imap`.
    pub chapter: String,
    /// What it counts: nothing for the whole chapter, else a document or a place in it.
    pub citation: Option<Citation>,
    /// What the cases of level `must` said.
    pub must: Summary,
    /// What those of level `should` said.
    pub should: Summary,
    /// What those of level `own` said, to which only Postbell is held.
    pub own: Summary,
}

impl Row {
    /// All levels together.
    pub fn all(&self) -> Summary {
        let mut all = Summary::default();
        for summary in [self.must, self.should, self.own] {
            all.passed += summary.passed;
            all.failed += summary.failed;
            all.not_offered += summary.not_offered;
            all.own += summary.own;
            all.known += summary.known;
        }
        all
    }
}

/// Chapters in the order of their names, below each its RFCs by number, below each its sections in their order.
pub fn rows(cases: &[Case]) -> Vec<Row> {
    let mut rows: BTreeMap<(String, Option<Order>), Row> = BTreeMap::new();
    for case in cases {
        let mut places: Vec<Option<Citation>> = vec![None];
        for citation in &case.citations {
            places.push(Some(Citation { place: None, ..citation.clone() }));
            places.push(Some(citation.clone()));
        }
        places.sort();
        places.dedup();
        for citation in places {
            let key = (case.chapter().to_owned(), citation.as_ref().map(order));
            let empty = || Row { chapter: case.chapter().to_owned(), citation, ..Row::default() };
            let row = rows.entry(key).or_insert_with(empty);
            let summary = match case.level {
                Level::Must => &mut row.must,
                Level::Should => &mut row.should,
                Level::Own => &mut row.own,
            };
            summary.add(&case.verdict);
        }
    }
    rows.into_values().collect()
}

/// Numbers count as numbers: RFC 822 before RFC 2177, §6.4.8 before §6.4.10.
type Order = (Vec<Part>, u8, Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

fn order(citation: &Citation) -> Order {
    let parts = |text: &str, between: char| {
        text.split(between).map(|p| p.parse().map_or_else(|_| Part::Word(p.to_owned()), Part::Number)).collect()
    };
    let document = parts(&citation.document, ' ');
    match &citation.place {
        None => (document, 0, Vec::new()),
        Some(Place::Section(number)) => (document, 1, parts(number, '.')),
        Some(Place::Appendix(letter)) => (document, 2, parts(letter, '.')),
        Some(Place::Heading(words)) => (document, 3, vec![Part::Word(words.clone())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation;
    use crate::outcome::{Broken, Verdict};

    fn case(name: &str, rfc: &str, level: Level, verdict: Verdict) -> Case {
        let citations = citation::parse(rfc).unwrap();
        Case { citations, level, verdict, ..Case::unreadable(name, String::new()) }
    }

    #[test]
    fn a_case_counts_in_each_section_it_cites_and_once_above_them() {
        let failed = || Verdict::Failed(Broken::default());
        let rows = rows(&[
            case("imap/a", "RFC 9051 §6.4.10, §6.4.8, RFC 822", Level::Must, Verdict::Passed),
            case("imap/b", "RFC 9051 §6.4.8", Level::Should, failed()),
            case("pop3/c", "RFC 1939 §3", Level::Must, Verdict::NotOffered("UIDL".to_owned())),
        ]);
        let shown: Vec<String> = rows
            .iter()
            .map(|row| {
                let what = row.citation.as_ref().map_or(row.chapter.clone(), ToString::to_string);
                let all = row.all();
                format!(
                    "{what} {}/{} {}/{}/{}",
                    row.must.passed, row.should.failed, all.passed, all.failed, all.not_offered
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "imap 1/1 1/1/0",
                "RFC 822 1/0 1/0/0",
                "RFC 9051 1/1 1/1/0",
                "RFC 9051 §6.4.8 1/1 1/1/0",
                "RFC 9051 §6.4.10 1/0 1/0/0",
                "pop3 0/0 0/0/1",
                "RFC 1939 0/0 0/0/1",
                "RFC 1939 §3 0/0 0/0/1",
            ]
        );
    }
}
