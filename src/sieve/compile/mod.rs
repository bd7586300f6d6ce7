//! From what the grammar reads to what can be run: which commands and tests there are, what they take, what they require.
//!
//! All of a script is checked, also what would never be reached (RFC 5228 §2.10.6 leaves it open), and all that is wrong is
//! told at once. What an extension brings is unknown to a script that does not require it (§2.10.5); the problem then says
//! which one is missing.

mod actions;
mod arguments;
mod conditions;

use std::collections::BTreeSet;

use super::encoded;
use super::parse;
use super::position::{At, Position, Problem};
use super::program::{Script, Step};
use super::run::Path;
use super::syntax::{Command, Tests, Text, Value};
use super::{EXTENSIONS, PROBLEMS_MAX};

/// Reads and checks a script.
pub(super) fn compile(source: &[u8]) -> Result<Script, Vec<Problem>> {
    let commands = parse::script(source)
        .map_err(|broken| vec![Problem { position: Position::of(source, broken.at), text: broken.text }])?;
    let mut compiler = Compiler {
        source,
        extensions: BTreeSet::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
        redirects: Vec::new(),
        mailboxes: Vec::new(),
    };
    let rest = compiler.requirements(&commands);
    let steps = compiler.steps(rest);
    let Compiler { mut problems, mut warnings, redirects, mailboxes, .. } = compiler;
    problems.sort();
    warnings.sort();
    match problems.is_empty() {
        true => Ok(Script { source: source.to_vec(), steps, warnings, redirects, mailboxes }),
        false => Err(problems),
    }
}

/// A script while it is checked.
struct Compiler<'s> {
    source: &'s [u8],
    /// What it requires.
    extensions: BTreeSet<&'static str>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    redirects: Vec<(At, Path)>,
    mailboxes: Vec<(At, String, bool)>,
}

impl Compiler<'_> {
    fn problem(&mut self, at: At, text: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { position: Position::of(self.source, at), text: text.into() });
        }
    }

    fn warn(&mut self, at: At, text: impl Into<String>) {
        if self.warnings.len() < PROBLEMS_MAX {
            self.warnings.push(Problem { position: Position::of(self.source, at), text: text.into() });
        }
    }

    /// Whether the script requires the extension; if not, that is a problem.
    fn needs(&mut self, extension: &str, what: &str, at: At) {
        if !self.extensions.contains(extension) {
            self.problem(at, format!("{what} needs `require \"{extension}\";` at the top of the script"));
        }
    }

    /// The `require` commands in front of all others (§3.2); returns the others.
    fn requirements<'c>(&mut self, commands: &'c [Command]) -> &'c [Command] {
        let count = commands.iter().take_while(|command| command.name == "require").count();
        let (requires, rest) = commands.split_at(count);
        for command in requires {
            self.no_tests("require", command.at, &command.tests);
            self.no_block(command);
            let names = match command.arguments.as_slice() {
                [argument] => match &argument.value {
                    Value::String(name) => std::slice::from_ref(name),
                    Value::Strings(names) => names,
                    _ => &[],
                },
                _ => &[],
            };
            if names.is_empty() {
                self.problem(command.at, "`require` takes a list of strings, the names of extensions");
            }
            for name in names {
                match EXTENSIONS.iter().find(|extension| **extension == name.text) {
                    Some(extension) => drop(self.extensions.insert(extension)),
                    None => self.problem(
                        name.at,
                        format!(
                            "the extension {:?} is not supported; those that are: {}",
                            name.text,
                            EXTENSIONS.join(", ")
                        ),
                    ),
                }
            }
        }
        rest
    }

    /// The commands of the script or of a block.
    fn steps(&mut self, commands: &[Command]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(commands.len());
        let mut rest = commands;
        while let Some((command, behind)) = rest.split_first() {
            if command.name == "if" {
                let others =
                    behind.iter().take_while(|command| matches!(command.name.as_str(), "elsif" | "else")).count();
                let (chain, behind) = rest.split_at(1 + others);
                steps.push(self.conditional(chain));
                rest = behind;
            } else {
                steps.extend(self.step(command));
                rest = behind;
            }
        }
        steps
    }

    /// `if`, `elsif` and `else` (§3.1).
    fn conditional(&mut self, chain: &[Command]) -> Step {
        let (mut branches, mut otherwise, mut ended) = (Vec::new(), Vec::new(), false);
        for command in chain {
            if std::mem::replace(&mut ended, command.name == "else") {
                self.problem(command.at, format!("`{}` can't stand behind `else`", command.name));
            }
            if let Some(argument) = command.arguments.first() {
                self.problem(argument.at, format!("`{}` takes no such argument", command.name));
            }
            let test = match (&command.tests, command.name.as_str()) {
                (tests, "else") => {
                    self.no_tests("else", command.at, tests);
                    None
                }
                (Tests::One(test), _) => self.test(test),
                (_, name) => {
                    self.problem(
                        command.at,
                        format!("`{name}` needs one test; several are joined by `allof` or `anyof`"),
                    );
                    None
                }
            };
            let block = command.block.as_deref();
            if block.is_none() {
                self.problem(command.at, format!("`{}` needs a block in `{{` `}}`", command.name));
            }
            let steps = self.steps(block.unwrap_or_default());
            match test {
                Some(test) => branches.push((test, steps)),
                None => otherwise = steps,
            }
        }
        Step::If { branches, otherwise }
    }

    /// For what takes no test.
    fn no_tests(&mut self, name: &str, at: At, tests: &Tests) {
        let at = match tests {
            Tests::None => return,
            Tests::One(test) => test.at,
            Tests::List(tests) => tests.first().map_or(at, |test| test.at),
        };
        self.problem(at, format!("`{name}` takes no test"));
    }

    /// For what takes no block.
    fn no_block(&mut self, command: &Command) {
        if command.block.is_some() {
            self.problem(command.at, format!("`{}` takes no block: it ends with `;`", command.name));
        }
    }

    /// What a string means, with encoded characters where they are required (§2.4.2.4).
    fn octets(&mut self, text: &Text) -> Vec<u8> {
        if !self.extensions.contains("encoded-character") {
            return text.text.clone().into_bytes();
        }
        encoded::decode(&text.text).unwrap_or_else(|encoded::NoCharacter| {
            self.problem(text.at, "a `${unicode:…}` in this string names what is no Unicode character");
            Vec::new()
        })
    }

    /// The same, where it has to be text.
    fn text(&mut self, text: &Text) -> String {
        String::from_utf8(self.octets(text)).unwrap_or_else(|_| {
            self.problem(text.at, "with its encoded characters this string is not UTF-8");
            String::new()
        })
    }

    /// `; did you mean …?`, where there is something near.
    fn suggestion<'n>(&self, name: &str, names: impl IntoIterator<Item = &'n str>) -> String {
        // Nobody misspells a word by so much; and near is not cheap to find out, for problems that nobody is told.
        if name.len() > 30 || self.problems.len() == PROBLEMS_MAX {
            return String::new();
        }
        let near = names.into_iter().map(|there| (strsim::damerau_levenshtein(name, there), there)).min();
        near.filter(|(distance, _)| *distance <= 2)
            .map(|(_, there)| format!("; did you mean `{there}`?"))
            .unwrap_or_default()
    }
}
