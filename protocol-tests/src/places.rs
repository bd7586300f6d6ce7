//! Where what is sent at once can be cut in two, so that all that may go wrong has been tried.
//!
//! Of what is as short as a line every place is tried. Of a message of megabytes most are like their neighbours: those at
//! both ends are tried, those beside what a parser acts on, and some that lie evenly.

use std::collections::BTreeSet;

/// Up to so many octets every place is tried.
pub const EVERY_PLACE_OCTETS: usize = 256;
/// So many at each end of what is longer.
pub const ENDS: usize = 64;
/// So many beside what a parser acts on, the first ones.
pub const MARKED: usize = 64;
/// So many that lie evenly.
pub const EVENLY: usize = 32;
/// Marks are looked for in so much, not in megabytes.
const LOOKED_THROUGH_OCTETS: usize = 4096;

/// The places of `bytes`, each the number that [`crate::connection::Segments::Two`] takes.
pub fn of(bytes: &[u8]) -> BTreeSet<usize> {
    let places = bytes.len().saturating_sub(1);
    if bytes.len() <= EVERY_PLACE_OCTETS {
        return (0..places).collect();
    }
    let looked_through = &bytes[..bytes.len().min(LOOKED_THROUGH_OCTETS)];
    let pairs = looked_through.windows(2).enumerate().skip(ENDS);
    let marked = pairs.filter(|(_, pair)| is_marked(pair[0], pair[1])).map(|(place, _)| place).take(MARKED);
    let evenly = (0..places).step_by(places.div_ceil(EVENLY));
    (0..ENDS).chain(places - ENDS..places).chain(marked).chain(evenly).collect()
}

/// Whether a parser acts between these two: at the end of a line and within it, at a brace, where a number begins or ends.
fn is_marked(before: u8, behind: u8) -> bool {
    let mark = |octet| matches!(octet, b'\r' | b'\n' | b'{' | b'}');
    mark(before) || mark(behind) || before.is_ascii_digit() != behind.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_line_each_place_is_tried() {
        assert_eq!(Vec::from_iter(of(b"NOOP\r\n")), [0, 1, 2, 3, 4]);
        assert!(of(b"x").is_empty() && of(b"").is_empty());
    }

    #[test]
    fn of_a_message_some_places_are_tried() {
        let mut message = vec![b'x'; 1_000_000];
        message[1000..1002].copy_from_slice(b"\r\n");
        message[2000] = b'{';
        let places = of(&message);
        let has = |places: &BTreeSet<usize>, mut wanted: std::ops::Range<usize>| wanted.all(|at| places.contains(&at));
        assert!(has(&places, 0..64) && has(&places, 999_935..999_999), "the ends");
        assert!(has(&places, 999..1002), "before the line's end, in it, and behind it");
        assert!(has(&places, 1999..2001) && !places.contains(&1500));
        assert!(
            places.len() <= 2 * ENDS + MARKED + EVENLY && places.iter().any(|place| (400_000..500_000).contains(place))
        );
        assert!(places.iter().all(|place| *place < message.len() - 1));
    }
}
