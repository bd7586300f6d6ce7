//! What stands on the wire, below any one protocol: lines, newlines, dot-stuffing, character classes.
//!
//! Everything here is an incremental machine over octets: it is handed what has arrived, however that was split, and
//! gives the same result for every split. Nothing here waits, reads a clock, or holds more than its stated limit.
//! `wire` knows no command and no reply.

pub(crate) mod chars;
pub mod dot;
pub mod line;
pub mod newline;
pub(crate) mod utf7;
