//! THREAD (RFC 5256 §5).

use nom::Parser;

use super::Fault;
use super::lexeme::{Parsed, argument, fail, word};
use super::search::search_criteria;
use crate::imap::command::{CommandBody, Numbering, ThreadAlgorithm};

/// `thread = "THREAD" SP thread-alg SP charset 1*(SP search-key)`
pub(super) fn thread(rest: &[u8], by: Numbering) -> Parsed<'_, CommandBody> {
    let (rest, algorithm) = argument(algorithm).parse(rest)?;
    let (rest, key) = search_criteria(rest, false)?;
    Ok((rest, CommandBody::Thread { by, algorithm, key }))
}

/// `thread-alg = "ORDEREDSUBJECT" / "REFERENCES" / thread-alg-ext`: there is none of the last kind.
fn algorithm(rest: &[u8]) -> Parsed<'_, ThreadAlgorithm> {
    let (behind, name) = word("a threading algorithm").parse(rest)?;
    match name.as_str() {
        "ORDEREDSUBJECT" => Ok((behind, ThreadAlgorithm::OrderedSubject)),
        "REFERENCES" => Ok((behind, ThreadAlgorithm::References)),
        _ => fail(rest, Fault::Invalid("Unknown threading algorithm")),
    }
}
