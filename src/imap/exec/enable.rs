//! ENABLE (RFC 5161). No capability that is offered so far needs enabling, and what is not known is passed over (§3.1), so that
//! ENABLED names none.

use super::{Context, Done, Outcome};
use crate::imap::response::Data;

pub(super) fn run(cx: &mut Context<'_>, capabilities: &[String]) -> Outcome {
    tracing::debug!(?capabilities, "nothing of it can be enabled");
    cx.put(Data::Enabled(Vec::new()));
    Ok(Done::ok("ENABLE done"))
}
