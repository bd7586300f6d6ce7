//! Bodies on their way in.
//!
//! A body is kept in memory up to 1 MiB, then in an unlinked file of the store's folder, so that many large messages
//! at once cost little memory. All bodies share one budget; when it is used up, new bytes are refused with
//! [`Error::Busy`] (452 4.3.1) instead of piling up.
//!
//! What goes in front of a message may be known only when all of it has come (a verdict about it, say): its room is
//! reserved when the message begins ([`Incoming::reserve`]), so that a message that was taken up to its last octet is not
//! refused for the lines before its first ([`Incoming::prepend`]).

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Error;

/// Up to here a body stays in memory.
const MEMORY_OCTETS: usize = 1024 * 1024;

/// What all bodies share.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Octets that bodies in flight hold, in memory or spooled.
    pub(crate) used: AtomicU64,
    /// What they may hold.
    pub(crate) budget: u64,
    /// The largest message.
    pub(crate) max_message: u64,
    /// Where large bodies are spooled.
    pub(crate) dir: PathBuf,
    /// Set while there is too little free space.
    pub(crate) disk_full: AtomicBool,
}

/// A body that is complete, or that came from the store itself; readable in pieces.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// What stands before all else.
    front: Vec<u8>,
    memory: Vec<u8>,
    /// What came before `memory`.
    file: Option<File>,
    file_octets: u64,
    crc: u32,
}

impl Stored {
    /// No body: most records have none.
    pub(crate) fn none() -> Stored {
        Stored::default()
    }

    /// A body in memory.
    pub(crate) fn of(octets: Vec<u8>) -> Stored {
        let crc = crc32c::crc32c(&octets);
        Stored { memory: octets, crc, ..Stored::default() }
    }

    pub(crate) fn len(&self) -> u64 {
        self.front.len() as u64 + self.file_octets + self.memory.len() as u64
    }

    /// Puts octets before all that is there.
    fn prepend(&mut self, octets: &[u8]) {
        // Nothing is read again: what the CRC of the whole is follows from those of its two parts.
        let behind = usize::try_from(self.len()).unwrap_or(usize::MAX);
        self.crc = crc32c::crc32c_combine(crc32c::crc32c(octets), self.crc, behind);
        let front = [octets, &self.front].concat();
        self.front = front;
    }

    /// CRC-32C of all octets.
    pub(crate) fn crc(&self) -> u32 {
        self.crc
    }

    /// Calls `take` with all octets in order, in pieces of at most 1 MiB.
    pub(crate) fn for_each_piece(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        take(&self.front)?;
        if let Some(file) = &self.file {
            let mut piece = vec![0; MEMORY_OCTETS];
            let mut offset = 0;
            while offset < self.file_octets {
                let len = MEMORY_OCTETS.min(usize::try_from(self.file_octets - offset).unwrap_or(MEMORY_OCTETS));
                file.read_exact_at(&mut piece[..len], offset)?;
                take(&piece[..len])?;
                offset += len as u64;
            }
        }
        take(&self.memory)
    }

    /// The first octets, `max` at the most.
    fn head(&self, max: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        let room = |head: &Vec<u8>, there: usize| there.min(max - head.len());
        head.extend_from_slice(&self.front[..room(&head, self.front.len())]);
        if let Some(file) = &self.file {
            let begin = head.len();
            head.resize(begin + room(&head, usize::try_from(self.file_octets).unwrap_or(usize::MAX)), 0);
            file.read_exact_at(&mut head[begin..], 0)?;
        }
        head.extend_from_slice(&self.memory[..room(&head, self.memory.len())]);
        Ok(head)
    }

    /// All octets in memory.
    fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut octets = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
        self.for_each_piece(|piece| {
            octets.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(octets)
    }
}

/// A message body on its way in: kept in memory up to 1 MiB, then in an unlinked file; counted against the store's
/// budget for bodies in flight until it is dropped.
#[derive(Debug)]
pub struct Incoming {
    intake: Arc<Intake>,
    pub(crate) stored: Stored,
    /// Octets that are kept free for what goes in front: charged to the budget already.
    reserved: u64,
}

impl Incoming {
    pub(crate) fn new(intake: Arc<Intake>) -> Incoming {
        Incoming { intake, stored: Stored::none(), reserved: 0 }
    }

    /// Keeps room for so many octets that [`prepend`](Self::prepend) will put in front. They count as if they were there.
    ///
    /// Errors: those of [`push`](Self::push).
    pub fn reserve(&mut self, octets: u64) -> Result<(), Error> {
        self.charge(octets)?;
        self.reserved += octets;
        Ok(())
    }

