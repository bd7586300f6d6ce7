//! CREATE (RFC 3501 §6.3.3): a mailbox, and its superiors where they are missing.
//!
//! A name that ends with the separator declares that inferiors will follow; every mailbox can have them, so that it is
//! created without the separator ("the server … MUST ignore the declaration").

use super::{Context, Done, Outcome};

pub(super) async fn run(cx: &mut Context<'_>, mailbox: &str) -> Outcome {
    let account = cx.account()?;
    cx.store().create_mailbox(account, mailbox, None).await?;
    Ok(Done::ok("CREATE done"))
}
