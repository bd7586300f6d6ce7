//! Messages that come in at the control socket: how `postbell deliver` hands one over.
//!
//! The asker names the sender and the recipients, in a line as any question. Is there nobody to take the message for, it is
//! told so at once; else it hears [`Word::Send`], and sends the message in frames: four octets with a length, the highest
//! first, and so many octets. A frame of none ends the message. So half of a message, whose sender was killed, is never
//! taken for a whole one; and no octet in it means anything. Then comes the last word.
//!
//! Nothing is tried again here: who asked has the message until it is told that it is on disk. Where one of several
//! recipients can't have it *now*, none of them has it, and whoever tries again doubles nothing. Where one is refused
//! for good when it is named, the others have it; what is refused behind the message's end is refused to all.

use std::fmt;
use std::future::Future;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::control::{self, Asked};
use crate::auth::{Directory, Origin};
use crate::deliver::{Destination, TRACE_OCTETS, Transaction};
use crate::net::listener::Numbers;
use crate::net::stopping;
use crate::observe::Observer;
use crate::smtp::{Client, Dialect, Envelope, Limits, MailParameters, Path, RcptParameters, Reply, replies};
use crate::store::Store;

/// How many messages come in so at one time. Who comes then is told to come later: programs start in swarms, and what
/// they hold in memory is bounded by the store's budget, not by this.
const DELIVERIES_MAX: usize = 64;

/// The longest frame. One is held in memory for each delivery.
const FRAME_OCTETS_MAX: usize = 64 << 10;

/// How long a word of ours may take to its reader, who waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest word: a refusal for each of a thousand recipients.
const WORD_OCTETS_MAX: u64 = 1 << 20;

/// Trying again does not make them fewer.
const TOO_MANY_RECIPIENTS: Reply = Reply::new(550, "5.5.3", "Too many recipients at one time");

/// Whom a message is from and for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Order {
    /// The sender; `None`: the null path.
    pub sender: Option<String>,
    /// The recipients.
    pub recipients: Vec<String>,
}

/// What the asker is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The message is to follow.
    Send,
    /// Who does not have it; none: it is on disk for all of them.
    Delivered(Vec<Refusal>),
    /// Nobody has it, and it is not about the message; the text says why.
    Refused(String),
}

/// Why a recipient does not have the message, as SMTP says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refusal {
    /// As it was named.
    pub recipient: String,
    /// The reply's code: 4yz or 5yz.
    pub code: u16,
    /// Its enhanced status code.
    pub status: String,
    /// Its text.
    pub text: String,
}

impl Refusal {
    fn new(recipient: &impl fmt::Display, reply: &Reply) -> Self {
        let (code, status) = (reply.code(), reply.enhanced().to_owned());
        Self { recipient: recipient.to_string(), code, status, text: reply.text().to_owned() }
    }

    /// Whether it holds now, and may not hold later.
    pub fn is_temporary(&self) -> bool {
        self.code < 500
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {} {}", self.recipient, self.code, self.status, self.text)
    }
}

/// Takes messages in.
pub struct Courier {
    hostname: String,
    directory: Directory,
    store: Store,
    observer: Arc<dyn Observer>,
    limits: Limits,
    places: Semaphore,
    /// Deliveries are numbered as connections are.
    numbers: Numbers,
}

/// How a delivery ended before its time.
enum Ended {
    /// The sender is told this, for each of its recipients that has not been refused yet.
    Refused(Reply),
    /// It has gone, or speaks nonsense.
    Lost(io::Error),
}

impl From<Reply> for Ended {
    fn from(reply: Reply) -> Self {
        Ended::Refused(reply)
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Ended::Lost(error)
    }
}

impl Courier {
    /// For this store; messages are bounded as they are in LMTP.
    pub fn new(
        hostname: &str,
        directory: &Directory,
        store: &Store,
        observer: &Arc<dyn Observer>,
        limits: &Limits,
    ) -> Self {
        let size = store.max_message().saturating_sub(TRACE_OCTETS).min(limits.message_size);
        Self {
            hostname: hostname.to_owned(),
            directory: directory.clone(),
            store: store.clone(),
            observer: Arc::clone(observer),
            limits: Limits { message_size: size, ..limits.clone() },
            places: Semaphore::new(DELIVERIES_MAX),
            numbers: Numbers::default(),
        }
    }

    /// Where a server's connections are numbered too.
    pub fn numbered_with(self, numbers: &Numbers) -> Self {
        Self { numbers: numbers.clone(), ..self }
    }

