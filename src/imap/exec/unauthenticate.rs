//! UNAUTHENTICATE (RFC 8437 §3): another user on the same connection.
//!
//! All of a session ends but TLS: what was selected, enabled and saved, and after the OK the compression of both directions
//! (§4.1), which is the driver's. The place among the user's sessions is free again, and the limits are a stranger's. NO is
//! not permitted (§3), and nothing here can fail. Commands may be pipelined behind it.

use super::{Context, Done, Next, Outcome};
use crate::imap::framer;

pub(super) fn run(cx: &mut Context<'_>) -> Outcome {
    if let Some(account) = cx.session.account() {
        tracing::info!(account = %account.name, peer = %cx.environment.peer, "logged out, and the connection goes on");
    }
    cx.session.unauthenticate();
    cx.client.release();
    cx.client.framer().set_limits(framer::Limits::BEFORE_LOGIN);
    Ok(Done::ok("Nobody is logged in now").then(Next::Unauthenticated))
}
