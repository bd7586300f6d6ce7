//! A connection to the server under test: TCP, TLS over it, and replies cut from the stream.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Duration, Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::imap::always::Session;
use crate::imap::value::{self, Kind, Response};
use crate::replies;
use crate::tls::Trust;
use crate::transcript::{Language, Service};

/// A reply, in the language of its connection.
#[derive(Debug)]
pub enum Reply {
    /// An IMAP response.
    Imap(Response),
    /// The lines of an SMTP reply, the line of another, without CRLF.
    Lines(Vec<Vec<u8>>),
}

/// What came, if anything did.
#[derive(Debug)]
pub enum Arrival {
    /// A reply.
    Reply(Reply),
    /// The end of the stream.
    End,
    /// Nothing, until the deadline.
    Nothing,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The server ended the connection.
    #[error("TLS handshake: the end of the stream: {0}")]
    Ended(std::io::Error),
    /// Anything else.
    #[error("TLS handshake: {0}")]
    Wrong(String),
}

/// What passed over a connection, for reports.
#[derive(Debug, Default)]
pub struct Log(pub Vec<Entry>);

/// One thing that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line of the transcript that was at work.
    pub line: usize,
    /// The connection's name.
    pub connection: String,
    /// `→` from the client, `←` from the server.
    pub arrow: char,
    /// What it was, made printable and cut.
    pub text: String,
}

/// Where a connection goes to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// What is asked for there.
    pub service: Service,
    /// The address.
    pub address: SocketAddr,
    /// The name that it was found by, which TLS asks for.
    pub host: String,
    /// TLS from the first octet.
    pub tls: bool,
    /// IMAP is spoken there in the form of RFC 9051 alone, without being asked to.
    pub rev2_only: bool,
    /// Which certificates are good enough.
    pub trust: Trust,
}

/// The octets to and from a server, whatever carries them.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// How what is sent is cut into segments. A conversation is the same however it is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Segments {
    /// All in one.
    #[default]
    Whole,
    /// Each octet in one of its own.
    Octets,
    /// In two: behind the first octet for 0, behind the second for 1, and so on; where that is beyond the end, it is counted
    /// on from the beginning. So each number cuts everything that is longer than one octet, and all numbers below the length
    /// of the longest sending cut each at each of its places.
    Two(usize),
}

impl Segments {
    /// The pieces of `bytes`.
    fn of(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Segments::Two(place) if bytes.len() > 1 => {
                let (one, other) = bytes.split_at(1 + place % (bytes.len() - 1));
                vec![one, other]
            }
            Segments::Octets => bytes.chunks(1).collect(),
            Segments::Whole | Segments::Two(_) => vec![bytes],
        }
    }
}

/// One connection.
pub struct Connection {
    /// What the transcript calls it.
    pub name: String,
    /// How its replies are framed.
    pub language: Language,
    /// Untagged responses that no expectation has taken yet.
    pub pool: Vec<Response>,
    /// The lines of the last SMTP reply.
    pub last: Vec<Vec<u8>>,
    /// What the TLS channel is known by (RFC 9266).
    pub channel: Option<[u8; 32]>,
    deflate: Option<Deflate>,
    endpoint: Endpoint,
    stream: Option<Box<dyn Stream>>,
    plain: Option<Box<dyn Stream>>,
    received: Vec<u8>,
    /// How many octets of `received` came when, oldest first.
    moments: VecDeque<(usize, Instant)>,
    /// What [`Connection::listen`] noticed besides octets: the end, or an error.
    noticed: Option<Result<Filled, String>>,
    /// When the last reply that completes something came: a tagged response, or lines.
    pub answered: Option<Instant>,
    session: Session,
    /// The client has said SMTPUTF8, and reads UTF-8 in replies (RFC 6531 §3.7.4).
    said_smtputf8: bool,
}

