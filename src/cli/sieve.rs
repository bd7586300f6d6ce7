//! `postbell sieve`: the rules of an account, in the language of RFC 5228.
//!
//! `put`, `get` and `remove` ask whoever owns the store, as `account` does. `check` needs no store: it reads a script, says
//! what is wrong with it, and with a message, what the script would do with it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::account::{ask, existing};
use super::{Failure, Place};
use crate::message::header::header_octets;
use crate::server::control::Question;
use crate::sieve::{
    Action, FileInto, Flags, Mail, Mailboxes, NamedMailbox, Outcome, Problem, SCRIPT_OCTETS_MAX, Script,
};
use crate::store::canonical_name;

/// The largest message that is tried: more than any server takes by default.
const MESSAGE_OCTETS_MAX: u64 = 256 << 20;

#[derive(Debug, Args)]
pub(super) struct Sieve {
    #[command(subcommand)]
    action: SieveAction,
}

#[derive(Debug, Subcommand)]
enum SieveAction {
    /// Give an account this script, if nothing is wrong with it; it holds for the next message
    Put {
        /// A full address: alice@example.org
        address: String,
        /// The script; - is standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Print an account's script
    Get {
        /// A full address: alice@example.org
        address: String,
        #[command(flatten)]
        place: Place,
    },
    /// Take an account's script away: all its mail goes where it goes without rules
    Remove {
        /// A full address: alice@example.org
        address: String,
        #[command(flatten)]
        place: Place,
    },
    /// Say what is wrong with a script, and what it would do with a message; without a server
    Check(SieveCheck),
}

#[derive(Debug, Args)]
struct SieveCheck {
    /// The script; - is standard input
    file: PathBuf,
    /// Say what would become of this message
    #[arg(long, value_name = "FILE.eml")]
    message: Option<PathBuf>,
    /// Its sender in the envelope; <> or nothing: none
    #[arg(long, value_name = "ADDRESS", default_value = "", requires = "message")]
    from: String,
    /// Its recipient in the envelope, with its +detail
    #[arg(long, value_name = "ADDRESS", default_value = "alice@example.org", requires = "message")]
    to: String,
    /// The characters that separate a user from its +detail, as the configuration's subaddress_separators
    #[arg(long, value_name = "CHARACTERS", default_value = "+", requires = "message")]
    separators: String,
    /// The account has this mailbox, with this special use: Spam or Spam=\Junk; can be said again
    #[arg(long = "mailbox", value_name = "NAME[=USE]", requires = "message")]
    mailboxes: Vec<String>,
}

impl Sieve {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.action {
            SieveAction::Put { address, file, place } => {
                let place = existing(place)?;
                let text = read(&file, SCRIPT_OCTETS_MAX as u64)?;
                compile(&file, &text)?;
                // It has been read as UTF-8.
                let script = String::from_utf8(text).map_err(Failure::new)?;
                for warning in ask(&place, Question::SetScript { address, script: Some(script) })? {
                    eprintln!("{}:{warning}", file.display());
                }
                Ok(())
            }
            SieveAction::Get { address, place } => {
                let script = ask(&existing(place)?, Question::ShowScript { address })?.concat();
                io::stdout().write_all(script.as_bytes()).map_err(Failure::new)
            }
            SieveAction::Remove { address, place } => {
                ask(&existing(place)?, Question::SetScript { address, script: None }).map(drop)
            }
            SieveAction::Check(check) => check.run(),
        }
    }
}

impl SieveCheck {
    fn run(self) -> Result<(), Failure> {
        let script = compile(&self.file, &read(&self.file, SCRIPT_OCTETS_MAX as u64)?)?;
        for warning in script.warnings() {
            tell(&self.file, warning, "warning: ");
        }
        for (position, path) in script.redirects() {
            let text = format!("{path} has to be an address of the same server; mail for others is kept instead");
            tell(&self.file, &Problem { position, text }, "warning: ");
        }
        for NamedMailbox { position, name, .. } in script.mailboxes() {
            if let Err(error) = canonical_name(name) {
                tell(&self.file, &Problem { position, text: format!("{name:?}: {error}") }, "warning: ");
            }
        }
        let Some(file) = &self.message else { return Ok(()) };
        let message = read(file, MESSAGE_OCTETS_MAX)?;
        let (from, to) = (path(&self.from), path(&self.to).ok_or_else(|| Failure::usage("--to needs an address"))?);
        let header = &message[..header_octets(&message)];
        let mail =
            Mail { header, octets: message.len() as u64, from: from.as_ref(), to: &to, separators: &self.separators };
        let outcome = script.run(&mail, &Told::new(&self.mailboxes));
        for line in explain(&outcome) {
            println!("{line}");
        }
        match outcome.failure {
            None => Ok(()),
            Some(failure) => Err(Failure::new(format_args!("{}:{failure}", self.file.display()))),
        }
    }
}

