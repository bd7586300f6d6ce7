//! CLOSE and UNSELECT (RFC 3501 §6.4.2, RFC 3691 §2, RFC 9051 §6.4.2): back to the authenticated state; CLOSE first expunges
//! what is `\Deleted`, and says nothing of it.

use super::{Context, Done, Outcome};

pub(super) async fn run(cx: &mut Context<'_>, expunge: bool) -> Outcome {
    let store = cx.store();
    let selected = cx.selected()?;
    // After EXAMINE nothing is removed, and that is no error (RFC 3501 §6.4.2).
    if expunge && !selected.read_only {
        store.expunge(&selected.mailbox, selected.view.known(), true).await?;
    }
    cx.session.unselect();
    Ok(Done::ok(if expunge { "CLOSE done" } else { "UNSELECT done" }))
}