impl Connection {
    /// Connects; shakes hands at once where the endpoint wants that. On loopback the client's address is `peer`, where the
    /// system lets it.
    pub async fn open(name: &str, endpoint: Endpoint, peer: IpAddr, language: Language) -> Result<Connection, String> {
        let address = endpoint.address;
        let plain = connect(address, peer).await.map_err(|e| format!("connecting to {address}: {e}"))?;
        // Each write is a segment of its own, so that [`Segments`] mean what they say.
        plain.set_nodelay(true).map_err(|e| e.to_string())?;
        Connection::over(name, Box::new(plain), endpoint, language).await
    }

    /// The same, over a stream that is there already.
    pub async fn over(
        name: &str,
        plain: Box<dyn Stream>,
        endpoint: Endpoint,
        language: Language,
    ) -> Result<Connection, String> {
        let mut connection = Connection {
            name: name.to_owned(),
            language,
            pool: Vec::new(),
            last: Vec::new(),
            channel: None,
            deflate: None,
            endpoint,
            stream: None,
            plain: Some(plain),
            received: Vec::new(),
            moments: VecDeque::new(),
            noticed: None,
            answered: None,
            session: Session::default(),
            said_smtputf8: false,
        };
        if connection.endpoint.tls {
            connection.handshake().await.map_err(|e| e.to_string())?;
        }
        Ok(connection)
    }

