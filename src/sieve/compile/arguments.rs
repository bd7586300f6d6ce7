//! Arguments (RFC 5228 §2.6): tags in any order, then what is known by its place.

use super::super::position::At;
use super::super::syntax::{Argument, Text, Value};
use super::Compiler;

/// What stands behind a tag, or at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    String,
    /// One string counts as a list (§2.4.2.1).
    Strings,
    Number,
}

/// A tag that a command or test may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct TagSpec {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// What has to be required for it.
    pub(super) extension: Option<&'static str>,
    /// Of the tags of one group there is one at most (§2.6, §2.7.1, §2.7.4).
    pub(super) group: &'static str,
}

impl TagSpec {
    pub(super) const fn new(name: &'static str, takes: Takes, group: &'static str) -> TagSpec {
        TagSpec { name, takes, extension: None, group }
    }

    pub(super) const fn of(self, extension: &'static str) -> TagSpec {
        TagSpec { extension: Some(extension), ..self }
    }
}

/// What is known by its place, and how it is called in a problem.
pub(super) type Place = (Takes, &'static str);

/// The arguments that were given, as they should be: [`Compiler::arguments`] has looked.
pub(super) struct Given<'a> {
    tags: Vec<(&'static TagSpec, Option<&'a Argument>)>,
    places: Vec<&'a Argument>,
}

impl<'a> Given<'a> {
    /// The name of the tag of that group.
    pub(super) fn of_group(&self, group: &str) -> Option<&'static str> {
        self.tags.iter().find(|(spec, _)| spec.group == group).map(|(spec, _)| spec.name)
    }

    pub(super) fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|(spec, _)| spec.name == tag)
    }

    /// What stands behind the tag.
    pub(super) fn value(&self, tag: &str) -> Option<&'a Argument> {
        self.tags.iter().find(|(spec, _)| spec.name == tag).and_then(|(_, value)| *value)
    }

    /// What stands at that place.
    pub(super) fn place(&self, number: usize) -> &'a Argument {
        self.places[number]
    }
}

impl Argument {
    /// Its strings; none, where it is something else.
    pub(super) fn strings(&self) -> &[Text] {
        match &self.value {
            Value::String(text) => std::slice::from_ref(text),
            Value::Strings(texts) => texts,
            Value::Tag(_) | Value::Number(_) => &[],
        }
    }

    fn is(&self, takes: Takes) -> bool {
        match self.value {
            Value::Tag(_) => false,
            Value::Number(_) => takes == Takes::Number,
            Value::String(_) => matches!(takes, Takes::String | Takes::Strings),
            Value::Strings(_) => takes == Takes::Strings,
        }
    }
}

impl Compiler<'_> {
    /// Compares what was given with what there may be. `None`: something is wrong, and was told.
    pub(super) fn arguments<'a>(
        &mut self,
        (name, at): (&str, At),
        arguments: &'a [Argument],
        tags: &'static [TagSpec],
        places: &[Place],
    ) -> Option<Given<'a>> {
        let problems = self.problems.len();
        let mut given = Given { tags: Vec::new(), places: Vec::new() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let Value::Tag(tag) = &argument.value else {
                given.places.push(argument);
                continue;
            };
            if !given.places.is_empty() {
                self.problem(argument.at, format!("`:{tag}` has to stand before all arguments that are no tags"));
            }
            let Some(spec) = tags.iter().find(|spec| spec.name == tag) else {
                let near = self.suggestion(tag, tags.iter().map(|spec| spec.name)).replacen('`', "`:", 1);
                self.problem(argument.at, format!("`{name}` has no argument `:{tag}`{near}"));
                // Nobody knows what belongs to it.
                return None;
            };
            if let Some(extension) = spec.extension {
                self.needs(extension, &format!("`:{tag}`"), argument.at);
            }
            if let Some(other) = given.of_group(spec.group) {
                let both = if other == tag { format!("`:{tag}` twice") } else { format!("`:{other}` and `:{tag}`") };
                self.problem(argument.at, format!("{both}: `{name}` takes one {}", spec.group));
            }
            let value = match spec.takes {
                Takes::Nothing => None,
                takes => match rest.next() {
                    Some(value) if value.is(takes) => Some(value),
                    _ => {
                        self.problem(argument.at, format!("behind `:{tag}` there has to be {}", called(takes)));
                        return None;
                    }
                },
            };
            given.tags.push((spec, value));
        }
        self.check_places((name, at), &given, places);
        (self.problems.len() == problems).then_some(given)
    }

    fn check_places(&mut self, (name, at): (&str, At), given: &Given<'_>, places: &[Place]) {
        for (number, (takes, what)) in places.iter().enumerate() {
            match given.places.get(number) {
                Some(argument) if argument.is(*takes) => {}
                Some(argument) => self.problem(argument.at, format!("{what} has to be {} here", called(*takes))),
                None => {
                    self.problem(at, format!("`{name}` lacks {what}, {}", called(*takes)));
                    break;
                }
            }
        }
        if let Some(argument) = given.places.get(places.len()) {
            self.problem(argument.at, format!("`{name}` takes no such argument"));
        }
    }

    /// The strings of an argument as octets.
    pub(super) fn all_octets(&mut self, argument: &Argument) -> Vec<Vec<u8>> {
        argument.strings().iter().map(|text| self.octets(text)).collect()
    }

    /// The strings of an argument as text.
    pub(super) fn all_texts(&mut self, argument: &Argument) -> Vec<String> {
        argument.strings().iter().map(|text| self.text(text)).collect()
    }

    /// The one string of an argument.
    pub(super) fn one_text(&mut self, argument: &Argument) -> String {
        argument.strings().first().map(|text| self.text(text)).unwrap_or_default()
    }
}

fn called(takes: Takes) -> &'static str {
    match takes {
        Takes::Nothing => "nothing",
        Takes::String => "a string",
        Takes::Strings => "a string or a list of strings",
        Takes::Number => "a number",
    }
}
