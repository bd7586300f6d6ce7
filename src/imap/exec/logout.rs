//! LOGOUT (RFC 3501 §6.1.3): BYE, OK, the end. Nothing is expunged.

use super::{Context, Done, Next, Outcome};
use crate::imap::response::Status;
use crate::imap::session::State;

pub(super) fn run(cx: &mut Context<'_>) -> Outcome {
    cx.put(Status::bye("Goodbye"));
    cx.session.state = State::Logout;
    Ok(Done::ok("LOGOUT done").then(Next::Close))
}
