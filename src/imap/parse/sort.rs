//! SORT (RFC 5256 §5), with the keys of RFC 5957 §5 and the result options of RFC 5267 §3.

use nom::Parser;
use nom::combinator::opt;

use super::Fault;
use super::lexeme::{Parsed, argument, fail, list1, word};
use super::search::{return_options, search_criteria};
use crate::imap::command::{CommandBody, Numbering, SortCriterion, SortKey};

/// ```abnf
/// sort            = "SORT" [search-return-opts] SP sort-criteria SP search-criteria
/// sort-criteria   = "(" sort-criterion *(SP sort-criterion) ")"
/// search-criteria = charset 1*(SP search-key)
/// ```
pub(super) fn sort(rest: &[u8], by: Numbering) -> Parsed<'_, CommandBody> {
    let (rest, returns) = opt(argument(return_options)).parse(rest)?;
    let saving = returns.is_some_and(|returns| returns.save);
    let (rest, criteria) = argument(list1(criterion)).parse(rest)?;
    let (rest, key) = search_criteria(rest, saving)?;
    Ok((rest, CommandBody::Sort { by, returns, criteria, key }))
}

/// `sort-criterion = ["REVERSE" SP] sort-key`
fn criterion(rest: &[u8]) -> Parsed<'_, SortCriterion> {
    let (behind, name) = word("a sort key").parse(rest)?;
    match name.as_str() {
        "REVERSE" => argument(sort_key).map(|key| SortCriterion { key, reverse: true }).parse(behind),
        _ => sort_key.map(|key| SortCriterion { key, reverse: false }).parse(rest),
    }
}

/// `sort-key = "ARRIVAL" / "CC" / "DATE" / "DISPLAYFROM" / "DISPLAYTO" / "FROM" / "SIZE" / "SUBJECT" / "TO"`
fn sort_key(rest: &[u8]) -> Parsed<'_, SortKey> {
    let (behind, name) = word("a sort key").parse(rest)?;
    let key = match name.as_str() {
        "ARRIVAL" => SortKey::Arrival,
        "CC" => SortKey::Cc,
        "DATE" => SortKey::Date,
        "DISPLAYFROM" => SortKey::DisplayFrom,
        "DISPLAYTO" => SortKey::DisplayTo,
        "FROM" => SortKey::From,
        "SIZE" => SortKey::Size,
        "SUBJECT" => SortKey::Subject,
        "TO" => SortKey::To,
        _ => return fail(rest, Fault::Invalid("Unknown sort key")),
    };
    Ok((behind, key))
}
