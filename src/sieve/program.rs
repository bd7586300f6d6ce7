//! What a script means: the commands of RFC 5228 and of its extensions, checked and ready to run. There are no variables, so
//! all strings are what they are.

use super::compile::compile;
use super::flags::Flags;
use super::matcher::Matcher;
use super::position::{At, Position, Problem};
use super::run::Path;

/// A script that may be run.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) source: Vec<u8>,
    pub(super) steps: Vec<Step>,
    pub(super) warnings: Vec<Problem>,
    /// All that `redirect` names.
    pub(super) redirects: Vec<(At, Path)>,
    /// All that `fileinto` and tests name, and whether it has to be there.
    pub(super) mailboxes: Vec<(At, String, bool)>,
}

/// A mailbox that a script names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedMailbox<'s> {
    /// Where.
    pub position: Position,
    /// How; any text.
    pub name: &'s str,
    /// Messages are filed there, and where it is missing that fails.
    pub has_to_be_there: bool,
}

impl Script {
    /// Reads and checks a script.
    ///
    /// Errors: what is wrong with it, in the order in which it stands there, at least one; where the grammar is broken, the
    /// first place alone.
    pub fn new(script: &[u8]) -> Result<Script, Vec<Problem>> {
        compile(script)
    }

    /// What may be a mistake, though the script runs.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The addresses that it redirects to, and where it does.
    pub fn redirects(&self) -> impl Iterator<Item = (Position, &Path)> {
        self.redirects.iter().map(|(at, path)| (Position::of(&self.source, *at), path))
    }

    /// The mailboxes that it names, and where it does.
    pub fn mailboxes(&self) -> impl Iterator<Item = NamedMailbox<'_>> {
        self.mailboxes.iter().map(|(at, name, has_to_be_there)| NamedMailbox {
            position: Position::of(&self.source, *at),
            name,
            has_to_be_there: *has_to_be_there,
        })
    }
}

/// A command, as it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `if`, `elsif`, `else`: the first whose test is true.
    If {
        branches: Vec<(Test, Vec<Step>)>,
        otherwise: Vec<Step>,
    },
    Stop,
    Keep {
        at: At,
        flags: Option<Flags>,
    },
    Discard,
    FileInto {
        at: At,
        mailbox: String,
        create: bool,
        copy: bool,
        flags: Option<Flags>,
        special_use: Option<String>,
    },
    Redirect {
        at: At,
        to: Path,
        copy: bool,
    },
    SetFlag(Flags),
    AddFlag(Flags),
    RemoveFlag(Flags),
}

/// A test, as it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) at: At,
    pub(super) kind: TestKind,
}

/// See [`Test`]. Names of header fields are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TestKind {
    True,
    False,
    Not(Box<Test>),
    AllOf(Vec<Test>),
    AnyOf(Vec<Test>),
    Exists { names: Vec<Vec<u8>> },
    Size { over: bool, limit: u64 },
    Header { names: Vec<Vec<u8>>, matcher: Matcher },
    Address { names: Vec<Vec<u8>>, part: AddressPart, matcher: Matcher },
    Envelope { parts: Vec<EnvelopePart>, part: AddressPart, matcher: Matcher },
    HasFlag { matcher: Matcher },
    MailboxExists { names: Vec<String> },
    SpecialUseExists { mailbox: Option<String>, uses: Vec<String> },
}

/// What of an address is looked at (RFC 5228 §2.7.4, RFC 5233 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AddressPart {
    #[default]
    All,
    LocalPart,
    Domain,
    User,
    Detail,
}

/// What of the envelope is looked at (RFC 5228 §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvelopePart {
    From,
    To,
}
