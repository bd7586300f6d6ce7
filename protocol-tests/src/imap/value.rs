//! An IMAP response as values (RFC 3501 §7 and §9): atoms, strings and lists, whatever form they were sent in.
//!
//! The reader is strict where the grammar is: unbalanced lists, bare control characters or octets above 127 outside of
//! literals are errors, so that each transcript checks the form of everything it receives. Who has enabled it reads UTF-8 in
//! quotes too (RFC 6855 §3, RFC 9051 §4.3).

use tokio::time::Instant;

/// One element of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An atom, number or flag; with its section where it has one (`BODY[HEADER.FIELDS (TO)]<0>`).
    Atom(Vec<u8>),
    /// A quoted string or a literal: which of the two is the sender's choice (RFC 3501 §4.3).
    Text(Vec<u8>),
    /// `( … )`.
    List(Vec<Value>),
    /// `[ … ]` at the place of a response code.
    Code(Vec<Value>),
}

/// Who a response answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `*`.
    Untagged,
    /// `+`.
    Continuation,
    /// A tag.
    Tagged(String),
}

/// One whole response.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its first word.
    pub kind: Kind,
    /// What follows; of a status response the condition (`OK`) and the code, if there is one.
    pub values: Vec<Value>,
    /// The text of a status or continuation response, which is for people.
    pub text: Vec<u8>,
    /// The bytes as they came, without the final CRLF.
    pub raw: Vec<u8>,
    /// When its last octet came, if it came over a connection.
    pub arrived: Option<Instant>,
    /// What SEARCH would say, where ESEARCH stands because the server knows nothing else.
    pub as_search: Option<Vec<Value>>,
}

/// The conditions whose text is for people (RFC 3501 §7.1).
const CONDITIONS: [&[u8]; 5] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];

/// Nesting that the reader follows; no envelope or structure in the corpus comes near.
const MAX_DEPTH: usize = 200;

impl Response {
    /// Reads one framed response, without its final CRLF.
    pub fn read(raw: &[u8]) -> Result<Response, String> {
        Self::read_as(raw, false)
    }

    /// The same; `utf8`: the client has enabled UTF-8 in quoted strings.
    pub fn read_as(raw: &[u8], utf8: bool) -> Result<Response, String> {
        let mut reader = Reader { bytes: raw, at: 0, utf8, in_code: false };
        let kind = match reader.until_space() {
            b"*" => Kind::Untagged,
            b"+" => Kind::Continuation,
            tag if !tag.is_empty() && tag.iter().all(|b| b.is_ascii_graphic() && !b"(){%*\"\\+".contains(b)) => {
                Kind::Tagged(String::from_utf8_lossy(tag).into_owned())
            }
            other => return Err(format!("{:?} is no tag, * or +", String::from_utf8_lossy(other))),
        };
        let mut values = Vec::new();
        let mut text = Vec::new();
        // Some servers end a bare continuation right behind the plus; the grammar wants a space, and so do we.
        reader.space()?;
        let condition = reader.peek_word().to_ascii_uppercase();
        if kind == Kind::Continuation {
            text = reader.rest().to_vec();
        } else if CONDITIONS.contains(&&condition[..]) {
            values.push(reader.value(0)?);
            if reader.at < raw.len() {
                reader.space()?;
            }
            if reader.peek() == Some(b'[') {
                values.push(reader.code()?);
                if reader.at < raw.len() {
                    reader.space()?;
                }
            }
            text = reader.rest().to_vec();
        } else if let Kind::Tagged(_) = kind {
            return Err("a tagged response without OK, NO or BAD".to_owned());
        } else {
            values = reader.values(None, 0)?;
        }
        if text.iter().any(|&b| b == 0 || b == b'\r' || b == b'\n') {
            return Err("a control character in the text of a response".to_owned());
        }
        Ok(Response { kind, values, text, raw: raw.to_vec(), arrived: None, as_search: None })
    }

