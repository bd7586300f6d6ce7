//! COMPRESS (RFC 4978 §3): the OK, and from its CRLF on both directions are raw DEFLATE, which is the driver's.
//!
//! §3 gives BAD to a second COMPRESS, and NO where another layer compresses; there is none that could, since TLS here has no
//! compression. The code says to a program what is the matter in both cases.

use super::failure::Failure;
use super::{Context, Done, Next, Outcome};
use crate::imap::response::{Code, Status};

pub(super) fn run(cx: &mut Context<'_>) -> Outcome {
    if cx.session.compressed {
        let status = Status::bad(None, "DEFLATE is active already").with_code(Code::CompressionActive);
        return Err(Failure::Refused { status: Box::new(status), close: false });
    }
    // §3: nothing may be sent behind the command before its answer is there. What came all the same came uncompressed,
    // and would not be understood.
    if cx.client.framer().has_unread() {
        return Err(Failure::Bad("Nothing may follow COMPRESS before its answer"));
    }
    cx.session.compressed = true;
    Ok(Done::ok("DEFLATE active").then(Next::Compress))
}
