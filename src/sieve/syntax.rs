//! What the grammar of RFC 5228 §8.2 reads: commands, tests and their arguments, whatever they may mean.

use super::position::At;

/// `command = identifier arguments (";" / block)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) at: At,
    /// In lower case: identifiers have none (§2.4).
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) tests: Tests,
    pub(super) block: Option<Vec<Command>>,
}

/// `test = identifier arguments`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) at: At,
    /// In lower case.
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) tests: Tests,
}

/// `[ test / test-list ]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tests {
    None,
    One(Box<Test>),
    /// In parentheses; never empty.
    List(Vec<Test>),
}

/// `argument = string-list / number / tag`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) at: At,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Without its colon, in lower case.
    Tag(String),
    /// With its quantifier counted in.
    Number(u64),
    String(Text),
    /// In brackets; never empty.
    Strings(Vec<Text>),
}

/// What a string means: escapes undone, dots unstuffed, lines ending with CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) at: At,
    pub(super) text: String,
}
