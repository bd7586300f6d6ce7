//! The grammar of a script (RFC 5228 §8), tokens and all, over the whole script; [`print`](super::print) is its twin.
//!
//! Lines may end with LF alone, which is what editors write: inside strings it becomes the CRLF that the grammar wants. A CR
//! that ends no line, NUL and what is not UTF-8 are refused before anything else is read (§2.1, §8.1). The first error
//! ends the reading: what stands behind it can't be told from what was meant. Linear in time; nothing is read twice.

use nom::branch::alt;
use nom::bytes::complete::{is_a, tag, tag_no_case, take_till, take_until, take_while, take_while1};
use nom::character::complete::{char, digit1, line_ending, one_of};
use nom::combinator::{opt, recognize, value};
use nom::error::{ErrorKind, ParseError};
use nom::multi::many0_count;
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};

use super::position::At;
use super::syntax::{Argument, Command, Test, Tests, Text, Value};
use super::{DEPTH_MAX, SCRIPT_OCTETS_MAX};

/// Where the reading ended, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) at: At,
    pub(super) text: String,
}

/// What a parser missed, and where.
#[derive(Debug, PartialEq, Eq)]
struct Missed<'s> {
    rest: &'s str,
    text: &'static str,
}

impl<'s> ParseError<&'s str> for Missed<'s> {
    fn from_error_kind(rest: &'s str, _: ErrorKind) -> Self {
        Missed { rest, text: "" }
    }
    fn append(_: &'s str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

type Parsed<'s, T> = IResult<&'s str, T, Missed<'s>>;

/// An error that no other reading mends.
fn missed<'s, T>(rest: &'s str, text: &'static str) -> Parsed<'s, T> {
    Err(nom::Err::Failure(Missed { rest, text }))
}

/// Reads a whole script: `start = commands`
pub(super) fn script(octets: &[u8]) -> Result<Vec<Command>, Broken> {
    let broken = |at: usize, text: &str| Broken { at: At(at as u32), text: text.to_owned() };
    if octets.len() > SCRIPT_OCTETS_MAX {
        return Err(broken(0, &format!("a script has at most {SCRIPT_OCTETS_MAX} octets, and this one has more")));
    }
    let script = std::str::from_utf8(octets).map_err(|error| broken(error.valid_up_to(), "this is not UTF-8"))?;
    if let Some(at) = memchr::memchr(0, octets) {
        return Err(broken(at, "a script can't hold NUL"));
    }
    if let Some(at) = memchr::memchr_iter(b'\r', octets).find(|at| octets.get(at + 1) != Some(&b'\n')) {
        return Err(broken(at, "a CR has to be followed by LF"));
    }
    let reader = Reader { octets: script.len() };
    match reader.commands(script, 0) {
        Ok(("", commands)) => Ok(commands),
        Ok((rest, _)) => Err(broken(script.len() - rest.len(), "this `}` closes nothing")),
        Err(nom::Err::Error(Missed { rest, text }) | nom::Err::Failure(Missed { rest, text })) => {
            Err(broken(script.len() - rest.len(), if text.is_empty() { "this is not understood" } else { text }))
        }
        Err(nom::Err::Incomplete(_)) => Err(broken(script.len(), "the script ends too early")),
    }
}

/// Knows how long the script is, and so where a rest of it begins.
#[derive(Clone, Copy)]
struct Reader {
    octets: usize,
}

impl Reader {
    fn at(self, rest: &str) -> At {
        At((self.octets - rest.len()) as u32)
    }

    /// `commands = *command`, up to the end of the script or of the block.
    fn commands(self, input: &str, depth: usize) -> Parsed<'_, Vec<Command>> {
        let mut commands = Vec::new();
        let (mut rest, ()) = space(input)?;
        while !rest.is_empty() && !rest.starts_with('}') {
            let (behind, command) = self.command(rest, depth)?;
            commands.push(command);
            (rest, ()) = space(behind)?;
        }
        Ok((rest, commands))
    }

    fn command(self, input: &str, depth: usize) -> Parsed<'_, Command> {
        let at = self.at(input);
        let Ok((rest, name)) = identifier(input) else { return missed(input, "a command is expected here") };
        let (rest, arguments) = self.arguments(rest)?;
        let (rest, tests) = self.tests(rest, 0)?;
        let (rest, block) = match rest.chars().next() {
            Some(';') => (&rest[1..], None),
            Some('{') if depth == DEPTH_MAX => return missed(rest, "blocks lie too deep in one another here"),
            Some('{') => {
                let (behind, commands) = self.commands(&rest[1..], depth + 1)?;
                match behind.strip_prefix('}') {
                    Some(behind) => (behind, Some(commands)),
                    None => return missed(rest, "the `}` to this `{` is missing"),
                }
            }
            _ if matches!(tests, Tests::None) => {
                return missed(rest, "an argument, a test, `;` or a block in `{` `}` is expected here");
            }
            _ => return missed(rest, "`;` or a block in `{` `}` is expected here"),
        };
        Ok((rest, Command { at, name, arguments, tests, block }))
    }

    /// `[ test / test-list ]`, and the space behind it.
    fn tests(self, input: &str, depth: usize) -> Parsed<'_, Tests> {
        let begins_test = |c: char| c.is_ascii_alphabetic() || c == '_';
        match input.chars().next() {
            Some('(') if depth == DEPTH_MAX => missed(input, "tests lie too deep in one another here"),
            Some(c) if begins_test(c) && depth == DEPTH_MAX => missed(input, "tests lie too deep in one another here"),
            Some('(') => {
                let mut tests = Vec::new();
                let mut rest = &input[1..];
                loop {
                    let (behind, test) = self.test(space(rest)?.0, depth + 1)?;
                    tests.push(test);
                    match behind.chars().next() {
                        Some(',') => rest = &behind[1..],
                        Some(')') => return Ok((space(&behind[1..])?.0, Tests::List(tests))),
                        _ => return missed(behind, "`,` or `)` is expected here"),
                    }
                }
            }
            Some(c) if begins_test(c) => {
                let (rest, test) = self.test(input, depth + 1)?;
                Ok((rest, Tests::One(Box::new(test))))
            }
            _ => Ok((input, Tests::None)),
        }
    }

    /// A test, and the space behind it.
    fn test(self, input: &str, depth: usize) -> Parsed<'_, Test> {
        let at = self.at(input);
        let Ok((rest, name)) = identifier(input) else { return missed(input, "a test is expected here") };
        let (rest, arguments) = self.arguments(rest)?;
        let (rest, tests) = self.tests(rest, depth)?;
        Ok((rest, Test { at, name, arguments, tests }))
    }

    /// `*argument`, and the space behind them.
    fn arguments(self, input: &str) -> Parsed<'_, Vec<Argument>> {
        let mut arguments = Vec::new();
        let (mut rest, ()) = space(input)?;
        loop {
            let at = self.at(rest);
            let Some((behind, value)) = self.argument(rest)? else { return Ok((rest, arguments)) };
            arguments.push(Argument { at, value });
            (rest, ()) = space(behind)?;
        }
    }

    fn argument<'s>(self, input: &'s str) -> Result<Option<(&'s str, Value)>, nom::Err<Missed<'s>>> {
        let found = match input.chars().next() {
            Some(':') => match identifier(&input[1..]) {
                Ok((rest, name)) => (rest, Value::Tag(name)),
                Err(_) => return missed(input, "a tag is a colon and a name, like `:contains`").map(Some),
            },
            Some('0'..='9') => number(input)?,
            Some('[') => self.strings(input)?,
            _ => match self.string(input)? {
                Some((rest, text)) => (rest, Value::String(text)),
                None => return Ok(None),
            },
        };
        Ok(Some(found))
    }

    /// `"[" string *("," string) "]"`
    fn strings(self, input: &str) -> Parsed<'_, Value> {
        let mut strings = Vec::new();
        let mut rest = &input[1..];
        loop {
            let (here, ()) = space(rest)?;
            let Some((behind, string)) = self.string(here)? else {
                return missed(here, "a string is expected here");
            };
            strings.push(string);
            let (behind, ()) = space(behind)?;
            match behind.chars().next() {
                Some(',') => rest = &behind[1..],
                Some(']') => return Ok((&behind[1..], Value::Strings(strings))),
                _ => return missed(behind, "`,` or `]` is expected here"),
            }
        }
    }

    /// `string = quoted-string / multi-line`, if one begins here.
    fn string<'s>(self, input: &'s str) -> Result<Option<(&'s str, Text)>, nom::Err<Missed<'s>>> {
        let at = self.at(input);
        let (rest, text) = match multi_line_start(input) {
            Ok((lines, ())) => multi_line(input, lines)?,
            Err(nom::Err::Failure(error)) => return Err(nom::Err::Failure(error)),
            Err(_) if input.starts_with('"') => quoted_string(input)?,
            Err(_) => return Ok(None),
        };
        Ok(Some((rest, Text { at, text })))
    }
}

