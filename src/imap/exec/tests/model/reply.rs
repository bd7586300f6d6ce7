//! What the server said, read by a grammar that is not ours: protocol-tests' reader of values, and imap-codec for every
//! line whose kind it knows. From the values on, what a reply means stands here, as the RFCs say it.

use std::collections::BTreeMap;

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use protocol_tests::imap::value::{Kind, Response, Value, frame};

use super::truth::Flags;

/// What imap-codec does not know: VANISHED (RFC 7162), ESEARCH (RFC 4731), UIDFETCH (RFC 9586), and LIST with extended data
/// (RFC 5258). These go by our grammar alone.
const BEYOND_IMAP_CODEC: [&str; 3] = ["VANISHED", "ESEARCH", "UIDFETCH"];

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Exists(u32),
    Recent(u32),
    Expunge(u32),
    Vanished {
        earlier: bool,
        uids: Vec<u32>,
    },
    Fetch(Fetched),
    /// `* FLAGS`
    Keywords(Flags),
    Search(Vec<u32>),
    ESearch(BTreeMap<String, String>),
    Status {
        mailbox: String,
        items: BTreeMap<String, u64>,
    },
    List {
        mailbox: String,
        attributes: Flags,
        /// OLDNAME (RFC 9051 §7.3.1, RFC 5465 §5.4).
        old_name: Option<String>,
    },
    /// `* OK`, with its code if it has one.
    Condition {
        condition: String,
        code: Vec<String>,
    },
    Bye,
    Tagged {
        condition: String,
        code: Vec<String>,
    },
    Continue,
    Capability(Flags),
    /// Of no concern here.
    Other(String),
}

/// What a FETCH response told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fetched {
    /// The sequence number; of UIDFETCH the UID.
    pub(super) number: u32,
    pub(super) by_uid: bool,
    pub(super) uid: Option<u32>,
    pub(super) flags: Option<Flags>,
    pub(super) mod_seq: Option<u64>,
    /// The message itself, by the number in its Message-ID.
    pub(super) token: Option<u32>,
    pub(super) items: usize,
}

/// How many octets of these are whole replies.
pub(super) fn whole(octets: &[u8]) -> Result<usize, String> {
    let mut whole = 0;
    while let Some(end) = frame(&octets[whole..])? {
        whole += end;
    }
    Ok(whole)
}

/// All replies in `octets`, which end with a whole one.
pub(super) fn read(mut octets: &[u8]) -> Result<Vec<(String, Reply)>, String> {
    let mut replies = Vec::new();
    while !octets.is_empty() {
        let end = frame(octets)?.ok_or("a reply that is cut short")?;
        let line = String::from_utf8_lossy(&octets[..end - 2]).into_owned();
        let reply = read_one(&octets[..end]).map_err(|error| format!("{error}: {line}"))?;
        replies.push((line, reply));
        octets = &octets[end..];
    }
    Ok(replies)
}

fn read_one(octets: &[u8]) -> Result<Reply, String> {
    let response = Response::read(&octets[..octets.len() - 2])?;
    let known = !(0..2).any(|at| response.word(at).is_some_and(|word| BEYOND_IMAP_CODEC.contains(&word.as_str())));
    let known = known && !(response.word(0).as_deref() == Some("LIST") && response.values.len() > 4);
    if known {
        match ResponseCodec::default().decode(octets) {
            Ok((b"", _)) => {}
            Ok((rest, _)) => return Err(format!("imap-codec left {:?}", String::from_utf8_lossy(rest))),
            Err(error) => return Err(format!("imap-codec could not read it ({error:?})")),
        }
    }
    meaning(&response).ok_or_else(|| "a reply that says nothing that the RFCs know".to_owned())
}

