//! Runs a script over one message, and says what is to be done with it (RFC 5228 §2.10).
//!
//! Nothing is done here, so a script that fails half way has done nothing: all that is left of it then is the keep that RFC
//! 5228 §2.10.6 wants. Two copies for one mailbox are one (§2.10.3), with the flags that were given last (RFC 5232 §3).

mod address;
mod conditions;
mod fields;

pub use address::Path;

use self::fields::Fields;
use super::flags::Flags;
use super::matcher::{Budget, Spent};
use super::position::{At, Position};
use super::program::{Script, Step};
use super::{ACTIONS_MAX, REDIRECTS_MAX, STEPS_MAX};
use crate::message::HEADER_OCTETS_MAX;

/// A message, as far as scripts look at it.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'m> {
    /// Its header; what stands behind the blank line is not looked at.
    pub header: &'m [u8],
    /// The octets of all of it (§5.9).
    pub octets: u64,
    /// The reverse-path; `None`: the null one.
    pub from: Option<&'m Path>,
    /// The forward-path by which it came to this account.
    pub to: &'m Path,
    /// The characters any of which separates a user from the detail (RFC 5233 §4), all of them US-ASCII; none: nothing does.
    pub separators: &'m str,
}

/// What a script may ask about the mailboxes of its account. Names are as scripts have them: any text.
pub trait Mailboxes {
    /// Whether there is a mailbox of that name (RFC 5490 §3.1).
    fn exists(&self, name: &str) -> bool;

    /// Whether that mailbox, or any where none is named, has that special use, written as in IMAP: `\Junk` (RFC 8579 §3.1).
    fn has_special_use(&self, name: Option<&str>, special_use: &str) -> bool;
}

/// An account of which nothing is known but that it has an INBOX.
#[derive(Clone, Copy, Debug)]
pub struct NoMailboxes;

impl Mailboxes for NoMailboxes {
    fn exists(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case("INBOX")
    }

    fn has_special_use(&self, _: Option<&str>, _: &str) -> bool {
        false
    }
}

/// What is to be done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// All of it; nothing, where the message is to be thrown away.
    pub actions: Vec<Action>,
    /// Why the script was given up. What is to be done then is to keep the message.
    pub failure: Option<Failure>,
}

/// Something that is to be done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// File it where it would be filed without a script (§4.3).
    Keep {
        /// With these flags.
        flags: Flags,
        /// The script did not say so: it is what is done where a script does nothing else (§2.10.2).
        implicit: bool,
    },
    /// File it there (§4.1).
    FileInto(FileInto),
    /// Deliver it to that address instead (§4.2).
    Redirect {
        /// Where the script says so.
        position: Position,
        /// To whom.
        to: Path,
    },
}

/// See [`Action::FileInto`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInto {
    /// Where the script says so.
    pub position: Position,
    /// Into the mailbox of that name; any text.
    pub mailbox: String,
    /// Into that with this special use, written as in IMAP, where there is one (RFC 8579 §4).
    pub special_use: Option<String>,
    /// Make it, if it is not there (RFC 5490 §3.2).
    pub create: bool,
    /// With these flags.
    pub flags: Flags,
}

/// Why a script was given up while it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub position: Position,
    /// What was wrong.
    pub text: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.position, self.text)
    }
}

impl Script {
    /// Runs it over a message. Never fails otherwise than by its outcome; costs no more than [`STEPS_MAX`] allows, and memory
    /// in the measure of the header.
    pub fn run(&self, mail: &Mail<'_>, mailboxes: &dyn Mailboxes) -> Outcome {
        if mail.header.len() > HEADER_OCTETS_MAX as usize {
            return self
                .given_up(Halt { at: At(0), text: format!("the header has more than {HEADER_OCTETS_MAX} octets") });
        }
        let mut run = Run {
            mail,
            mailboxes,
            fields: Fields::new(mail.header),
            budget: Budget(STEPS_MAX),
            flags: Flags::default(),
            decisions: Vec::new(),
            implicit_keep: true,
        };
        match run.steps(&self.steps) {
            Ok(_) => {
                if run.implicit_keep && !run.decisions.iter().any(|decision| matches!(decision, Decision::Keep { .. }))
                {
                    run.decisions.push(Decision::Keep { flags: std::mem::take(&mut run.flags), implicit: true });
                }
                let actions = run.decisions.into_iter().map(|decision| self.action(decision)).collect();
                Outcome { actions, failure: None }
            }
            Err(halt) => self.given_up(halt),
        }
    }

    fn given_up(&self, halt: Halt) -> Outcome {
        let failure = Failure { position: Position::of(&self.source, halt.at), text: halt.text };
        Outcome { actions: vec![Action::Keep { flags: Flags::default(), implicit: true }], failure: Some(failure) }
    }

