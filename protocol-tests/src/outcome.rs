//! How a transcript ended, as data: what the printers of [`crate::report`] print.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::citation::Citation;
use crate::connection::Entry;
use crate::known::Difference;
use crate::transcript::{Level, Transcript};

/// How a transcript ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it came true.
    Passed,
    /// The server does not offer what it is about.
    NotOffered(String),
    /// A line did not come true.
    Failed(Broken),
}

/// The line that did not come true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broken {
    /// The line, counted from 1; 0 where no line is to blame.
    pub line: usize,
    /// What it says; empty where no line is to blame.
    pub expected: String,
    /// What came instead.
    pub got: String,
}

impl Broken {
    /// What went wrong before the first line.
    pub fn before(got: impl Into<String>) -> Broken {
        Broken { got: got.into(), ..Broken::default() }
    }
}

/// One transcript that has been run.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// What passed over its connections.
    pub conversation: Vec<Entry>,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// Where what the transcript lets be cut can be cut in two; empty where it was.
    pub places: BTreeSet<usize>,
}

impl From<Outcome> for Ended {
    /// One that never began.
    fn from(outcome: Outcome) -> Ended {
        Ended { outcome, conversation: Vec::new(), figures: Vec::new(), places: BTreeSet::new() }
    }
}

/// How long it took until somebody was told, each time that the line was met. It decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The line, counted from 1.
    pub line: usize,
    /// What it says.
    pub what: String,
    /// Each time, in the order in which they came.
    pub samples: Vec<Duration>,
}

impl Figure {
    /// The least, the median and the most; `None` where nothing was measured.
    pub fn spread(&self) -> Option<Spread> {
        let mut sorted = self.samples.clone();
        sorted.sort();
        Some(Spread { least: *sorted.first()?, median: *sorted.get(sorted.len() / 2)?, most: *sorted.last()? })
    }
}

/// Three of many durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The shortest.
    pub least: Duration,
    /// Half of them are not longer.
    pub median: Duration,
    /// The longest.
    pub most: Duration,
}

/// What a transcript says about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server keeps the rule.
    Passed,
    /// It breaks it.
    Failed(Broken),
    /// It does not offer what the rule is about: nothing is said.
    NotOffered(String),
    /// The same, of a server that promises all of it: a failure.
    Missing(String),
    /// The rule is Postbell's own choice, to which nobody else is held: nothing is said.
    OwnChoice,
    /// It breaks the rule, and that has been looked into.
    KnownToDiffer(Difference, Broken),
}

impl Verdict {
    /// The word for it: what `--format json` calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed(_) | Verdict::Missing(_) => "failed",
            Verdict::NotOffered(_) => "not-offered",
            Verdict::OwnChoice => "own-choice",
            Verdict::KnownToDiffer(..) => "known-to-differ",
        }
    }

    /// Whether the run as a whole has failed by it.
    pub fn is_failure(&self) -> bool {
        matches!(self, Verdict::Failed(_) | Verdict::Missing(_))
    }
}

/// A transcript with what it says about the server, and all that a report tells of it.
#[derive(Debug)]
pub struct Case {
    /// Its name: `imap/idle/delivery-rings`.
    pub name: String,
    /// The rule, in one sentence.
    pub rule: String,
    /// Where the rule stands, as the head says it.
    pub rfc: String,
    /// The same as data.
    pub citations: Vec<Citation>,
    /// How much of a rule it is.
    pub level: Level,
    /// The transcript, line by line.
    pub source: Vec<String>,
    /// What it says about the server.
    pub verdict: Verdict,
    /// A difference that is on the list of known ones, and that did not show.
    pub stale: Option<Difference>,
    /// What passed over its connections.
    pub conversation: Vec<Entry>,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// How long it ran.
    pub took: Duration,
}

impl Case {
    /// A case of this transcript that has yet to be run.
    pub fn of(transcript: &Transcript) -> Case {
        Case {
            rule: transcript.rule.clone(),
            rfc: transcript.rfc.clone(),
            citations: transcript.citations.clone(),
            level: transcript.level,
            source: transcript.lines.clone(),
            ..Case::unreadable(&transcript.name, String::new())
        }
    }

    /// A case whose transcript is none.
    pub fn unreadable(name: &str, error: String) -> Case {
        Case {
            name: name.to_owned(),
            rule: String::new(),
            rfc: String::new(),
            citations: Vec::new(),
            level: Level::Must,
            source: Vec::new(),
            verdict: Verdict::Failed(Broken::before(error)),
            stale: None,
            conversation: Vec::new(),
            figures: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// The chapter it belongs to, a protocol or push: the first part of its name.
    pub fn chapter(&self) -> &str {
        self.name.split('/').next().unwrap_or("")
    }

    /// What stands in a line of the transcript.
    pub fn line(&self, number: usize) -> &str {
        number.checked_sub(1).and_then(|at| self.source.get(at)).map_or("", |line| line.trim())
    }
}

/// How many ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All came true.
    pub passed: usize,
    /// Something did not.
    pub failed: usize,
    /// The server does not offer it.
    pub not_offered: usize,
    /// Postbell's own choice, to which this server is not held.
    pub own: usize,
    /// Known to differ, and did.
    pub known: usize,
}

impl Summary {
    /// Counts the cases.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Summary {
        let mut summary = Summary::default();
        for case in cases {
            summary.add(&case.verdict);
        }
        summary
    }

    /// Counts one more.
    pub fn add(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Failed(_) | Verdict::Missing(_) => &mut self.failed,
            Verdict::NotOffered(_) => &mut self.not_offered,
            Verdict::OwnChoice => &mut self.own,
            Verdict::KnownToDiffer(..) => &mut self.known,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_all_samples_in_any_order() {
        let samples = [30, 10, 20, 50, 40].map(Duration::from_millis).to_vec();
        let figure = Figure { line: 1, what: String::new(), samples };
        let spread = figure.spread().unwrap();
        assert_eq!([spread.least, spread.median, spread.most], [10, 30, 50].map(Duration::from_millis));
        assert_eq!(Figure { samples: Vec::new(), ..figure }.spread(), None);
    }
}
