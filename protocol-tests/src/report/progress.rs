//! What is said while a run goes on, on standard error: at a terminal one line that is written anew, elsewhere a line now
//! and then and one for each failure.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::outcome::{Case, Summary};
use crate::suite::Watch;

/// How long nothing is said where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Says how far the run is.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    total: usize,
    done: usize,
    summary: Summary,
    said: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            terminal: std::io::stderr().is_terminal(),
            total: 0,
            done: 0,
            summary: Summary::default(),
            said: Instant::now(),
        }
    }
}

impl Progress {
    fn line(&self) -> String {
        let Summary { passed, failed, not_offered, own, known } = self.summary;
        let silent = not_offered + own + known;
        format!("{} of {}: {passed} passed, {failed} failed, {silent} say nothing", self.done, self.total)
    }

    fn say(&mut self, text: &str) {
        // Who closed standard error does not want to know.
        let _ = std::io::stderr().write_all(text.as_bytes());
        self.said = Instant::now();
    }
}

/// Clears the line and goes to its beginning.
const CLEAR: &str = "\r\x1b[K";

impl Watch for Progress {
    fn begins(&mut self, total: usize) {
        self.total = total;
        if !self.terminal {
            self.say(&format!("running {total} transcripts\n"));
        }
    }

    fn ended(&mut self, case: &Case) {
        self.done += 1;
        self.summary.add(&case.verdict);
        let failed = if case.verdict.is_failure() { format!("failed: {}\n", case.name) } else { String::new() };
        let last = self.done == self.total;
        let text = match self.terminal {
            true if last => format!("{CLEAR}{failed}"),
            true => format!("{CLEAR}{failed}{}  {}", self.line(), case.name),
            false if last || self.said.elapsed() >= PAUSE => format!("{failed}{}\n", self.line()),
            false => failed,
        };
        if !text.is_empty() {
            self.say(&text);
        }
    }
}
