//! SORT, the command (RFC 5256 §5, RFC 5957 §5, RFC 5267 §5): the twin of [`parse::sort`](crate::imap::parse).

use super::lexeme::list;
use super::search;
use crate::imap::command::{SearchKey, SearchReturn, SortCriterion, SortKey};

/// `[search-return-opts] SP sort-criteria SP charset 1*(SP search-key)`: the charset is UTF-8.
pub(super) fn arguments(out: &mut Vec<u8>, returns: Option<SearchReturn>, criteria: &[SortCriterion], key: &SearchKey) {
    if let Some(returns) = returns {
        search::return_options(out, returns);
    }
    out.push(b' ');
    list(out, criteria, |out, criterion| {
        if criterion.reverse {
            out.extend_from_slice(b"REVERSE ");
        }
        out.extend_from_slice(sort_key(criterion.key).as_bytes());
    });
    out.extend_from_slice(b" UTF-8");
    search::keys(out, key);
}

fn sort_key(key: SortKey) -> &'static str {
    match key {
        SortKey::Arrival => "ARRIVAL",
        SortKey::Cc => "CC",
        SortKey::Date => "DATE",
        SortKey::DisplayFrom => "DISPLAYFROM",
        SortKey::DisplayTo => "DISPLAYTO",
        SortKey::From => "FROM",
        SortKey::Size => "SIZE",
        SortKey::Subject => "SUBJECT",
        SortKey::To => "TO",
    }
}
