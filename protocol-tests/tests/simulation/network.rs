//! A network between a client and the server: it delays, cuts what is sent into pieces, stops for a while, and ends
//! connections at any octet, with a farewell or without.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::clock::{Clock, Turn};
use super::dice::Dice;

/// What is on its way at the most, as in a socket's buffer: whoever sends more waits.
const ON_THE_WAY_OCTETS: usize = 16 * 1024;
/// What is longer is not cut to the end as its beginning is: a message of some KiB would take hours octet by octet.
pub(crate) const LONG_OCTETS: usize = 60;
/// After so long without an acknowledgement the system gives a connection up (RFC 5482): what `net/listener.rs` asks for.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(120);

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Both ends hear that it is over.
    Cut,
    /// Nothing comes through any more, and nobody is told before the systems give up.
    Silent,
    /// Nothing comes through for a while.
    Tunnel(Duration),
}

/// How a connection is.
#[derive(Debug)]
pub(crate) struct Health {
    /// Until when nothing can be expected of it.
    disturbed_until: Cell<Option<Instant>>,
    is_silent: Cell<bool>,
    over: Notify,
}

impl Health {
    /// Whether nothing has kept octets back for as long as this.
    pub(crate) fn is_good_for(&self, lately: Duration) -> bool {
        let disturbed = self.disturbed_until.get().is_some_and(|until| until + lately > Instant::now());
        !self.is_silent.get() && !disturbed
    }
}

/// How a connection treats what it carries.
#[derive(Clone, Debug)]
struct Manner {
    /// The largest piece.
    piece_octets: usize,
    /// How long a piece is on its way.
    latency_ms: std::ops::Range<u64>,
    /// Of this direction, behind the octet.
    fate: Option<(u64, Fate)>,
}

impl Manner {
    fn of(dice: &mut Dice, is_rough: bool) -> Self {
        let piece_octets = if dice.once_in(3) { dice.pick(&[1, 2, 7, 40]) } else { dice.pick(&[300, 1_460, 4_096]) };
        let latency_ms = dice.pick(&[1, 10, 60])..dice.pick(&[70, 150, 900]);
        let fate = is_rough.then(|| match dice.roll(6) {
            0..3 => Fate::Cut,
            3 => Fate::Silent,
            _ => Fate::Tunnel(Duration::from_secs(dice.within(1..100))),
        });
        // Where it matters: in a greeting or a login seldom, in what follows often.
        let fate = fate.map(|fate| (dice.within(20..6_000), fate));
        Self { piece_octets, latency_ms, fate }
    }
}

/// Lays a connection: the client's end, the server's, and how it is. It is carried until it is over.
pub(crate) fn lay(clock: Clock, seat: usize, dice: &mut Dice) -> (DuplexStream, DuplexStream, Rc<Health>) {
    let (client, near) = duplex(ON_THE_WAY_OCTETS);
    let (far, server) = duplex(ON_THE_WAY_OCTETS);
    let health = Health { disturbed_until: Cell::new(None), is_silent: Cell::new(false), over: Notify::new() };
    let health = Rc::new(health);
    let (is_rough, side) = (dice.once_in(2), dice.once_in(2));
    let (mut there, mut back) = (Manner::of(dice, is_rough && side), Manner::of(dice, is_rough && !side));
    if dice.once_in(3) {
        // A good line.
        (there.piece_octets, back.piece_octets) = (4_096, 4_096);
    }
    let (near_in, near_out) = split(near);
    let (far_in, far_out) = split(far);
    let (there_dice, back_dice) = (Dice::new(dice.next()), Dice::new(dice.next()));
    let carried = Rc::clone(&health);
    tokio::task::spawn_local(async move {
        let health = &*carried;
        let there = carry(clock, Turn::there(seat), near_in, far_out, there, there_dice, health);
        let back = carry(clock, Turn::back(seat), far_in, near_out, back, back_dice, health);
        tokio::select! {
            biased;
            () = health.over.notified() => {}
            _ = async { tokio::join!(there, back) } => {}
        }
        // Both ends are let go here.
    });
    (client, server, health)
}

async fn carry(
    clock: Clock,
    turn: Turn,
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    manner: Manner,
    mut dice: Dice,
    health: &Health,
) {
    let mut carried = 0;
    let mut fate = manner.fate;
    // How much came without a pause: what is long goes in larger and larger pieces.
    let mut burst = 0;
    loop {
        let most = if burst < LONG_OCTETS { manner.piece_octets } else { burst.max(manner.piece_octets) };
        let mut piece = vec![0; 1 + dice.roll(most.min(ON_THE_WAY_OCTETS))];
        // Whoever lets go of an end has said all.
        let Ok(read @ 1..) = from.read(&mut piece).await else { break };
        let follows = burst > 0;
        burst = if read == piece.len() { burst + read } else { 0 };
        let until_fate = fate.map_or(u64::MAX, |(octet, _)| octet.saturating_sub(carried));
        let arrives = read.min(usize::try_from(until_fate).unwrap_or(usize::MAX));
        let latency = dice.pause_ms(manner.latency_ms.clone());
        clock.turn(turn, if follows { Duration::from_millis(1) } else { latency }).await;
        if health.is_silent.get() {
            return std::future::pending().await;
        }
        if to.write_all(&piece[..arrives]).await.is_err() {
            break;
        }
        carried += arrives as u64;
        if (arrives as u64) < until_fate {
            continue;
        }
        match fate.take().map(|(_, fate)| fate) {
            None => {}
            Some(Fate::Cut) => {
                health.over.notify_one();
                return std::future::pending().await;
            }
            Some(Fate::Silent) => {
                health.is_silent.set(true);
                clock.turn(turn, GIVEN_UP_AFTER).await;
                health.over.notify_one();
                return std::future::pending().await;
            }
            Some(Fate::Tunnel(length)) => {
                health.disturbed_until.set(Some(Instant::now() + length + Duration::from_secs(1)));
                clock.turn(turn, length).await;
            }
        }
        if to.write_all(&piece[arrives..read]).await.is_err() {
            break;
        }
        carried += (read - arrives) as u64;
    }
    clock.turn(turn, dice.pause_ms(manner.latency_ms)).await;
    // Whoever has gone needs no farewell.
    let _gone = to.shutdown().await;
}
