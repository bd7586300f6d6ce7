//! Raw DEFLATE (RFC 1951) in both directions of a connection (RFC 4978), without the connection: octets in, octets out.
//!
//! - **Nothing waits for a partial block**: what [`Compression::compress`] returns ends at an octet, and decompresses to all
//!   that was given.
//! - **A small input is not a large output**: [`Compression::next`] gives one window (32 KiB) at the most, and goes on only
//!   when it is asked again. So the limits of whoever reads it hold, whatever a client packs into an octet.
//! - **Rest costs little.** A compressor is 160 KiB and a decompressor 43 KiB. [`Compression::rest`] drops both. Of the
//!   compressor nothing is kept: the next one begins without a history, which no decompressor minds. Of the decompressor
//!   the history is kept, as far as the client has sent any (32 KiB at the most), and the bits of the last octet that belong
//!   to the next block. It is dropped only between two blocks; a client that stops in the middle of one keeps it.
//! - What is said at rest and is short goes out in a stored block, for which no compressor is needed.
//! - **It can end** while the connection goes on (RFC 8437 §4.1): [`Compression::end`].
//!
//! miniz_oxide is used directly: flate2 over it can neither be primed with a history nor stop between two blocks.

use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY};
use miniz_oxide::inflate::core::{BlockBoundaryState, DecompressorOxide, TINFL_LZ_DICT_SIZE, decompress};

/// Fast: RFC 4978 §4 counts 25 to 40 percent for IMAP's responses at this level.
const LEVEL: i32 = 1;

/// Raw DEFLATE, in the words of zlib.
const RAW: i32 = -15;

/// What is said at rest and is no longer than this is stored: `* 4 EXISTS` and `* 4 RECENT` leave no room for gain.
const STORED_OCTETS_MAX: usize = 128;

/// Octets that may stand between the client's last compressed command and its first that is not: the rest of a flush or
/// of a final block. None of them begins a command.
const TRAILER_OCTETS_MAX: usize = 16;

/// What came is no DEFLATE, or goes on behind its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// Compresses one direction and decompresses the other.
pub(crate) struct Compression {
    compressor: Option<Box<CompressorOxide>>,
    decompressor: Decompressor,
    /// What arrived; unread from `start` on.
    raw: Vec<u8>,
    start: usize,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// The client's last block has ended.
    Finished,
    /// Compression is over; so many octets of its trailer have been passed over.
    Ending {
        trailer: usize,
    },
    /// All that comes is as it is.
    Over,
}

enum Decompressor {
    Awake {
        state: Box<DecompressorOxide>,
        window: Box<[u8; TINFL_LZ_DICT_SIZE]>,
        /// Where the next octet goes.
        position: usize,
        /// How many octets of the window are history.
        filled: usize,
    },
    Resting {
        boundary: Box<BlockBoundaryState>,
        history: Box<[u8]>,
    },
}

impl Compression {
    /// At the beginning of both streams.
    pub(crate) fn new() -> Self {
        Self {
            compressor: None,
            decompressor: Decompressor::Resting { boundary: Box::default(), history: Box::default() },
            raw: Vec::new(),
            start: 0,
            phase: Phase::Running,
        }
    }

