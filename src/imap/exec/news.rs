//! What is new in the selected mailbox, as responses.

use super::{condstore, flags, metadata};
use crate::imap::print;
use crate::imap::print::fetch::FetchWriter;
use crate::imap::response::{Data, Response};
use crate::imap::session::{Enabled, Found, Selected, Session};
use crate::imap::view::{ExpungeAllowed, News};
use crate::store::Store;

/// The selected mailbox is gone.
#[derive(Debug)]
pub(super) struct Deleted;

/// Looks at the selected mailbox, where there is one, and at the metadata, where that is enabled, and appends what is new;
/// says whether there was anything.
pub(super) fn tell(
    session: &mut Session,
    store: &Store,
    expunge: ExpungeAllowed,
    out: &mut Vec<u8>,
) -> Result<bool, Deleted> {
    let enabled = session.enabled;
    let mut told = metadata::tell(session, store, out);
    if let Some(selected) = session.selected() {
        match selected.look(store, expunge, enabled) {
            Found::News(news) => {
                print(out, &news, selected, enabled);
                told |= !news.is_empty();
            }
            Found::Deleted => return Err(Deleted),
        }
    }
    Ok(told)
}

/// Appends the responses, in the order of the news.
///
/// Flags come with the UID, which any FETCH response may carry (RFC 3501 §7.4.2): a client that works by UID needs it.
pub(super) fn print(out: &mut Vec<u8>, news: &[News], selected: &Selected, enabled: Enabled) {
    if news.is_empty() {
        return;
    }
    let names = selected.mailbox.head().keywords;
    let dialect = enabled.dialect;
    let put = |out: &mut Vec<u8>, response: Response| print::response(out, &response, dialect);
    for item in news {
        match item {
            News::Expunge(sequence) => put(out, Data::Expunge(*sequence).into()),
            News::Vanished(uids) => put(out, Data::Vanished { earlier: false, uids: uids.clone() }.into()),
            News::Exists(exists) => put(out, Data::Exists(*exists).into()),
            News::Recent(recent) => put(out, Data::Recent(*recent).into()),
            News::Keywords(keywords) => {
                put(out, flags::flags(keywords).into());
                put(out, flags::permanent_flags(keywords, selected.read_only).into());
            }
            News::Flags { sequence, uid, flags, recent, mod_seq } => {
                let mut line = FetchWriter::begin(out, *sequence, *uid, dialect);
                line.flags(*flags, &names, *recent);
                line.implied_uid(*uid);
                // RFC 7162 §3.2.4
                if enabled.condstore {
                    line.mod_seq(*mod_seq);
                }
                line.end();
            }
            News::HighestModSeq(mod_seq) => put(out, condstore::highest_mod_seq(*mod_seq).into()),
        }
    }
}
