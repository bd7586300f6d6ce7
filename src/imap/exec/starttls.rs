//! STARTTLS (RFC 3501 §6.2.1): the OK, and then the handshake, which is the driver's.
//!
//! Nothing that was received before the handshake survives it, and the client must ask for the capabilities again: so
//! the OK carries none.

use super::failure::Failure;
use super::{Context, Done, Next, Outcome};

pub(super) fn run(cx: &mut Context<'_>) -> Outcome {
    let line = cx.session.line;
    if line.tls {
        return Err(Failure::Bad("TLS is on already"));
    }
    if !line.start_tls {
        return Err(Failure::Bad("TLS is not to be had here"));
    }
    Ok(Done::ok("Begin TLS now").then(Next::StartTls))
}
