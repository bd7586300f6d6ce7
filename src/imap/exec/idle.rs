//! IDLE (RFC 2177): the client listens, and is told at once.
//!
//! The session listens to its mailbox since SELECT ([`Selected::bell`](crate::imap::session::Selected)), so that what
//! happened between SELECT and IDLE is in the first look, which comes before `+ idling`; whatever happens after it rings.
//! Between the looks there is no command in progress and no future held: the driver waits for the bell, for a line and for
//! its clocks, and asks [`news`] and [`end`] what to say. Without a selected mailbox there is nothing to listen to.

use std::io;

use super::news::{Deleted, tell};
use super::{After, Context, bye_deleted, bye_hopeless};
use crate::imap::Limits;
use crate::imap::command::Tag;
use crate::imap::parse;
use crate::imap::print;
use crate::imap::response::{Response, Status};
use crate::imap::session::Session;
use crate::imap::view::ExpungeAllowed;
use crate::store::Store;

/// What a look of an idling session came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// There was nothing new.
    Nothing,
    /// Something is to be written.
    News,
    /// BYE is to be written, and the connection ends.
    Bye,
}

/// The first look, and `+ idling`. The next line is `DONE`, whenever it comes.
pub(super) async fn begin(cx: &mut Context<'_>, tag: Tag) -> io::Result<After> {
    let told = news(cx.session, cx.environment.store, &mut cx.output);
    if told != Told::Bye {
        cx.put(Response::Continue("idling".into()));
        cx.client.framer().expect_line();
    }
    cx.flush().await?;
    Ok(if told == Told::Bye { After::Close } else { After::Idle(tag) })
}

/// Looks at the selected mailbox, and appends what is new.
pub(crate) fn news(session: &mut Session, store: &Store, out: &mut Vec<u8>) -> Told {
    match tell(session, store, ExpungeAllowed::Yes, out) {
        Ok(false) => Told::Nothing,
        Ok(true) => Told::News,
        Err(Deleted) => {
            print::response(out, &bye_deleted().into(), session.enabled.dialect);
            Told::Bye
        }
    }
}

/// Answers the line that ends IDLE: what is new, and OK for `DONE`. Any other line ends it too, with BAD: the client has
/// plainly stopped to listen.
pub(crate) fn end(
    session: &mut Session,
    store: &Store,
    limits: &Limits,
    tag: &Tag,
    line: &[u8],
    out: &mut Vec<u8>,
) -> Told {
    let told = news(session, store, out);
    if told == Told::Bye {
        return told;
    }
    let done = parse::is_done(line);
    let status = if done { Status::ok(tag, "IDLE done") } else { Status::bad(Some(tag), "DONE was expected") };
    print::response(out, &status.into(), session.enabled.dialect);
    if session.count(!done, limits) {
        print::response(out, &bye_hopeless().into(), session.enabled.dialect);
        return Told::Bye;
    }
    told
}
