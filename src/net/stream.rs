//! A client's connection: TCP, plain or TLS, or a Unix socket; and for simulations, octets that never leave the memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::limits::ConnectionSlot;
use crate::auth::Origin;
use crate::auth::scram::ChannelBinding;

/// The bytes to and from a client.
#[derive(Debug)]
pub enum Stream {
    /// As they are.
    Plain(Transport),
    /// Through TLS.
    Tls(Box<TlsStream<Transport>>),
    /// Between processes of this machine. There is no TLS: nobody else reads what passes.
    Unix(UnixStream),
}

/// What TLS may lie upon.
#[derive(Debug)]
pub enum Transport {
    /// A network.
    Tcp(TcpStream),
    /// A network that is played by whoever holds the other end: each octet comes when that one wants it to, by the clock of
    /// the runtime.
    Memory(DuplexStream),
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    /// The bytes.
    pub stream: Stream,
    /// Where it comes from.
    pub peer: Origin,
    /// A number for logs and observers, never given twice in a process.
    pub id: u64,
    /// Its place among all connections. Boxed: drivers hold a connection in several of their states.
    pub place: Box<ConnectionSlot>,
}

impl Connection {
    /// Whether TLS is on.
    pub fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Whether TLS may begin.
    pub fn can_start_tls(&self) -> bool {
        matches!(self.stream, Stream::Plain(_))
    }

    /// TLS version and cipher suite, for trace headers and logs.
    pub fn tls_parameters(&self) -> Option<(rustls::ProtocolVersion, rustls::CipherSuite)> {
        match &self.stream {
            Stream::Plain(_) | Stream::Unix(_) => None,
            Stream::Tls(tls) => {
                let (_, session) = tls.get_ref();
                Some((session.protocol_version()?, session.negotiated_cipher_suite()?.suite()))
            }
        }
    }

    /// What the TLS channel is known by (RFC 9266 §4.2), where that is safe.
    ///
    /// Under TLS 1.2 it is only with the extended master secret (RFC 9266 §4.1), and rustls does not tell whether a
    /// connection has it: so there is none, and no client is asked to rely on it.
    pub fn channel_binding(&self) -> Option<ChannelBinding> {
        let Stream::Tls(tls) = &self.stream else { return None };
        let (_, session) = tls.get_ref();
        if session.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
            return None;
        }
        session.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).ok()
    }

    /// Waits until the client has gone, without reading: what it has sent stays unread. A client that only closes its
    /// direction counts as gone. Where the system does not tell, this waits for ever.
    pub(crate) async fn gone(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // A wait for urgent data, which is never asked for, ends with the stream and with nothing else; one for data
            // would end at once where data wait.
            let urgent = tokio::io::Interest::PRIORITY;
            let ready = match &self.stream {
                Stream::Plain(transport) => transport.ready(urgent).await,
                Stream::Tls(tls) => tls.get_ref().0.ready(urgent).await,
                Stream::Unix(unix) => unix.ready(urgent).await,
            };
            match ready {
                Ok(ready) if !ready.is_read_closed() => {}
                _ => return,
            }
        }
        std::future::pending().await
    }

    /// Waits until the client has gone without leaving anything to be read. Whoever closes its direction behind commands that
    /// it sent ahead waits for their answers, and is there; under TLS what is unread may be its farewell, and counts for
    /// nothing.
    pub(crate) async fn gone_without_a_word(&self) {
        self.gone().await;
        let unread = match &self.stream {
            Stream::Plain(Transport::Tcp(tcp)) => rustix::io::ioctl_fionread(tcp).unwrap_or(0),
            Stream::Unix(unix) => rustix::io::ioctl_fionread(unix).unwrap_or(0),
            Stream::Plain(Transport::Memory(_)) | Stream::Tls(_) => 0,
        };
        if unread > 0 {
            std::future::pending().await
        }
    }

    /// The server's side of a TLS handshake. The caller has dropped whatever it had read before (no byte received in
    /// the clear survives, RFC 3207 §4.2), and limits the time.
    pub async fn start_tls(self, acceptor: &TlsAcceptor) -> io::Result<Connection> {
        let Connection { stream, peer, id, place } = self;
        match stream {
            Stream::Plain(transport) => {
                let tls = acceptor.accept(transport).await?;
                Ok(Connection { stream: Stream::Tls(Box::new(tls)), peer, id, place })
            }
            Stream::Tls(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS is on already")),
            Stream::Unix(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no TLS over a Unix socket")),
        }
    }
}

impl Transport {
    /// As sockets tell it. Nothing is told of what is in memory.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    async fn ready(&self, interest: tokio::io::Interest) -> io::Result<tokio::io::Ready> {
        match self {
            Transport::Tcp(tcp) => tcp.ready(interest).await,
            Transport::Memory(_) => std::future::pending().await,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Transport::Memory(memory) => Pin::new(memory).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Transport::Memory(memory) => Pin::new(memory).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Transport::Memory(memory) => Pin::new(memory).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Transport::Memory(memory) => Pin::new(memory).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(transport) => Pin::new(transport).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            Stream::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(transport) => Pin::new(transport).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            Stream::Unix(unix) => Pin::new(unix).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(transport) => Pin::new(transport).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Stream::Unix(unix) => Pin::new(unix).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(transport) => Pin::new(transport).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Stream::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}
