//! From octets to [`Command`]s: the grammar of RFC 3501 §9 and its extensions.

use super::command::{Command, Secret};

mod error;

pub use error::{Fault, ParseError};

/// How deep SEARCH keys may lie in one another. Each level costs stack here and in the search itself; no client goes
/// beyond a dozen (DESIGN §7).
pub const SEARCH_DEPTH_MAX: usize = 100;

/// Reads a command: a frame as [`Framer`](super::framer::Framer) gives it, with [`Event::Command`] or [`Event::Append`].
///
/// [`Event::Command`]: super::framer::Event::Command
/// [`Event::Append`]: super::framer::Event::Append
pub fn command(frame: &[u8]) -> Result<Command, ParseError> {
    let _ = frame;
    unimplemented!()
}

/// A line that answers a challenge of AUTHENTICATE (RFC 3501 §6.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslLine {
    /// `*`: the client gives up.
    Cancel,
    /// The response, decoded.
    Response(Secret),
}

/// Reads a line of AUTHENTICATE; `None`: it is neither base64 nor `*`, answer BAD.
pub fn sasl_line(line: &[u8]) -> Option<SaslLine> {
    let _ = line;
    unimplemented!()
}

/// Whether a line ends IDLE: `DONE` in any case (RFC 2177 §3).
pub fn is_done(line: &[u8]) -> bool {
    line.eq_ignore_ascii_case(b"DONE")
}