/// `identifier = (ALPHA / "_") *(ALPHA / DIGIT / "_")`, in lower case.
fn identifier(input: &str) -> Parsed<'_, String> {
    let first = take_while1(|c: char| c.is_ascii_alphabetic() || c == '_');
    recognize(pair(first, take_while(|c: char| c.is_ascii_alphanumeric() || c == '_')))
        .map(str::to_ascii_lowercase)
        .parse(input)
}

/// `number = 1*DIGIT [ QUANTIFIER ]` (§2.4.1)
fn number(input: &str) -> Parsed<'_, Value> {
    const WRONG: &str = "a number is written like 100, 20K, 5M or 1G";
    let (rest, (digits, quantifier)) = pair(digit1, opt(one_of("kKmMgG"))).parse(input)?;
    if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return missed(input, WRONG);
    }
    let unit = match quantifier.map(|quantifier| quantifier.to_ascii_uppercase()) {
        Some('K') => 1 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        _ => 1,
    };
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(number) => Ok((rest, Value::Number(number))),
        None => missed(input, "this number is too large"),
    }
}

/// `quoted-string` (§2.4.2): a backslash stands before a quote, a backslash, or any other character but a line end.
fn quoted_string(input: &str) -> Parsed<'_, String> {
    let mut text = String::new();
    let mut rest = &input[1..];
    loop {
        let (behind, plain) = take_till(|c| matches!(c, '"' | '\\' | '\n')).parse(rest)?;
        text.push_str(plain.strip_suffix('\r').filter(|_| behind.starts_with('\n')).unwrap_or(plain));
        let mut characters = behind.chars();
        match (characters.next(), characters.next()) {
            (Some('"'), _) => return Ok((&behind[1..], text)),
            (Some('\n'), _) => {
                text.push_str("\r\n");
                rest = &behind[1..];
            }
            (Some(_), Some(escaped)) if !matches!(escaped, '\r' | '\n') => {
                text.push(escaped);
                rest = characters.as_str();
            }
            (Some(_), Some(_)) => return missed(behind, "a backslash can't stand at the end of a line"),
            _ => return missed(input, "the quote that ends this string is missing"),
        }
    }
}

