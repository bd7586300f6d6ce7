//! Every transcript, with what the client sends cut in two behind every octet: the conversation is the same.
//!
//! The transcripts are run against Postbell's own drivers in this process, over connections in memory and in virtual time:
//! the first part has been taken in and all that follows from it is done before the second part comes, which over a network
//! could only be hoped for; and thousands of conversations take as long as one does over TCP.
//!
//! What a line sends is cut at one place in a run, and all its lines are: so there are as many runs as the longest of them
//! has octets, less one. Of one that is longer than some hundred, the message of a DATA command, some are tried beyond that:
//! [`protocol_tests::places`] says which.
//!
//! ```text
//! cargo test --test splits                             each transcript, cut at one place
//! POSTBELL_SPLITS=all cargo test --test splits         at all places, with a line for each folder that is done
//! POSTBELL_SPLITS=17 cargo test --test splits          at that one
//! POSTBELL_SPLITS_OF=imap/idle …                       those with this in their names
//! ```
//!
//! Not cut is what a transcript sends as `C raw:`, which is meant to arrive together, and what the runner says by itself
//! (logins, deliveries). Not here, but in `cargo test --test conformance -- --split-at PLACE`, is what needs a DNS, a
//! proxy, or the time that a processor takes.

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol_tests::connection::Segments;
use protocol_tests::outcome::{Case, Ended, Outcome};
use protocol_tests::report::conversation;
use protocol_tests::run;
use protocol_tests::suite::Corpus;
use protocol_tests::transcript::Transcript;
use tokio::task::LocalSet;

use self::server::{Server, can_be_in_memory, start};

/// Where a transcript sends so much at once, a server has one run only: it would keep hundreds of such messages.
const LARGE_OCTETS: usize = 100_000;

/// What happens while a processor works, not while time passes: in virtual time it never does.
const TAKES_REAL_TIME: [&str; 1] = ["imap/inprogress/a-long-search-says-how-far-it-is"];

/// Which places are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Places {
    All,
    /// This one, of each.
    One(usize),
    /// One of each, another for each.
    Sample,
}

impl Places {
    fn asked_for() -> Self {
        match std::env::var("POSTBELL_SPLITS").as_deref() {
            Err(_) => Places::Sample,
            Ok("all") => Places::All,
            Ok(place) => Places::One(place.parse().expect("POSTBELL_SPLITS is `all` or a number")),
        }
    }

    /// Those of a transcript that can be cut at these.
    fn of(self, name: &str, all: &BTreeSet<usize>) -> Vec<usize> {
        match self {
            Places::All => all.iter().copied().collect(),
            Places::One(place) => vec![place],
            // The same for the same name. Who sends nothing that is cut has nothing to show.
            Places::Sample => {
                let drawn = name.bytes().fold(7_usize, |drawn, octet| drawn.wrapping_mul(31) + usize::from(octet));
                all.iter().nth(drawn % all.len().max(1)).copied().into_iter().collect()
            }
        }
    }
}

/// What came of a transcript.
#[derive(Debug, Default)]
struct Tried {
    /// How often it was run with cuts.
    cuts: usize,
    failures: Vec<String>,
}

fn report(transcript: &Transcript, how: Segments, ended: Ended) -> Option<String> {
    match ended.outcome {
        Outcome::Passed => None,
        Outcome::NotOffered(what) => Some(format!("{}: not offered: {what}", transcript.name)),
        Outcome::Failed(broken) => {
            let case = Case { conversation: ended.conversation, ..Case::of(transcript) };
            Some(format!("{how:?}: {}", conversation::broken(&case, &broken)))
        }
    }
}

/// Runs it once whole, and then cut at each of the places.
async fn cut(corpus: &Corpus, transcript: &Transcript, places: Places) -> Result<Tried, String> {
    let configurations = corpus.root.join("configurations");
    let fresh = async || start(&transcript.server, &configurations).await;
    let mut tried = Tried::default();
    let mut server: Server = fresh().await?;
    let whole = run::transcript(transcript, &server.subject, Segments::Whole).await;
    let places = places.of(&transcript.name, &whole.places);
    let is_large = whole.places.last().is_some_and(|last| *last > LARGE_OCTETS);
    if let Some(failure) = report(transcript, Segments::Whole, whole) {
        tried.failures.push(failure);
        return Ok(tried);
    }
    for place in places {
        // `dev` counts nothing that somebody else could have done; another may remember what the last run did.
        if transcript.server != "dev" || is_large {
            server.is_whole()?;
            server = fresh().await?;
        }
        tried.cuts += 1;
        let segments = Segments::Two(place);
        let ended = run::transcript(transcript, &server.subject, segments).await;
        if let Some(failure) = report(transcript, segments, ended) {
            tried.failures.push(failure);
            // One place says enough, as a rule, and a server after a failure is not what it should be.
            break;
        }
    }
    server.is_whole()?;
    Ok(tried)
}

