//! The PROXY protocol, versions 1 and 2, as its specification of 2020 has it ("The PROXY protocol, Versions 1 & 2",
//! Willy Tarreau, HAProxy Technologies): a proxy says in front of a connection from where it really comes.
//!
//! - It is believed only at listeners that are set up for it, and only from the networks that are named as proxies: whoever
//!   else may write a header could come from anywhere he likes.
//! - At such a listener a connection without a header is none (§2: the receiver must not guess whether one is there).
//! - Nothing is read beyond the header ([`Reader::wanted`]), so what follows, a TLS handshake for example, is the protocol's.
//! - What is kept is bounded by the longest line of version 1; what else a header of version 2 brings (TLVs, up to 64 KiB)
//!   is counted and dropped. What a proxy says in them about TLS or names of its client is not used.
//!
//! Version 1 is parsed as a whole line with nom, version 2 has fixed places.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::combinator::{all_consuming, map_opt, rest, value};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// How long a header may take. The proxy sends it at once, so this is for a packet that is lost (§2 asks for 3 s at least).
const TIMEOUT: Duration = Duration::from_secs(10);

/// With this a header of version 2 begins (§2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// With this a header of version 1 begins (§2.1).
const WORD: &[u8] = b"PROXY ";

/// The longest header of version 1, with its CRLF (§2.1). So much is kept of any header: version 2 has its addresses within.
const LINE_OCTETS_MAX: usize = 107;

/// Signature, version and command, family and transport, length (§2.2).
const FIXED_OCTETS: usize = 16;

/// What a proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// The proxy speaks for itself, to see whether we live: the connection's own address is the true one.
    Local,
    /// The connection comes from here.
    From(SocketAddr),
    /// The proxy can't say where it comes from: a Unix socket, or what it does not know.
    Unknown,
}

/// Reads the header of a connection and no octet more.
pub(super) async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Header> {
    let reading = async {
        let mut reader = Reader::default();
        let mut space = [0; 512];
        loop {
            let wanted = reader.wanted().min(space.len());
            let read = stream.read(&mut space[..wanted]).await?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended in the PROXY header"));
            }
            if let Some(header) = reader.push(&space[..read]).map_err(|wrong| invalid(&wrong))? {
                return Ok(header);
            }
        }
    };
    timeout(TIMEOUT, reading)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no PROXY header came in time")))
}

fn invalid(wrong: &Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, wrong.to_string())
}

/// Why something is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("no PROXY header, which this address is set up for")]
    NoHeader,
    #[error("a PROXY header of version 1 is no line of at most 107 octets with addresses and ports")]
    Line,
    #[error("a PROXY header of version 2 has a version, command, family or transport that there is not")]
    Kind,
    #[error("a PROXY header of version 2 is too short for its addresses")]
    TooShort,
}

/// Puts a header together from the octets that come.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// What has come, without what is dropped.
    kept: Vec<u8>,
    /// How much has come behind what is kept.
    dropped: usize,
}

impl Reader {
    /// How many octets may be read without reading beyond the header; at least 1 until it is complete.
    pub(crate) fn wanted(&self) -> usize {
        let have = self.kept.len();
        match self.kept.first() {
            // No header is shorter than a signature.
            _ if have < SIGNATURE.len() => SIGNATURE.len() - have,
            Some(b'P') => self.line_end_octets(),
            _ if have < FIXED_OCTETS => FIXED_OCTETS - have,
            _ => FIXED_OCTETS + self.block_octets() - have - self.dropped,
        }
    }

    /// Takes what was read, no more than [`wanted`](Self::wanted). Says what the header says when it is complete.
    pub(crate) fn push(&mut self, octets: &[u8]) -> Result<Option<Header>, Malformed> {
        let (kept, dropped) = octets.split_at(octets.len().min(LINE_OCTETS_MAX - self.kept.len()));
        self.kept.extend_from_slice(kept);
        self.dropped += dropped.len();
        let begins = |word: &[u8]| self.kept.iter().zip(word).all(|(have, expected)| have == expected);
        if begins(WORD) {
            self.line()
        } else if begins(&SIGNATURE) {
            self.block()
        } else {
            Err(Malformed::NoHeader)
        }
    }

    /// Version 1, once its line is complete.
    fn line(&self) -> Result<Option<Header>, Malformed> {
        match self.kept.strip_suffix(b"\r\n") {
            Some(line) => version_1(line).map(|(_, header)| Some(header)).map_err(|_| Malformed::Line),
            None if self.kept.contains(&b'\n') => Err(Malformed::Line),
            None if self.kept.len() + self.line_end_octets() > LINE_OCTETS_MAX => Err(Malformed::Line),
            None => Ok(None),
        }
    }

