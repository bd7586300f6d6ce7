//! What a person types. Each subcommand is a file.
//!
//! Exit codes: 0 done; 1 failed; 2 not understood; 69 a port or a socket is taken; 78 the configuration is wrong (sysexits(3) for
//! the last two); `deliver` has those of sysexits(3) alone. What went wrong stands on standard error, in one line where one line can say it.

mod account;
mod alias;
mod check;
mod deliver;
mod demo;
mod dev;
mod live;

mod log;
mod password;
mod ready;
mod serve;
mod sieve;
mod signal;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config};
use crate::server::StartError;

#[derive(Debug, Parser)]
#[command(name = "postbell", version, about = "A mail server that rings the moment a message is safe.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try it: everything on loopback, no configuration, any recipient, any password
    Dev(dev::Dev),

    /// Run it for real, from a configuration file
    Serve(serve::Serve),
    /// Add, change, list and remove accounts, beside a running server too
    Account(account::AccountArgs),
    /// Give accounts rules for their mail, or try rules on a message
    Sieve(sieve::Sieve),
    /// Add, remove and list addresses that lead to others, beside a running server too
    Alias(alias::AliasArgs),
    /// Deliver a message from standard input, as a mail server's or a script's last step, beside a running server too
    Deliver(deliver::Deliver),
    /// Verify a store that no server has open, and say what was found
    Check(check::Check),
}

/// Runs what the command line asks for.
pub fn run() -> ExitCode {
    // Says itself what it does not understand, and ends with 2; or with 0 after --help.
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return not_understood(&error),
    };
    let outcome = match command {
        Command::Dev(dev) => dev.run(),

        Command::Serve(serve) => serve.run(),
        Command::Account(account) => account.run(),
        Command::Sieve(sieve) => sieve.run(),
        Command::Alias(alias) => alias.run(),
        Command::Deliver(deliver) => deliver.run(),
        Command::Check(check) => check.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("postbell: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

/// Says what clap has to say, help too, and how the process is to end.
fn not_understood(error: &clap::Error) -> ExitCode {
    // Where nobody listens, there is the exit code.
    let _ = error.print();
    match error.exit_code() {
        // Who runs this one knows sysexits(3) alone.
        2 if std::env::args_os().nth(1).is_some_and(|command| command == "deliver") => ExitCode::from(deliver::USAGE),
        code => ExitCode::from(u8::try_from(code).unwrap_or(Failure::FAILED)),
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
struct Failure {
    code: u8,
    what: String,
}

impl Failure {
    /// It was understood, and went wrong.
    const FAILED: u8 = 1;
    /// It was not understood.
    const USAGE: u8 = 2;
    /// EX_UNAVAILABLE: a port or a socket is taken.
    const PORT_TAKEN: u8 = 69;
    /// EX_CONFIG: the configuration is wrong.
    const CONFIG: u8 = 78;

    fn new(what: impl fmt::Display) -> Self {
        Self { code: Self::FAILED, what: what.to_string() }
    }

    fn usage(what: impl fmt::Display) -> Self {
        Self { code: Self::USAGE, what: what.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self { code: Self::CONFIG, what: error.to_string() }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match error {
            StartError::PortTaken { .. } | StartError::SocketTaken { .. } => Self::PORT_TAKEN,
            StartError::Tls(_) => Self::CONFIG,
            _ => Self::FAILED,
        };
        Self { code, what: error.to_string() }
    }
}

/// Which store is meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// The server's configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Place {
    /// The data folder, and the configuration where that is known.
    fn resolve(self) -> Result<(PathBuf, Option<Config>), Failure> {
        match (self.config, self.data) {
            (Some(file), _) => {
                let config = Config::load(&file)?;
                Ok((config.data_dir.clone(), Some(config)))
            }
            (None, Some(data)) => Ok((data, None)),
            (None, None) => Err(Failure::usage("say --config FILE or --data DIR")),
        }
    }
}

/// A runtime for a command that only passes by.
fn small_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
