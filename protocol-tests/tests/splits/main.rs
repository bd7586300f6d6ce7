//! Every transcript, with what the client sends cut in two behind every octet: the conversation is the same.
//!
//! The transcripts are run against Postbell's own drivers in this process, over connections in memory and in virtual time:
//! the first part has been taken in and all that follows from it is done before the second part comes, which over a network
//! could only be hoped for; and thousands of conversations take as long as one does over TCP.
//!
//! What a line sends is cut at one place in a run, and all its lines are: so there are as many runs as the longest of them
//! has octets, less one. Of one that is longer than some hundred, the message of a DATA command, some are tried beyond that.
//!
//! ```text
//! cargo test --test splits                             each transcript, cut at one place
//! POSTBELL_SPLITS=all cargo test --test splits         at all places
//! POSTBELL_SPLITS=17 cargo test --test splits          at that one
//! POSTBELL_SPLITS_OF=imap/idle …                       those with this in their names
//! ```
//!
//! Not cut is what a transcript sends as `C raw:`, which is meant to arrive together, and what the runner says by itself
//! (logins, deliveries). Not here, but in `cargo test --test conformance -- --split-at PLACE`, is what needs a DNS, a proxy, or the
//! time that a processor takes.

mod server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use protocol_tests::connection::Segments;
use protocol_tests::outcome::{Case, Ended, Outcome};
use protocol_tests::report::conversation;
use protocol_tests::run;
use protocol_tests::suite::Corpus;
use protocol_tests::transcript::Transcript;
use tokio::task::LocalSet;

use self::server::{Server, can_be_in_memory, start};

/// Up to so many octets every place is tried; beyond, so many that lie evenly, and the last few.
const EVERY_PLACE_OCTETS: usize = 300;
const BEYOND: usize = 50;
const LAST: usize = 8;

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

    /// The places of a transcript whose longest sending has so many octets.
    fn of(self, name: &str, longest: usize) -> Vec<usize> {
        let places = longest.saturating_sub(1);
        match self {
            Places::All => {
                let step = (places / BEYOND).max(1);
                let is_tried = |place: &usize| {
                    *place < EVERY_PLACE_OCTETS || place.is_multiple_of(step) || *place + LAST >= places
                };
                (0..places).filter(is_tried).collect()
            }
            Places::One(place) => vec![place],
            // The same for the same name.
            Places::Sample => {
                let drawn = name.bytes().fold(7_usize, |drawn, octet| drawn.wrapping_mul(31) + usize::from(octet));
                vec![drawn % places.max(1)]
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
    let longest = whole.longest_sending;
    if let Some(failure) = report(transcript, Segments::Whole, whole) {
        tried.failures.push(failure);
        return Ok(tried);
    }
    for place in places.of(&transcript.name, longest) {
        // `dev` counts nothing that somebody else could have done; another may remember what the last run did.
        if transcript.server != "dev" {
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

#[test]
fn every_cut_gives_the_same_conversation() {
    let corpus = Corpus::default();
    let configurations = corpus.root.join("configurations");
    let (places, only) = (Places::asked_for(), std::env::var("POSTBELL_SPLITS_OF").unwrap_or_default());
    let names = corpus.names().expect("transcripts");
    let names = names.into_iter().filter(|name| name.contains(&only));
    let transcripts: Vec<Transcript> = names.map(|name| corpus.read(&name).expect("a transcript")).collect();
    let (here, elsewhere): (Vec<_>, Vec<_>) = transcripts.into_iter().partition(|transcript| {
        can_be_in_memory(&transcript.server, &configurations) && !TAKES_REAL_TIME.contains(&transcript.name.as_str())
    });
    let (next, cuts, failures) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(transcript) = here.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tried = in_virtual_time(&corpus, transcript, places);
                    cuts.fetch_add(tried.cuts, Ordering::Relaxed);
                    failures.lock().unwrap_or_else(PoisonError::into_inner).extend(tried.failures);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{} transcripts, cut at {} places, of which {} failed; {} are not here",
        here.len(),
        cuts.into_inner(),
        failures.len(),
        elsewhere.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
