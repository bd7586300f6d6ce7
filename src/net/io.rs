//! Reading and writing with bounded memory and time, for all drivers.
//!
//! An idle connection owns no buffer: [`read_some`] reads into the stack of the poll and only what arrived goes to the
//! heap.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// How much one read takes at the most: a TLS record.
const READ_OCTETS: usize = 16 * 1024;

/// How much is handed to the socket in one step; a peer that takes nothing of a step for `stall` is given up.
pub(crate) const WRITE_STEP_OCTETS: usize = 256 * 1024;

/// How long and how much a closing connection is listened to: round trips on a bad line, and what was pipelined.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_OCTETS: usize = 1024 * 1024;

/// Appends what has arrived to `buffer`; waits until something has. Returns 0 at the end of the stream.
///
/// Cancel-safe: what was read is in `buffer`.
pub(crate) async fn read_some<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut space = [0; READ_OCTETS];
        let mut read = ReadBuf::new(&mut space);
        match Pin::new(&mut *stream).poll_read(cx, &mut read) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                buffer.extend_from_slice(read.filled());
                Poll::Ready(Ok(read.filled().len()))
            }
        }
    })
    .await
}

/// Writes all of `bytes` and flushes; errs with [`io::ErrorKind::TimedOut`] when the peer takes a step of at most
/// 256 KiB for longer than `stall`.
pub(crate) async fn write_all<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8], stall: Duration) -> io::Result<()> {
    for step in bytes.chunks(WRITE_STEP_OCTETS) {
        match tokio::time::timeout(stall, stream.write_all(step)).await {
            Ok(written) => written?,
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no data")),
        }
    }
    match tokio::time::timeout(stall, stream.flush()).await {
        Ok(flushed) => flushed,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no data")),
    }
}

/// Ends the connection so that the last reply arrives: a socket that is closed while it holds unread octets is reset,
/// and a reset takes from the peer what it has not read yet (RFC 9293 §3.6.1). So what still comes in is read and
/// dropped for a moment.
pub(crate) async fn close<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let linger = async {
        stream.shutdown().await?;
        let mut dropped = Vec::new();
        let mut octets = 0;
        while octets < LINGER_OCTETS {
            match read_some(stream, &mut dropped).await? {
                0 => break,
                read => octets += read,
            }
            dropped.clear();
        }
        io::Result::Ok(())
    };
    // An error, or a peer that does not close: the connection ends all the same.
    let _ended = tokio::time::timeout(LINGER, linger).await;
}