    /// Delivers the message that a program of the user `uid` sends, and says what has become of it.
    ///
    /// Errs when the program has gone, is silent for too long, or does not send frames; then nobody has the message.
    pub(super) async fn deliver(
        &self,
        order: Order,
        uid: u32,
        message: &mut (impl AsyncRead + Unpin),
        words: &mut (impl AsyncWrite + Unpin),
        mut shutdown: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let (sender, recipients) = match self.read(&order) {
            Ok(read) => read,
            Err(reason) => return say(words, &Word::Refused(reason)).await,
        };
        let to = Destination {
            hostname: &self.hostname,
            directory: &self.directory,
            store: &self.store,
            observer: &*self.observer,
            max_hops: self.limits.hops,
            // Who may open the socket may read the store.
            policy: None,
        };
        let mut transaction = Transaction::new(to, self.numbers.next());
        let mut envelope = Envelope {
            // One answer for all.
            dialect: Dialect::Smtp,
            client: Client { name: String::new(), extended: false },
            peer: Origin::Program { uid },
            tls: None,
            account: None,
            is_submission: false,
            reverse_path: sender,
            parameters: MailParameters::default(),
            recipients: Vec::new(),
            recipient_parameters: Vec::new(),
        };
        let mut refusals = Vec::new();
        let ended = async {
            if recipients.len() > self.limits.recipients {
                envelope.recipients = recipients;
                return Err(Ended::Refused(TOO_MANY_RECIPIENTS));
            }
            let Ok(_place) = self.places.try_acquire() else {
                envelope.recipients = recipients;
                return Err(Ended::Refused(replies::STORE_BUSY));
            };
            transaction
                .begin(Arc::new(envelope.clone()))
                .await
                .inspect_err(|_| envelope.recipients.clone_from(&recipients))?;
            for path in recipients {
                match transaction.add_recipient(&path, None).await {
                    Ok(()) => envelope.recipients.push(path),
                    Err(reply) => refusals.push(Refusal::new(&path, &reply)),
                }
            }
            if envelope.recipients.is_empty() || refusals.iter().any(Refusal::is_temporary) {
                envelope.recipients.clear();
                return Ok(());
            }
            envelope.recipient_parameters = vec![RcptParameters::default(); envelope.recipients.len()];
            transaction.open(Arc::new(envelope.clone())).await?;
            say(words, &Word::Send).await?;
            self.take(&mut transaction, message, &mut shutdown).await?;
            // From here on there is an end to wait for, and a stop waits for it.
            transaction.complete().await?;
            Ok(())
        };
        let ended = ended.await;
        transaction.abandon();
        match ended {
            Ok(()) => {}
            Err(Ended::Refused(reply)) => {
                refusals.extend(envelope.recipients.iter().map(|path| Refusal::new(path, &reply)));
            }
            Err(Ended::Lost(error)) => return Err(error),
        }
        say(words, &Word::Delivered(refusals)).await
    }

    /// The addresses of an order.
    fn read(&self, order: &Order) -> Result<(Option<Path>, Vec<Path>), String> {
        let path = |text: &String| text.parse::<Path>().map_err(|error| format!("{text:?}: {error}"));
        let sender = order.sender.as_ref().map(path).transpose()?;
        Ok((sender, order.recipients.iter().map(path).collect::<Result<_, _>>()?))
    }

    /// Takes the message, frame by frame.
    async fn take(
        &self,
        transaction: &mut Transaction<'_>,
        message: &mut (impl AsyncRead + Unpin),
        shutdown: &mut watch::Receiver<bool>,
    ) -> Result<(), Ended> {
        let mut frame = Vec::new();
        let mut octets = 0;
        loop {
            tokio::select! {
                biased;
                () = stopping(shutdown) => return Err(Ended::Refused(replies::SHUTTING_DOWN)),
                read = timeout(self.limits.data_timeout, read_frame(message, &mut frame)) => match read {
                    Ok(read) => read?,
                    Err(_elapsed) => return Err(Ended::Refused(replies::TOO_SLOW)),
                },
            }
            if frame.is_empty() {
                return Ok(());
            }
            octets += frame.len() as u64;
            if octets > self.limits.message_size {
                return Err(Ended::Refused(replies::TOO_LARGE));
            }
            transaction.push(&frame).await?;
        }
    }
}

/// Reads the next frame in place of the one before.
async fn read_frame(message: &mut (impl AsyncRead + Unpin), frame: &mut Vec<u8>) -> io::Result<()> {
    let octets = message.read_u32().await? as usize;
    if octets > FRAME_OCTETS_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "a frame is too long"));
    }
    frame.resize(octets, 0);
    message.read_exact(frame).await.map(drop)
}

async fn say(words: &mut (impl AsyncWrite + Unpin), word: &Word) -> io::Result<()> {
    let mut line = serde_json::to_string(word)?;
    line.push('\n');
    timeout(PATIENCE, words.write_all(line.as_bytes())).await?
}

/// Where a message is to be handed over.
pub struct Counter {
    stream: BlockingStream,
}

