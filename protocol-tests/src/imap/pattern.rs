//! Patterns over IMAP responses.
//!
//! What a server is free to choose does not count: a string may be an atom, quoted or a literal; the items of a FETCH
//! response come in any order, and more may come than were asked for (RFC 3501 §7.4.2); flags, list attributes, search
//! results and capabilities are sets. `\Recent` counts only where the pattern names it, since which session gets it is
//! a race by design (RFC 3501 §2.3.2).

use super::value::{Kind, Response, Value};
use crate::bindings::Bindings;
use crate::text::{self, Case, Cover};

/// What stands at the place of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// A word: names, `…` and `/…/` as in [`text`]; ASCII case is ignored.
    Word(String),
    /// A quoted string: case is kept.
    Quoted(Vec<u8>),
    /// A quoted string with names or `…` in it.
    QuotedText(String),
    /// `{file NAME}`: exactly these bytes.
    Bytes(Vec<u8>),
    /// `{delivered NAME}`: these bytes behind the header fields that a delivery puts before them.
    Delivered(Vec<u8>),
    /// `( … )`.
    List(Vec<Element>),
    /// `[ … ]`.
    Code(Vec<Element>),
    /// `…` standing alone: any number of values.
    Rest,
}

/// A pattern for one response.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// `*`, `+` or a tag (which may hold names).
    pub first: String,
    elements: Vec<Element>,
    /// The text that is asked for behind a condition or `+`; empty where none is.
    text: String,
}

/// Gives the bytes of a named message.
pub type Messages<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

impl Pattern {
    /// Reads a pattern; `messages` finds what `{file NAME}` names.
    pub fn parse(source: &str, messages: Messages<'_>) -> Result<Pattern, String> {
        let (first, rest) = source.split_once(' ').unwrap_or((source, ""));
        let mut parser = Parser { rest, messages };
        let mut elements = Vec::new();
        let mut text = String::new();
        let word = rest.split(' ').next().unwrap_or("");
        let status = ["OK", "NO", "BAD", "BYE", "PREAUTH"].iter().any(|c| word.eq_ignore_ascii_case(c))
            || (first != "*" && first != "+");
        if first == "+" {
            text = rest.to_owned();
        } else if status {
            elements.push(Element::Word(word.to_owned()));
            parser.rest = rest[word.len()..].trim_start_matches(' ');
            if parser.rest.starts_with('[') {
                elements.push(parser.element()?);
            }
            text = parser.rest.trim_start_matches(' ').to_owned();
        } else {
            elements = parser.elements(None)?;
        }
        Ok(Pattern { first: first.to_owned(), elements, text })
    }

    /// Whether this is a pattern for an untagged response.
    pub fn is_untagged(&self) -> bool {
        self.first == "*"
    }

    /// False where no names could make it match, which is seen at once: the first word is another.
    pub fn may_match(&self, response: &Response) -> bool {
        let is_plain = |word: &str| !word.contains(['…', '$', '/', '[']);
        match (response.kind == Kind::Untagged && self.is_untagged(), self.elements.first(), response.values.first()) {
            (true, Some(Element::Word(word)), Some(Value::Atom(atom))) if is_plain(word) => {
                word.as_bytes().eq_ignore_ascii_case(atom) || response.as_search.is_some()
            }
            _ => true,
        }
    }

    /// Whether `response` is what this pattern says. Names are bound only if it is.
    pub fn matches(&self, response: &Response, bindings: &mut Bindings) -> bool {
        let same_kind = match &response.kind {
            Kind::Untagged => self.first == "*",
            Kind::Continuation => self.first == "+",
            Kind::Tagged(tag) => bindings.fill(&self.first).is_ok_and(|first| first == tag.as_bytes()),
        };
        if !same_kind {
            return false;
        }
        let mut trial = bindings.clone();
        let matched = self.values_match(response, &mut trial) && self.text_matches(response, &mut trial);
        if matched {
            *bindings = trial;
        }
        matched
    }

    fn text_matches(&self, response: &Response, bindings: &mut Bindings) -> bool {
        self.text.is_empty() || text::matches(&self.text, &response.text, Cover::Beginning, Case::Ignored, bindings)
    }

