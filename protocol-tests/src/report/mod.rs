//! What a run is told as: to people, to `cargo test`, to machines.
//!
//! - [`lines`]: a line for each case, then the conversations that failed; as `cargo test` prints.
//! - [`progress`]: what is said while a run goes on.
//! - [`conversation`]: one conversation, as it went.
//! - [`table`]: the cases by protocol, RFC and section.
//! - [`comparison`]: several servers side by side.
//! - [`human`], [`markdown`], [`junit`], [`json`]: a whole report.

pub mod comparison;
pub mod conversation;
pub mod human;
pub mod json;
pub mod junit;
pub mod lines;
pub mod markdown;
pub mod progress;
pub mod table;

use std::time::Duration;

use crate::outcome::{Case, Summary};

/// What a report knows besides its cases.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// What the server is called.
    pub server: String,
    /// What it says of its version, where somebody knows how to ask.
    pub version: Option<String>,
    /// Where it was reached, by service.
    pub addresses: Vec<(&'static str, String)>,
    /// When the run began, in RFC 3339's form.
    pub began: String,
    /// The conversations of cases that passed are told too.
    pub verbose: bool,
}

/// The sentence that everything ends with.
pub fn summary(cases: &[Case]) -> String {
    let Summary { passed, failed, not_offered, own, known } = Summary::of(cases);
    let own = if own > 0 { format!(", {own} Postbell's own choice") } else { String::new() };
    let known = if known > 0 { format!(", {known} known to differ") } else { String::new() };
    format!("{passed} passed, {failed} failed, {not_offered} not offered{own}{known}")
}

/// A duration as people compare them: milliseconds, to the microsecond.
fn milliseconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64() * 1000.0)
}