    /// What to send for `octets`.
    pub(crate) fn compress(&mut self, octets: &[u8]) -> Vec<u8> {
        if matches!(self.phase, Phase::Ending { .. } | Phase::Over) {
            return octets.to_vec();
        }
        let mut out = Vec::new();
        if self.compressor.is_none() && octets.len() <= STORED_OCTETS_MAX {
            // RFC 1951 §3.2.4: not the last block, stored; then the length, and its complement. All that was sent before
            // ended at an octet.
            let length = octets.len() as u16;
            out.push(0);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&(!length).to_le_bytes());
            out.extend_from_slice(octets);
            return out;
        }
        let compressor = self
            .compressor
            .get_or_insert_with(|| Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(LEVEL, RAW, 0))));
        // It takes all, as long as the output does.
        compress_to_output(compressor, octets, TDEFLFlush::Sync, |compressed| {
            out.extend_from_slice(compressed);
            true
        });
        out
    }

    /// Takes what arrived. To be called when [`next`](Self::next) has nothing more.
    pub(crate) fn receive(&mut self, raw: Vec<u8>) {
        if self.unread().is_empty() {
            self.raw = raw;
            self.start = 0;
        } else {
            self.raw.extend_from_slice(&raw);
        }
    }

    /// Some of what the client said, up to the end of a block or of the window; `None`: more must arrive.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Corrupt> {
        match self.phase {
            Phase::Running => self.inflate(),
            Phase::Finished if self.unread().is_empty() => Ok(None),
            Phase::Finished => Err(Corrupt),
            Phase::Ending { trailer } => self.end_of_trailer(trailer),
            Phase::Over => Ok(self.rest_of_raw()),
        }
    }

    /// The client's last compressed command was the last that [`next`](Self::next) gave: what follows is as it is, and so
    /// is what is sent.
    pub(crate) fn end(&mut self) {
        self.compressor = None;
        self.phase = Phase::Ending { trailer: 0 };
    }

    /// Compression is over, and nothing of it is left: it can be dropped.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over && self.unread().is_empty()
    }

    /// Whether [`rest`](Self::rest) would give anything back.
    pub(crate) fn can_rest(&self) -> bool {
        let awake = match &self.decompressor {
            Decompressor::Awake { state, .. } => state.block_boundary_state().is_some(),
            Decompressor::Resting { .. } => false,
        };
        self.compressor.is_some() || awake
    }

    /// Drops all that can be made anew. To be called when [`next`](Self::next) has nothing more.
    pub(crate) fn rest(&mut self) {
        self.compressor = None;
        let Decompressor::Awake { state, window, position, filled } = &self.decompressor else { return };
        let Some(boundary) = state.block_boundary_state() else { return };
        let mut history = Vec::with_capacity(*filled);
        // The oldest first: what lies behind the position, where the window has been filled once.
        history.extend_from_slice(&window[window.len() - (filled - position.min(filled))..]);
        history.extend_from_slice(&window[position.saturating_sub(*filled)..*position]);
        self.decompressor = Decompressor::Resting { boundary: Box::new(boundary), history: history.into_boxed_slice() };
    }

    fn unread(&self) -> &[u8] {
        &self.raw[self.start..]
    }

    fn consume(&mut self, octets: usize) {
        self.start += octets;
        if self.start >= self.raw.len() {
            self.raw = Vec::new();
            self.start = 0;
        }
    }

    fn rest_of_raw(&mut self) -> Option<Vec<u8>> {
        let rest = self.unread().to_vec();
        self.consume(rest.len());
        (!rest.is_empty()).then_some(rest)
    }

    fn inflate(&mut self) -> Result<Option<Vec<u8>>, Corrupt> {
        // A decompressor at rest owes nothing: it is woken by octets alone.
        if self.unread().is_empty() && matches!(self.decompressor, Decompressor::Resting { .. }) {
            return Ok(None);
        }
        loop {
            let (status, consumed, octets) = self.decompressor.step(&self.raw[self.start..]);
            self.consume(consumed);
            match status {
                TINFLStatus::Done => self.phase = Phase::Finished,
                TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput | TINFLStatus::BlockBoundary => {}
                _ => return Err(Corrupt),
            }
            if !octets.is_empty() {
                return Ok(Some(octets));
            }
            match status {
                TINFLStatus::NeedsMoreInput => return Ok(None),
                TINFLStatus::Done if self.unread().is_empty() => return Ok(None),
                TINFLStatus::Done => return Err(Corrupt),
                // An empty block, or a window that begins anew.
                _ => {}
            }
        }
    }

    /// Ends the client's last block, and passes over what belongs to it.
    fn end_of_trailer(&mut self, mut trailer: usize) -> Result<Option<Vec<u8>>, Corrupt> {
        while !self.decompressor.is_between_blocks() && !self.unread().is_empty() {
            let (status, consumed, octets) = self.decompressor.step(&self.raw[self.start..]);
            self.consume(consumed);
            match status {
                _ if !octets.is_empty() => return Err(Corrupt),
                TINFLStatus::Done => break,
                TINFLStatus::BlockBoundary => {}
                TINFLStatus::NeedsMoreInput => return Ok(None),
                _ => return Err(Corrupt),
            }
        }
        let is_trailer = |octet: u8| (octet < 0x20 && octet != b'\r' && octet != b'\n') || octet == 0xff;
        while let Some(&octet) = self.unread().first() {
            if trailer == TRAILER_OCTETS_MAX || !is_trailer(octet) {
                self.phase = Phase::Over;
                self.decompressor = Decompressor::Resting { boundary: Box::default(), history: Box::default() };
                return Ok(self.rest_of_raw());
            }
            trailer += 1;
            self.consume(1);
        }
        self.phase = Phase::Ending { trailer };
        Ok(None)
    }
}

