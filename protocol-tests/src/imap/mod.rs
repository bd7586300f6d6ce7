//! What the runner knows of IMAP: responses as values, patterns over them, and the rules of every session.

pub mod always;
pub mod pattern;
pub mod value;
