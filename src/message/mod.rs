//! What is inside a message.

use serde::{Deserialize, Serialize};

/// What clients always ask for, found once at delivery and kept beside the body: ENVELOPE, BODYSTRUCTURE with the places
/// of all parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {}

impl Summary {
    /// The version of the form in which it is stored; a stored summary of another version is made anew.
    pub const VERSION: u8 = 1;
    /// Parses a whole message. Never panics, never fails, costs bounded time and memory (DESIGN §7): what is above a limit is opaque.
    pub fn of(message: &[u8]) -> Summary {
        let _ = message;
        unimplemented!()
    }
}