    /// The TLS handshake. What the server sent in the clear behind its agreement is an error: nothing of it may be
    /// taken for part of the protected conversation.
    pub async fn handshake(&mut self) -> Result<(), HandshakeError> {
        let wrong = |what: String| HandshakeError::Wrong(what);
        if !self.received.is_empty() {
            return Err(wrong(format!("bytes in the clear before it: {}", printable(&self.received))));
        }
        let plain = self.plain.take().ok_or_else(|| wrong("TLS is there already".to_owned()))?;
        let name = ServerName::try_from(self.endpoint.host.clone()).map_err(|e| wrong(e.to_string()))?;
        let connecting = TlsConnector::from(self.endpoint.trust.config().map_err(wrong)?).connect(name, plain);
        let tls = connecting.await.map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => HandshakeError::Ended(e),
            _ => wrong(e.to_string()),
        })?;
        let (_, session) = tls.get_ref();
        self.channel = session.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).ok();
        self.stream = Some(Box::new(tls));
        self.session = Session::default();
        Ok(())
    }

    fn stream(&mut self) -> Result<&mut dyn Stream, String> {
        match (&mut self.stream, &mut self.plain) {
            (Some(stream), _) => Ok(stream),
            (None, Some(plain)) => Ok(plain),
            (None, None) => Err("the connection failed before".to_owned()),
        }
    }

    /// Begins or ends raw DEFLATE in both directions. What came ahead of its time is an error.
    pub fn compress(&mut self, on: bool) -> Result<(), String> {
        if !self.received.is_empty() {
            return Err(format!("bytes ahead of their time: {}", printable(&self.received)));
        }
        self.deflate = on.then(Deflate::new);
        Ok(())
    }

    /// Whether what is sent goes out in raw DEFLATE.
    pub fn is_compressed(&self) -> bool {
        self.deflate.is_some()
    }

    /// Sends bytes, in these segments.
    pub async fn send(&mut self, bytes: &[u8], segments: Segments, deadline: Instant) -> Result<(), String> {
        if self.language == Language::Imap {
            self.session.sent(bytes);
        }
        // A command stands at the beginning; a message may be megabytes.
        let beginning = &bytes[..bytes.len().min(2048)];
        self.said_smtputf8 |= beginning.windows(8).any(|word| word.eq_ignore_ascii_case(b"SMTPUTF8"));
        let compressed = self.deflate.as_mut().map(|deflate| deflate.compress(bytes)).transpose()?;
        let bytes = compressed.as_deref().unwrap_or(bytes);
        let stream = self.stream()?;
        let sending = async {
            for (at, segment) in segments.of(bytes).into_iter().enumerate() {
                if at > 0 {
                    // Lets the server see what came before alone; nothing is decided by how long this is.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                stream.write_all(segment).await?;
                stream.flush().await?;
            }
            std::io::Result::Ok(())
        };
        match timeout_at(deadline, sending).await {
            Ok(sent) => sent.map_err(|e| format!("sending: {e}")),
            Err(_) => Err("the server does not read".to_owned()),
        }
    }

    /// Ends the client's side: the server reads the end of the stream, and may still answer.
    pub async fn finish(&mut self) -> Result<(), String> {
        self.stream()?.shutdown().await.map_err(|e| format!("ending our side: {e}"))
    }

    /// The next reply. Malformed ones, and such as break a rule of every session, are errors.
    pub async fn reply(&mut self, deadline: Instant) -> Result<Arrival, String> {
        let language = self.language;
        let frame = move |bytes: &[u8]| match language {
            Language::Imap => value::frame(bytes),
            Language::Smtp => smtp_frame(bytes),
            Language::Pop3 | Language::Lines => line_frame(bytes),
        };
        let (bytes, arrived) = match self.framed(frame, deadline).await? {
            Framed::Bytes(bytes, arrived) => (bytes, arrived),
            Framed::End => return Ok(Arrival::End),
            Framed::Nothing => return Ok(Arrival::Nothing),
        };
        let text = bytes.strip_suffix(b"\r\n").unwrap_or(&bytes);
        if self.language == Language::Imap {
            let response = Response::read_as(text, self.session.reads_utf8())
                .map_err(|e| format!("malformed response: {e}: {}", printable(text)))?;
            self.session.received(&response).map_err(|e| format!("{e}: {}", printable(text)))?;
            let as_search = if self.endpoint.rev2_only { value::as_search(&response) } else { None };
            let response = Response { arrived, as_search, ..response };
            if matches!(response.kind, Kind::Tagged(_)) {
                self.answered = arrived;
            }
            return Ok(Arrival::Reply(Reply::Imap(response)));
        }
        self.answered = arrived;
        let lines: Vec<Vec<u8>> =
            text.split(|&b| b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l).to_vec()).collect();
        let judge = |line: &[u8]| match self.language {
            Language::Smtp => replies::smtp(line, self.said_smtputf8),
            Language::Pop3 => replies::pop3(line),
            Language::Imap | Language::Lines => Ok(()),
        };
        for line in &lines {
            judge(line).map_err(|e| format!("{e}: {}", printable(line)))?;
        }
        Ok(Arrival::Reply(Reply::Lines(lines)))
    }

    /// A multi-line answer of POP3, un-stuffed (RFC 1939 §3), with its last CRLF but without the full stop.
    pub async fn multi_line(&mut self, deadline: Instant) -> Result<Vec<u8>, String> {
        // Where there was no full stop before, there is none: a message of megabytes is looked through once.
        let mut looked = 0;
        let frame = |bytes: &[u8]| {
            if bytes.starts_with(b".\r\n") {
                return Ok(Some(3));
            }
            let found = bytes[looked..].windows(5).position(|w| w == b"\r\n.\r\n").map(|at| looked + at + 5);
            looked = bytes.len().saturating_sub(4);
            Ok(found)
        };
        match self.framed(frame, deadline).await? {
            Framed::Bytes(bytes, _) => Ok(unstuffed(&bytes[..bytes.len() - 3])),
            Framed::End => Err("the stream ended before the full stop".to_owned()),
            Framed::Nothing => Err("no full stop ended the answer in time".to_owned()),
        }
    }

    /// Whether anything at all comes until `until`.
    pub async fn anything(&mut self, until: Instant) -> Result<Option<Vec<u8>>, String> {
        if self.received.is_empty() {
            self.fill(until).await?;
        }
        Ok((!self.received.is_empty()).then(|| self.received.clone()))
    }

    /// What has come and is no whole reply yet.
    pub fn unfinished(&self) -> &[u8] {
        &self.received
    }

    async fn framed(
        &mut self,
        mut frame: impl FnMut(&[u8]) -> Result<Option<usize>, String>,
        deadline: Instant,
    ) -> Result<Framed, String> {
        loop {
            if let Some(end) = frame(&self.received)? {
                let arrived = self.moment_of(end);
                return Ok(Framed::Bytes(self.received.drain(..end).collect(), arrived));
            }
            match self.fill(deadline).await? {
                Filled::More => {}
                Filled::Late => return Ok(Framed::Nothing),
                Filled::End if self.received.is_empty() => return Ok(Framed::End),
                Filled::End => return Err(format!("the stream ended within a reply: {}", printable(&self.received))),
            }
        }
    }

    /// What was asked for.
    pub fn service(&self) -> Service {
        self.endpoint.service
    }

    /// Takes what has come, and wakes the task when more does: so a connection that nobody reads from just now still knows
    /// when something came.
    pub fn listen(&mut self, context: &mut task::Context<'_>) {
        let mut chunk = [0; 16 * 1024];
        while self.noticed.is_none() {
            let mut buffer = ReadBuf::new(&mut chunk);
            let Ok(stream) = self.stream() else { return };
            let task::Poll::Ready(read) = Pin::new(stream).poll_read(context, &mut buffer) else { return };
            let taken = self.take(read.map(|()| buffer.filled()));
            if !matches!(taken, Ok(Filled::More)) {
                self.noticed = Some(taken);
            }
        }
    }

    async fn fill(&mut self, deadline: Instant) -> Result<Filled, String> {
        if let Some(noticed) = self.noticed.take() {
            return noticed;
        }
        let mut chunk = vec![0; 64 * 1024];
        match timeout_at(deadline, self.stream()?.read(&mut chunk)).await {
            Err(_) => Ok(Filled::Late),
            Ok(read) => self.take(read.map(|length| &chunk[..length])),
        }
    }

    /// Keeps what was read, with the moment at which it came.
    fn take(&mut self, read: std::io::Result<&[u8]>) -> Result<Filled, String> {
        let octets = match read {
            Ok([]) => return Ok(Filled::End),
            Ok(octets) => octets,
            Err(error) => return ended(&error.to_string()),
        };
        let before = self.received.len();
        match &mut self.deflate {
            Some(deflate) => deflate.decompress(octets, &mut self.received)?,
            None => self.received.extend_from_slice(octets),
        }
        self.moments.push_back((self.received.len() - before, Instant::now()));
        Ok(Filled::More)
    }

    /// When the last of the first `octets` came; they are about to leave.
    fn moment_of(&mut self, octets: usize) -> Option<Instant> {
        let (mut left, mut moment) = (octets, None);
        while let Some((length, came)) = self.moments.front_mut().filter(|_| left > 0) {
            moment = Some(*came);
            let gone = left.min(*length);
            *length -= gone;
            left -= gone;
            if *length == 0 {
                self.moments.pop_front();
            }
        }
        moment
    }
}

