//! IDLE (RFC 2177 §3): the client listens, and is told at once.
//!
//! The session listens to its mailbox since SELECT ([`Selected::bell`](crate::imap::session::Selected)), or to its whole
//! account since NOTIFY SET, so that what happened between that and IDLE is in the first look, which comes before
//! `+ idling`; whatever happens after it rings. Between the looks there is no command in progress and no future held: the
//! driver waits for the bell, for a line and for its clocks, and asks [`news`] and [`end`] what to say. Without a selected
//! mailbox, and without NOTIFY, there is nothing to listen to.

use std::io;

use super::news::{Told, When, tell};
use super::{After, Context, bye_deleted, bye_hopeless};
use crate::imap::command::Tag;
use crate::imap::parse;
use crate::imap::response::{Response, Status};

/// The first look, and `+ idling`. The next line is `DONE`, whenever it comes.
pub(super) async fn begin(cx: &mut Context<'_>, tag: Tag) -> io::Result<After> {
    let told = look(cx).await?;
    if told != Told::Deleted {
        cx.put(Response::Continue("idling".into()));
        cx.client.framer().expect_line();
    }
    cx.flush().await?;
    Ok(if told == Told::Deleted { After::Close } else { After::Idle(tag) })
}

/// Tells an idling client what is new; BYE, if it has lost its mailbox.
pub(crate) async fn news(cx: &mut Context<'_>) -> io::Result<Told> {
    let told = look(cx).await?;
    if told != Told::Nothing {
        cx.flush().await?;
    }
    Ok(told)
}

async fn look(cx: &mut Context<'_>) -> io::Result<Told> {
    let told = tell(cx, When::Idle).await?;
    if told == Told::Deleted {
        cx.put(bye_deleted());
    }
    Ok(told)
}

/// Answers the line that ends IDLE: what is new, and OK for `DONE`. Any other line ends it too, with BAD: the client has
/// plainly stopped to listen.
pub(crate) async fn end(cx: &mut Context<'_>, tag: &Tag, line: &[u8]) -> io::Result<After> {
    let told = look(cx).await?;
    if told == Told::Deleted {
        cx.flush().await?;
        return Ok(After::Close);
    }
    let done = parse::is_done(line);
    cx.put(if done { Status::ok(tag, "IDLE done") } else { Status::bad(Some(tag), "DONE was expected") });
    let hopeless = cx.session.count(!done, cx.environment.limits);
    if hopeless {
        cx.put(bye_hopeless());
    }
    cx.flush().await?;
    Ok(if hopeless { After::Close } else { After::Continue })
}
