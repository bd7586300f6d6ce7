//! Many transcripts, several at once; those that measure something come last, one by one, so that nothing else is measured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connection::Segments;
use crate::known::Known;
use crate::names::Names;
use crate::outcome::{Case, Ended, Figure, Outcome, Verdict};
use crate::run;
use crate::subject::Subject;
use crate::transcript::{Level, Transcript, parse};

/// Where the corpus lies.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// `transcripts/`, `messages/` and `configurations/` are in here.
    pub root: PathBuf,
}

impl Default for Corpus {
    /// The corpus of this crate.
    fn default() -> Self {
        Corpus { root: PathBuf::from(env!("CARGO_MANIFEST_DIR")) }
    }
}

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Runs only what has one of these in its name; everything where there are none.
    pub filters: Vec<String>,
    /// The filters are whole names.
    pub exact: bool,
    /// How many transcripts at once.
    pub jobs: usize,
    /// How often what measures something is run, alone, behind all others; 0: once, among them.
    pub rounds: usize,
    /// Only transcripts of this level, where one is named.
    pub level: Option<Level>,
    /// How everything that is sent is cut; octet by octet, only as far as it is short enough for that.
    pub segments: Segments,
    /// What is not offered counts as a failure: for a server that promises all of it.
    pub all_offered: bool,
    /// Transcripts that this server is known to fail, and why: they are reported, and do not count as failures.
    pub known: Known,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            filters: Vec::new(),
            exact: false,
            jobs: 16,
            rounds: 0,
            level: None,
            segments: Segments::Whole,
            all_offered: false,
            known: Known::new(),
        }
    }
}

impl Options {
    /// Whether a test of this name is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.filters.is_empty()
            || self.filters.iter().any(|f| if self.exact { name == f } else { name.contains(f.as_str()) })
    }
}

/// Who is told what happens while it happens.
pub trait Watch {
    /// So many transcripts are about to be run.
    fn begins(&mut self, total: usize);
    /// One has ended; they end in any order.
    fn ended(&mut self, case: &Case);
}

/// A server that is held for as long as a transcript needs it.
pub type Held = Arc<dyn AsRef<Subject> + Send + Sync>;

/// Gives the server that runs under a configuration; an error where there is none such.
pub type Provider<'a> = &'a dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Held, String>>>>;

impl Corpus {
    /// All transcripts' names, sorted.
    pub fn names(&self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        collect(&self.root.join("transcripts"), "", &mut names)?;
        names.sort();
        Ok(names)
    }

    /// The text of one transcript.
    pub fn source(&self, name: &str) -> Result<String, String> {
        let path = self.root.join("transcripts").join(format!("{name}.transcript"));
        std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// A message that transcripts name.
    pub fn message(&self, file: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.root.join("messages").join(file)).map_err(|e| format!("message {file}: {e}"))
    }

    /// Reads one transcript.
    pub fn read(&self, name: &str) -> Result<Transcript, String> {
        parse::parse(name, &self.source(name)?, &|file| self.message(file)).map_err(|e| e.to_string())
    }

    /// One transcript in the names that a server gives to mailboxes; the error is why that is not the same rule.
    fn translated(&self, transcript: Transcript, names: &Names) -> Result<Transcript, String> {
        if names.are_usual() {
            return Ok(transcript);
        }
        let source = names.put_into(&self.source(&transcript.name)?)?;
        parse::parse(&transcript.name, &source, &|file| self.message(file)).map_err(|e| e.to_string())
    }

