//! `run`: the transcripts against a server, by its addresses.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use protocol_tests::connection::Segments;
use protocol_tests::known;
use protocol_tests::outcome::{Case, Verdict};
use protocol_tests::report::progress::Progress;
use protocol_tests::report::{About, human, json, junit, markdown};
use protocol_tests::subject::Subject;
use protocol_tests::suite::{Corpus, Held, Options};
use protocol_tests::transcript::Level;

use super::list::level;
use super::subject::Server;
use super::{print, suggestion};

/// What `--help` says of the exit code.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0  all that the server offers passed, or differs as --known says
  1  something failed
  2  nothing was run: wrong arguments, no server there, or nothing of it offered";

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    server: Server,
    /// How many transcripts at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// How often to run what measures a time
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Send everything octet by octet
    #[arg(long, conflicts_with = "split_at")]
    split: bool,
    /// Cut everything that is sent in two, behind its first octet for 0, its second for 1, …
    #[arg(long, value_name = "PLACE")]
    split_at: Option<usize>,
    /// Only transcripts of this level: must or should
    #[arg(long, value_parser = level)]
    level: Option<Level>,
    /// Show the whole conversation of each, also where it passed
    #[arg(short, long)]
    verbose: bool,
    /// What the results are told as
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Where the results go; to standard output where no file is named
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only those with one of these in their names
    filters: Vec<String>,
}

/// What the results are told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Conversations that failed, a table, figures
    Human,
    /// One document, with a version of its schema
    Json,
    /// XML as continuous integration reads it
    Junit,
    /// A page
    Markdown,
}

/// A server that somebody else started.
struct Given(Subject);

impl AsRef<Subject> for Given {
    fn as_ref(&self) -> &Subject {
        &self.0
    }
}

impl Run {
    /// Whether all that is offered passed.
    pub(crate) async fn run(self) -> Result<bool, String> {
        let corpus = Corpus::default();
        let names = corpus.names()?;
        if let Some(filter) = self.filters.iter().find(|filter| !names.iter().any(|n| n.contains(filter.as_str()))) {
            return Err(format!("no transcript has {filter:?} in its name{}", suggestion(filter, &names)));
        }
        if self.level == Some(Level::Own) {
            return Err("what is Postbell's own choice, nobody else is held to: --level must or should".to_owned());
        }
        if let Some(file) = &self.output {
            // What comes out of a long run has to have a place.
            std::fs::write(file, "").map_err(|e| format!("{}: {e}", file.display()))?;
        }
        let found = self.server.find().await?;
        let about = About {
            server: found.name,
            version: found.version,
            addresses: found.places.into_iter().map(|(service, place)| (service.name(), place)).collect(),
            began: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            verbose: self.verbose,
        };
        let given: Held = Arc::new(Given(found.subject));
        let known = match &found.known {
            Some(file) => {
                let wrong = |error: String| format!("{}: {error}", file.display());
                let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
                known::parse(&text).map_err(wrong)?
            }
            None => known::Known::new(),
        };
        for nobody in known.keys().filter(|name| names.binary_search(name).is_err()) {
            eprintln!("protocol-tests: the list of known differences names {nobody}, and there is no such case");
        }
        let options = Options {
            filters: self.filters.clone(),
            jobs: usize::from(self.jobs),
            rounds: usize::from(self.rounds),
            level: self.level,
            segments: match self.split_at {
                Some(place) => Segments::Two(place),
                None if self.split => Segments::Octets,
                None => Segments::Whole,
            },
            known,
            ..Options::default()
        };
        let provider = |configuration: String| -> Pin<Box<dyn Future<Output = _>>> {
            let given = given.clone();
            Box::pin(async move {
                if configuration == "dev" { Ok(given) } else { Err(format!("a server configured as {configuration}")) }
            })
        };
        let cases = corpus.run(&options, &provider, &mut Progress::default()).await?;
        self.report(&about, &cases)?;
        let says_something = |case: &Case| !matches!(case.verdict, Verdict::NotOffered(_) | Verdict::OwnChoice);
        if !cases.iter().any(says_something) {
            return Err(match cases.first().map(|case| &case.verdict) {
                Some(Verdict::NotOffered(what)) => {
                    format!("nothing was run: no case is offered, the first for want of {what}")
                }
                _ => "nothing was run: no case is asked of this server".to_owned(),
            });
        }
        Ok(!cases.iter().any(|case| case.verdict.is_failure()))
    }

    fn report(&self, about: &About, cases: &[Case]) -> Result<(), String> {
        let text = match self.format {
            Format::Human => human::report(about, cases),
            Format::Json => json::report(about, cases).map_err(|error| error.to_string())?,
            Format::Junit => junit::report(about, cases),
            Format::Markdown => markdown::report(about, cases),
        };
        match &self.output {
            Some(file) => std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display())),
            None => print(&text),
        }
    }
}
