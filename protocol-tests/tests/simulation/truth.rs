//! What was promised, and what may have become of it: kept by what clients sent and were answered, and by nothing that
//! the server says of itself.

use std::collections::BTreeMap;

/// A mailbox of somebody.
pub(crate) type Place = (String, String);

/// Whether a message has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was never sent whole, or it was refused: it is nowhere.
    Nowhere,
    /// It was sent whole, and the answer did not come: it is there once, or not at all.
    Perhaps,
    /// It was answered with 250, or its like: it is there once.
    Accepted,
    /// Its reader may have deleted it.
    Condemned,
}

/// A message that somebody sent.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// As it has to come out, behind what the server puts before it.
    pub(crate) octets: Vec<u8>,
    /// What of it each of its readers has.
    pub(crate) to: BTreeMap<String, Fate>,
}

/// What is true.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    letters: BTreeMap<u32, Letter>,
    /// Which letter a UID means; it means the same for ever.
    identities: BTreeMap<(Place, u32), u32>,
    /// UIDs that are gone, as a tagged OK said.
    gone: BTreeMap<(Place, u32), String>,
    uid_validities: BTreeMap<Place, u64>,
}

impl Truth {
    /// A letter to these readers that is about to be sent; made by a function of its number.
    pub(crate) fn writes(&mut self, to: &[String], octets: impl FnOnce(u32) -> Vec<u8>) -> u32 {
        let number = self.letters.len() as u32 + 1;
        let to = to.iter().map(|reader| (reader.clone(), Fate::Nowhere)).collect();
        self.letters.insert(number, Letter { octets: octets(number), to });
        number
    }

    pub(crate) fn octets(&self, number: u32) -> Vec<u8> {
        self.letters[&number].octets.clone()
    }

    /// What its sender knows now.
    pub(crate) fn becomes(&mut self, number: u32, reader: &str, fate: Fate) {
        if let Some(known) = self.letters.get_mut(&number).and_then(|letter| letter.to.get_mut(reader))
            && *known != Fate::Condemned
        {
            *known = fate;
        }
    }

    /// Somebody is about to delete it.
    pub(crate) fn condemns(&mut self, number: u32, reader: &str) {
        if let Some(known) = self.letters.get_mut(&number).and_then(|letter| letter.to.get_mut(reader)) {
            *known = Fate::Condemned;
        }
    }

    /// A UID was told to be gone.
    pub(crate) fn is_gone(&mut self, place: &Place, uid: u32, by: &str) {
        self.gone.insert((place.clone(), uid), by.to_owned());
    }

    /// A client was told that this UID is this letter.
    pub(crate) fn is(&mut self, place: &Place, uid: u32, number: u32) -> Result<(), String> {
        match *self.identities.entry((place.clone(), uid)).or_insert(number) {
            before if before == number => Ok(()),
            before => Err(format!("UID {uid} of {place:?} was letter {before}, and is letter {number}")),
        }
    }

    pub(crate) fn has_uid_validity(&mut self, place: &Place, told: u64) -> Result<(), String> {
        match *self.uid_validities.entry(place.clone()).or_insert(told) {
            before if before == told => Ok(()),
            before => Err(format!("UIDVALIDITY of {place:?} was {before}, and is {told}")),
        }
    }

    /// Whether a stored message is what was sent: the same octets, behind the trace fields.
    pub(crate) fn reads(&self, number: u32, reader: &str, stored: &[u8]) -> Result<(), String> {
        let letter = self.letters.get(&number).ok_or(format!("nobody sent letter {number}"))?;
        if !letter.to.contains_key(reader) {
            return Err(format!("letter {number} was not for {reader}"));
        }
        let trace = stored.strip_suffix(letter.octets.as_slice()).ok_or_else(|| {
            let (sent, stored) = (String::from_utf8_lossy(&letter.octets), String::from_utf8_lossy(stored));
            format!("letter {number} is not what was sent:\n--- sent\n{sent}\n--- stored\n{stored}")
        })?;
        let fields = String::from_utf8_lossy(trace);
        let is_trace = |line: &str| {
            line.starts_with(['\t', ' ']) || line.starts_with("Return-Path:") || line.starts_with("Received:")
        };
        if fields.lines().all(is_trace) { Ok(()) } else { Err(format!("before letter {number} stands {fields:?}")) }
    }

    /// All mailboxes of all readers, as they are in the end: each letter is where it has to be, once.
    pub(crate) fn is_kept(&self, stored: &BTreeMap<Place, BTreeMap<u32, Vec<u8>>>) -> Result<usize, String> {
        let mut copies: BTreeMap<(&str, u32), usize> = BTreeMap::new();
        for ((reader, mailbox), messages) in stored {
            let place = (reader.clone(), mailbox.clone());
            for (uid, octets) in messages {
                let number = number(octets).ok_or(format!("UID {uid} of {place:?} is no letter"))?;
                self.reads(number, reader, octets)?;
                if let Some(known) = self.identities.get(&(place.clone(), *uid)).filter(|known| **known != number) {
                    return Err(format!("UID {uid} of {place:?} was letter {known}, and is letter {number}"));
                }
                if let Some(by) = self.gone.get(&(place.clone(), *uid)) {
                    return Err(format!("UID {uid} of {place:?} is there, and {by} was told that it is gone"));
                }
                *copies.entry((reader, number)).or_default() += 1;
            }
        }
        let mut accepted = 0;
        for (number, letter) in &self.letters {
            for (reader, fate) in &letter.to {
                let copies = copies.get(&(reader.as_str(), *number)).copied().unwrap_or_default();
                let is_right = match fate {
                    Fate::Nowhere => copies == 0,
                    Fate::Accepted => copies == 1,
                    Fate::Perhaps | Fate::Condemned => copies <= 1,
                };
                if !is_right {
                    return Err(format!("letter {number} is {copies} times with {reader}, and it is {fate:?}"));
                }
                accepted += usize::from(*fate == Fate::Accepted);
            }
        }
        Ok(accepted)
    }
}

/// The number in `Message-ID: <l7@simulation>`.
pub(crate) fn number(octets: &[u8]) -> Option<u32> {
    let at = octets.windows(14).position(|window| window.eq_ignore_ascii_case(b"Message-ID: <l"))?;
    let digits: Vec<u8> = octets[at + 14..].iter().copied().take_while(u8::is_ascii_digit).collect();
    String::from_utf8(digits).ok()?.parse().ok()
}
