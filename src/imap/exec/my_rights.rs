//! MYRIGHTS: what the user may do with a mailbox (RFC 4314 §3.5), also in the answer to LIST (RFC 8440 §3).
//!
//! Every mailbox is its user's own, and nobody can share one: there is no SETACL, so that the right to administer (`a`) is
//! in no answer, and ACL is not announced. All else that a mailbox allows is an owner's, and `c` and `d` stand for it to
//! clients of RFC 2086 (RFC 4314 §2.1.1). Mail can be sent to INBOX alone (`p`).

use super::failure::Failure;
use super::{Context, Done, Outcome};
use crate::imap::response::Data;
use crate::store::{Error, INBOX};

pub(super) fn run(cx: &mut Context<'_>, mailbox: &str) -> Outcome {
    let account = cx.account()?;
    let found = cx.store().mailbox(account, mailbox).ok_or(Failure::Store(Error::NoSuchMailbox))?;
    cx.put(of(&found.head().name));
    Ok(Done::ok("MYRIGHTS done"))
}

/// The response for a mailbox that is there, by its canonical name.
pub(super) fn of(mailbox: &str) -> Data {
    let rights = if mailbox == INBOX { "lrswipkxtecd" } else { "lrswikxtecd" };
    Data::MyRights { mailbox: mailbox.to_owned(), rights }
}
