//! Finds the headers of a stored message that a client without UTF8 can't be shown (RFC 6856 §2.1), and what it is shown
//! instead: `message::downgrade` writes that.
//!
//! The summary that is kept beside the body says where the headers are, so that of a message of any size only these are read,
//! a piece at a time; those that lie near one another, in one go.

use bytes::Bytes;

use crate::message::downgrade::{self, Patch};
use crate::message::{HEADER_OCTETS_MAX, HEADERS_OCTETS_MAX};
use crate::store::{BodyId, Error, Store};

/// How much is read at least, where there is as much: the headers of small parts lie near one another.
const PIECE_OCTETS: u32 = 16 * 1024;

/// How many octets of headers with something else than ASCII are rewritten: all that a summary is made of, and one header more.
/// Above it, the message can't be shown.
const REWRITTEN_OCTETS_MAX: u32 = HEADERS_OCTETS_MAX + HEADER_OCTETS_MAX;

/// What is shown in the place of which headers, in their order; none for almost all messages. `None`: the message can't be
/// shown, since there is UTF-8 in headers that are above the limits of `message`.
pub(super) async fn patches(store: &Store, body: BodyId) -> Result<Option<Vec<Patch>>, Error> {
    let summary = store.read_summary(body).await?;
    let (mut headers, mut octets) = (Vec::new(), 0);
    let (mut piece, mut piece_start) = (Bytes::new(), 0u32);
    for place in downgrade::headers(&summary) {
        if place.len() > HEADER_OCTETS_MAX {
            if !is_ascii(store, body, place.start, place.end).await? {
                return Ok(None);
            }
            continue;
        }
        let piece_end = u64::from(piece_start) + piece.len() as u64;
        if place.start < piece_start || u64::from(place.end) > piece_end {
            piece = store.read_range(body, place.start.into(), place.len().max(PIECE_OCTETS) as usize).await?;
            piece_start = place.start;
        }
        let from = (place.start - piece_start) as usize;
        // A body that is shorter than its summary says is damaged; whoever reads it is told.
        let cut_short = || Error::Damaged("it is cut short".into());
        let header = piece.get(from..from + place.len() as usize).ok_or_else(cut_short)?;
        if header.is_ascii() {
            continue;
        }
        octets += place.len();
        if octets > REWRITTEN_OCTETS_MAX {
            return Ok(None);
        }
        headers.push((place, header.to_vec()));
    }
    if headers.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let rewrite = move || {
        let patch = |(place, header): (_, Vec<u8>)| Some(Patch { place, octets: downgrade::downgrade(&header)? });
        headers.into_iter().filter_map(patch).collect()
    };
    tokio::task::spawn_blocking(rewrite).await.map(Some).map_err(|error| Error::Read(error.to_string()))
}

/// Whether nothing but ASCII is there.
async fn is_ascii(store: &Store, body: BodyId, start: u32, end: u32) -> Result<bool, Error> {
    let mut at = start;
    while at < end {
        let piece = store.read_range(body, at.into(), (end - at).min(HEADER_OCTETS_MAX) as usize).await?;
        if piece.is_empty() {
            return Err(Error::Damaged("it is cut short".into()));
        }
        if !piece.is_ascii() {
            return Ok(false);
        }
        at += piece.len() as u32;
    }
    Ok(true)
}