    /// The `index`th value, if it is an atom: upper-cased.
    pub fn word(&self, index: usize) -> Option<String> {
        match self.values.get(index)? {
            Value::Atom(atom) => Some(String::from_utf8_lossy(atom).to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Whether this is a status response, whose text is for people.
    pub fn is_condition(&self) -> bool {
        self.word(0).is_some_and(|word| CONDITIONS.contains(&word.as_bytes()))
    }
}

/// An ESEARCH response that has nothing but ALL, as the SEARCH response that RFC 9051 §7.3.4 has it stand for.
pub fn as_search(response: &Response) -> Option<Vec<Value>> {
    let is = |value: &Value, word: &[u8]| matches!(value, Value::Atom(atom) if atom.eq_ignore_ascii_case(word));
    let [esearch, rest @ ..] = &response.values[..] else { return None };
    if !is(esearch, b"ESEARCH") {
        return None;
    }
    let rest = if let [Value::List(_), rest @ ..] = rest { rest } else { rest };
    let rest = if let [uid, rest @ ..] = rest
        && is(uid, b"UID")
    {
        rest
    } else {
        rest
    };
    let mut search = vec![Value::Atom(b"SEARCH".to_vec())];
    match rest {
        [] => {}
        [all, Value::Atom(set)] if is(all, b"ALL") => {
            for range in std::str::from_utf8(set).ok()?.split(',') {
                let (first, last) = range.split_once(':').unwrap_or((range, range));
                let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
                let (low, high) = (first.min(last), first.max(last));
                // No transcript searches for so many; a server that names them all has to be wrong.
                if high - low > MAX_FOUND {
                    return None;
                }
                search.extend((low..=high).map(|number| Value::Atom(number.to_string().into_bytes())));
            }
        }
        _ => return None,
    }
    Some(search)
}

/// How many numbers a set may stand for.
const MAX_FOUND: u32 = 100_000;

/// Where the frame that begins `bytes` ends (behind its CRLF), if it is whole: literals are counted.
pub fn frame(bytes: &[u8]) -> Result<Option<usize>, String> {
    let mut from = 0;
    loop {
        let Some(lf) = bytes[from..].iter().position(|&b| b == b'\n') else { return Ok(None) };
        let end = from + lf + 1;
        let line = &bytes[from..end];
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err("a line that ends with a bare LF".to_owned());
        };
        match literal_length(line) {
            Some(length) if bytes.len() >= end + length => from = end + length,
            Some(_) => return Ok(None),
            None => return Ok(Some(end)),
        }
    }
}

/// `n` of a line that ends with `{n}`.
fn literal_length(line: &[u8]) -> Option<usize> {
    let open = line.iter().rposition(|&b| b == b'{')?;
    let digits = line[open + 1..].strip_suffix(b"}")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    utf8: bool,
    /// Inside a response code, where `]` ends an atom; elsewhere it is a character of it (RFC 3501 §9, ASTRING-CHAR).
    in_code: bool,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn peek_word(&self) -> &'a [u8] {
        let rest = self.rest();
        &rest[..rest.iter().position(|&b| b == b' ').unwrap_or(rest.len())]
    }

    fn until_space(&mut self) -> &'a [u8] {
        let word = self.peek_word();
        self.at += word.len();
        word
    }

    fn space(&mut self) -> Result<(), String> {
        if self.peek() == Some(b' ') {
            self.at += 1;
            return Ok(());
        }
        Err(format!("no space at octet {}", self.at))
    }

    /// Values separated by single spaces, up to `end` or the end of the response.
    fn values(&mut self, end: Option<u8>, depth: usize) -> Result<Vec<Value>, String> {
        let mut values = Vec::new();
        loop {
            match self.peek() {
                found if found == end => return Ok(values),
                None => return Err("a list that is not closed".to_owned()),
                Some(b' ') if !values.is_empty() => self.at += 1,
                // BODYSTRUCTURE and ENVELOPE put lists side by side without a space (RFC 3501 §9, body-type-mpart).
                Some(b'(') if matches!(values.last(), Some(Value::List(_))) => {}
                Some(_) if values.is_empty() => {}
                Some(byte) => return Err(format!("{:?} where a space belongs", char::from(byte))),
            }
            // SEARCH without results is a bare word, which some servers end with a space.
            if end.is_none() && self.peek().is_none() {
                return Ok(values);
            }
            values.push(self.value(depth)?);
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("lists nested too deep".to_owned());
        }
        match self.peek() {
            Some(b'(') => {
                self.at += 1;
                let values = self.values(Some(b')'), depth + 1)?;
                self.at += 1;
                Ok(Value::List(values))
            }
            Some(b'"') => self.quoted(),
            Some(b'{') => match self.literal()? {
                Value::Text(bytes) if bytes.contains(&0) => Err("NUL in a literal that is no literal8".to_owned()),
                text => Ok(text),
            },
            Some(b'~') if self.rest().starts_with(b"~{") => {
                self.at += 1;
                self.literal()
            }
            _ => self.atom(),
        }
    }

    fn quoted(&mut self) -> Result<Value, String> {
        let mut text = Vec::new();
        self.at += 1;
        loop {
            let byte = self.peek().ok_or("a quoted string that is not closed")?;
            self.at += 1;
            match byte {
                b'"' if std::str::from_utf8(&text).is_err() => return Err("quotes around what is no UTF-8".to_owned()),
                b'"' => return Ok(Value::Text(text)),
                b'\\' => {
                    let escaped = self.peek().filter(|b| b"\"\\".contains(b));
                    text.push(escaped.ok_or("a backslash before neither \" nor \\")?);
                    self.at += 1;
                }
                0 | b'\r' | b'\n' => return Err("a control character in a quoted string".to_owned()),
                128.. if !self.utf8 => return Err("an octet above 127 in a quoted string".to_owned()),
                byte => text.push(byte),
            }
        }
    }

    fn literal(&mut self) -> Result<Value, String> {
        let rest = self.rest();
        let end = rest.windows(2).position(|w| w == b"\r\n").ok_or("a brace that opens no literal")?;
        let length = literal_length(&rest[..end]).ok_or("a brace that opens no literal")?;
        let from = self.at + end + 2;
        let bytes = self.bytes.get(from..from + length).ok_or("a literal that is cut short")?;
        self.at = from + length;
        Ok(Value::Text(bytes.to_vec()))
    }