    fn action(&self, decision: Decision) -> Action {
        match decision {
            Decision::Keep { flags, implicit } => Action::Keep { flags, implicit },
            Decision::FileInto { at, mailbox, special_use, create, flags } => {
                let position = Position::of(&self.source, at);
                Action::FileInto(FileInto { position, mailbox, special_use, create, flags })
            }
            Decision::Redirect { at, to } => Action::Redirect { position: Position::of(&self.source, at), to },
        }
    }
}

/// An [`Action`] while the script runs.
enum Decision {
    Keep { flags: Flags, implicit: bool },
    FileInto { at: At, mailbox: String, special_use: Option<String>, create: bool, flags: Flags },
    Redirect { at: At, to: Path },
}

/// The script is given up.
struct Halt {
    at: At,
    text: String,
}

impl Halt {
    fn spent(at: At) -> impl Fn(Spent) -> Halt {
        move |Spent| Halt { at, text: "the script takes too long over this message".to_owned() }
    }
}

/// Whether the script goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Stop,
}

/// A script that runs.
struct Run<'r> {
    mail: &'r Mail<'r>,
    mailboxes: &'r dyn Mailboxes,
    fields: Fields<'r>,
    budget: Budget,
    /// The internal variable of RFC 5232 §3.
    flags: Flags,
    decisions: Vec<Decision>,
    implicit_keep: bool,
}

impl Run<'_> {
    fn steps(&mut self, steps: &[Step]) -> Result<Flow, Halt> {
        for step in steps {
            if self.step(step)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::On)
    }

    fn step(&mut self, step: &Step) -> Result<Flow, Halt> {
        match step {
            Step::If { branches, otherwise } => {
                for (test, steps) in branches {
                    if self.test(test)? {
                        return self.steps(steps);
                    }
                }
                return self.steps(otherwise);
            }
            Step::Stop => return Ok(Flow::Stop),
            Step::Discard => self.implicit_keep = false,
            Step::Keep { at, flags } => self.keep(*at, flags)?,
            Step::FileInto { copy, .. } => {
                self.implicit_keep &= *copy;
                self.file_into(step)?;
            }
            Step::Redirect { at, to, copy } => {
                self.implicit_keep &= *copy;
                self.redirect(*at, to)?;
            }
            Step::SetFlag(flags) => self.flags = flags.clone(),
            Step::AddFlag(flags) => self.flags.add(flags),
            Step::RemoveFlag(flags) => self.flags.remove(flags),
        }
        Ok(Flow::On)
    }

    fn keep(&mut self, at: At, flags: &Option<Flags>) -> Result<(), Halt> {
        self.implicit_keep = false;
        let flags = flags.clone().unwrap_or_else(|| self.flags.clone());
        for decision in &mut self.decisions {
            if let Decision::Keep { flags: there, .. } = decision {
                *there = flags;
                return Ok(());
            }
        }
        self.decide(at, Decision::Keep { flags, implicit: false })
    }

    fn file_into(&mut self, step: &Step) -> Result<(), Halt> {
        let Step::FileInto { at, mailbox, create, flags, special_use, .. } = step else { return Ok(()) };
        let flags = flags.clone().unwrap_or_else(|| self.flags.clone());
        for decision in &mut self.decisions {
            if let Decision::FileInto { mailbox: name, special_use: of, flags: there, create: made, .. } = decision
                && (&*name, &*of) == (mailbox, special_use)
            {
                *there = flags;
                *made |= create;
                return Ok(());
            }
        }
        let (at, mailbox, special_use, create) = (*at, mailbox.clone(), special_use.clone(), *create);
        self.decide(at, Decision::FileInto { at, mailbox, special_use, create, flags })
    }

    fn redirect(&mut self, at: At, to: &Path) -> Result<(), Halt> {
        let mut redirects = 0;
        for decision in &self.decisions {
            if let Decision::Redirect { to: there, .. } = decision {
                if there == to {
                    return Ok(());
                }
                redirects += 1;
            }
        }
        if redirects == REDIRECTS_MAX {
            let text = format!("a script redirects a message to at most {REDIRECTS_MAX} addresses");
            return Err(Halt { at, text });
        }
        self.decide(at, Decision::Redirect { at, to: to.clone() })
    }

    fn decide(&mut self, at: At, decision: Decision) -> Result<(), Halt> {
        if self.decisions.len() == ACTIONS_MAX {
            return Err(Halt { at, text: format!("a script takes at most {ACTIONS_MAX} actions over a message") });
        }
        self.decisions.push(decision);
        Ok(())
    }
}
