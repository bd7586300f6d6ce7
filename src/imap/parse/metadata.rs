//! GETMETADATA and SETMETADATA (RFC 5464 §5), and the names of entries (§3.2).

use std::borrow::Cow;

use nom::Parser;
use nom::bytes::complete::take;
use nom::multi::separated_list1;
use nom::sequence::separated_pair;

use super::Fault;
use super::lexeme::{
    Parsed, argument, astring, expected, fail, list1, literal_header, named, nstring, number64, octet, space, word,
};
use super::mailbox::mailbox;
use crate::imap::command::{CommandBody, Depth, GetMetadata};

/// ```abnf
/// getmetadata         = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries
/// entries             = entry / "(" entry *(SP entry) ")"
/// getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")"
/// ```
/// The examples of §4.2.1 and §4.2.2 have the options behind the mailbox, and one of §4.4.1 several entries without
/// parentheses: all that is taken, too.
pub(super) fn get(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let (rest, before) = options(rest)?;
    let (rest, mailbox) = argument(mailbox).parse(rest)?;
    let (rest, behind) = if before.is_none() { options(rest)? } else { (rest, None) };
    let Options { max_size, depth } = before.or(behind).unwrap_or_default();
    let (rest, entries) = match rest.starts_with(b" (") {
        true => argument(list1(entry)).parse(rest)?,
        false => argument(separated_list1(space, entry)).parse(rest)?,
    };
    let depth = depth.unwrap_or_default();
    Ok((rest, CommandBody::GetMetadata(GetMetadata { mailbox, entries, max_size, depth })))
}

#[derive(Default)]
struct Options {
    max_size: Option<u64>,
    depth: Option<Depth>,
}

/// The options, if a list of them is next: they begin with a letter, and entries never do.
fn options(rest: &[u8]) -> Parsed<'_, Option<Options>> {
    if !matches!(rest, [b' ', b'(', letter, ..] if letter.is_ascii_alphabetic()) {
        return Ok((rest, None));
    }
    let (behind, given) = argument(list1(option)).parse(rest)?;
    let mut options = Options::default();
    for option in given {
        let again = match option {
            GetOption::MaxSize(octets) => options.max_size.replace(octets).is_some(),
            GetOption::Depth(depth) => options.depth.replace(depth).is_some(),
        };
        if again {
            return fail(rest, Fault::Invalid("An option stands there twice"));
        }
    }
    Ok((behind, Some(options)))
}

enum GetOption {
    MaxSize(u64),
    Depth(Depth),
}

/// `maxsize-opt = "MAXSIZE" SP number`, `scope-opt = "DEPTH" SP ("0" / "1" / "infinity")`
fn option(rest: &[u8]) -> Parsed<'_, GetOption> {
    let (behind, name) = word("an option").parse(rest)?;
    match name.as_str() {
        "MAXSIZE" => argument(number64).map(GetOption::MaxSize).parse(behind),
        "DEPTH" => argument(depth).map(GetOption::Depth).parse(behind),
        _ => fail(rest, Fault::Invalid("Unknown option")),
    }
}

fn depth(rest: &[u8]) -> Parsed<'_, Depth> {
    const WHAT: &str = "0, 1 or infinity";
    let (behind, depth) = word(WHAT).parse(rest)?;
    match depth.as_str() {
        "0" => Ok((behind, Depth::Zero)),
        "1" => Ok((behind, Depth::One)),
        "INFINITY" => Ok((behind, Depth::Infinity)),
        _ => expected(rest, WHAT),
    }
}

/// ```abnf
/// setmetadata  = "SETMETADATA" SP mailbox SP entry-values
/// entry-values = "(" entry-value *(SP entry-value) ")"
/// entry-value  = entry SP value
/// value        = nstring / literal8
/// ```
pub(super) fn set(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let entry_value = separated_pair(whole_entry, space, value);
    let arguments = (argument(mailbox), argument(list1(entry_value)));
    arguments.map(|(mailbox, entries)| CommandBody::SetMetadata { mailbox, entries }).parse(rest)
}

fn value(rest: &[u8]) -> Parsed<'_, Option<Vec<u8>>> {
    match rest.first() {
        Some(b'~') => literal8(rest),
        _ => named("a value", nstring).map(|value| value.map(Cow::into_owned)).parse(rest),
    }
}

/// `literal8 = "~{" number ["+"] "}" CRLF *OCTET` (RFC 3516 §7, RFC 7888 §6)
fn literal8(rest: &[u8]) -> Parsed<'_, Option<Vec<u8>>> {
    let (rest, _) = octet(b'~', "~").parse(rest)?;
    let (rest, header) = literal_header(rest)?;
    let (rest, _) = named("CRLF behind the head of a literal", nom::bytes::complete::tag(&b"\r\n"[..])).parse(rest)?;
    let count = usize::try_from(header.octets).unwrap_or(usize::MAX);
    named("all octets of the literal", take(count)).map(|octets: &[u8]| Some(octets.to_vec())).parse(rest)
}

/// `entries = entry / "(" entry *(SP entry) ")"`
pub(super) fn entries(rest: &[u8]) -> Parsed<'_, Vec<String>> {
    match rest.starts_with(b"(") {
        true => list1(entry).parse(rest),
        false => entry.map(|entry| vec![entry]).parse(rest),
    }
}

/// `entry = astring`, a name that can be asked for: `/private` and `/shared` alone too, which DEPTH makes sense of.
fn entry(rest: &[u8]) -> Parsed<'_, String> {
    let (behind, octets) = named("the name of an entry", astring).parse(rest)?;
    match entry_name(&octets) {
        Ok(name) => Ok((behind, name)),
        Err(fault) => fail(rest, Fault::Invalid(fault)),
    }
}

/// The name of an entry that can have a value: it has two components at least, a vendor's four (RFC 5464 §3.2).
fn whole_entry(rest: &[u8]) -> Parsed<'_, String> {
    let (behind, name) = entry(rest)?;
    let mut components = name.split('/').skip(1);
    let vendors = components.nth(1).is_some_and(|second| second.eq_ignore_ascii_case("vendor"));
    let least = if vendors { 4 } else { 2 };
    if name.split('/').skip(1).count() < least {
        return fail(rest, Fault::Invalid("The name of an entry has too few components"));
    }
    Ok((behind, name))
}

/// RFC 5464 §3.2
fn entry_name(octets: &[u8]) -> Result<String, &'static str> {
    if octets.iter().any(|octet| !octet.is_ascii() || *octet <= 0x19) {
        return Err("The name of an entry is ASCII without control characters");
    }
    let name: String = octets.iter().copied().map(char::from).collect();
    if name.contains(['*', '%']) {
        return Err("The name of an entry has no * or %");
    }
    if name.contains("//") || name.ends_with('/') {
        return Err("A component in the name of an entry is empty");
    }
    let scope = name.strip_prefix('/').map(|rest| rest.split('/').next().unwrap_or(rest));
    if !scope.is_some_and(|scope| ["private", "shared"].iter().any(|known| scope.eq_ignore_ascii_case(known))) {
        return Err("The name of an entry begins with /private or /shared");
    }
    Ok(name)
}
