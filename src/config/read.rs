//! Reading TOML so that every complaint has a line.
//!
//! The reader asks a [`Section`] for each key it knows; what nobody asked for is unknown, and the complaint names the
//! nearest key of those that were. All problems of a file are collected: a person mends them in one go.

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Similarity of two keys (Jaro-Winkler, 0 to 1) from which on one is offered for the other: `hostnam` and `host_name`
/// are near enough to `hostname`, `port` is not.
const NEAR: f64 = 0.8;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; `None` where something is missing.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{line}: {}", self.what),
            None => write!(f, " {}", self.what),
        }
    }
}

/// A parsed file, and what was found wrong with it.
pub(super) struct Document<'t> {
    text: &'t str,
    root: DeTable<'t>,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Document<'t> {
    /// Parses TOML; a syntax error is the only problem of a file that has one.
    pub(super) fn parse(text: &'t str) -> Result<Self, Problem> {
        match DeTable::parse(text) {
            Ok(root) => Ok(Self { text, root: root.into_inner(), problems: RefCell::default() }),
            Err(error) => {
                let line = error.span().map(|span| line_of(text, span.start));
                Err(Problem { line, what: error.message().to_owned() })
            }
        }
    }

    /// The keys outside all sections.
    pub(super) fn root(&self) -> Section<'_> {
        Section { document: self, name: "", line: None, table: Some(&self.root), asked: Vec::new() }
    }

    /// Every problem, in the order of the lines.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }

    fn line<T>(&self, spanned: &Spanned<T>) -> usize {
        line_of(self.text, spanned.span().start)
    }

    fn complain(&self, line: Option<usize>, what: String) {
        self.problems.borrow_mut().push(Problem { line, what });
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// A table of the file, absent or not, and the keys that it was asked for.
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    name: &'static str,
    line: Option<usize>,
    table: Option<&'d DeTable<'d>>,
    asked: Vec<&'static str>,
}

impl<'d> Section<'d> {
    /// The section `[name]` in this one.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'d> {
        let found = self.get(name);
        let table = found.and_then(|value| match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                self.wrong(name, value, format!("a section, not {}", kind(other)));
                None
            }
        });
        Section {
            document: self.document,
            name,
            line: found.map(|value| self.document.line(value)),
            table,
            asked: vec![],
        }
    }

    /// A text, turned into what it means.
    pub(super) fn text<T>(&mut self, key: &'static str, slot: &mut T, read: impl FnOnce(&str) -> Result<T, String>) {
        let Some(value) = self.get(key) else { return };
        match value.get_ref() {
            DeValue::String(text) => match read(text) {
                Ok(value) => *slot = value,
                Err(what) => self.complain(key, value, &what),
            },
            other => self.wrong(key, value, format!("a text in quotes, not {}", kind(other))),
        }
    }

    /// A path; a relative one starts from the working folder.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let mut path = None;
        self.text(key, &mut path, |text| {
            if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(Some(PathBuf::from(text))) }
        });
        path
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, slot: &mut bool) {
        let Some(value) = self.get(key) else { return };
        match value.get_ref() {
            DeValue::Boolean(flag) => *slot = *flag,
            other => self.wrong(key, value, format!("true or false, not {}", kind(other))),
        }
    }

    /// A whole number within `bounds`.
    pub(super) fn number<T>(&mut self, key: &'static str, slot: &mut T, bounds: RangeInclusive<T>)
    where
        T: TryFrom<u64> + PartialOrd + fmt::Display,
    {
        let Some(value) = self.get(key) else { return };
        let read = match value.get_ref() {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        match read.and_then(|number| T::try_from(number).ok()).filter(|number| bounds.contains(number)) {
            Some(number) => *slot = number,
            None => self.wrong(key, value, format!("a whole number from {} to {}", bounds.start(), bounds.end())),
        }
    }

    /// A time in milliseconds, within `bounds` of milliseconds; the key ends in `_ms`.
    pub(super) fn millis(&mut self, key: &'static str, slot: &mut Duration, bounds: RangeInclusive<u64>) {
        let mut millis = u64::try_from(slot.as_millis()).unwrap_or(u64::MAX);
        self.number(key, &mut millis, bounds);
        *slot = Duration::from_millis(millis);
    }

    /// A list of texts, each turned into what it means.
    pub(super) fn list<T>(&mut self, key: &'static str, slot: &mut Vec<T>, read: impl Fn(&str) -> Result<T, String>) {
        let Some(value) = self.get(key) else { return };
        let DeValue::Array(items) = value.get_ref() else {
            return self.wrong(key, value, format!("a list of texts, not {}", kind(value.get_ref())));
        };
        slot.clear();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => match read(text) {
                    Ok(value) => slot.push(value),
                    Err(what) => self.complain(key, item, &what),
                },
                other => self.wrong(key, item, format!("a list of texts, and {} is none", kind(other))),
            }
        }
    }

    /// Whether the key stands in the file.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Complains about a key whose value is well-formed.
    pub(super) fn refuse(&self, key: &str, what: &str) {
        if let Some(value) = self.table.and_then(|table| table.get(key)) {
            self.complain(key, value, what);
        }
    }

    /// Complains that a key which cannot be guessed is missing.
    pub(super) fn missing(&self, key: &str, meaning: &str) {
        self.document.complain(self.line, format!("{key:?} is missing in [{}]: {meaning}", self.name));
    }

    /// Complains about whatever is in the section and was not asked for. Returns what was, for the test that compares
    /// the example with the reader.
    pub(super) fn end(self) -> Vec<String> {
        for (key, _) in self.table.into_iter().flatten() {
            if self.asked.contains(&key.get_ref().as_ref()) {
                continue;
            }
            let place = if self.name.is_empty() { "at the top".to_owned() } else { format!("in [{}]", self.name) };
            let mut what = format!("unknown key {:?} {place}", key.get_ref());
            if let Some(nearest) = nearest(key.get_ref(), &self.asked) {
                what.push_str(&format!("; did you mean {nearest:?}?"));
            }
            self.document.complain(Some(self.document.line(key)), what);
        }
        self.asked.iter().map(|key| format!("{}.{key}", self.name)).collect()
    }

    fn get(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.push(key);
        self.table?.get(key)
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: String) {
        self.complain(key, value, &format!("must be {wanted}"));
    }

    fn complain(&self, key: &str, value: &Spanned<DeValue<'_>>, what: &str) {
        let place = if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
        self.document.complain(Some(self.document.line(value)), format!("{key:?}{place}: {what}"));
    }
}

fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let (similarity, nearest) = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(key, candidate), *candidate))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (similarity >= NEAR).then_some(nearest)
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
