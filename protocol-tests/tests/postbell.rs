//! The transcripts against a freshly started Postbell: `cargo test --test conformance [FILTER …]`.
//!
//! A harness of its own, since the tests are files. It knows the arguments that people give to `cargo test`: filters,
//! `--exact`, `--list`, `--test-threads N`, and two of its own, `--split` and `--split-at PLACE`; others are ignored.

use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use protocol_tests::connection::Segments;
use protocol_tests::postbell::{self, Running};
use protocol_tests::report::lines::{self, Lines};
use protocol_tests::subject::Subject;
use protocol_tests::suite::{Corpus, Held, Options};

struct Server(Running);

impl AsRef<Subject> for Server {
    fn as_ref(&self) -> &Subject {
        &self.0.subject
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut options = Options { all_offered: true, ..Options::default() };
    let mut list = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--exact" => options.exact = true,
            "--list" => list = true,
            "--split" => options.segments = Segments::Octets,
            "--split-at" => {
                let place = arguments.next().and_then(|place| place.parse().ok()).expect("--split-at PLACE");
                options.segments = Segments::Two(place);
            }
            "--test-threads" => options.jobs = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(options.jobs),
            "--format" | "--color" | "--logfile" | "--skip" | "-Z" => drop(arguments.next()),
            flag if flag.starts_with('-') => {}
            filter => options.filters.push(filter.to_owned()),
        }
    }
    let corpus = Corpus::default();
    if list {
        return names(&corpus, &options);
    }
    let started = Arc::new(Mutex::new(Vec::new()));
    let provider = |configuration: String| -> Pin<Box<dyn Future<Output = _>>> {
        let configurations = corpus.root.join("configurations");
        let started = started.clone();
        Box::pin(async move {
            let binary = Path::new(env!("CARGO_BIN_EXE_postbell"));
            let server = Arc::new(Server(postbell::start(binary, &configuration, &configurations).await?));
            started.lock().unwrap_or_else(PoisonError::into_inner).push((configuration, server.clone()));
            let held: Held = server;
            Ok(held)
        })
    };
    let outcome = corpus.run(&options, &provider, &mut Lines).await;
    if let Ok(cases) = &outcome {
        print!("{}", lines::end(cases));
    }
    let servers = std::mem::take(&mut *started.lock().unwrap_or_else(PoisonError::into_inner));
    let mut all_ended_well = true;
    for (configuration, server) in servers {
        let ended = match Arc::into_inner(server) {
            Some(Server(running)) => running.stop().await,
            None => Err("a transcript still holds it".to_owned()),
        };
        if let Err(error) = ended {
            println!("the server that ran as {configuration}: {error}");
            all_ended_well = false;
        }
    }
    match outcome {
        Ok(cases) if !cases.iter().any(|case| case.verdict.is_failure()) && all_ended_well => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn names(corpus: &Corpus, options: &Options) -> ExitCode {
    match corpus.names() {
        Ok(names) => {
            for name in names.iter().filter(|name| options.wants(name)) {
                println!("{name}: test");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