/// Raw DEFLATE in both directions.
struct Deflate {
    compress: Compress,
    decompress: Decompress,
}

impl Deflate {
    fn new() -> Deflate {
        Deflate { compress: Compress::new(Compression::default(), false), decompress: Decompress::new(false) }
    }

    fn compress(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        // A flush is whole when there is room left behind it.
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 100 + 1024);
        self.compress.compress_vec(bytes, &mut out, FlushCompress::Sync).map_err(|e| format!("compressing: {e}"))?;
        Ok(out)
    }

    fn decompress(&mut self, mut raw: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        loop {
            let before = self.decompress.total_in();
            let mut piece = Vec::with_capacity(64 * 1024);
            self.decompress
                .decompress_vec(raw, &mut piece, FlushDecompress::None)
                .map_err(|e| format!("what came is no DEFLATE: {e}"))?;
            raw = &raw[(self.decompress.total_in() - before) as usize..];
            out.extend_from_slice(&piece);
            if raw.is_empty() && piece.len() < piece.capacity() {
                return Ok(());
            }
        }
    }
}

async fn connect(address: SocketAddr, peer: IpAddr) -> std::io::Result<TcpStream> {
    if address.is_ipv4() && address.ip().is_loopback() {
        let socket = TcpSocket::new_v4()?;
        // Linux has all of 127/8 on loopback; where that is not so, all clients come from one address.
        if socket.bind(SocketAddr::new(peer, 0)).is_ok() {
            return socket.connect(address).await;
        }
    }
    TcpStream::connect(address).await
}

