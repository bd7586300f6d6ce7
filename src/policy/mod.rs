//! What is taken from whom: decisions that are made before mail is delivered. Knows no socket and no clock.

pub mod abuse;
