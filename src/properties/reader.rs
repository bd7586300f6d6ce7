//! Reads what our printer of IMAP writes, by the grammar of RFC 3501 §9 and by nothing of ours.

/// A value of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `(…)`; values that stand without a space between them, as parts of a multipart do, are several.
    List(Vec<Value>),
    /// `quoted / literal`
    String(Vec<u8>),
    /// `NIL`, a number, a name.
    Atom(String),
}

impl Value {
    pub(super) fn atom(number: u32) -> Value {
        Value::Atom(number.to_string())
    }

    /// What is in the list; of what is none nothing.
    pub(super) fn list(&self) -> &[Value] {
        match self {
            Value::List(values) => values,
            _ => &[],
        }
    }

    pub(super) fn octets(&self) -> Option<&[u8]> {
        match self {
            Value::String(octets) => Some(octets),
            _ => None,
        }
    }

    pub(super) fn is_string(&self) -> bool {
        matches!(self, Value::String(_))
    }

    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Value::Atom(atom) if atom == "NIL")
    }

    pub(super) fn is_nstring(&self) -> bool {
        self.is_string() || self.is_nil()
    }
}

/// The value that these octets are; `None`: they are no value, or more than one.
pub(super) fn value(octets: &[u8]) -> Option<Value> {
    let mut rest = octets;
    let value = next(&mut rest)?;
    rest.is_empty().then_some(value)
}

fn next(rest: &mut &[u8]) -> Option<Value> {
    match rest.first()? {
        b'(' => {
            *rest = &rest[1..];
            let mut values = Vec::new();
            while !rest.starts_with(b")") {
                if values.is_empty() || !rest.starts_with(b"(") {
                    // Between two parts of a multipart nothing stands, elsewhere one space.
                    if !values.is_empty() {
                        *rest = rest.strip_prefix(b" ")?;
                    }
                }
                values.push(next(rest)?);
            }
            *rest = &rest[1..];
            Some(Value::List(values))
        }
        b'"' => quoted(rest),
        b'{' => literal(rest),
        _ => {
            let end = rest.iter().position(|octet| !octet.is_ascii_alphanumeric() && !b"+-.[]".contains(octet))?;
            let (atom, behind) = rest.split_at_checked(end).filter(|(atom, _)| !atom.is_empty())?;
            *rest = behind;
            Some(Value::Atom(String::from_utf8(atom.to_vec()).ok()?))
        }
    }
}

/// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`, with UTF-8 as RFC 9051 §9 has it.
fn quoted(rest: &mut &[u8]) -> Option<Value> {
    let mut octets = Vec::new();
    let mut at = 1;
    loop {
        match rest.get(at)? {
            b'"' => break,
            b'\\' => {
                let escaped = rest.get(at + 1).filter(|octet| matches!(octet, b'"' | b'\\'))?;
                octets.push(*escaped);
                at += 2;
            }
            b'\r' | b'\n' | 0 => return None,
            octet => {
                octets.push(*octet);
                at += 1;
            }
        }
    }
    *rest = &rest[at + 1..];
    std::str::from_utf8(&octets).ok()?;
    Some(Value::String(octets))
}

/// `literal = "{" number "}" CRLF *CHAR8`, without NUL.
fn literal(rest: &mut &[u8]) -> Option<Value> {
    let end = rest.windows(3).position(|window| window == b"}\r\n")?;
    let count: usize = std::str::from_utf8(&rest[1..end]).ok()?.parse().ok()?;
    let (octets, behind) = rest[end + 3..].split_at_checked(count)?;
    *rest = behind;
    (!octets.contains(&0)).then(|| Value::String(octets.to_vec()))
}
