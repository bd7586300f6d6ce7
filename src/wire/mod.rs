//! To be.

pub(crate) mod chars;
pub(crate) mod utf7;