impl Decompressor {
    /// Decompresses up to the end of a block, of the window or of `raw`: the status, how many octets of `raw` were used, and
    /// what they made.
    fn step(&mut self, raw: &[u8]) -> (TINFLStatus, usize, Vec<u8>) {
        self.wake();
        // It has just been woken.
        let Decompressor::Awake { state, window, position, filled } = self else {
            return (TINFLStatus::Failed, 0, Vec::new());
        };
        let flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
        let (status, consumed, written) = decompress(state, raw, &mut window[..], *position, flags);
        let octets = window[*position..*position + written].to_vec();
        *position = (*position + written) % window.len();
        *filled = (*filled + written).min(window.len());
        (status, consumed, octets)
    }

    fn wake(&mut self) {
        let Decompressor::Resting { boundary, history } = self else { return };
        let mut window = Box::new([0; TINFL_LZ_DICT_SIZE]);
        let filled = history.len();
        window[..filled].copy_from_slice(history);
        let state = Box::new(DecompressorOxide::from_block_boundary_state(boundary));
        *self = Decompressor::Awake { state, window, position: filled % TINFL_LZ_DICT_SIZE, filled };
    }

    fn is_between_blocks(&self) -> bool {
        match self {
            Decompressor::Awake { state, .. } => state.block_boundary_state().is_some(),
            Decompressor::Resting { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The client's end: zlib's rules by another use of the same library, which never rests.
    struct Client {
        compressor: Box<CompressorOxide>,
        decompressor: Box<miniz_oxide::inflate::stream::InflateState>,
    }

    impl Client {
        fn new(level: i32) -> Self {
            Self {
                compressor: Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(level, RAW, 0))),
                decompressor: miniz_oxide::inflate::stream::InflateState::new_boxed(miniz_oxide::DataFormat::Raw),
            }
        }

        fn compress(&mut self, octets: &[u8], flush: TDEFLFlush) -> Vec<u8> {
            let mut out = Vec::new();
            compress_to_output(&mut self.compressor, octets, flush, |compressed| {
                out.extend_from_slice(compressed);
                true
            });
            out
        }

        fn decompress(&mut self, mut raw: &[u8]) -> Vec<u8> {
            let mut out = Vec::new();
            let mut space = vec![0; 1 << 16];
            loop {
                let flush = miniz_oxide::MZFlush::None;
                let result = miniz_oxide::inflate::stream::inflate(&mut self.decompressor, raw, &mut space, flush);
                raw = &raw[result.bytes_consumed..];
                out.extend_from_slice(&space[..result.bytes_written]);
                if raw.is_empty() && result.bytes_written < space.len() {
                    return out;
                }
                result.status.unwrap();
            }
        }
    }

    fn all(server: &mut Compression) -> Result<Vec<u8>, Corrupt> {
        let mut out = Vec::new();
        while let Some(octets) = server.next()? {
            assert!(octets.len() <= TINFL_LZ_DICT_SIZE);
            out.extend_from_slice(&octets);
        }
        Ok(out)
    }

    fn hears(server: &mut Compression, raw: &[u8]) -> Vec<u8> {
        server.receive(raw.to_vec());
        all(server).unwrap()
    }

    #[test]
    fn what_is_said_is_understood_with_rests_in_between() {
        let (mut server, mut client) = (Compression::new(), Client::new(6));
        for line in ["* 4 EXISTS\r\n", "* 4 EXISTS\r\n* 4 RECENT\r\n", &"* 1 FETCH (FLAGS ())\r\n".repeat(9000)] {
            for _ in 0..3 {
                let said = server.compress(line.as_bytes());
                assert!(said.len() <= line.len() + 5);
                assert_eq!(client.decompress(&said), line.as_bytes());
                let asked = client.compress(line.as_bytes(), TDEFLFlush::Sync);
                assert_eq!(hears(&mut server, &asked), line.as_bytes());
                assert!(server.can_rest());
                server.rest();
                assert!(!server.can_rest());
            }
        }
    }

    #[test]
    fn a_short_line_at_rest_is_stored() {
        let mut server = Compression::new();
        assert_eq!(server.compress(b"* 4 EXISTS\r\n"), b"\0\x0c\0\xf3\xff* 4 EXISTS\r\n");
        assert!(!server.can_rest(), "no compressor was made for it");
    }

    /// Every split of two commands, with a rest at it: the second refers to the first.
    #[test]
    fn a_rest_at_any_octet_changes_nothing() {
        for level in [0, 1, 6] {
            for flush in [TDEFLFlush::Sync, TDEFLFlush::Full] {
                let mut client = Client::new(level);
                let (one, two) = (&b"a1 SELECT \"Lists/rust\"\r\n"[..], &b"a2 STATUS \"Lists/rust\" (UNSEEN)\r\n"[..]);
                let raw = [client.compress(one, flush), client.compress(two, flush)].concat();
                for at in 0..=raw.len() {
                    let mut server = Compression::new();
                    let mut heard = hears(&mut server, &raw[..at]);
                    server.rest();
                    heard.extend(hears(&mut server, &raw[at..]));
                    assert_eq!(heard, [one, two].concat(), "level {level}, rest at {at}");
                }
                let mut server = Compression::new();
                let mut heard = Vec::new();
                for octet in &raw {
                    heard.extend(hears(&mut server, &[*octet]));
                    server.rest();
                }
                assert_eq!(heard, [one, two].concat(), "a rest at each octet");
            }
        }
    }

    /// 10 MiB of zeros in 10 KiB: given out window by window, and nothing is made that is not asked for.
    #[test]
    fn a_bomb_goes_off_in_small_steps() {
        let mut client = Client::new(9);
        let raw = client.compress(&vec![0; 10 << 20], TDEFLFlush::Sync);
        assert!(raw.len() < 20_000);
        let mut server = Compression::new();
        server.receive(raw);
        let mut octets = 0;
        let mut steps = 0;
        while let Some(some) = server.next().unwrap() {
            assert!(some.len() <= TINFL_LZ_DICT_SIZE);
            octets += some.len();
            steps += 1;
        }
        assert_eq!(octets, 10 << 20);
        assert!(steps >= 320);
    }

    #[test]
    fn what_is_no_deflate_is_refused() {
        let mut server = Compression::new();
        server.receive(b"a1 NOOP\r\n".to_vec());
        assert_eq!(all(&mut server), Err(Corrupt));
        // Behind a final block nothing may come.
        let mut client = Client::new(6);
        let raw = client.compress(b"a1 NOOP\r\n", TDEFLFlush::Finish);
        let mut server = Compression::new();
        assert_eq!(hears(&mut server, &raw), b"a1 NOOP\r\n");
        server.receive(b"x".to_vec());
        assert_eq!(all(&mut server), Err(Corrupt));
    }

    /// UNAUTHENTICATE, its flush, and the next command as it is: split anywhere, and however the client ended its stream.
    #[test]
    fn compression_ends_and_the_connection_goes_on() {
        let last = b"a2 UNAUTHENTICATE\r\n";
        type End<'e> = &'e dyn Fn(&mut Client) -> Vec<u8>;
        let ends: [End<'_>; 4] = [
            &|client| client.compress(last, TDEFLFlush::Sync),
            &|client| client.compress(last, TDEFLFlush::Full),
            &|client| client.compress(last, TDEFLFlush::Finish),
            &|client| [client.compress(last, TDEFLFlush::Sync), client.compress(b"", TDEFLFlush::Finish)].concat(),
        ];
        for (number, end) in ends.into_iter().enumerate() {
            for level in [0, 1, 6] {
                let mut client = Client::new(level);
                let first = client.compress(b"a1 NOOP\r\n", TDEFLFlush::Sync);
                let raw = [first, end(&mut client), b"a3 LOGIN alice secret\r\n".to_vec()].concat();
                for at in 0..=raw.len() {
                    let mut server = Compression::new();
                    let mut heard = Vec::new();
                    for piece in [&raw[..at], &raw[at..]] {
                        server.receive(piece.to_vec());
                        while let Some(octets) = server.next().unwrap() {
                            heard.extend(octets);
                            // The driver ends it when it has run the command.
                            if heard.ends_with(last) {
                                server.end();
                            }
                        }
                    }
                    let text = String::from_utf8_lossy(&heard).into_owned();
                    assert_eq!(
                        text, "a1 NOOP\r\na2 UNAUTHENTICATE\r\na3 LOGIN alice secret\r\n",
                        "end {number}, level {level}, split at {at}"
                    );
                    assert!(server.is_over());
                    assert_eq!(server.compress(b"a3 OK\r\n"), b"a3 OK\r\n");
                }
            }
        }
    }

    /// What is measured is what docs/PERFORMANCE.md says.
    #[test]
    fn rest_gives_its_memory_back() {
        assert!(size_of::<Compression>() <= 128);
        let (mut server, mut client) = (Compression::new(), Client::new(6));
        let commands = b"a1 SELECT INBOX\r\na2 FETCH 1:* (FLAGS)\r\na3 IDLE\r\n";
        hears(&mut server, &client.compress(commands, TDEFLFlush::Sync));
        server.rest();
        let Decompressor::Resting { history, .. } = &server.decompressor else { panic!("it rests") };
        assert_eq!(&**history, commands, "what the client has said, and no more");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Anything that a client may send, in any pieces, with rests anywhere.
        #[test]
        fn any_stream_comes_through_with_any_rests(
            parts in prop::collection::vec(
                (prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..2000),
                    ("[a-d]{1,8}", 1..9000usize).prop_map(|(word, times)| word.repeat(times).into_bytes()),
                ], 0..3u8),
                1..12,
            ),
            level in 0..=9i32,
            cuts in prop::collection::vec((1..5000usize, any::<bool>()), 1..30),
        ) {
            let mut client = Client::new(level);
            let mut said = Vec::new();
            let mut raw = Vec::new();
            for (part, flush) in &parts {
                said.extend_from_slice(part);
                let flush = [TDEFLFlush::None, TDEFLFlush::Sync, TDEFLFlush::Full][usize::from(*flush)];
                raw.extend(client.compress(part, flush));
            }
            raw.extend(client.compress(b"", TDEFLFlush::Sync));
            let mut server = Compression::new();
            let mut heard = Vec::new();
            let mut rest = &raw[..];
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (length, rests) = cuts.next().unwrap();
                let (piece, behind) = rest.split_at(length.min(rest.len()));
                rest = behind;
                heard.extend(hears(&mut server, piece));
                if rests {
                    server.rest();
                }
            }
            prop_assert!(heard == said);
        }

        #[test]
        fn what_we_say_is_understood(
            parts in prop::collection::vec((prop::collection::vec(0..8u8, 0..3000), any::<bool>()), 1..20)
        ) {
            let (mut server, mut client) = (Compression::new(), Client::new(6));
            for (part, rests) in parts {
                let raw = server.compress(&part);
                prop_assert!(client.decompress(&raw) == part);
                if rests {
                    server.rest();
                }
            }
        }

        #[test]
        fn no_octets_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8)) {
            let mut server = Compression::new();
            for piece in pieces {
                server.receive(piece);
                if all(&mut server).is_err() {
                    break;
                }
                server.rest();
            }
        }
    }
}
