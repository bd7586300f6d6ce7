//! `postbell alias`: which addresses lead to others.
//!
//! The owner of the store answers, as for `postbell account`.

use clap::{Args, Subcommand};

use super::account::{existing, show};
use super::{Failure, Place};
use crate::server::control::Question;

#[derive(Debug, Args)]
pub(super) struct AliasArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Let an address lead to others, beside those that it leads to already
    Add {
        /// An address: info@example.org; or all of a domain that are nobody's: @example.org
        address: String,
        /// Accounts or aliases of this server; or, where all of a domain lead to another domain: @example.org
        #[arg(required = true)]
        targets: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Let it lead no longer to these; without them it is no alias any more
    Remove {
        /// The address
        address: String,
        /// Those that it leads to no longer
        targets: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Name all aliases, and those that lead to nobody
    List {
        #[command(flatten)]
        place: Place,
        /// As one JSON list, for programs
        #[arg(long)]
        json: bool,
    },
}

impl AliasArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Add { address, targets, place } => show(&existing(place)?, Question::AddAlias { address, targets }),
            Action::Remove { address, targets, place } => {
                show(&existing(place)?, Question::RemoveAlias { address, targets })
            }
            Action::List { place, json } => show(&existing(place)?, Question::ListAliases { json }),
        }
    }
}
