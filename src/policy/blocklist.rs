//! DNS blocklists and allowlists of addresses (RFC 5782).
//!
//! All lists are asked at once. A list that has no answer in time says nothing: mail does not wait for a stranger's
//! blocklist. Nor is one believed that lists everybody, as lists do when they close: what must never be listed (127.0.0.1,
//! §5) is asked for before a hit counts, and 127.255.255.x is a list's word for "you may not ask me".

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use tokio::task::JoinSet;

use super::decision::Action;
use super::resolver::{Resolver, reversed};
use crate::auth::address::canonical_domain;

/// Characters of a list's reason that go into a reply: a stranger wrote it.
const REASON_CHARS: usize = 200;

/// What a list may answer where nothing else is said: RFC 5782 §2.1 has all of 127.0.0.0/8 but 127.0.0.1.
const CODES: RangeInclusive<Ipv4Addr> = Ipv4Addr::new(127, 0, 0, 2)..=Ipv4Addr::new(127, 255, 254, 255);

/// A list, as the configuration names it: `zen.example.org refuse 127.0.0.2-127.0.0.11`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its zone.
    pub zone: String,
    /// What happens to whom it lists; an allowlist's means nothing.
    pub action: Action,
    /// Which of its answers count.
    pub codes: Vec<RangeInclusive<Ipv4Addr>>,
}

impl List {
    /// An allowlist, as the configuration names it: `list.example.org`, or with the codes that count behind it.
    pub fn allowlist(text: &str) -> Result<List, String> {
        let mut words = text.split_ascii_whitespace();
        let zone = zone(words.next().unwrap_or(""))?;
        Ok(List { zone, action: Action::Tag, codes: codes(words)? })
    }
}

impl FromStr for List {
    type Err = String;

    fn from_str(text: &str) -> Result<List, String> {
        let mut words = text.split_ascii_whitespace();
        let zone = zone(words.next().unwrap_or(""))?;
        let action = words.next().ok_or_else(|| format!("what happens to whom {zone} lists: {}", Action::WORDS))?;
        Ok(List { zone, action: action.parse()?, codes: codes(words)? })
    }
}

fn zone(text: &str) -> Result<String, String> {
    match canonical_domain(text) {
        Ok(zone) if !zone.starts_with('[') => Ok(zone),
        _ => Err(format!("{text:?} is not the name of a list, such as zen.example.org")),
    }
}

fn codes<'w>(words: impl Iterator<Item = &'w str>) -> Result<Vec<RangeInclusive<Ipv4Addr>>, String> {
    let address = |text: &str| {
        text.parse::<Ipv4Addr>()
            .ok()
            .filter(Ipv4Addr::is_loopback)
            .ok_or_else(|| format!("{text:?} is not what a list answers, such as 127.0.0.2 or 127.0.0.2-127.0.0.11"))
    };
    let mut codes = Vec::new();
    for word in words {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        codes.push(address(first)?..=address(last)?);
    }
    if codes.is_empty() {
        codes.push(CODES);
    }
    Ok(codes)
}

/// A list has the client's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which list.
    pub list: List,
    /// What it answers, the first that counts.
    pub code: Ipv4Addr,
    /// Why, as the list says it in its TXT record.
    pub reason: Option<String>,
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lists you", self.list.zone)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// The lists that have `address`, in the order of `lists`.
pub async fn check(dns: &Resolver, lists: &[List], address: IpAddr) -> Vec<Hit> {
    let mut asked = JoinSet::new();
    for (number, list) in lists.iter().enumerate() {
        let (dns, list) = (dns.clone(), list.clone());
        asked.spawn(async move { ask(&dns, list, address).await.map(|hit| (number, hit)) });
    }
    let mut hits: Vec<(usize, Hit)> = asked.join_all().await.into_iter().flatten().collect();
    hits.sort_by_key(|(number, _)| *number);
    hits.into_iter().map(|(_, hit)| hit).collect()
}

