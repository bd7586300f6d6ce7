//! docs/rfc-statements.md: what people say of each section, the source of docs/RFC.md.
//!
//! It is Markdown. Below a heading that begins with a document (`### RFC 2177, IDLE`) stands a table of two columns: which
//! sections, and what Postbell does of them, which begins with yes, partly, no or used. A row without a section is
//! about the whole document. Everything else goes to the page as it is.

use std::sync::LazyLock;

use regex::Regex;

use super::scan;
use crate::citation::{Citation, Place};

/// How far a section is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All that it asks of a server.
    Yes,
    /// Some of it.
    Partly,
    /// None of it, and the statement says why.
    No,
    /// It is no protocol of ours: something of it is made use of, most often by a crate.
    Used,
}

/// A row of a table.
#[derive(Debug)]
pub struct Statement {
    /// The document that it is about.
    pub document: String,
    /// The places in it; none where it is about all of it.
    pub places: Vec<Place>,
    /// The first cell: `§3.1 the command, STATUS, what is refused`.
    pub subject: String,
    /// The second cell.
    pub says: String,
    /// Its first word.
    pub verdict: Verdict,
    /// Where it stands.
    pub line: usize,
}

/// What the page consists of.
#[derive(Debug)]
pub enum Piece {
    /// A line that goes there as it is.
    Line(String),
    /// The heading under which a document is spoken of, and the document.
    Heading(String, String),
    /// Where the table of all documents goes.
    Summary,
    /// Rows that stand together: their numbers among the statements.
    Rows(Vec<usize>),
}

/// The statements, and the page around them.
#[derive(Debug, Default)]
pub struct Statements {
    /// In the order of the file.
    pub all: Vec<Statement>,
    /// The page from its top.
    pub page: Vec<Piece>,
}

static HEADING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^### (RFC [0-9]+|PROXY protocol)(,.*)?$").expect("a pattern that is right"));

impl Statements {
    /// Reads the file; the error says which line is wrong, and how it has to be.
    pub fn read(text: &str) -> Result<Statements, String> {
        let mut statements = Statements::default();
        let mut document: Option<String> = None;
        // A comment at its top tells the editor of the file what it is; the page has its own.
        let begin = text.find("-->\n").map_or(0, |end| text[..end].lines().count() + 1);
        for (number, line) in (1..).zip(text.lines()).skip(begin) {
            if let Some(heading) = HEADING.captures(line) {
                let of = heading[1].to_owned();
                if statements.all.iter().any(|statement| statement.document == of) {
                    return Err(format!("line {number}: there is another heading for {of}: all its rows belong there"));
                }
                statements.page.push(Piece::Heading(line.to_owned(), of.clone()));
                document = Some(of);
            } else if line.starts_with('#') {
                document = None;
                statements.page.push(Piece::Line(line.to_owned()));
            } else if line == "<!-- summary -->" {
                statements.page.push(Piece::Summary);
            } else if let (Some(document), true) = (&document, line.starts_with('|')) {
                statements.row(document, line).map_err(|what| format!("line {number}: {what}"))?;
                if let Some(statement) = statements.all.last_mut().filter(|statement| statement.line == 0) {
                    statement.line = number;
                }
            } else {
                statements.page.push(Piece::Line(line.to_owned()));
            }
        }
        Ok(statements)
    }

    fn row(&mut self, document: &str, line: &str) -> Result<(), String> {
        let cells: Vec<&str> = line.trim_end().trim_matches('|').split('|').map(str::trim).collect();
        let [subject, says] = cells[..] else {
            return Err("a row has two cells: the sections, and what we do of them".to_owned());
        };
        if says.is_empty() || says.starts_with("---") {
            return Ok(());
        }
        let word = says.split(|c: char| !c.is_alphabetic()).next();
        let verdict = match word {
            Some("yes") => Verdict::Yes,
            Some("partly") => Verdict::Partly,
            Some("no") => Verdict::No,
            Some("used") => Verdict::Used,
            _ => return Err(format!("{says:?} has to begin with yes, partly, no or used")),
        };
        let places = scan::places(subject, document);
        let here = self.all.len();
        // Rows about the same places are one row of the page.
        let together = self.all.last().is_some_and(|last| last.document == document && last.places == places);
        match self.page.last_mut() {
            Some(Piece::Rows(rows)) if together => rows.push(here),
            _ => self.page.push(Piece::Rows(vec![here])),
        }
        let (document, subject, says) = (document.to_owned(), subject.to_owned(), says.to_owned());
        self.all.push(Statement { document, places, subject, says, verdict, line: 0 });
        Ok(())
    }

