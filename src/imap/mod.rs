//! To be.

pub(crate) mod exec;
pub(crate) mod view;

/// What a client may do (DESIGN §7).
#[derive(Clone, Debug, Default)]
pub struct Limits {}

pub mod command;
pub mod framer;
pub mod parse;
pub mod print;
pub mod response;
pub mod sequence_set;
