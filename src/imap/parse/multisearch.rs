//! ESEARCH, the command (RFC 7377 §4).

use nom::Parser;
use nom::bytes::complete::tag_no_case;
use nom::combinator::opt;
use nom::sequence::preceded;

use super::Fault;
use super::lexeme::{Parsed, argument, fail, list1};
use super::mailbox_filter::mailbox_filter;
use super::search::{return_options, search_program};
use crate::imap::command::{CommandBody, SearchReturn};
use crate::imap::dialect::Dialect;
use crate::imap::mailbox_filter::MailboxFilter;

/// ```abnf
/// esearch             = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts] SP search-program
/// esearch-source-opts = "IN" SP "(" source-mbox ")"
/// source-mbox         = filter-mailboxes *(SP filter-mailboxes)
/// ```
/// There are no scope options yet that could stand behind the filters.
pub(super) fn esearch(rest: &[u8], dialect: Dialect) -> Parsed<'_, CommandBody> {
    let keyword = argument(tag_no_case(&b"IN"[..]));
    let (behind, sources) = opt(preceded(keyword, argument(list1(mailbox_filter)))).parse(rest)?;
    // RFC 7377 §2.2: without sources the selected mailbox is meant.
    let sources = sources.unwrap_or_else(|| vec![MailboxFilter::Selected]);
    if sources.contains(&MailboxFilter::SelectedDelayed) {
        return fail(rest, Fault::Invalid("SELECTED-DELAYED can't be searched"));
    }
    let (behind, returns) = opt(argument(return_options)).parse(behind)?;
    // RFC 7377 §2.1: without result options ALL is meant.
    let returns = returns.unwrap_or(SearchReturn { all: true, ..SearchReturn::default() });
    // RFC 7377 §2.2
    if returns.save && sources.iter().any(|source| *source != MailboxFilter::Selected) {
        return fail(rest, Fault::Invalid("SAVE is for the selected mailbox alone"));
    }
    let (behind, key) = search_program(behind, returns.save, dialect)?;
    Ok((behind, CommandBody::MultiSearch { sources, returns, key }))
}