async fn ask(dns: &Resolver, list: List, address: IpAddr) -> Option<Hit> {
    let name = format!("{}.{}", reversed(address), list.zone);
    let answers = match dns.ipv4(&name).await {
        Ok(answers) => answers,
        Err(error) => {
            tracing::info!(list = list.zone, %error, "a list does not answer");
            return None;
        }
    };
    if let Some(code) = answers.iter().find(|code| is_refusal(**code)) {
        tracing::warn!(list = list.zone, %code, "a list refuses to be asked: it answers nobody, or not through this resolver");
        return None;
    }
    let code = answers.into_iter().find(|code| list.codes.iter().any(|codes| codes.contains(code)))?;
    if lists_everybody(dns, &list).await {
        tracing::warn!(list = list.zone, "a list that has 127.0.0.1 lists everybody: not believed");
        return None;
    }
    let reason = dns.txt(&name).await.ok().and_then(|texts| texts.into_iter().next()).map(|text| printable(&text));
    Some(Hit { list, code, reason: reason.filter(|reason| !reason.is_empty()) })
}

/// 127.255.255.0/24: by the convention of the large lists, an error of whoever asks.
fn is_refusal(code: Ipv4Addr) -> bool {
    code.octets()[..3] == [127, 255, 255]
}

/// RFC 5782 §5: 127.0.0.1 must not be there.
async fn lists_everybody(dns: &Resolver, list: &List) -> bool {
    let name = format!("{}.{}", reversed(Ipv4Addr::LOCALHOST.into()), list.zone);
    dns.ipv4(&name).await.is_ok_and(|answers| !answers.is_empty())
}

fn printable(text: &[u8]) -> String {
    text.iter().take(REASON_CHARS).map(|&octet| if (32..=126).contains(&octet) { octet as char } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::resolver;
    use super::*;

    #[tokio::test]
    async fn hits_are_those_that_count() {
        let v6 = reversed("2001:db8::1".parse().unwrap());
        let (dns, _server) = resolver(&format!(
            "3.2.0.192.one.example A 127.0.0.2\n3.2.0.192.one.example TXT \"see\u{e9} https://one.example/\"\n\
             3.2.0.192.two.example A 127.0.0.9\n*.all.example A 127.0.0.2\n*.paid.example A 127.255.255.254\n\
             *.parked.example A 203.0.113.1\n*.dead.example SERVFAIL\n{v6}.one.example A 127.0.0.3\n"
        ))
        .await;
        let lists: Vec<List> = [
            "one.example refuse",
            "two.example junk 127.0.0.2 127.0.0.4-127.0.0.8",
            "two.example tag 127.0.0.9",
            "all.example refuse",
            "paid.example refuse",
            "parked.example refuse",
            "dead.example refuse",
            "none.example refuse",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        let found = check(&dns, &lists, "192.0.2.3".parse().unwrap()).await;
        let texts: Vec<String> = found.iter().map(Hit::to_string).collect();
        assert_eq!(texts, ["one.example lists you: see?? https://one.example/", "two.example lists you"]);
        assert_eq!(found[1].list.action, Action::Tag);
        assert_eq!(check(&dns, &lists, "2001:db8::1".parse().unwrap()).await[0].code, Ipv4Addr::new(127, 0, 0, 3));
        assert_eq!(check(&dns, &lists, "192.0.2.4".parse().unwrap()).await, []);
    }

    #[test]
    fn what_is_no_list_is_told() {
        for (text, complaint) in [
            ("", "\"\" is not the name of a list, such as zen.example.org"),
            ("one.example", "what happens to whom one.example lists: \"tag\", \"junk\" or \"refuse\""),
            ("one.example drop", "\"drop\" is not one of \"tag\", \"junk\" or \"refuse\""),
            (
                "one.example tag 10.0.0.1",
                "\"10.0.0.1\" is not what a list answers, such as 127.0.0.2 or 127.0.0.2-127.0.0.11",
            ),
        ] {
            assert_eq!(text.parse::<List>().unwrap_err(), complaint);
        }
    }
}
