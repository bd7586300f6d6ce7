//! DNS messages, as far as a server of a few zones needs them (RFC 1035 §4).

use super::zone::{Data, Found, Trouble, Zone, canonical};

/// What is allowed over UDP where nothing else is said (RFC 1035 §4.2.1).
const PLAIN_UDP_OCTETS: usize = 512;

const A: u16 = 1;
const CNAME: u16 = 5;
const PTR: u16 = 12;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const OPT: u16 = 41;

const NO_ERROR: u8 = 0;
const SERV_FAIL: u8 = 2;
const NX_DOMAIN: u8 = 3;
const REFUSED: u8 = 5;

/// So many aliases are followed for a client; a circle of them ends here.
const ALIASES: usize = 8;

/// Answers are good for so long, in seconds: longer than any test.
const TTL: u32 = 3_600;

struct Question<'q> {
    id: [u8; 2],
    recursion_desired: bool,
    name: String,
    kind: u16,
    /// The question as it came.
    octets: &'q [u8],
    /// What the client takes over UDP.
    payload: usize,
}

/// The answer to `query`; `None`: there is none. Over UDP an answer may have to be cut.
pub fn answer(zone: &Zone, query: &[u8], udp: bool) -> Option<Vec<u8>> {
    let question = question(query)?;
    let mut truncated = false;
    let (code, records) = match zone.trouble(&question.name) {
        Some(Trouble::Silence) => return None,
        Some(Trouble::Garbage) => return Some([&question.id[..], b"\xffgarbage"].concat()),
        Some(Trouble::ServFail) => (SERV_FAIL, Vec::new()),
        Some(Trouble::Refused) => (REFUSED, Vec::new()),
        Some(Trouble::Truncated) if udp => {
            truncated = true;
            (NO_ERROR, Vec::new())
        }
        Some(Trouble::Truncated) | None => look_up(zone, &question),
    };
    let message = print(&question, code, &records, truncated);
    if udp && message.len() > question.payload {
        return Some(print(&question, code, &[], true));
    }
    Some(message)
}

fn look_up(zone: &Zone, question: &Question<'_>) -> (u8, Vec<(String, Data)>) {
    let mut records = Vec::new();
    let mut name = question.name.clone();
    for _ in 0..=ALIASES {
        let Found::Records(found) = zone.find(&name) else { return (NX_DOMAIN, records) };
        records
            .extend(found.iter().filter(|data| kind(data) == question.kind).map(|data| (name.clone(), data.clone())));
        let alias =
            found.iter().find_map(|data| if let Data::Cname(other) = data { Some(other.clone()) } else { None });
        match alias {
            Some(other) if question.kind != CNAME => {
                records.push((name, Data::Cname(other.clone())));
                name = other;
            }
            _ => break,
        }
    }
    (NO_ERROR, records)
}

fn kind(data: &Data) -> u16 {
    match data {
        Data::A(_) => A,
        Data::Aaaa(_) => AAAA,
        Data::Txt(_) => TXT,
        Data::Mx(..) => MX,
        Data::Ptr(_) => PTR,
        Data::Cname(_) => CNAME,
    }
}

fn question(query: &[u8]) -> Option<Question<'_>> {
    let number = |at: usize| Some(u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]));
    let (id, flags) = ([*query.first()?, *query.get(1)?], *query.get(2)?);
    if flags & 0x80 != 0 || number(4)? != 1 {
        return None;
    }
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).into_owned());
        at += length;
    }
    let kind = number(at)?;
    at += 4;
    // EDNS: an OPT record behind the question says how much the client takes (RFC 6891 §6.1.2).
    let payload = match (number(10)?, query.get(at)) {
        (1.., Some(0)) if number(at + 1)? == OPT => usize::from(number(at + 3)?).max(PLAIN_UDP_OCTETS),
        _ => PLAIN_UDP_OCTETS,
    };
    let octets = query.get(12..at)?;
    Some(Question { id, recursion_desired: flags & 1 != 0, name: canonical(&labels.join(".")), kind, octets, payload })
}

fn print(question: &Question<'_>, code: u8, records: &[(String, Data)], truncated: bool) -> Vec<u8> {
    let mut out = question.id.to_vec();
    out.push(0x84 | u8::from(question.recursion_desired) | if truncated { 2 } else { 0 });
    out.push(0x80 | code);
    out.extend_from_slice(&1u16.to_be_bytes());
    out.extend_from_slice(&(records.len() as u16).to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(question.octets);
    for (name, data) in records {
        name_into(&mut out, name);
        out.extend_from_slice(&kind(data).to_be_bytes());
        out.extend_from_slice(&1u16.to_be_bytes());
        out.extend_from_slice(&TTL.to_be_bytes());
        let mut octets = Vec::new();
        match data {
            Data::A(address) => octets.extend_from_slice(&address.octets()),
            Data::Aaaa(address) => octets.extend_from_slice(&address.octets()),
            Data::Txt(strings) => {
                for string in strings {
                    octets.push(string.len() as u8);
                    octets.extend_from_slice(string);
                }
            }
            Data::Mx(preference, exchange) => {
                octets.extend_from_slice(&preference.to_be_bytes());
                name_into(&mut octets, exchange);
            }
            Data::Ptr(name) | Data::Cname(name) => name_into(&mut octets, name),
        }
        out.extend_from_slice(&(octets.len() as u16).to_be_bytes());
        out.extend_from_slice(&octets);
    }
    out
}

fn name_into(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}