    fn values_match(&self, response: &Response, bindings: &mut Bindings) -> bool {
        if response.is_condition() {
            // A code that the pattern does not ask for is the server's business.
            let values = &response.values[..response.values.len().min(self.elements.len())];
            return in_order(&self.elements, values, bindings);
        }
        let (Some(Element::Word(first)), Some(first_value)) = (self.elements.first(), response.word(0)) else {
            return in_order(&self.elements, &response.values, bindings);
        };
        let is = |name: &str| first.eq_ignore_ascii_case(name) && first_value == name;
        let (patterns, values) = (&self.elements[1..], &response.values[1..]);
        if is("CAPABILITY") {
            return as_set(patterns, values, Extras::Allowed, bindings);
        }
        if let (true, Some(values)) = (first.eq_ignore_ascii_case("SEARCH"), &response.as_search) {
            return as_set(patterns, &values[1..], Extras::Refused, bindings);
        }
        if is("SEARCH") {
            return as_set(patterns, values, Extras::Refused, bindings);
        }
        if is("ENABLED") {
            // QRESYNC enables CONDSTORE too (RFC 7162 §3.2.3), and a server may say so.
            let is_word =
                |element: &Element, word: &str| matches!(element, Element::Word(w) if w.eq_ignore_ascii_case(word));
            let named = |word: &str| patterns.iter().any(|element| is_word(element, word));
            let implied = named("QRESYNC") && !named("CONDSTORE");
            let is_condstore =
                |value: &Value| matches!(value, Value::Atom(atom) if atom.eq_ignore_ascii_case(b"CONDSTORE"));
            let values: Vec<Value> = values.iter().filter(|value| !(implied && is_condstore(value))).cloned().collect();
            return as_set(patterns, &values, Extras::Refused, bindings);
        }
        if let (true, [Element::List(wanted), names @ ..], [Value::List(found), got @ ..]) =
            (is("LIST") || is("LSUB"), patterns, values)
        {
            return as_set(wanted, found, Extras::Refused, bindings) && in_order(names, got, bindings);
        }
        let in_pairs = is("STATUS") || is("METADATA");
        if let (true, [name, Element::List(wanted)], [value, Value::List(found)]) = (in_pairs, patterns, values) {
            // More items of STATUS do no harm; entries that nobody asked for are an answer to another question.
            let all_named = is("STATUS") || wanted.contains(&Element::Rest) || wanted.len() == found.len();
            return all_named && one(name, value, bindings) && as_pairs(wanted, found, bindings);
        }
        in_order(&self.elements, &response.values, bindings)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extras {
    Allowed,
    Refused,
}

/// Elements against values, one after the other; `…` covers any number, and knows the places where a set stands.
fn in_order(elements: &[Element], values: &[Value], bindings: &mut Bindings) -> bool {
    let Some((element, elements_left)) = elements.split_first() else { return values.is_empty() };
    if *element == Element::Rest {
        return (0..=values.len()).any(|skipped| {
            let mut trial = bindings.clone();
            let matched = in_order(elements_left, &values[skipped..], &mut trial);
            if matched {
                *bindings = trial;
            }
            matched
        });
    }
    let Some((value, values_left)) = values.split_first() else { return false };
    if !one(element, value, bindings) {
        return false;
    }
    if let (Element::Word(_), Value::Atom(name)) = (element, value)
        && let ([Element::List(wanted), after @ ..], [Value::List(found), left @ ..]) = (elements_left, values_left)
    {
        let name = name.to_ascii_uppercase();
        if name == b"FETCH" || name == b"UIDFETCH" {
            return as_pairs(wanted, found, bindings) && in_order(after, left, bindings);
        }
        if name == b"FLAGS" || name == b"PERMANENTFLAGS" {
            return flags(wanted, found, bindings) && in_order(after, left, bindings);
        }
    }
    in_order(elements_left, values_left, bindings)
}

/// Flags are a set; `\Recent` counts only where it is named.
fn flags(wanted: &[Element], found: &[Value], bindings: &mut Bindings) -> bool {
    let recent = |word: &[u8]| word.eq_ignore_ascii_case(br"\Recent");
    if wanted.iter().any(|e| matches!(e, Element::Word(word) if recent(word.as_bytes()))) {
        return as_set(wanted, found, Extras::Refused, bindings);
    }
    let found: Vec<Value> = found.iter().filter(|v| !matches!(v, Value::Atom(a) if recent(a))).cloned().collect();
    as_set(wanted, &found, Extras::Refused, bindings)
}

/// Each element has a value of its own, in any order; what is left over needs `…` or permission.
fn as_set(elements: &[Element], values: &[Value], extras: Extras, bindings: &mut Bindings) -> bool {
    let extras = if elements.contains(&Element::Rest) { Extras::Allowed } else { extras };
    let wanted: Vec<&Element> = elements.iter().filter(|e| **e != Element::Rest).collect();
    let mut left: Vec<&Value> = values.iter().collect();
    for element in wanted {
        let Some(at) = left.iter().position(|value| one(element, value, bindings)) else { return false };
        left.remove(at);
    }
    extras == Extras::Allowed || left.is_empty()
}

/// `NAME value NAME value`: each pair that is asked for is there, in any order, among others.
fn as_pairs(elements: &[Element], values: &[Value], bindings: &mut Bindings) -> bool {
    if !values.len().is_multiple_of(2) {
        return false;
    }
    let wanted: Vec<Element> = elements.iter().filter(|e| **e != Element::Rest).cloned().collect();
    wanted.chunks(2).all(|pair| {
        values.chunks(2).any(|found| {
            let mut trial = bindings.clone();
            // A name alone asks that the item is there, whatever its value.
            let matched =
                if pair.len() == 1 { one(&pair[0], &found[0], &mut trial) } else { in_order(pair, found, &mut trial) };
            if matched {
                *bindings = trial;
            }
            matched
        })
    })
}

/// One element against one value.
fn one(element: &Element, value: &Value, bindings: &mut Bindings) -> bool {
    match (element, value) {
        (Element::Word(word), _) if word == "$_" => true,
        (Element::Word(word), Value::Atom(atom)) => {
            text::matches(&plain(word), plain_bytes(atom).as_slice(), Cover::Whole, Case::Ignored, bindings)
        }
        (Element::Word(word), Value::Text(_)) if word.eq_ignore_ascii_case("NIL") => false,
        (Element::Word(word), Value::Text(bytes)) => text::matches(word, bytes, Cover::Whole, Case::Ignored, bindings),
        (Element::Quoted(_) | Element::QuotedText(_), Value::Atom(atom)) if atom.eq_ignore_ascii_case(b"NIL") => false,
        (Element::Quoted(wanted) | Element::Bytes(wanted), Value::Atom(bytes) | Value::Text(bytes)) => wanted == bytes,
        (Element::QuotedText(wanted), Value::Atom(bytes) | Value::Text(bytes)) => {
            text::matches(wanted, bytes, Cover::Whole, Case::Kept, bindings)
        }
        (Element::Delivered(wanted), Value::Text(bytes)) => is_delivered(wanted, bytes),
        (Element::List(wanted), Value::List(found)) | (Element::Code(wanted), Value::Code(found)) => {
            in_order(wanted, found, bindings)
        }
        _ => false,
    }
}

/// Whether `bytes` are `message` behind whole header fields and nothing else: those of RFC 5321 §4.4, RFC 8601 §4.1 and
/// RFC 7208 §9.1, and what a server notes for itself, as X-Sieve.
pub fn is_delivered(message: &[u8], bytes: &[u8]) -> bool {
    let Some(fields) = bytes.strip_suffix(message) else { return false };
    fields.is_empty()
        || fields.strip_suffix(b"\r\n").is_some_and(|fields| {
            fields.split(|&b| b == b'\n').enumerate().all(|(number, line)| {
                let name = line.iter().take_while(|&&b| b.is_ascii_graphic() && b != b':').count();
                (name > 0 && line.get(name) == Some(&b':'))
                    || (number > 0 && line.starts_with(b" ") | line.starts_with(b"\t"))
            })
        })
}

/// Header names inside a section may be quoted or not: compared without their quotes.
fn plain(word: &str) -> String {
    if word.contains('[') { word.replace('"', "") } else { word.to_owned() }
}

fn plain_bytes(atom: &[u8]) -> Vec<u8> {
    if atom.contains(&b'[') { atom.iter().copied().filter(|&b| b != b'"').collect() } else { atom.to_vec() }
}

struct Parser<'a> {
    rest: &'a str,
    messages: Messages<'a>,
}

impl Parser<'_> {
    fn elements(&mut self, end: Option<char>) -> Result<Vec<Element>, String> {
        let mut elements = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches(' ');
            if self.rest.chars().next() == end {
                return Ok(elements);
            }
            if self.rest.is_empty() {
                return Err(format!("{:?} is missing", end.unwrap_or(' ')));
            }
            elements.push(self.element()?);
        }
    }

    fn element(&mut self) -> Result<Element, String> {
        match self.rest.as_bytes().first() {
            Some(b'(') => {
                self.rest = &self.rest[1..];
                let elements = self.elements(Some(')'))?;
                self.rest = &self.rest[1..];
                Ok(Element::List(elements))
            }
            Some(b'[') => {
                self.rest = &self.rest[1..];
                let elements = self.elements(Some(']'))?;
                self.rest = &self.rest[1..];
                Ok(Element::Code(elements))
            }
            Some(b'"') => self.quoted(),
            Some(b'{') => {
                let end = self.rest.find('}').ok_or("} is missing")?;
                let inner = &self.rest[1..end];
                let (word, argument) = inner.split_once(' ').ok_or("a literal is {file NAME} or {delivered NAME}")?;
                let bytes = (self.messages)(argument.trim())?;
                self.rest = &self.rest[end + 1..];
                match word {
                    "file" => Ok(Element::Bytes(bytes)),
                    "delivered" => Ok(Element::Delivered(bytes)),
                    other => {
                        Err(format!("{{{other} …}} is no literal of a reply: {{file NAME}} or {{delivered NAME}}"))
                    }
                }
            }
            _ => Ok(self.word()),
        }
    }

    fn word(&mut self) -> Element {
        let mut depth = 0usize;
        // A regular expression runs to the slash that ends its word, brackets and all.
        let regex_end = self.rest.strip_prefix('/').and_then(|r| {
            r.match_indices('/')
                .map(|(at, _)| at + 2)
                .find(|&at| matches!(self.rest[at..].bytes().next(), None | Some(b' ' | b')' | b']')))
        });
        let end = regex_end.unwrap_or_else(|| {
            self.rest
                .char_indices()
                .find(|&(_, c)| match c {
                    '[' => {
                        depth += 1;
                        false
                    }
                    ']' if depth > 0 => {
                        depth -= 1;
                        false
                    }
                    ' ' | '(' | ')' | ']' => depth == 0,
                    _ => false,
                })
                .map_or(self.rest.len(), |(at, _)| at)
        });
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word == "…" { Element::Rest } else { Element::Word(word.to_owned()) }
    }

    fn quoted(&mut self) -> Result<Element, String> {
        let (bytes, length) = unquote(self.rest)?;
        let source = &self.rest[1..length - 1];
        self.rest = &self.rest[length..];
        let has_names =
            crate::bindings::pieces(source).iter().any(|p| matches!(p, crate::bindings::Piece::Name { .. }));
        if source.contains('…') || has_names {
            return String::from_utf8(bytes)
                .map(Element::QuotedText)
                .map_err(|_| "names in a string that is not UTF-8".to_owned());
        }
        Ok(Element::Quoted(bytes))
    }
}

