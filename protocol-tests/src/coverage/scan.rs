//! What the comments of Rust code cite.
//!
//! Comments are prose, so this is looser than [`crate::citation::parse`]: a document is named once, and each `§` behind
//! it belongs to it until another document is named, also in the next line of the same comment. A `§` before any
//! document belongs to the one that the story of the file (`//!`) names first. `§3 to §5` is three sections. Sections
//! of documents that are no RFCs are read over.

use std::sync::LazyLock;

use regex::Regex;

use crate::citation::{Citation, Place};
use crate::sections;

/// A citation, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is cited.
    pub citation: Citation,
    /// In which line.
    pub line: usize,
    /// Whether it stands in a module of tests.
    pub in_tests: bool,
}

/// Everything that may be of interest in a comment's text.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"RFC (?<rfc>[0-9]+)(?:,? "(?<heading>[^"]+)")?"#,
        r"|(?<other>PROXY protocol)",
        r"|(?<foreign>DESIGN|FHS [0-9.]+|UAX #?[0-9]+|UTS #?[0-9]+)",
        r"|(?<to> to |–)?(?:§(?<section>[0-9A-Z][0-9A-Za-z]*(?:\.[0-9A-Za-z]+)*)|[Aa]ppendix (?<appendix>[A-Z](?:\.[0-9]+)*)\b)",
    ))
    .expect("a pattern that is right")
});

/// A comment: lines of the same kind, one below the other, as one text.
struct Comment {
    text: String,
    /// Where in the text each line begins, and its number.
    lines: Vec<(usize, usize)>,
    in_tests: bool,
    /// `//!`
    is_story: bool,
}

/// What a file cites; the error names a line whose `§` belongs to no document.
pub fn file(source: &str, is_test: bool) -> Result<Vec<Found>, String> {
    let (mut found, mut story) = (Vec::new(), None);
    for comment in comments(source, is_test) {
        let cited = text(&comment.text, story.as_deref()).map_err(|(at, place)| {
            format!(
                "line {}: {place} of which document? Name it in the same comment, or first in the file's story",
                comment.line(at)
            )
        })?;
        if comment.is_story && story.is_none() {
            story = cited.first().map(|(_, citation)| citation.document.clone());
        }
        let place = |(at, citation)| Found { citation, line: comment.line(at), in_tests: comment.in_tests };
        found.extend(cited.into_iter().map(place));
    }
    Ok(found)
}

/// What a text cites, and where in it. A document that is named without a place is cited as a whole. The error is a place
/// that belongs to no document.
pub fn text(text: &str, document: Option<&str>) -> Result<Vec<(usize, Citation)>, (usize, String)> {
    let mut found: Vec<(usize, Citation)> = Vec::new();
    // The document that places belong to; nothing where it is no RFC.
    let mut document = document.map(|name| Some(name.to_owned()));
    let mut end_of_last = 0;
    for token in TOKEN.captures_iter(text) {
        let whole = token.get(0).expect("the match itself");
        let place = match (token.name("section"), token.name("appendix")) {
            (Some(number), _) => Place::Section(number.as_str().to_owned()),
            (_, Some(letter)) => Place::Appendix(letter.as_str().to_owned()),
            (None, None) => {
                let named = token.name("rfc").map(|number| format!("RFC {}", number.as_str()));
                let named = named.or_else(|| token.name("other").map(|name| name.as_str().to_owned()));
                if let Some(document) = &named {
                    let heading = token.name("heading").map(|words| Place::Heading(words.as_str().to_owned()));
                    let cited = Citation { document: document.clone(), place: heading };
                    let cited =
                        if sections::heading(&cited).is_some() { cited } else { Citation { place: None, ..cited } };
                    found.push((whole.start(), cited));
                }
                document = Some(named);
                end_of_last = whole.end();
                continue;
            }
        };
        let Some(document) = &document else { return Err((whole.start(), place.to_string())) };
        let Some(document) = document else { continue };
        // Its first place stands in for the document.
        if found.last().is_some_and(|(_, last)| last.document == *document && last.place.is_none()) {
            found.pop();
        }
        let ends_range = token.name("to").is_some() && whole.start() == end_of_last;
        let between = match found.last() {
            Some((_, first)) if ends_range => first.place.as_ref().map_or(Vec::new(), |first| inside(first, &place)),
            _ => Vec::new(),
        };
        for place in between.into_iter().chain([place]) {
            found.push((whole.start(), Citation { document: document.clone(), place: Some(place) }));
        }
        end_of_last = whole.end();
    }
    Ok(found)
}

