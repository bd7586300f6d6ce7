//! Many transcripts, several at once, and the report: a line for each, then the conversations that failed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::known::Known;
use crate::run::{self, Outcome};
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
    /// Everything that is sent goes out octet by octet, as far as it is short enough for that.
    pub split: bool,
    /// What is not offered counts as a failure: for a server that promises all of it.
    pub all_offered: bool,
    /// Transcripts that this server is known to fail, and why: they are reported, and do not count as failures.
    pub known: Known,
}

impl Default for Options {
    fn default() -> Self {
        Options { filters: Vec::new(), exact: false, jobs: 16, split: false, all_offered: false, known: Known::new() }
    }
}

impl Options {
    /// Whether a test of this name is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.filters.is_empty()
            || self.filters.iter().any(|f| if self.exact { name == f } else { name.contains(f.as_str()) })
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
    /// Known to differ, and did.
    pub known: usize,
}

/// Gives the server that runs under a configuration; an error where there is none such.
pub type Provider<'a> =
    &'a dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Arc<dyn AsRef<Subject> + Send + Sync>, String>>>>;

/// No single transcript takes longer; one that does hangs.
const LONGEST: Duration = Duration::from_secs(120);

impl Corpus {
    /// All transcripts' names, sorted.
    pub fn names(&self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        collect(&self.root.join("transcripts"), "", &mut names)?;
        names.sort();
        Ok(names)
    }

    /// Reads one transcript.
    pub fn read(&self, name: &str) -> Result<Transcript, String> {
        let path = self.root.join("transcripts").join(format!("{name}.transcript"));
        let source = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let messages = self.root.join("messages");
        let find = |file: &str| std::fs::read(messages.join(file)).map_err(|e| format!("message {file}: {e}"));
        parse::parse(name, &source, &find).map_err(|e| e.to_string())
    }

    /// Runs the transcripts that `options` ask for, and prints the report.
    pub async fn run(&self, options: &Options, provider: Provider<'_>) -> Result<Summary, String> {
        let names: Vec<String> = self.names()?.into_iter().filter(|name| options.wants(name)).collect();
        println!("running {} transcripts", names.len());
        let room = Arc::new(Semaphore::new(options.jobs.max(1)));
        let mut subjects: BTreeMap<String, Result<Arc<dyn AsRef<Subject> + Send + Sync>, String>> = BTreeMap::new();
        let mut running = JoinSet::new();
        for name in names {
            let transcript = match self.read(&name) {
                Ok(transcript) => transcript,
                Err(error) => {
                    running.spawn(async move { (name, Outcome::Failed(error)) });
                    continue;
                }
            };
            if !subjects.contains_key(&transcript.server) {
                subjects.insert(transcript.server.clone(), provider(transcript.server.clone()).await);
            }
            let subject = subjects[&transcript.server].clone();
            let (room, split, promised) = (room.clone(), options.split, options.all_offered);
            running.spawn(async move {
                let _permit = room.acquire_owned().await;
                let outcome = match subject {
                    Ok(_) if transcript.level == Level::Own && !promised => {
                        Outcome::NotOffered("Postbell's own choice".to_owned())
                    }
                    Ok(subject) => one(&transcript, subject.as_ref().as_ref(), split).await,
                    Err(error) => Outcome::NotOffered(error),
                };
                (name, outcome)
            });
        }
        let (mut summary, mut failures, mut stale) = (Summary::default(), Vec::new(), Vec::new());
        while let Some(ended) = running.join_next().await {
            let (name, outcome) = ended.map_err(|e| format!("a transcript's task: {e}"))?;
            match outcome {
                Outcome::Passed => {
                    summary.passed += 1;
                    println!("test {name} ... ok");
                    if options.known.contains_key(&name) {
                        stale.push(name);
                    }
                }
                Outcome::NotOffered(what) if !options.all_offered => {
                    summary.not_offered += 1;
                    println!("test {name} ... not offered: {what}");
                }
                Outcome::NotOffered(what) => {
                    summary.failed += 1;
                    println!("test {name} ... FAILED: not offered: {what}");
                }
                Outcome::Failed(_) if options.known.contains_key(&name) => {
                    summary.known += 1;
                    println!("test {name} ... differs, as known: {}", options.known[&name]);
                }
                Outcome::Failed(report) => {
                    summary.failed += 1;
                    println!("test {name} ... FAILED");
                    failures.push((name, report));
                }
            }
        }
        failures.sort();
        for (_, report) in &failures {
            println!("\n---- {report}");
        }
        stale.sort();
        for name in &stale {
            println!("\nknown to differ, but passes: {name} ... {}", options.known[name]);
        }
        let known = if summary.known > 0 { format!(", {} known to differ", summary.known) } else { String::new() };
        println!("\n{} passed, {} failed, {} not offered{known}", summary.passed, summary.failed, summary.not_offered);
        Ok(summary)
    }
}

async fn one(transcript: &Transcript, subject: &Subject, split: bool) -> Outcome {
    let longest = LONGEST.mul_f64(subject.patience);
    match tokio::time::timeout(longest, run::transcript(transcript, subject, split)).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Failed(format!("{}: not done after {longest:?}", transcript.name)),
    }
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
