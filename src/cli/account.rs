//! `postbell account`: who has mail here.
//!
//! Where a server owns the store, it is asked through its control socket; else the store is opened and the same answers
//! are given here ([`Owner`]). A password comes from a prompt or from standard input, never from the command line, where
//! every user of the machine can read it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Failure, Place, password, small_runtime};
use crate::auth::credentials_from_password;
use crate::config::Config;
use crate::server::control::{self, Answer, Owner, Question};
use crate::server::open_store;
use crate::store::{Credentials, Quota, Store};

#[derive(Debug, Args)]
pub(super) struct AccountArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an account with its INBOX and, unless the configuration says otherwise, mailboxes for drafts, sent mail and the like
    Add {
        /// A full address: alice@example.org
        address: String,
        #[command(flatten)]
        place: Place,
        /// Read the password from standard input: its first line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give an account another password
    Passwd {
        /// A full address: alice@example.org
        address: String,
        #[command(flatten)]
        place: Place,
        /// Read the password from standard input: its first line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Name all accounts
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Show how much an account holds and may hold, or change how much it may
    Quota {
        /// A full address: alice@example.org
        address: String,
        #[command(flatten)]
        place: Place,
        /// It may hold so many octets; 0: no limit. What is not named of the two is not limited
        #[arg(long, value_name = "NUMBER", conflicts_with = "default")]
        octets: Option<u64>,
        /// It may hold so many messages; 0: no limit
        #[arg(long, value_name = "NUMBER", conflicts_with = "default")]
        messages: Option<u64>,
        /// It has the limits of the configuration again
        #[arg(long)]
        default: bool,
    },
    /// Remove an account with all its mail
    Remove {
        /// A full address: alice@example.org
        address: String,
        #[command(flatten)]
        place: Place,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

impl AccountArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Add { address, place, password_stdin } => {
                let place = place.resolve()?;
                let credentials = new_credentials(&address, password_stdin)?;
                show(&place, Question::AddAccount { address, credentials })
            }
            Action::Passwd { address, place, password_stdin } => {
                let place = existing(place)?;
                let credentials = new_credentials(&address, password_stdin)?;
                show(&place, Question::SetCredentials { address, credentials })
            }
            Action::List { place } => show(&existing(place)?, Question::ListAccounts),
            Action::Quota { address, place, octets, messages, default } => {
                let place = existing(place)?;
                let limit = |limit: Option<u64>| limit.filter(|limit| *limit > 0);
                let question = match (octets, messages, default) {
                    (None, None, false) => Question::ShowQuota { address },
                    (_, _, true) => Question::SetQuota { address, quota: None },
                    _ => {
                        let quota = Quota { octets: limit(octets), messages: limit(messages) };
                        Question::SetQuota { address, quota: Some(quota) }
                    }
                };
                show(&place, question)
            }
            Action::Remove { address, place, yes } => {
                let place = existing(place)?;
                if !yes && !password::confirm(&format!("Remove {address} and all its mail?"))? {
                    return Err(Failure::new("nothing was removed"));
                }
                show(&place, Question::RemoveAccount { address })
            }
        }
    }
}

/// Where there is a store already: only the first account makes one, and a folder that was misspelt stays unmade.
pub(super) fn existing(place: Place) -> Result<(PathBuf, Option<Config>), Failure> {
    let place = place.resolve()?;
    if Store::is_in(&place.0) {
        Ok(place)
    } else {
        Err(Failure::new(format_args!("there is no store in {}", place.0.display())))
    }
}

fn new_credentials(address: &str, from_stdin: bool) -> Result<Credentials, Failure> {
    let password = if from_stdin { password::from_stdin()? } else { password::new_from_terminal(address)? };
    credentials_from_password(&password).map_err(Failure::new)
}

/// Asks, and prints the answer.
pub(super) fn show(place: &(PathBuf, Option<Config>), question: Question) -> Result<(), Failure> {
    for line in ask(place, question)? {
        println!("{line}");
    }
    Ok(())
}

/// Has the owner of the store answer, or becomes it for a moment.
pub(super) fn ask((data_dir, config): &(PathBuf, Option<Config>), question: Question) -> Result<Vec<String>, Failure> {
    let asked = control::ask(data_dir, &question)
        .map_err(|error| Failure::new(format_args!("{}: {error}", control::path(data_dir).display())))?;
    let answer = match asked {
        Some(answer) => answer,
        None => answer_here(data_dir, config.as_ref(), question)?,
    };
    match answer {
        Answer::Done(lines) => Ok(lines),
        Answer::Refused(reason) => Err(Failure::new(reason)),
    }
}

fn answer_here(data_dir: &Path, config: Option<&Config>, question: Question) -> Result<Answer, Failure> {
    let options = config.map(|config| config.store.clone()).unwrap_or_default();
    let store = open_store(data_dir, options)?;
    let owner = Owner::new(
        store.clone(),
        config.map(|config| config.membership.clone()),
        config.map(|config| config.addresses.clone()).unwrap_or_default(),
    );
    small_runtime()?.block_on(async {
        let answer = owner.answer(question).await;
        store.close().await.map_err(Failure::new)?;
        Ok(answer)
    })
}