/// A string in quotes at the beginning of `source`: its bytes, and how long it is in the source with its quotes.
/// Escapes: `\r \n \t \0 \" \\ \xHH`.
pub fn unquote(source: &str) -> Result<(Vec<u8>, usize), String> {
    let mut bytes = Vec::new();
    let raw = source.as_bytes();
    let mut at = 1;
    loop {
        let byte = *raw.get(at).ok_or("a string is not closed")?;
        at += 1;
        if byte == b'"' {
            return Ok((bytes, at));
        }
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let escape = *raw.get(at).ok_or("a string is not closed")?;
        at += 1;
        bytes.push(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'"' | b'\\' => escape,
            b'x' => {
                let digits = source.get(at..at + 2).ok_or("\\x needs two digits")?;
                at += 2;
                u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} is no octet"))?
            }
            other => return Err(format!("\\{} is no escape", char::from(other))),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, response: &str) -> bool {
        let messages = |name: &str| Ok(name.as_bytes().to_vec());
        let pattern = Pattern::parse(pattern, &messages).unwrap();
        pattern.matches(&Response::read(response.as_bytes()).unwrap(), &mut Bindings::default())
    }

    #[test]
    fn fetch_items_come_in_any_order_and_may_be_more() {
        assert!(check("* 1 FETCH (UID 4 FLAGS (\\Seen \\Draft))", "* 1 FETCH (FLAGS (\\Draft \\Seen \\Recent) UID 4)"));
        assert!(!check("* 1 FETCH (UID 4 FLAGS (\\Seen))", "* 1 FETCH (FLAGS () UID 4)"));
        assert!(!check("* 1 FETCH (UID 4)", "* 1 FETCH (FLAGS ())"));
        assert!(!check("* 1 FETCH (FLAGS ())", "* 1 FETCH (FLAGS (\\Seen))"));
        assert!(check("* 1 FETCH (FLAGS (… \\Seen))", "* 1 FETCH (FLAGS (\\Seen \\Draft))"));
        assert!(!check("* 1 FETCH (FLAGS (\\Recent))", "* 1 FETCH (FLAGS ())"));
    }

    #[test]
    fn status_text_is_for_people_but_codes_are_compared() {
        assert!(check("a1 OK", "a1 OK [READ-WRITE] done"));
        assert!(check("a1 OK [READ-WRITE]", "a1 OK [READ-WRITE] done"));
        assert!(!check("a1 OK [READ-ONLY]", "a1 OK [READ-WRITE] done"));
        assert!(!check("a1 OK [READ-ONLY]", "a1 OK done"));
        assert!(!check("a1 OK", "a1 NO done"));
        assert!(!check("a1 OK", "a2 OK done"));
        assert!(check("a1 /NO|BAD/", "a1 BAD what"));
        assert!(check("* OK [PERMANENTFLAGS (\\* \\Seen …)]", "* OK [PERMANENTFLAGS (\\Answered \\Seen \\*)] Flags"));
    }

    #[test]
    fn sets_and_sequences() {
        assert!(check("* SEARCH 1 3", "* SEARCH 3 1"));
        assert!(!check("* SEARCH 1 3", "* SEARCH 1 3 4"));
        assert!(!check("* SEARCH", "* SEARCH 1"));
        assert!(check("* SEARCH", "* SEARCH"));
        assert!(check("* CAPABILITY IDLE", "* CAPABILITY IMAP4rev1 IDLE"));
        assert!(!check("* CAPABILITY IDLE", "* CAPABILITY IMAP4rev1"));
        assert!(check(
            "* METADATA a (/private/b \"1\" /private/c \"2\")",
            "* METADATA a (/private/c {1}\r\n2 /private/b {1}\r\n1)"
        ));
        assert!(check("* ENABLED QRESYNC", "* ENABLED CONDSTORE QRESYNC"));
        assert!(!check("* ENABLED QRESYNC CONDSTORE", "* ENABLED QRESYNC"));
        assert!(!check("* ENABLED UIDONLY", "* ENABLED CONDSTORE UIDONLY"));
        assert!(check("* LIST (\\HasNoChildren …) \"/\" a", "* LIST (\\Drafts \\HasNoChildren) \"/\" {1}\r\na"));
        assert!(check("* STATUS a (UIDNEXT $_ MESSAGES 2)", "* STATUS \"a\" (MESSAGES 2 UIDNEXT 3)"));
        assert!(!check("* STATUS a (MESSAGES 2)", "* STATUS a (MESSAGES 3)"));
    }

    #[test]
    fn names_bind_within_one_pattern_too() {
        assert!(check("* OK [COPYUID $v $a $a+1]", "* OK [COPYUID 9 4 5] Copied"));
        assert!(!check("* OK [COPYUID $v $v $_]", "* OK [COPYUID 9 4 1] Copied"));
    }

    #[test]
    fn bytes_are_exact_and_deliveries_add_only_fields() {
        assert!(check("* 1 FETCH (BODY[] {file ab})", "* 1 FETCH (BODY[] {2}\r\nab)"));
        assert!(!check("* 1 FETCH (BODY[] {file ab})", "* 1 FETCH (BODY[] {3}\r\nabc)"));
        assert!(is_delivered(b"S: x\r\n", b"Return-Path: <>\r\nReceived: a\r\n\tb\r\nS: x\r\n"));
        assert!(is_delivered(b"S: x\r\n", b"X-Sieve: a\r\nS: x\r\n"));
        assert!(!is_delivered(b"S: x\r\n", b"\r\nS: x\r\n"));
        assert!(!is_delivered(b"S: x\r\n", b" a\r\nS: x\r\n"));
        assert!(!is_delivered(b"S: x\r\n", b"Received: a\r\nBody.\r\nS: x\r\n"));
        assert!(!is_delivered(b"S: x\r\n", b"S: y\r\n"));
    }

    #[test]
    fn nil_is_not_the_string_nil() {
        assert!(check("* X NIL", "* X NIL"));
        assert!(!check("* X NIL", "* X \"NIL\""));
        assert!(!check("* X \"NIL\"", "* X NIL"));
    }
}