/// A reset and a TLS stream that ends without its farewell are ends too: the server closed what it had not read.
fn ended(error: &str) -> Result<Filled, String> {
    if ["reset", "close_notify", "unexpected eof", "Broken pipe"].iter().any(|e| error.contains(e)) {
        return Ok(Filled::End);
    }
    Err(format!("receiving: {error}"))
}

enum Filled {
    More,
    End,
    Late,
}

enum Framed {
    /// The octets, and when the last of them came.
    Bytes(Vec<u8>, Option<Instant>),
    End,
    Nothing,
}

fn line_frame(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(lf) = bytes.iter().position(|&b| b == b'\n') else { return Ok(None) };
    if lf == 0 || bytes[lf - 1] != b'\r' {
        return Err(format!("a line that ends with a bare LF: {}", printable(&bytes[..lf])));
    }
    Ok(Some(lf + 1))
}

/// `ddd-text` lines, and the one with a space (RFC 5321 §4.2.1).
fn smtp_frame(bytes: &[u8]) -> Result<Option<usize>, String> {
    let mut from = 0;
    let mut code: Option<&[u8]> = None;
    while let Some(length) = line_frame(&bytes[from..])? {
        let line = &bytes[from..from + length - 2];
        let digits = line.get(..3).filter(|d| d.iter().all(u8::is_ascii_digit));
        let digits = digits.ok_or_else(|| format!("a reply without a code: {}", printable(line)))?;
        if code.is_some_and(|code| code != digits) {
            return Err(format!("a reply with two codes: {}", printable(&bytes[..from + length])));
        }
        code = Some(digits);
        from += length;
        match line.get(3) {
            None | Some(b' ') => return Ok(Some(from)),
            Some(b'-') => {}
            Some(_) => return Err(format!("neither space nor hyphen behind the code: {}", printable(line))),
        }
    }
    Ok(None)
}

fn unstuffed(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split_inclusive(|&b| b == b'\n');
    lines.flat_map(|line| if line.starts_with(b".") { &line[1..] } else { line }).copied().collect()
}

/// A message as DATA carries it, with the full stop that ends it (RFC 5321 §4.5.2).
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 8);
    for line in message.split_inclusive(|&b| b == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// Octets for people: what is not printable is escaped, what is long is cut.
pub fn printable(bytes: &[u8]) -> String {
    const SHOWN: usize = 200;
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let text: String = String::from_utf8_lossy(shown)
        .chars()
        .map(|c| match c {
            '\r' => "\\r".to_owned(),
            '\n' => "\\n".to_owned(),
            c if c.is_control() => format!("\\x{:02x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    if bytes.len() > SHOWN { format!("{text}… ({} octets)", bytes.len()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smtp_replies_end_with_a_space() {
        assert_eq!(smtp_frame(b"250-a\r\n250 b\r\n220").unwrap(), Some(14));
        assert_eq!(smtp_frame(b"250-a\r\n").unwrap(), None);
        assert!(smtp_frame(b"250-a\r\n251 b\r\n").is_err());
        assert!(smtp_frame(b"hello\r\n").is_err());
        assert!(smtp_frame(b"250 a\n").is_err());
    }

    #[test]
    fn stuffing_and_back() {
        assert_eq!(stuffed(b".a\r\n..b\r\nc"), b"..a\r\n...b\r\nc\r\n.\r\n");
        assert_eq!(stuffed(b""), b".\r\n");
        assert_eq!(unstuffed(b"..a\r\n...b\r\nc\r\n"), b".a\r\n..b\r\nc\r\n");
    }
}