/// What is to be done, a line each.
fn explain(outcome: &Outcome) -> Vec<String> {
    if outcome.actions.is_empty() {
        return vec!["throw it away".to_owned()];
    }
    let line = |action: &Action| match action {
        Action::Keep { flags, implicit: true } => format!("keep it{}, as no rule decides", with(flags)),
        Action::Keep { flags, implicit: false } => format!("keep it{}", with(flags)),
        Action::FileInto(FileInto { position, mailbox, special_use, create, flags }) => {
            let place = match special_use {
                Some(special_use) => format!("the mailbox for {special_use}, else {mailbox:?}"),
                None => format!("{mailbox:?}"),
            };
            let made = if *create { ", which is made if it is not there" } else { "" };
            format!("file it into {place}{made}{} (line {})", with(flags), position.line)
        }
        Action::Redirect { position, to } => format!("deliver it to {to} (line {})", position.line),
    };
    outcome.actions.iter().map(line).collect()
}

fn with(flags: &Flags) -> String {
    let flags: Vec<_> = flags.iter().collect();
    if flags.is_empty() { String::new() } else { format!(" with {}", flags.join(" ")) }
}

/// Reads a script, or tells all that is wrong with it.
fn compile(file: &Path, text: &[u8]) -> Result<Script, Failure> {
    Script::new(text).map_err(|problems| {
        for problem in &problems {
            tell(file, problem, "");
        }
        let count = if problems.len() == 1 { "a mistake".to_owned() } else { format!("{} mistakes", problems.len()) };
        Failure::new(format_args!("{}: {count} in this script", file.display()))
    })
}

fn tell(file: &Path, Problem { position, text }: &Problem, kind: &str) {
    eprintln!("{}:{position}: {kind}{text}", file.display());
}

/// A file's octets, or those of standard input. A longer one is read no further than it takes to see that it is.
fn read(file: &Path, octets_max: u64) -> Result<Vec<u8>, Failure> {
    let source: io::Result<Box<dyn Read>> = match file.to_str() {
        Some("-") => Ok(Box::new(io::stdin())),
        _ => File::open(file).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let mut octets = Vec::new();
    let read = source.and_then(|source| source.take(octets_max + 1).read_to_end(&mut octets));
    read.map_err(|error| Failure::new(format_args!("{}: {error}", file.display())))?;
    Ok(octets)
}

/// An address of the envelope as a person writes it; `None`: the null one.
fn path(text: &str) -> Option<crate::sieve::Path> {
    let text = text.trim().trim_start_matches('<').trim_end_matches('>');
    let (local_part, domain) = text.rsplit_once('@').unwrap_or((text, ""));
    let path = crate::sieve::Path { local_part: local_part.to_owned(), domain: domain.to_owned() };
    (!path.local_part.is_empty()).then_some(path)
}

/// The mailboxes that are named on the command line, and INBOX.
struct Told(Vec<(String, String)>);

impl Told {
    fn new(mailboxes: &[String]) -> Told {
        let split = |text: &String| {
            let (name, special_use) = text.rsplit_once("=\\").unwrap_or((text, ""));
            (canonical_name(name).unwrap_or_else(|_| name.to_owned()), special_use.to_owned())
        };
        Told(mailboxes.iter().map(split).chain([("INBOX".to_owned(), String::new())]).collect())
    }
}

impl Mailboxes for Told {
    fn exists(&self, name: &str) -> bool {
        canonical_name(name).is_ok_and(|name| self.0.iter().any(|(there, _)| *there == name))
    }

    fn has_special_use(&self, name: Option<&str>, special_use: &str) -> bool {
        let Some(special_use) = special_use.strip_prefix('\\') else { return false };
        let name = name.map(|name| canonical_name(name).unwrap_or_default());
        let is_it = |there: &str| name.as_ref().is_none_or(|name| name == there);
        self.0.iter().any(|(there, of)| is_it(there) && of.eq_ignore_ascii_case(special_use))
    }
}