    /// Puts bytes before all that is there, out of the room that was reserved for them, as far as that goes. They stay in
    /// memory: a header, not a body.
    ///
    /// Errors: those of [`push`](Self::push), where they need more room than was reserved.
    pub fn prepend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let added = bytes.len() as u64;
        let reserved = added.min(self.reserved);
        if added > reserved {
            self.charge(added - reserved)?;
        }
        self.reserved -= reserved;
        self.stored.prepend(bytes);
        Ok(())
    }

    /// Itself, and its first octets, `max` at the most.
    ///
    /// Errors: [`Error::Read`], where it lies in a file that can't be read.
    pub async fn with_head(self, max: usize) -> Result<(Incoming, Vec<u8>), Error> {
        let read = tokio::task::spawn_blocking(move || (self.stored.head(max), self));
        let (head, body) = read.await.map_err(|error| Error::Read(error.to_string()))?;
        head.map(|head| (body, head)).map_err(|error| Error::Read(error.to_string()))
    }

    /// Adds bytes.
    ///
    /// Errors, after which the body can only be dropped: [`Error::TooLarge`], [`Error::Busy`] when the budget is used up,
    /// [`Error::DiskFull`], and [`Error::Read`] when it can't be spooled.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.charge(bytes.len() as u64)?;
        self.stored.crc = crc32c::crc32c_append(self.stored.crc, bytes);
        self.stored.memory.extend_from_slice(bytes);
        if self.stored.memory.len() > MEMORY_OCTETS {
            self.spool().await?;
        }
        Ok(())
    }

    /// Takes room for more octets from the budget.
    fn charge(&self, added: u64) -> Result<(), Error> {
        let limit = self.intake.max_message;
        if self.len() + self.reserved + added > limit {
            return Err(Error::TooLarge { limit });
        }
        if self.intake.disk_full.load(Ordering::Relaxed) {
            return Err(Error::DiskFull);
        }
        let before = self.intake.used.fetch_add(added, Ordering::Relaxed);
        if before + added > self.intake.budget {
            self.intake.used.fetch_sub(added, Ordering::Relaxed);
            return Err(Error::Busy);
        }
        Ok(())
    }

    /// Whether `octets` could be added at this moment, and why not. Nothing is kept free for them: who asks learns early what
    /// [`Incoming::push`] would say later.
    pub fn has_room_for(&self, octets: u64) -> Result<(), Error> {
        if self.intake.disk_full.load(Ordering::Relaxed) {
            return Err(Error::DiskFull);
        }
        if self.intake.used.load(Ordering::Relaxed).saturating_add(octets) > self.intake.budget {
            return Err(Error::Busy);
        }
        Ok(())
    }

    /// Octets so far.
    pub fn len(&self) -> u64 {
        self.stored.len()
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves what is in memory to the file.
    async fn spool(&mut self) -> Result<(), Error> {
        let memory = std::mem::take(&mut self.stored.memory);
        // The octets count from now on as the file's: the budget was charged for them and is given back once, on drop.
        let octets = memory.len() as u64;
        let file = self.stored.file.take();
        let dir = self.intake.dir.clone();
        let spooled = tokio::task::spawn_blocking(move || {
            let mut file = match file {
                Some(file) => file,
                None => tempfile::tempfile_in(dir)?,
            };
            file.write_all(&memory)?;
            Ok::<_, io::Error>(file)
        })
        .await;
        self.stored.file_octets += octets;
        match spooled {
            Ok(Ok(file)) => {
                self.stored.file = Some(file);
                Ok(())
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::StorageFull => Err(Error::DiskFull),
            Ok(Err(error)) => Err(Error::Read(format!("a large message can't be spooled: {error}"))),
            Err(error) => Err(Error::Read(format!("a large message can't be spooled: {error}"))),
        }
    }

    /// All octets in memory, for the message parser. Blocks.
    pub(crate) fn to_vec(&self) -> io::Result<Vec<u8>> {
        self.stored.to_vec()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.intake.used.fetch_sub(self.stored.len() + self.reserved, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intake(budget: u64) -> Arc<Intake> {
        Arc::new(Intake {
            used: AtomicU64::new(0),
            budget,
            max_message: 8 * 1024 * 1024,
            dir: std::env::temp_dir(),
            disk_full: AtomicBool::new(false),
        })
    }

    #[tokio::test]
    async fn a_large_body_comes_out_of_its_file_as_it_went_in() {
        let intake = intake(64 * 1024 * 1024);
        let mut body = Incoming::new(Arc::clone(&intake));
        let mut expected = Vec::new();
        for round in 0..50u32 {
            let piece: Vec<u8> = (0..100_001).map(|at: u32| (at * 7 + round) as u8).collect();
            body.push(&piece).await.unwrap();
            expected.extend_from_slice(&piece);
        }
        assert!(body.stored.file.is_some(), "over 1 MiB it is spooled");
        assert_eq!(body.to_vec().unwrap(), expected);
        assert_eq!(body.stored.crc(), crc32c::crc32c(&expected));
        assert_eq!(intake.used.load(Ordering::Relaxed), expected.len() as u64);
        drop(body);
        assert_eq!(intake.used.load(Ordering::Relaxed), 0);
    }

    /// The same for every size of the body: none, one that stays in memory, one that is spooled.
    #[tokio::test]
    async fn what_comes_last_can_stand_first() {
        let intake = intake(64 * 1024 * 1024);
        for (pieces, spooled) in [(0, false), (1, false), (40, true)] {
            let mut body = Incoming::new(Arc::clone(&intake));
            body.reserve(20).unwrap();
            let mut expected = b"first\r\nsecond\r\n".to_vec();
            for _ in 0..pieces {
                let piece = vec![b'x'; 50_001];
                body.push(&piece).await.unwrap();
                expected.extend_from_slice(&piece);
            }
            body.prepend(b"second\r\n").unwrap();
            body.prepend(b"first\r\n").unwrap();
            assert_eq!(body.stored.file.is_some(), spooled);
            assert_eq!(body.len(), expected.len() as u64);
            assert_eq!(body.stored.crc(), crc32c::crc32c(&expected));
            assert_eq!(body.to_vec().unwrap(), expected);
            for max in [0, 3, 20, 1_100_000, usize::MAX] {
                assert_eq!(body.stored.head(max).unwrap(), expected[..max.min(expected.len())], "{max}");
            }
            // What was reserved and not used is held to the end.
            assert_eq!(intake.used.load(Ordering::Relaxed), body.len() + 5);
            drop(body);
            assert_eq!(intake.used.load(Ordering::Relaxed), 0);
        }
    }

    #[tokio::test]
    async fn reserved_room_is_there_when_nothing_else_is() {
        let intake = intake(100);
        let mut one = Incoming::new(Arc::clone(&intake));
        one.reserve(10).unwrap();
        one.push(&[0; 80]).await.unwrap();
        let mut two = Incoming::new(Arc::clone(&intake));
        assert_eq!(two.reserve(11), Err(Error::Busy));
        two.push(&[0; 10]).await.unwrap();
        intake.disk_full.store(true, Ordering::Relaxed);
        assert_eq!(two.prepend(&[0; 1]), Err(Error::DiskFull));
        one.prepend(&[0; 10]).unwrap();
        intake.disk_full.store(false, Ordering::Relaxed);
        assert_eq!(one.prepend(&[0; 1]), Err(Error::Busy), "it was reserved once");
    }

    #[tokio::test]
    async fn what_goes_in_front_counts_for_the_size_from_the_first() {
        let intake = intake(u64::MAX);
        let limit = intake.max_message;
        let mut body = Incoming::new(intake);
        body.reserve(limit - 10).unwrap();
        body.push(&[0; 10]).await.unwrap();
        assert_eq!(body.push(&[0; 1]).await, Err(Error::TooLarge { limit }));
    }

    #[tokio::test]
    async fn the_budget_is_shared_and_given_back() {
        let intake = intake(100);
        let mut one = Incoming::new(Arc::clone(&intake));
        let mut two = Incoming::new(Arc::clone(&intake));
        one.push(&[0; 60]).await.unwrap();
        assert_eq!(two.push(&[0; 41]).await, Err(Error::Busy));
        two.push(&[0; 40]).await.unwrap();
        drop(one);
        two.push(&[0; 60]).await.unwrap();
    }

    #[tokio::test]
    async fn too_large_is_refused_before_it_is_kept() {
        let intake = intake(u64::MAX);
        let mut body = Incoming::new(Arc::clone(&intake));
        body.push(&[0; 10]).await.unwrap();
        let limit = intake.max_message;
        assert_eq!(body.push(&vec![0; 8 * 1024 * 1024]).await, Err(Error::TooLarge { limit }));
        assert_eq!(body.len(), 10);
    }

    #[tokio::test]
    async fn a_full_disk_takes_no_new_octets() {
        let intake = intake(1000);
        intake.disk_full.store(true, Ordering::Relaxed);
        assert_eq!(Incoming::new(intake).push(b"x").await, Err(Error::DiskFull));
    }
}
