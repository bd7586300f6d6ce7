//! From values to octets: what [`parse`](super::parse) reads, and what the server says.

use super::command::Command;
use super::response::Response;

pub mod fetch;

/// Appends a response, CRLF included.
pub fn response(out: &mut Vec<u8>, response: &Response) {
    let _ = (out, response);
    unimplemented!()
}

/// Appends a command, with non-synchronizing literals where it needs literals, CRLF included; an APPEND without its
/// message.
pub fn command(out: &mut Vec<u8>, command: &Command) {
    let _ = (out, command);
    unimplemented!()
}
