//! `protocol-tests`: holds a mail server to the transcripts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use protocol_tests::known;
use protocol_tests::subject::Subject;
use protocol_tests::suite::{Corpus, Options};
use protocol_tests::transcript::Service;

#[derive(Debug, Parser)]
#[command(version, about = "Conversations with mail servers that a person can read.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the transcripts against a server
    Run(Box<Run>),
    /// List the transcripts, with the rule that each shows and where it comes from
    List {
        /// Only those with one of these in their names
        filters: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// Where it speaks SMTP: HOST:PORT
    #[arg(long)]
    smtp: Option<SocketAddr>,
    /// Where it speaks SMTP for those who log in
    #[arg(long)]
    submission: Option<SocketAddr>,
    /// Where it speaks SMTP for those who log in, over TLS
    #[arg(long)]
    submissions: Option<SocketAddr>,
    /// Where it speaks LMTP
    #[arg(long)]
    lmtp: Option<SocketAddr>,
    /// Where it speaks IMAP
    #[arg(long)]
    imap: Option<SocketAddr>,
    /// Where it speaks IMAP over TLS
    #[arg(long)]
    imaps: Option<SocketAddr>,
    /// Where it speaks POP3
    #[arg(long)]
    pop3: Option<SocketAddr>,
    /// Where it speaks POP3 over TLS
    #[arg(long)]
    pop3s: Option<SocketAddr>,
    /// The accounts it takes: {n} becomes another number for each; all have to exist, or come into being
    #[arg(long, default_value = "t{n}@localhost")]
    user: String,
    /// The password of each account
    #[arg(long, default_value = "correct-horse")]
    password: String,
    /// What it takes over SMTP it passes on: a mailbox has it within the deadline, and not at once
    #[arg(long)]
    relay: bool,
    /// How many transcripts at once
    #[arg(long, default_value_t = 16)]
    jobs: usize,
    /// Send everything octet by octet
    #[arg(long)]
    split: bool,
    /// A file of transcripts that this server is known to fail: a line for each, its name and why; below it the sentence that it breaks
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// Only those with one of these in their names
    filters: Vec<String>,
}

/// A server that somebody else started.
struct Given(Subject);

impl AsRef<Subject> for Given {
    fn as_ref(&self) -> &Subject {
        &self.0
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => run.run().await,
        Command::List { filters } => list(filters),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("protocol-tests: {error}");
            ExitCode::from(2)
        }
    }
}

impl Run {
    async fn run(self) -> Result<bool, String> {
        let addresses: BTreeMap<Service, SocketAddr> = [
            (Service::Smtp, self.smtp),
            (Service::Submission, self.submission),
            (Service::Submissions, self.submissions),
            (Service::Lmtp, self.lmtp),
            (Service::Imap, self.imap),
            (Service::Imaps, self.imaps),
            (Service::Pop3, self.pop3),
            (Service::Pop3s, self.pop3s),
        ]
        .into_iter()
        .filter_map(|(service, address)| Some((service, address?)))
        .collect();
        let mut subject = Subject::new(addresses, &self.user, &self.password);
        subject.relay = self.relay;
        let given: Arc<dyn AsRef<Subject> + Send + Sync> = Arc::new(Given(subject));
        let known = match &self.known {
            Some(file) => std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?,
            None => String::new(),
        };
        let known = known::parse(&known).map_err(|e| format!("known differences: {e}"))?;
        let options =
            Options { filters: self.filters, jobs: self.jobs, split: self.split, known, ..Options::default() };
        let provider = |configuration: String| -> std::pin::Pin<Box<dyn Future<Output = _>>> {
            let given = given.clone();
            Box::pin(async move {
                if configuration == "dev" { Ok(given) } else { Err(format!("a server configured as {configuration}")) }
            })
        };
        let summary = Corpus::default().run(&options, &provider).await?;
        Ok(summary.failed == 0)
    }
}

fn list(filters: Vec<String>) -> Result<bool, String> {
    let corpus = Corpus::default();
    let options = Options { filters, ..Options::default() };
    for name in corpus.names()?.iter().filter(|name| options.wants(name)) {
        let transcript = corpus.read(name)?;
        println!("{name}\n    {} ({})", transcript.rule, transcript.rfc);
    }
    Ok(true)
}
