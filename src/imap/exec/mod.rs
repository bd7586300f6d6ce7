//! x
pub(crate) mod pattern;
pub(crate) const SEPARATOR: char = '/';
