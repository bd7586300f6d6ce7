//! The `$names` of a transcript: captured from replies or given by the runner, and put into what is sent.
//!
//! A name is `$` and a lower-case letter followed by letters, digits or `_`; so IMAP keywords such as `$Forwarded` are
//! ordinary text. `$name+1` is the number that `$name` stands for, plus one.

use std::collections::BTreeMap;

/// Values by name, without the `$`.
#[derive(Clone, Debug, Default)]
pub struct Bindings(BTreeMap<String, Vec<u8>>);

/// A piece of text that may contain names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Plain text.
    Text(String),
    /// `$name` or `$name+offset`.
    Name {
        /// The name without `$`.
        name: String,
        /// What to add to the number it stands for; 0 where nothing is added.
        offset: u64,
    },
}

impl Bindings {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Gives a name its value.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The bytes that `$name+offset` stands for; `None` where the name is not bound, or is no number but has an offset.
    pub fn value(&self, name: &str, offset: u64) -> Option<Vec<u8>> {
        let value = self.get(name)?;
        if offset == 0 {
            return Some(value.to_vec());
        }
        let number: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        Some((number + offset).to_string().into_bytes())
    }

    /// `text` with its names replaced; the name that has no value is the error.
    pub fn fill(&self, text: &str) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Name { name, offset } => match self.value(&name, offset) {
                    Some(value) => out.extend_from_slice(&value),
                    None => return Err(format!("${name} has no value here")),
                },
            }
        }
        Ok(out)
    }
}

/// Splits `text` at its names.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let after = &from[1..];
        let starts = after.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let length = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        if !starts {
            plain.push('$');
            rest = after;
            continue;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        let name = after[..length].to_owned();
        rest = &after[length..];
        let digits = rest.strip_prefix('+').map_or(0, |r| r.bytes().take_while(u8::is_ascii_digit).count());
        let offset = if digits > 0 { rest[1..=digits].parse().unwrap_or(0) } else { 0 };
        if digits > 0 {
            rest = &rest[digits + 1..];
        }
        pieces.push(Piece::Name { name, offset });
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_keywords_are_not() {
        let mut bindings = Bindings::default();
        bindings.set("uid", "41");
        let filled = bindings.fill("UID STORE $uid:$uid+1 FLAGS ($Forwarded)").unwrap();
        assert_eq!(filled, b"UID STORE 41:42 FLAGS ($Forwarded)");
        assert!(bindings.fill("$nobody").unwrap_err().contains("$nobody"));
    }
}
