//! What holds for any octets whatsoever, at each door through which a stranger's octets come.
//!
//! A [`Property`] is a function of octets that panics where something does not hold. Each has two uses:
//! - `cargo test --lib properties` replays it over its seeds (what `fixtures/`, `protocol-tests/messages` and the
//!   clients of the transcripts say) and over every file of `fixtures/found/NAME/`, so that what was found once is
//!   never lost;
//! - `protocol-tests/fuzz/run NAME SECONDS` looks for octets over which it does not hold, guided by coverage
//!   (`docs/decisions/0017-fuzzing-on-stable.md`). What it finds becomes a file of `fixtures/found/NAME/`.
//!
//! It is compiled for these two alone, as part of this crate: so no parser has to be shown to the world to be fuzzed.
//!
//! The rules here:
//! - Not to panic is the least. A property says what the octets may not do: be another conversation when they are cut
//!   in other places, mean something else when they are printed and read again, get an answer that was not earned.
//! - The same octets give the same result: no chance, no clock, no file, no thread.
//! - Where the octets have to choose (a dialect, limits, where to cut), their first one does: [`Choice`].

mod compression;
mod imap;
mod journal;
mod message;
mod policy;
mod pop3;
mod proxy;
mod reader;
mod sasl;
mod seeds;
mod sieve;
mod smtp;
#[cfg(test)]
mod tests;
mod wire;

/// Something that holds for any octets.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// By this name it is run, and its fixtures are in the folder of this name.
    pub name: &'static str,
    /// Panics where it does not hold.
    pub holds: fn(&[u8]),
    /// Octets to begin with, that get far.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many octets an input may have to be worth while.
    pub octets_max: usize,
    /// How many octets of memory may be in use for it at once, beyond [`MEMORY_OCTETS`], for each of its octets. Properties
    /// run everything several times and keep what came out to compare it; so this tells of what grows faster than its
    /// input, and of what believes a length that it was told.
    pub memory_factor: usize,
}

/// How many octets of memory a property may use for the shortest input: compressors alone are 0.2 MiB each.
pub const MEMORY_OCTETS: usize = 8 << 20;

/// All of them.
pub const ALL: [Property; 17] = [
    // An octet of DEFLATE can stand for a thousand.
    Property {
        memory_factor: 16_384,
        ..property("compression", compression::inflates_alike, compression::seeds, 4_096)
    },
    property("imap-command", imap::command_reads_as_printed, imap::commands, 4_096),
    property("imap-stream", imap::stream_frames_alike, imap::streams, 8_192),
    property("journal-record", journal::record_is_what_was_written, journal::records, 4_096),
    property("journal-segment", journal::scan_invents_nothing, journal::segments, 4_096),
    property("message", message::obeys_the_rules, message::seeds, 16_384),
    property("message-text", message::texts_are_bounded, message::texts, 4_096),
    property("policy-filter", policy::no_forged_result_stays, policy::messages, 8_192),
    property("policy-records", policy::records_are_read, policy::records, 2_048),
    property("policy-signatures", policy::signatures_are_read_alike, policy::messages, 16_384),
    property("pop3-session", pop3::session_answers_alike, pop3::seeds, 4_096),
    property("proxy-header", proxy::header_is_read_alike, proxy::seeds, 1_024),
    property("sasl", sasl::exchange_ends, sasl::seeds, 2_048),
    property("sieve", sieve::script_runs_bounded, sieve::seeds, 8_192),
    property("smtp-command", smtp::command_reads_as_printed, smtp::commands, 2_048),
    property("smtp-session", smtp::session_accepts_what_is_stored, smtp::seeds, 8_192),
    property("wire", wire::lines_dots_and_names, wire::seeds, 4_096),
];

const fn property(name: &'static str, holds: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>, octets_max: usize) -> Property {
    Property { name, holds, seeds, octets_max, memory_factor: 1_024 }
}

/// What the first octet of an input chooses.
#[derive(Clone, Copy, Debug, Default)]
struct Choice(u8);

impl Choice {
    /// Takes the first octet off; of nothing it is 0.
    fn of(input: &[u8]) -> (Choice, &[u8]) {
        match input.split_first() {
            Some((first, rest)) => (Choice(*first), rest),
            None => (Choice(0), input),
        }
    }

    /// Bit `number` of it; bits 0 to 4 are free, 5 to 7 say where to cut.
    fn has(self, number: u8) -> bool {
        self.0 >> number & 1 == 1
    }

    /// The octets as they may arrive: whole, one by one, and in pieces of 2 to 9, of which the last is shorter.
    fn splits(self, octets: &[u8]) -> [Vec<&[u8]>; 3] {
        let length = usize::from(self.0 >> 5) + 2;
        [vec![octets], octets.chunks(1).collect(), octets.chunks(length).collect()]
    }

    /// What `run` makes of the octets, which has to be the same however they arrive.
    fn same_for_splits<T: PartialEq + std::fmt::Debug>(self, octets: &[u8], run: impl Fn(&[&[u8]]) -> T) -> T {
        let [whole, single, pieces] = self.splits(octets);
        let expected = run(&whole);
        assert_eq!(run(&single), expected, "octet by octet it is something else than whole");
        assert_eq!(run(&pieces), expected, "in pieces it is something else than whole");
        expected
    }
}