    /// Runs the transcripts that `options` ask for; the cases are sorted by name.
    pub async fn run(
        &self,
        options: &Options,
        provider: Provider<'_>,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Case>, String> {
        let mut transcripts = Vec::new();
        for name in self.names()?.into_iter().filter(|name| options.wants(name)) {
            let transcript = self.read(&name);
            let wanted = |level| options.level.is_none_or(|wanted| wanted == level);
            if transcript.as_ref().map_or(true, |transcript| wanted(transcript.level)) {
                transcripts.push((name, transcript));
            }
        }
        watch.begins(transcripts.len());
        let mut cases = Vec::new();
        let mut ended = |mut case: Case| {
            options.judge(&mut case);
            watch.ended(&case);
            cases.push(case);
        };
        let room = Arc::new(Semaphore::new(options.jobs.max(1)));
        let mut subjects: BTreeMap<String, Result<Held, String>> = BTreeMap::new();
        let (mut running, mut alone) = (JoinSet::new(), Vec::new());
        for (name, transcript) in transcripts {
            let transcript = match transcript {
                Ok(transcript) => transcript,
                Err(error) => {
                    ended(Case::unreadable(&name, error));
                    continue;
                }
            };
            if transcript.level == Level::Own && !options.all_offered {
                ended(Case { verdict: Verdict::OwnChoice, ..Case::of(&transcript) });
                continue;
            }
            if !subjects.contains_key(&transcript.server) {
                subjects.insert(transcript.server.clone(), provider(transcript.server.clone()).await);
            }
            let subject = match &subjects[&transcript.server] {
                Ok(subject) => subject.clone(),
                Err(error) => {
                    ended(Case { verdict: Verdict::NotOffered(error.clone()), ..Case::of(&transcript) });
                    continue;
                }
            };
            let case = Case::of(&transcript);
            let transcript = match self.translated(transcript, &(*subject).as_ref().names) {
                Ok(transcript) => transcript,
                Err(why) => {
                    ended(Case { verdict: Verdict::NotOffered(why), ..case });
                    continue;
                }
            };
            if options.rounds > 0 && transcript.is_timed() {
                alone.push((transcript, subject));
                continue;
            }
            let (room, segments) = (room.clone(), options.segments);
            running.spawn(async move {
                let _permit = room.acquire_owned().await;
                one(&transcript, subject, segments, 1).await
            });
        }
        while let Some(case) = running.join_next().await {
            ended(case.map_err(|e| format!("a transcript's task: {e}"))?);
        }
        for (transcript, subject) in alone {
            ended(one(&transcript, subject, options.segments, options.rounds).await);
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cases)
    }
}

impl Options {
    /// What the outcome means here.
    fn judge(&self, case: &mut Case) {
        let known = self.known.get(&case.name).cloned();
        case.verdict = match (std::mem::replace(&mut case.verdict, Verdict::Passed), known) {
            (Verdict::NotOffered(what), _) if self.all_offered => Verdict::Missing(what),
            (Verdict::Failed(broken), Some(known)) => Verdict::KnownToDiffer(known, broken),
            (Verdict::Passed, known) => {
                case.stale = known;
                Verdict::Passed
            }
            (verdict, _) => verdict,
        };
    }
}

/// Runs a transcript some times, up to the first that does not pass.
async fn one(transcript: &Transcript, subject: Held, segments: Segments, rounds: usize) -> Case {
    let began = Instant::now();
    let mut case = Case::of(transcript);
    let mut figures: BTreeMap<usize, Figure> = BTreeMap::new();
    for _ in 0..rounds {
        let Ended { outcome, conversation, figures: more, .. } =
            run::transcript(transcript, (*subject).as_ref(), segments).await;
        case.conversation = conversation;
        for figure in more {
            let samples = figure.samples.clone();
            figures.entry(figure.line).and_modify(|known| known.samples.extend(samples)).or_insert(figure);
        }
        case.verdict = match outcome {
            Outcome::Passed => Verdict::Passed,
            Outcome::NotOffered(what) => Verdict::NotOffered(what),
            Outcome::Failed(broken) => Verdict::Failed(broken),
        };
        if case.verdict != Verdict::Passed {
            break;
        }
    }
    case.figures = figures.into_values().collect();
    case.took = began.elapsed();
    case
}

fn collect(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for entry in entries {
        let entry = entry.map_err(|e| e.to_string())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), names)?;
        } else if let Some(stem) = name.strip_suffix(".transcript") {
            names.push(format!("{prefix}{stem}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pages show transcripts; a reader who copies one has one.
    #[test]
    fn what_the_pages_show_are_transcripts() {
        let corpus = Corpus::default();
        let mut shown = 0;
        for page in ["README.md", "ADDING.md"] {
            let text = std::fs::read_to_string(corpus.root.join(page)).unwrap();
            for block in text.split("\n```\n").filter(|block| block.starts_with("# ") && block.contains("\nrfc: ")) {
                parse::parse(page, block, &|file| corpus.message(file)).unwrap();
                shown += 1;
            }
        }
        assert_eq!(shown, 2);
        let adding = std::fs::read_to_string(corpus.root.join("ADDING.md")).unwrap();
        assert!(adding.contains(corpus.source("imap/select/unselect-keeps").unwrap().trim()));
    }
}