/// The places between two that differ in their last number alone.
fn inside(first: &Place, last: &Place) -> Vec<Place> {
    let (Place::Section(first), Place::Section(last)) = (first, last) else { return Vec::new() };
    let split = |number: &str| {
        let (above, own) = number.rsplit_once('.').map_or(("", number), |(above, own)| (above, own));
        own.parse::<u32>().ok().map(|own| (above.to_owned(), own))
    };
    match (split(first), split(last)) {
        (Some((above, first)), Some((same, last))) if above == same => {
            let number = |own| if above.is_empty() { format!("{own}") } else { format!("{above}.{own}") };
            (first + 1..last).map(|own| Place::Section(number(own))).collect()
        }
        _ => Vec::new(),
    }
}

/// The modules in files of their own that a file declares for tests alone.
pub fn modules_of_tests(source: &str) -> Vec<&str> {
    let lines = || source.lines().map(str::trim);
    let pairs = lines().zip(lines().skip(1));
    let declared = pairs.filter(|(above, _)| above.starts_with("#[cfg(") && above.contains("test"));
    declared
        .filter_map(|(_, line)| line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';'))
        .collect()
}

fn comments(source: &str, is_test: bool) -> Vec<Comment> {
    let mut comments: Vec<Comment> = Vec::new();
    let (mut kind_above, mut in_tests, mut behind_cfg_test) = ("", is_test, false);
    for (number, line) in (1..).zip(source.lines()) {
        // A module of tests goes on to the brace in the first column.
        match line {
            "}" => in_tests = is_test,
            _ if behind_cfg_test && line.starts_with("mod ") && line.ends_with('{') => in_tests = true,
            _ => {}
        }
        behind_cfg_test = line == "#[cfg(test)]";
        let begin = line.trim_start();
        let (kind, words) = match ["//!", "///", "//"].into_iter().find(|kind| begin.starts_with(kind)) {
            Some(kind) => (kind, &begin[kind.len()..]),
            // One behind code is a comment of its own.
            None => match line.find(" // ") {
                Some(at) => ("", &line[at + 4..]),
                None => {
                    kind_above = "";
                    continue;
                }
            },
        };
        match comments.last_mut() {
            Some(above) if !kind.is_empty() && kind == kind_above => above.text.push(' '),
            _ => comments.push(Comment { text: String::new(), lines: Vec::new(), in_tests, is_story: kind == "//!" }),
        }
        let comment = comments.last_mut().expect("one was pushed, or is there");
        comment.lines.push((comment.text.len(), number));
        comment.text.push_str(words.trim());
        kind_above = kind;
    }
    comments
}

impl Comment {
    fn line(&self, at: usize) -> usize {
        let begun = self.lines.iter().rev().find(|(begin, _)| *begin <= at);
        begun.map_or(0, |(_, number)| *number)
    }
}