fn meaning(response: &Response) -> Option<Reply> {
    let code = |at: usize| match response.values.get(at) {
        Some(Value::Code(values)) => values.iter().map(text).collect(),
        _ => Vec::new(),
    };
    if let Kind::Tagged(_) = response.kind {
        return Some(Reply::Tagged { condition: response.word(0)?, code: code(1) });
    }
    if response.kind == Kind::Continuation {
        return Some(Reply::Continue);
    }
    let values = &response.values;
    Some(match response.word(0)?.as_str() {
        "BYE" => Reply::Bye,
        condition @ ("OK" | "NO" | "BAD") => Reply::Condition { condition: condition.to_owned(), code: code(1) },
        "VANISHED" => {
            let earlier = values.len() == 3 && values[1] == Value::List(vec![Value::Atom(b"EARLIER".to_vec())]);
            if values.len() != 2 + usize::from(earlier) {
                return None;
            }
            Reply::Vanished { earlier, uids: uids(&text(values.last()?))? }
        }
        "CAPABILITY" => Reply::Capability(values[1..].iter().map(text).collect()),
        "FLAGS" => Reply::Keywords(list(&values[1])?.iter().map(text).collect()),
        "SEARCH" => {
            let numbers = values[1..].iter().filter(|value| matches!(value, Value::Atom(_)));
            Reply::Search(numbers.map(|value| text(value).parse().ok()).collect::<Option<_>>()?)
        }
        "ESEARCH" => {
            let words: Vec<String> = values[1..].iter().filter(|value| list(value).is_none()).map(text).collect();
            let words = words.strip_prefix(&["UID".to_owned()]).unwrap_or(&words);
            Reply::ESearch(words.chunks_exact(2).map(|pair| (pair[0].to_ascii_uppercase(), pair[1].clone())).collect())
        }
        "STATUS" => {
            let items = list(values.get(2)?)?;
            let pairs = items.chunks_exact(2).filter_map(|pair| Some((text(&pair[0]), text(&pair[1]).parse().ok()?)));
            Reply::Status { mailbox: text(&values[1]), items: pairs.collect() }
        }
        "LIST" => Reply::List {
            mailbox: text(values.get(3)?),
            attributes: list(&values[1])?.iter().map(|value| text(value).to_ascii_lowercase()).collect(),
            old_name: values.get(4).map(|extended| old_name(list(extended)?)).unwrap_or(Some(None))?,
        },
        number if number.bytes().all(|octet| octet.is_ascii_digit()) => {
            let number: u32 = number.parse().ok()?;
            match (response.word(1)?.as_str(), values.len()) {
                ("EXISTS", 2) => Reply::Exists(number),
                ("RECENT", 2) => Reply::Recent(number),
                ("EXPUNGE", 2) if number > 0 => Reply::Expunge(number),
                ("FETCH", 3) if number > 0 => Reply::Fetch(fetched(number, list(&values[2])?)?),
                ("UIDFETCH", 3) if number > 0 => {
                    let told = fetched(number, list(&values[2])?)?;
                    if told.uid.is_some_and(|uid| uid != number) {
                        return None;
                    }
                    Reply::Fetch(Fetched { uid: Some(number), by_uid: true, ..told })
                }
                _ => return None,
            }
        }
        other => Reply::Other(other.to_owned()),
    })
}

fn fetched(number: u32, items: &[Value]) -> Option<Fetched> {
    let mut fetched = Fetched { number, items: items.len() / 2, ..Fetched::default() };
    if items.is_empty() || items.len() % 2 == 1 {
        return None;
    }
    for pair in items.chunks_exact(2) {
        match text(&pair[0]).to_ascii_uppercase().as_str() {
            "UID" => fetched.uid = Some(text(&pair[1]).parse().ok().filter(|uid| *uid > 0)?),
            "FLAGS" => fetched.flags = Some(list(&pair[1])?.iter().map(text).collect()),
            "MODSEQ" => fetched.mod_seq = Some(text(list(&pair[1])?.first()?).parse().ok().filter(|seq| *seq > 0)?),
            name if name.starts_with("BODY[HEADER") => fetched.token = Some(token(&text(&pair[1]))?),
            _ => {}
        }
    }
    Some(fetched)
}

/// OLDNAME among the extended data of LIST; `None`: that is malformed.
fn old_name(items: &[Value]) -> Option<Option<String>> {
    if items.is_empty() || items.len() % 2 == 1 {
        return None;
    }
    let pair = items.chunks_exact(2).find(|pair| text(&pair[0]).eq_ignore_ascii_case("OLDNAME"));
    match pair.map(|pair| list(&pair[1])) {
        Some(Some([name])) => Some(Some(text(name))),
        Some(_) => None,
        None => Some(None),
    }
}

/// The number in `<m7@model>`.
fn token(header: &str) -> Option<u32> {
    header.split_once("<m")?.1.split_once('@')?.0.parse().ok()
}

/// The UIDs of a set without `*`.
pub(super) fn uids(set: &str) -> Option<Vec<u32>> {
    let mut uids = Vec::new();
    for range in set.split(',') {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first.min(last) == 0 {
            return None;
        }
        uids.extend(first.min(last)..=first.max(last));
    }
    Some(uids)
}

fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::List(values) => Some(values),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Atom(octets) | Value::Text(octets) => String::from_utf8_lossy(octets).into_owned(),
        Value::List(values) | Value::Code(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
    }
}