/// The same, in a time of its own.
fn in_virtual_time(corpus: &Corpus, transcript: &Transcript, places: Places) -> Tried {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let tried = runtime.block_on(LocalSet::new().run_until(cut(corpus, transcript, places)));
    tried.unwrap_or_else(|why| Tried { cuts: 0, failures: vec![format!("{}: {why}", transcript.name)] })
}

/// What came of the transcripts of a folder so far.
#[derive(Debug, Default)]
struct Folder {
    transcripts: usize,
    /// Of which so many are not done.
    left: usize,
    cuts: usize,
    failures: usize,
    /// The time that passed here while they ran, of all threads together.
    took: Duration,
}

/// What came of all of them.
#[derive(Debug, Default)]
struct Progress {
    folders: BTreeMap<String, Folder>,
    failures: Vec<String>,
}

impl Progress {
    fn of(transcripts: &[Transcript]) -> Progress {
        let mut progress = Progress::default();
        for transcript in transcripts {
            let folder = progress.folders.entry(folder(&transcript.name).to_owned()).or_default();
            folder.transcripts += 1;
            folder.left += 1;
        }
        progress
    }

    /// Takes note of what came of one; the last one of a folder is the time to tell of it.
    fn note(&mut self, name: &str, tried: Tried, took: Duration) -> Option<String> {
        let folder = self.folders.get_mut(folder(name))?;
        folder.left -= 1;
        folder.cuts += tried.cuts;
        folder.failures += tried.failures.len();
        folder.took += took;
        self.failures.extend(tried.failures);
        (folder.left == 0).then(|| line(self::folder(name), folder))
    }

    fn total(&self) -> Folder {
        self.folders.values().fold(Folder::default(), |total, folder| Folder {
            transcripts: total.transcripts + folder.transcripts,
            left: total.left + folder.left,
            cuts: total.cuts + folder.cuts,
            failures: total.failures + folder.failures,
            took: total.took + folder.took,
        })
    }
}

fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn line(name: &str, Folder { transcripts, cuts, failures, took, .. }: &Folder) -> String {
    let seconds = took.as_secs_f64();
    format!("{name:20} {transcripts:5} transcripts {cuts:7} cuts {failures:4} failures {seconds:7.1} s")
}

/// Tells it at once, also where a test's output is kept back until it ends.
fn tell(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error takes a line");
}

#[test]
fn every_cut_gives_the_same_conversation() {
    let began = Instant::now();
    let corpus = Corpus::default();
    let configurations = corpus.root.join("configurations");
    let (places, only) = (Places::asked_for(), std::env::var("POSTBELL_SPLITS_OF").unwrap_or_default());
    let names = corpus.names().expect("transcripts");
    let names = names.into_iter().filter(|name| name.contains(&only));
    let transcripts: Vec<Transcript> = names.map(|name| corpus.read(&name).expect("a transcript")).collect();
    let (here, elsewhere): (Vec<_>, Vec<_>) = transcripts.into_iter().partition(|transcript| {
        can_be_in_memory(&transcript.server, &configurations) && !TAKES_REAL_TIME.contains(&transcript.name.as_str())
    });
    assert!(!here.is_empty(), "no transcript that can be in memory has {only:?} in its name");
    let (next, progress) = (AtomicUsize::new(0), Mutex::new(Progress::of(&here)));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(transcript) = here.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let tried = in_virtual_time(&corpus, transcript, places);
                    let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                    let done = progress.note(&transcript.name, tried, began.elapsed());
                    if let (Places::All, Some(line)) = (places, done) {
                        tell(&line);
                    }
                }
            });
        }
    });
    let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    tell(&line("all", &progress.total()));
    let (elsewhere, took) = (elsewhere.len(), began.elapsed().as_secs_f64());
    tell(&format!(
        "{took:.1} s with {workers} threads; {elsewhere} more transcripts need a network, or a processor's time"
    ));
    assert!(progress.failures.is_empty(), "{}", progress.failures.join("\n\n"));
}