/// The places that a text names, all of them of `document`; also headings in quotes, as far as the document has them.
pub fn places(words: &str, document: &str) -> Vec<Place> {
    let cited = text(words, Some(document)).unwrap_or_default();
    let numbered = cited.into_iter().filter(|(_, c)| c.document == document).filter_map(|(_, c)| c.place);
    let quoted = words.split('"').skip(1).step_by(2).map(|words| Place::Heading(words.to_owned()));
    let is_there = |place: &Place| {
        sections::heading(&Citation { document: document.to_owned(), place: Some(place.clone()) }).is_some()
    };
    numbered.chain(quoted.filter(is_there)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cited(source: &str) -> Vec<String> {
        let found = file(source, false).unwrap();
        found
            .iter()
            .map(|f| format!("{}: {}{}", f.line, f.citation, if f.in_tests { ", in tests" } else { "" }))
            .collect()
    }

    #[test]
    fn each_place_belongs_to_the_document_before_it() {
        let source =
            "/// SELECT (RFC 3501 §6.3.1, §7.3; RFC 7162 §3.1.2), with codes of RFC 3501 §7.1 and §9.\nfn select() {}";
        let expected = ["RFC 3501 §6.3.1", "RFC 3501 §7.3", "RFC 7162 §3.1.2", "RFC 3501 §7.1", "RFC 3501 §9"];
        assert_eq!(cited(source), expected.map(|place| format!("1: {place}")));
    }

    #[test]
    fn a_citation_goes_on_in_the_next_line_of_its_comment() {
        let source =
            "    // News come with every command (RFC\n    // 3501 §5.2,\n    // §7.4.1).\n    let news = 1;\n";
        assert_eq!(cited(source), ["2: RFC 3501 §5.2", "3: RFC 3501 §7.4.1"]);
    }

    #[test]
    fn sections_in_a_row_are_all_cited() {
        assert_eq!(
            cited("// RFC 9051 §6.3.4 to §6.3.6, §7 to §8, appendix A.1"),
            ["§6.3.4", "§6.3.5", "§6.3.6", "§7", "§8", "appendix A.1"].map(|place| format!("1: RFC 9051 {place}"))
        );
        // Not of the same depth: the two, and nothing between them.
        assert_eq!(cited("// RFC 9051 §6.3 to §7"), ["1: RFC 9051 §6.3", "1: RFC 9051 §7"]);
    }

    #[test]
    fn a_place_without_a_document_belongs_to_the_first_of_the_story() {
        let source = "//! METADATA (RFC 5464), with LIST (RFC 9590 §3).\n\n/// Names of entries (§3.2).\nfn f() {}\n/// RFC 5258 §3\n";
        assert_eq!(cited(source), ["1: RFC 5464", "1: RFC 9590 §3", "3: RFC 5464 §3.2", "5: RFC 5258 §3"]);
    }

    #[test]
    fn a_place_of_no_document_is_told() {
        let error = file("//! A story.\n\nfn f() {}\n// As §3 has it.\n", false).unwrap_err();
        assert!(error.starts_with("line 4: §3 of which document?"), "{error}");
    }

    #[test]
    fn other_documents_keep_their_sections() {
        let source = "//! RFC 5464\n\n// After DESIGN §7, and UTS 46 §4; RFC 5891 §5 is another.\n// §2.1 of PROXY protocol §2.2\n";
        assert_eq!(cited(source), ["1: RFC 5464", "3: RFC 5891 §5", "4: RFC 5891 §2.1", "4: PROXY protocol §2.2"]);
    }

    #[test]
    fn a_document_without_a_place_is_cited_as_a_whole() {
        assert_eq!(cited("// HMAC (RFC 2104), salted (RFC 5802 §2.2)."), ["1: RFC 2104", "1: RFC 5802 §2.2"]);
        let heading = "// The order of UIDs (RFC 3502, \"MULTIAPPEND Interaction with UIDPLUS Extension\"); RFC 3501 \"mailbox\".";
        let expected = ["1: RFC 3502 \"MULTIAPPEND Interaction with UIDPLUS Extension\"", "1: RFC 3501"];
        assert_eq!(cited(heading), expected);
    }

    #[test]
    fn comments_behind_code_stand_alone_and_strings_are_none() {
        let source = "let a = 1; // RFC 2449 §6.6\nlet b = \"RFC 1 §1\"; // RFC 2449 §6.8\n";
        assert_eq!(cited(source), ["1: RFC 2449 §6.6", "2: RFC 2449 §6.8"]);
    }

    #[test]
    fn modules_of_tests_are_told_apart() {
        let source = "// RFC 1 §1\n#[cfg(test)]\nmod tests {\n    // RFC 1 §2\n}\n// RFC 1 §3\n#[cfg(test)]\nmod more;\n// RFC 1 §4\n";
        assert_eq!(cited(source), ["1: RFC 1 §1", "4: RFC 1 §2, in tests", "6: RFC 1 §3", "9: RFC 1 §4"]);
        assert!(file(source, true).unwrap().iter().all(|found| found.in_tests));
    }

    #[test]
    fn files_of_tests_are_those_that_are_declared_so() {
        let source = "mod a;\n#[cfg(test)]\nmod b;\n#[cfg(any(test, fuzzing))]\npub mod c;\n#[cfg(test)]\nmod d {\n}\n";
        assert_eq!(modules_of_tests(source), ["b", "c"]);
    }
}