/// Why a message was not handed over. Nobody has it, or, where the server's last word is lost, it may be there.
#[derive(Debug)]
pub enum Trouble {
    /// It could not be read.
    Message(io::Error),
    /// The server could not be spoken with to the end.
    Server(io::Error),
}

impl Counter {
    /// That of the process that owns the store in `data_dir`; `None`: there is none. Blocks.
    pub fn of_owner(data_dir: &FilePath) -> io::Result<Option<Counter>> {
        Ok(control::connect(data_dir)?.map(|stream| Counter { stream }))
    }

    /// One of our own, for one message, and what serves it: to be run elsewhere, since whoever hands over blocks.
    pub fn own(
        courier: Courier,
        owner: control::Owner,
    ) -> io::Result<(Counter, impl Future<Output = io::Result<()>> + Send)> {
        let (stream, served) = BlockingStream::pair()?;
        served.set_nonblocking(true)?;
        let serve = async move {
            let (_running, shutdown) = watch::channel(false);
            let served = tokio::net::UnixStream::from_std(served)?;
            control::serve(served, None, &owner, &courier, shutdown).await
        };
        Ok((Counter { stream }, serve))
    }

    /// Hands a message over. `next` puts its next octets in place of those that it is given; none: the message has ended.
    /// What is put there is longer than 64 KiB at no time. Blocks.
    pub fn hand_over(
        mut self,
        order: Order,
        mut next: impl FnMut(&mut Vec<u8>) -> io::Result<()>,
    ) -> Result<Word, Trouble> {
        let mut words = BufReader::new(self.stream.try_clone().map_err(Trouble::Server)?.take(WORD_OCTETS_MAX));
        let mut question =
            serde_json::to_string(&Asked::Deliver(order)).map_err(|error| Trouble::Server(error.into()))?;
        question.push('\n');
        self.stream.write_all(question.as_bytes()).map_err(Trouble::Server)?;
        match hear(&mut words).map_err(Trouble::Server)? {
            Word::Send => {}
            last => return Ok(last),
        }
        let mut frame = Vec::new();
        loop {
            next(&mut frame).map_err(Trouble::Message)?;
            debug_assert!(frame.len() <= FRAME_OCTETS_MAX);
            let sent = u32::try_from(frame.len())
                .map_err(io::Error::other)
                .and_then(|octets| self.stream.write_all(&octets.to_be_bytes()))
                .and_then(|()| self.stream.write_all(&frame));
            match sent {
                // Who has heard enough has said why.
                Err(error) => return hear(&mut words).map_err(|_| Trouble::Server(error)),
                Ok(()) if frame.is_empty() => return hear(&mut words).map_err(Trouble::Server),
                Ok(()) => {}
            }
        }
    }
}

fn hear(words: &mut impl BufRead) -> io::Result<Word> {
    let mut line = String::new();
    words.read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server stopped before it answered"));
    }
    Ok(serde_json::from_str(&line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn frames(mut octets: &[u8]) -> (Vec<Vec<u8>>, Option<ErrorKind>) {
        let (mut frames, mut frame) = (Vec::new(), Vec::new());
        loop {
            match read_frame(&mut octets, &mut frame).await {
                Ok(()) if frame.is_empty() => return (frames, None),
                Ok(()) => frames.push(frame.clone()),
                Err(error) => return (frames, Some(error.kind())),
            }
        }
    }

    #[tokio::test]
    async fn only_a_frame_of_none_ends_a_message() {
        let message = b"\0\0\0\x03abc\0\0\0\x01.\0\0\0\0";
        let whole = vec![b"abc".to_vec(), b".".to_vec()];
        assert_eq!(frames(message).await, (whole, None));
        for end in 0..message.len() {
            let (_, error) = frames(&message[..end]).await;
            assert_eq!(error, Some(ErrorKind::UnexpectedEof), "cut off behind {end} octets");
        }
    }

    #[tokio::test]
    async fn a_frame_that_is_too_long_is_not_waited_for() {
        let longest = [&65_536_u32.to_be_bytes(), &[b'x'; 65_536][..], &[0; 4]].concat();
        assert_eq!(frames(&longest).await, (vec![vec![b'x'; 65_536]], None));
        assert_eq!(frames(&65_537_u32.to_be_bytes()).await, (Vec::new(), Some(ErrorKind::InvalidData)));
    }

    #[test]
    fn an_order_and_a_question_are_told_apart() {
        let order = Order { sender: None, recipients: vec!["alice@example.org".to_owned()] };
        let line = serde_json::to_string(&Asked::Deliver(order.clone())).unwrap();
        assert!(matches!(serde_json::from_str(&line).unwrap(), Asked::Deliver(read) if read == order), "{line}");
        let line = serde_json::to_string(&control::Question::ListAccounts).unwrap();
        let read = serde_json::from_str(&line).unwrap();
        assert!(matches!(read, Asked::Question(control::Question::ListAccounts)), "{line}");
    }
}