    /// How much must come yet before a line that has not ended can end.
    fn line_end_octets(&self) -> usize {
        if self.kept.ends_with(b"\r") { 1 } else { 2 }
    }

    /// Version 2, once its block is complete.
    fn block(&self) -> Result<Option<Header>, Malformed> {
        let Some((fixed, _)) = self.kept.split_first_chunk::<FIXED_OCTETS>() else { return Ok(None) };
        let kind = Kind::new(fixed[12], fixed[13])?;
        if self.block_octets() < kind.address_octets() {
            return Err(Malformed::TooShort);
        }
        let is_complete = self.kept.len() + self.dropped == FIXED_OCTETS + self.block_octets();
        Ok(is_complete.then(|| kind.header(&self.kept[FIXED_OCTETS..])))
    }

    /// How much follows the fixed part of version 2, where that has come.
    fn block_octets(&self) -> usize {
        let length = self.kept.get(14..FIXED_OCTETS).and_then(|octets| octets.first_chunk());
        length.map_or(0, |octets| usize::from(u16::from_be_bytes(*octets)))
    }
}

/// Command, family and transport of version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Local,
    Ipv4,
    Ipv6,
    Unix,
    Unspecified,
}

impl Kind {
    /// What is not assigned, a receiver must refuse (§2.2), and so are datagrams: nothing here comes in them.
    fn new(version_and_command: u8, family_and_transport: u8) -> Result<Self, Malformed> {
        match (version_and_command, family_and_transport) {
            // The family is ignored: there is no client.
            (0x20, _) => Ok(Kind::Local),
            (0x21, 0x00) => Ok(Kind::Unspecified),
            (0x21, 0x11) => Ok(Kind::Ipv4),
            (0x21, 0x21) => Ok(Kind::Ipv6),
            (0x21, 0x31) => Ok(Kind::Unix),
            _ => Err(Malformed::Kind),
        }
    }

    /// How much its addresses take.
    fn address_octets(self) -> usize {
        match self {
            Kind::Local | Kind::Unspecified => 0,
            Kind::Ipv4 => 12,
            Kind::Ipv6 => 36,
            Kind::Unix => 216,
        }
    }

    /// The addresses of both ends, and then the ports: in the order source, destination. `block` has
    /// [`address_octets`](Self::address_octets), except where they say nothing.
    fn header(self, block: &[u8]) -> Header {
        let port =
            |at: usize| block.get(at..).and_then(|octets| octets.first_chunk()).map(|port| u16::from_be_bytes(*port));
        let source = match self {
            Kind::Local => return Header::Local,
            Kind::Unspecified | Kind::Unix => None,
            Kind::Ipv4 => block.first_chunk::<4>().map(|address| IpAddr::from(*address)).zip(port(8)),
            Kind::Ipv6 => block.first_chunk::<16>().map(|address| IpAddr::from(*address)).zip(port(32)),
        };
        source.map_or(Header::Unknown, |(address, port)| Header::From(SocketAddr::new(address, port)))
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.25 4711 25` (§2.1), without its CRLF.
fn version_1(line: &[u8]) -> IResult<&[u8], Header> {
    let unknown = (tag("UNKNOWN"), alt((preceded(tag(" "), rest), tag_end)));
    all_consuming(preceded(
        tag(WORD),
        alt((
            value(Header::Unknown, unknown),
            preceded(tag("TCP4 "), |line| ends(line, IpAddr::is_ipv4)),
            preceded(tag("TCP6 "), |line| ends(line, IpAddr::is_ipv6)),
        )),
    ))
    .parse(line)
}

fn tag_end(line: &[u8]) -> IResult<&[u8], &[u8]> {
    all_consuming(tag("")).parse(line)
}

/// Source and destination address, source and destination port.
fn ends(line: &[u8], family: fn(&IpAddr) -> bool) -> IResult<&[u8], Header> {
    let address = |line| {
        let word = terminated(take_while1(|octet: u8| octet != b' '), tag(" "));
        map_opt(word, |word| std::str::from_utf8(word).ok()?.parse().ok().filter(family)).parse(line)
    };
    let (line, (source, _, port, _)) = (address, address, terminated(port, tag(" ")), port).parse(line)?;
    Ok((line, Header::From(SocketAddr::new(source, port))))
}

/// Decimal, without leading zeros.
fn port(line: &[u8]) -> IResult<&[u8], u16> {
    map_opt(take_while1(|octet: u8| octet.is_ascii_digit()), |digits: &[u8]| {
        let is_plain = digits == b"0" || digits[0] != b'0';
        std::str::from_utf8(digits).ok()?.parse().ok().filter(|_| is_plain)
    })
    .parse(line)
}

#[cfg(test)]
mod tests;
