//! CLOSE and UNSELECT (RFC 3501 §6.4.2, RFC 3691): back to the authenticated state; CLOSE first expunges what is
//! `\Deleted`, and says nothing of it.

use super::{Context, Done, Outcome};

pub(super) async fn run(cx: &mut Context<'_>, expunge: bool) -> Outcome {
    let store = cx.store();
    let selected = cx.selected()?;
    // "No messages are removed, and no error is given, if the mailbox is selected by an EXAMINE command".
    if expunge && !selected.read_only {
        store.expunge(&selected.mailbox, selected.view.known(), true).await?;
    }
    cx.session.unselect();
    Ok(Done::ok(if expunge { "CLOSE done" } else { "UNSELECT done" }))
}
