//! Zones as a person reads them: a record a line, and the troubles that a DNS can have.
//!
//! ```text
//! # what stands behind a # is a comment
//! example.org              MX   10 mx.example.org
//! mx.example.org           A    192.0.2.1
//! example.org              TXT  "v=spf1 mx " "-all"
//! 1.2.0.192.in-addr.arpa   PTR  mx.example.org
//! www.example.org          CNAME mx.example.org
//! *.wild.example           A    192.0.2.9
//! dead.example             SERVFAIL
//! ```
//!
//! Names are whole; a dot at the end makes no difference, nor does case. `SERVFAIL`, `REFUSED`, `SILENCE` (no answer at
//! all), `GARBAGE` (an answer that is none) and `TRUNCATED` (over UDP, whatever is asked) hold for a name and all below it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What can stand behind a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Text, in strings of at most 255 octets.
    Txt(Vec<Vec<u8>>),
    /// A mail exchanger with its preference.
    Mx(u16, String),
    /// The name of an address.
    Ptr(String),
    /// The name is another's.
    Cname(String),
}

/// What goes wrong for a name and all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// RCODE 2.
    ServFail,
    /// RCODE 5.
    Refused,
    /// No answer.
    Silence,
    /// An answer that no resolver can read.
    Garbage,
    /// Over UDP, only the word that it is too much.
    Truncated,
}

/// What is known.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: BTreeMap<String, Vec<Data>>,
    troubles: BTreeMap<String, Trouble>,
}

/// What a question finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'z> {
    /// All that stands behind the name; perhaps nothing of what is asked for.
    Records(&'z [Data]),
    /// No such name, and none below it.
    Nothing,
}

impl Zone {
    /// Reads a zone's text.
    pub fn parse(text: &str) -> Result<Zone, String> {
        let mut zone = Zone::default();
        for (index, line) in text.lines().enumerate() {
            zone.line(line).map_err(|error| format!("line {}: {error}: {line}", index + 1))?;
        }
        Ok(zone)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        // A key in base64 has no `#`, and no text of a test needs one.
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            return Ok(());
        }
        let (name, rest) = line.split_once(char::is_whitespace).ok_or("a name, and nothing behind it")?;
        let (kind, value) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
        let (name, value) = (canonical(name), value.trim());
        let data = match kind {
            "A" => Data::A(value.parse().map_err(|_| "no IPv4 address")?),
            "AAAA" => Data::Aaaa(value.parse().map_err(|_| "no IPv6 address")?),
            "TXT" => Data::Txt(strings(value)?),
            "MX" => {
                let (preference, exchange) = value.split_once(' ').ok_or("MX has a preference and a name")?;
                Data::Mx(preference.parse().map_err(|_| "no preference")?, canonical(exchange))
            }
            "PTR" => Data::Ptr(canonical(value)),
            "CNAME" => Data::Cname(canonical(value)),
            trouble => {
                self.troubles.insert(name, trouble_of(trouble).ok_or("no such kind of record")?);
                return Ok(());
            }
        };
        self.records.entry(name).or_default().push(data);
        Ok(())
    }

    /// The trouble of a name, or of one above it.
    pub fn trouble(&self, name: &str) -> Option<Trouble> {
        ancestors(name).find_map(|above| self.troubles.get(above).copied())
    }

    /// What is known of a name in its canonical form.
    pub fn find(&self, name: &str) -> Found<'_> {
        if let Some(records) = self.records.get(name) {
            return Found::Records(records);
        }
        let below = format!(".{name}");
        if self.records.keys().any(|other| other.ends_with(&below)) {
            return Found::Records(&[]);
        }
        let wild = ancestors(name).skip(1).find_map(|above| self.records.get(&format!("*.{above}")));
        wild.map_or(Found::Nothing, |records| Found::Records(records))
    }
}

/// A name in lower case, without the dot at its end.
pub fn canonical(name: &str) -> String {
    name.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// The name, the one above it, and so on.
fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, above)| above))
}

fn trouble_of(word: &str) -> Option<Trouble> {
    Some(match word {
        "SERVFAIL" => Trouble::ServFail,
        "REFUSED" => Trouble::Refused,
        "SILENCE" => Trouble::Silence,
        "GARBAGE" => Trouble::Garbage,
        "TRUNCATED" => Trouble::Truncated,
        _ => return None,
    })
}

/// `"one" "two"`; `\"` is a quotation mark, and `\\` a backslash. What is longer than 255 octets becomes several strings.
fn strings(value: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut strings = Vec::new();
    let mut octets = value.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b' ' | b'\t' => {}
            b'"' => {
                let mut string = Vec::new();
                loop {
                    match octets.next().ok_or("a string that does not end")? {
                        b'"' => break,
                        b'\\' => string.push(octets.next().ok_or("a string that does not end")?),
                        other => string.push(other),
                    }
                }
                match string.is_empty() {
                    true => strings.push(string),
                    false => strings.extend(string.chunks(255).map(<[u8]>::to_vec)),
                }
            }
            _ => return Err("text stands in quotes".to_owned()),
        }
    }
    Ok(strings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_read_and_asked() {
        let zone = Zone::parse(
            "# a comment\nExample.ORG. TXT \"a\\\"b\" \"c\"\n*.wild.example A 192.0.2.9 # wild\ndead.example SERVFAIL\n\
             deep.under.example MX 10 mx.example.org.\n",
        )
        .unwrap();
        assert_eq!(zone.find("example.org"), Found::Records(&[Data::Txt(vec![b"a\"b".to_vec(), b"c".to_vec()])]));
        assert_eq!(zone.find("x.y.wild.example"), Found::Records(&[Data::A(Ipv4Addr::new(192, 0, 2, 9))]));
        assert_eq!(zone.find("under.example"), Found::Records(&[]), "there is something below it");
        assert_eq!(zone.find("example.net"), Found::Nothing);
        assert_eq!(zone.trouble("www.dead.example"), Some(Trouble::ServFail));
        assert_eq!(zone.trouble("undead.example"), None);
    }

    #[test]
    fn what_is_no_zone_is_refused_with_its_line() {
        for (text, error) in [
            ("a.example", "line 1: a name, and nothing behind it: a.example"),
            ("\na.example A nonsense", "line 2: no IPv4 address: a.example A nonsense"),
            ("a.example TXT open", "line 1: text stands in quotes: a.example TXT open"),
            ("a.example WKS x", "line 1: no such kind of record: a.example WKS x"),
        ] {
            assert_eq!(Zone::parse(text).unwrap_err(), error);
        }
    }
}
