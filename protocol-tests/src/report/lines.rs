//! A line for each case as it ends, then the conversations that failed: what `cargo test` prints.

use crate::outcome::{Case, Verdict};
use crate::suite::Watch;

use super::{conversation, summary};

/// Prints the lines.
#[derive(Clone, Copy, Debug)]
pub struct Lines;

impl Watch for Lines {
    fn begins(&mut self, total: usize) {
        println!("running {total} transcripts");
    }

    fn ended(&mut self, case: &Case) {
        println!("test {} ... {}", case.name, verdict(case));
    }
}

fn verdict(case: &Case) -> String {
    match &case.verdict {
        Verdict::Passed => "ok".to_owned(),
        Verdict::Failed(_) => "FAILED".to_owned(),
        Verdict::NotOffered(what) => format!("not offered: {what}"),
        Verdict::Missing(what) => format!("FAILED: not offered: {what}"),
        Verdict::OwnChoice => "not held to it: Postbell's own choice".to_owned(),
        Verdict::KnownToDiffer(difference, _) => format!("differs, as known: {difference}"),
    }
}

/// What is printed at the end.
pub fn end(cases: &[Case]) -> String {
    let mut out = String::new();
    for case in cases {
        if let Verdict::Failed(broken) = &case.verdict {
            out += &format!("\n---- {}", conversation::broken(case, broken));
        }
    }
    for case in cases {
        if let Some(difference) = &case.stale {
            out += &format!("\nknown to differ, but passes: {} ... {difference}\n", case.name);
        }
    }
    out + &format!("\n{}\n", summary(cases))
}