/// `"text:" *(SP / HTAB) (hash-comment / CRLF)`: what else begins with `text` is an identifier.
fn multi_line_start(input: &str) -> Parsed<'_, ()> {
    let (rest, _) = pair(tag_no_case("text:"), take_while(|c| matches!(c, ' ' | '\t'))).parse(input)?;
    match alt((hash_comment, value((), line_ending))).parse(rest) {
        Ok(found) => Ok(found),
        Err(_) => missed(rest, "the lines of a `text:` begin on the next line"),
    }
}

/// The lines behind `text:`, up to the one that is a dot alone (§2.4.2).
fn multi_line<'s>(input: &'s str, lines: &'s str) -> Parsed<'s, String> {
    let mut text = String::new();
    let mut rest = lines;
    while let Some((line, behind)) = rest.split_once('\n') {
        rest = behind;
        match line.strip_suffix('\r').unwrap_or(line) {
            "." => return Ok((rest, text)),
            line => text.push_str(line.strip_prefix('.').filter(|line| line.starts_with('.')).unwrap_or(line)),
        }
        text.push_str("\r\n");
    }
    missed(input, "the line with a dot alone, which ends a `text:`, is missing")
}

/// Blanks, line ends and comments, or nothing.
fn space(input: &str) -> Parsed<'_, ()> {
    let blanks = value((), is_a(" \t\r\n"));
    let (rest, _) = many0_count(alt((blanks, hash_comment, bracket_comment))).parse(input)?;
    Ok((rest, ()))
}

/// `hash-comment = "#" *octet-not-crlf CRLF`; the last one may end with the script.
fn hash_comment(input: &str) -> Parsed<'_, ()> {
    value((), (char('#'), take_till(|c| c == '\n'), opt(tag("\n")))).parse(input)
}

/// `bracket-comment`: they do not nest (§2.3).
fn bracket_comment(input: &str) -> Parsed<'_, ()> {
    let (inside, _) = tag("/*").parse(input)?;
    match preceded(take_until("*/"), tag::<_, _, Missed<'_>>("*/")).parse(inside) {
        Ok((rest, _)) => Ok((rest, ())),
        Err(_) => missed(input, "the `*/` that ends this comment is missing"),
    }
}