    /// The statements that speak of what is cited: of the place itself, or else of the nearest around it, or of the whole
    /// document. Nothing where none does.
    pub fn of(&self, citation: &Citation) -> Option<Vec<usize>> {
        let about = |place: Option<&Place>| -> Vec<usize> {
            let speaks = |statement: &Statement| {
                statement.document == citation.document
                    && place.map_or(statement.places.is_empty(), |place| statement.places.contains(place))
            };
            (0..self.all.len()).filter(|at| speaks(&self.all[*at])).collect()
        };
        let mut place = citation.place.clone();
        while let Some(here) = place {
            let found = about(Some(&here));
            if !found.is_empty() {
                return Some(found);
            }
            place = around(&here);
        }
        let found = about(None);
        // The document as a whole, or a chapter, is spoken of where its sections are.
        let is_inside = |place: &Place| {
            std::iter::successors(Some(place.clone()), around).any(|around| Some(around) == citation.place)
        };
        let in_parts = || {
            let mut statements = self.all.iter().filter(|statement| statement.document == citation.document);
            statements.any(|statement| citation.place.is_none() || statement.places.iter().any(is_inside))
        };
        (!found.is_empty() || in_parts()).then_some(found)
    }
}

/// The place that a place is in: `§3` of `§3.1`.
fn around(place: &Place) -> Option<Place> {
    match place {
        Place::Section(number) => number.rsplit_once('.').map(|(above, _)| Place::Section(above.to_owned())),
        Place::Appendix(letter) => letter.rsplit_once('.').map(|(above, _)| Place::Appendix(above.to_owned())),
        Place::Heading(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation;

    const FILE: &str = "<!--\nfor editors | a | b |\n-->\n# Page\n\n### RFC 2177, IDLE\n\n| section | |\n|---|---|\n\
        | §3 | yes |\n| §3 DONE | partly: slowly |\n| §4.1 to §4.3, appendix A | no: why |\n\n## Others\n\n| a | b |\n\n### RFC 1\n| | yes |\n";

    fn of(citation: &str) -> Option<Vec<usize>> {
        Statements::read(FILE).unwrap().of(&citation::parse(citation).unwrap()[0])
    }

    #[test]
    fn rows_below_a_document_are_statements() {
        let statements = Statements::read(FILE).unwrap();
        let shown: Vec<_> = statements.all.iter().map(|s| (s.line, s.places.len(), s.verdict, &s.says[..])).collect();
        let expected = [
            (10, 1, Verdict::Yes, "yes"),
            (11, 1, Verdict::Partly, "partly: slowly"),
            (12, 4, Verdict::No, "no: why"),
            (19, 0, Verdict::Yes, "yes"),
        ];
        assert_eq!(shown, expected);
        let together: Vec<_> = statements
            .page
            .iter()
            .filter_map(|piece| if let Piece::Rows(rows) = piece { Some(&rows[..]) } else { None })
            .collect();
        assert_eq!(together, [&[0, 1][..], &[2], &[3]]);
        assert!(statements.page.iter().any(|piece| matches!(piece, Piece::Line(line) if line == "| a | b |")));
    }

    #[test]
    fn a_citation_belongs_to_the_nearest_statement_around_it() {
        assert_eq!(of("RFC 2177 §3"), Some(vec![0, 1]));
        assert_eq!(of("RFC 2177 §3.1.2"), Some(vec![0, 1]));
        assert_eq!(of("RFC 2177 §4.2"), Some(vec![2]));
        assert_eq!(of("RFC 2177 appendix A.7"), Some(vec![2]));
        assert_eq!(of("RFC 1 §9"), Some(vec![3]));
    }

    #[test]
    fn a_chapter_is_spoken_of_where_its_sections_are() {
        assert_eq!(of("RFC 2177"), Some(vec![]));
        assert_eq!(of("RFC 2177 §4"), Some(vec![]));
        assert_eq!(of("RFC 2177 §5"), None);
        assert_eq!(of("RFC 2177 §31"), None);
        assert_eq!(of("RFC 2"), None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (row, wrong) in [
            ("| §3 | maybe |", "line 2: \"maybe\" has to begin with yes, partly, no or used"),
            ("| §3 | yes | `a.rs` |", "line 2: a row has two cells"),
            ("| §3 | yes |\n### RFC 1", "line 3: there is another heading for RFC 1"),
        ] {
            let error = Statements::read(&format!("### RFC 1\n{row}\n")).unwrap_err();
            assert!(error.starts_with(wrong), "{error}");
        }
    }
}