    fn atom(&mut self) -> Result<Value, String> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'(' | b')' => break,
                b'[' if self.at > start => {
                    // A section: to its bracket, quoted header names and all.
                    let close = self.rest().iter().position(|&b| b == b']').ok_or("a section that is not closed")?;
                    self.at += close + 1;
                    continue;
                }
                b']' if self.in_code => break,
                b'"' => return Err("a quote inside an atom".to_owned()),
                byte if !byte.is_ascii_graphic() => {
                    return Err(format!("octet {byte:#04x} in an atom"));
                }
                _ => {}
            }
            self.at += 1;
        }
        if self.at == start {
            return Err(format!("nothing where a value belongs, at octet {start}"));
        }
        Ok(Value::Atom(self.bytes[start..self.at].to_vec()))
    }

    /// `[…]`: read as values where it can be, as one atom otherwise (a code of unknown form is text up to `]`).
    fn code(&mut self) -> Result<Value, String> {
        let start = self.at;
        self.at += 1;
        self.in_code = true;
        let values = self.values(Some(b']'), 0);
        self.in_code = false;
        if let Ok(values) = values {
            self.at += 1;
            return Ok(Value::Code(values));
        }
        self.at = start + 1;
        let close = self.rest().iter().position(|&b| b == b']').ok_or("a response code that is not closed")?;
        let text = self.rest()[..close].to_vec();
        self.at += close + 1;
        Ok(Value::Code(vec![Value::Atom(text)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(text: &str) -> Value {
        Value::Atom(text.as_bytes().to_vec())
    }

    #[test]
    fn quoted_strings_and_literals_read_alike() {
        let quoted = Response::read(br#"* LIST (\Noselect) "/" "a b""#).unwrap();
        let literal = Response::read(b"* LIST (\\Noselect) \"/\" {3}\r\na b").unwrap();
        assert_eq!(quoted.values, literal.values);
        assert_eq!(quoted.values[1], Value::List(vec![atom(r"\Noselect")]));
    }

    #[test]
    fn sections_belong_to_their_atom() {
        let fetch = Response::read(b"* 1 FETCH (BODY[HEADER.FIELDS (TO)]<0> {2}\r\n\r\n UID 4)").unwrap();
        let Value::List(items) = &fetch.values[2] else { panic!("a list") };
        assert_eq!(items[0], atom("BODY[HEADER.FIELDS (TO)]<0>"));
        assert_eq!(items[1], Value::Text(b"\r\n".to_vec()));
    }

    #[test]
    fn a_bracket_ends_a_code_and_no_name() {
        let list = Response::read(br#"* LIST () "/" a]b"#).unwrap();
        assert_eq!(list.values[3], atom("a]b"));
        let code = Response::read(b"* OK [UIDNEXT 4] Predicted").unwrap();
        assert_eq!(code.values[1], Value::Code(vec![atom("UIDNEXT"), atom("4")]));
    }

    #[test]
    fn bad_forms_are_refused() {
        for bad in [
            "* 1 FETCH (FLAGS",
            "*",
            "* LIST () \"/",
            "a1 FETCH",
            "* LIST () \"/\" \"\u{e4}\"",
            "* FLAGS  x",
            "* X {1}\r\n\0",
        ] {
            assert!(Response::read(bad.as_bytes()).is_err(), "{bad} was read");
        }
    }

    #[test]
    fn utf8_in_quotes_is_read_by_who_enabled_it() {
        let line = "* LIST () \"/\" \"ä\"".as_bytes();
        assert_eq!(Response::read_as(line, true).unwrap().values[3], Value::Text("ä".as_bytes().to_vec()));
        assert!(Response::read(line).is_err());
        assert!(Response::read_as(b"* LIST () \"/\" \"\xe4\"", true).is_err());
    }

    #[test]
    fn esearch_stands_for_search_where_it_has_nothing_else() {
        let shown = |line: &str| as_search(&Response::read(line.as_bytes()).unwrap()).map(|values| values.len() - 1);
        assert_eq!(shown("* ESEARCH (TAG \"a\") ALL 1,5:3"), Some(4));
        assert_eq!(shown("* ESEARCH (TAG \"a\") UID ALL 7"), Some(1));
        assert_eq!(shown("* ESEARCH (TAG \"a\")"), Some(0));
        assert_eq!(shown("* ESEARCH (TAG \"a\") COUNT 1"), None);
        assert_eq!(shown("* ESEARCH ALL 1:4294967295"), None);
        assert_eq!(shown("* SEARCH 1"), None);
    }

    #[test]
    fn frames_count_literals() {
        assert_eq!(frame(b"* 1 EXISTS\r\n* 2").unwrap(), Some(12));
        assert_eq!(frame(b"* X {4}\r\na\r\n").unwrap(), None);
        assert_eq!(frame(b"* X {4}\r\n\r\n\r\n)\r\n").unwrap(), Some(16));
        assert!(frame(b"* 1 EXISTS\n").is_err());
    }
}
