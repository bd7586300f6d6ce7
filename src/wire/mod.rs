//! To be.

pub(crate) mod chars;
