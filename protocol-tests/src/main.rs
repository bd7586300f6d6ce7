//! `protocol-tests`: holds a mail server to the transcripts.

mod command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use command::compare::Compare;
use command::coverage::CoverageOf;
use command::explain::Explain;
use command::list::List;
use command::run::Run;

#[derive(Debug, Parser)]
#[command(version, about = "Conversations with mail servers that a person can read.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the transcripts against a server
    #[command(after_help = command::run::EXIT_CODES)]
    Run(Box<Run>),
    /// List the transcripts, with the rule that each shows and where it comes from
    List(List),
    /// Tell of one transcript: its rule, where that stands, what it needs, the conversation, how to run it
    Explain(Explain),
    /// Put the results of several servers into a page, side by side
    Compare(Compare),
    /// Make docs/RFC.md: what Postbell does of each RFC, where, and which case shows it
    Coverage(CoverageOf),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => run.run().await,
        Command::List(list) => list.run().map(|()| true),
        Command::Explain(explain) => explain.run().map(|()| true),
        Command::Compare(compare) => compare.run().map(|()| true),
        Command::Coverage(coverage) => coverage.run(),
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
