//! Who reads: phones that idle, watchers that never leave IDLE, listeners with NOTIFY, and laptops that work.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::belief::{Belief, Dialect, Entry};
use super::dice::Dice;
use super::imap::Imap;
use super::line::{Ended, Talk};
use super::sender::letter;
use super::truth::Fate;
use super::world::{World, count};

/// As RFC 2177 §3 advises.
const IDLE_AGAIN_AFTER: Duration = Duration::from_secs(29 * 60);
/// Without a command a session lasts so long (RFC 3501 §5.4).
const AUTOLOGOUT: Duration = Duration::from_secs(30 * 60);

/// What kind of reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Idles, and looks at what comes.
    Phone,
    /// Idles, and looks at nothing.
    Watcher,
    /// Is told of all mailboxes by NOTIFY.
    Listener,
    /// Reads, flags, deletes, moves, writes.
    Laptop,
}

/// Reads for ever; `rev1`: as RFC 3501 has it.
pub(crate) async fn run(
    world: Rc<World>,
    seat: usize,
    (user, rev1): (String, bool),
    kind: Kind,
    mut dice: Dice,
) -> Result<(), String> {
    let qresync = dice.once_in(2);
    let dialect =
        Dialect { rev2: !rev1, qresync, condstore: qresync || dice.once_in(2), notify: kind == Kind::Listener };
    let who = format!("{seat} ({kind:?} of {user}, {dialect:?})");
    let belief = Rc::new(RefCell::new(Belief::new(who.clone(), seat, user, dialect)));
    world.listens(&belief);
    loop {
        world.think(seat, &mut dice, 1_000..600_000).await;
        let mut imap = match Imap::connect(&world, &belief, &mut dice).await {
            Ok(imap) => imap,
            Err(Ended::Gone) => continue,
            Err(Ended::Wrong(why)) => return Err(format!("{who}: {why}")),
        };
        let ended = match kind {
            Kind::Phone => phone(&mut imap, &mut dice).await,
            Kind::Watcher => watch(&mut imap, &mut dice).await,
            Kind::Listener => listen(&mut imap, &mut dice).await,
            Kind::Laptop => work(&mut imap, &mut dice).await,
        };
        match ended {
            Ok(()) | Err(Ended::Gone) => {}
            Err(Ended::Wrong(why)) => return Err(format!("{who}: {why}")),
        }
    }
}

/// Opens the inbox, and idles until something comes; looks at it, and idles again.
async fn phone(imap: &mut Imap, dice: &mut Dice) -> Talk<()> {
    imap.select("INBOX").await?;
    loop {
        imap.look().await?;
        let behind = dice.once_in(3).then_some("NOOP");
        imap.idle(Instant::now() + IDLE_AGAIN_AFTER, true, behind).await?;
    }
}

/// Opens the inbox and idles for hours.
async fn watch(imap: &mut Imap, dice: &mut Dice) -> Talk<()> {
    imap.select("INBOX").await?;
    loop {
        imap.idle(Instant::now() + dice.pause_ms(600_000..30_000_000), false, None).await?;
    }
}

/// Is told of everything, by itself.
async fn listen(imap: &mut Imap, dice: &mut Dice) -> Talk<()> {
    imap.select("INBOX").await?;
    imap.good(
        "NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) \
         (personal (MessageNew MessageExpunge))",
    )
    .await?;
    loop {
        imap.listen(Instant::now() + dice.pause_ms(60_000..6_000_000), false).await?;
        imap.good("NOOP").await?;
    }
}

/// Works for a while.
async fn work(imap: &mut Imap, dice: &mut Dice) -> Talk<()> {
    let world = Rc::clone(&imap.world);
    let seat = imap.belief.borrow().seat;
    let mailbox = if dice.once_in(4) { "Archive" } else { "INBOX" };
    imap.select(mailbox).await?;
    for _ in 0..1 + dice.roll(20) {
        world.think(seat, dice, 500..200_000).await;
        act(imap, dice).await?;
    }
    match dice.roll(6) {
        0 => imap.is_logged_out(AUTOLOGOUT).await,
        1 | 2 => Ok(()),
        _ => match imap.command("LOGOUT").await {
            Ok(_) | Err(Ended::Gone) => Ok(()),
            Err(wrong) => Err(wrong),
        },
    }
}

/// Messages that the client has looked at.
fn known(imap: &Imap) -> Vec<(usize, Entry)> {
    let belief = imap.belief.borrow();
    let entries = belief.selected.iter().flat_map(|selected| &selected.entries);
    let looked_at = |(_, entry): &(usize, &Entry)| entry.uid.is_some() && entry.letter.is_some();
    entries.enumerate().filter(looked_at).map(|(at, entry)| (at + 1, entry.clone())).collect()
}

async fn act(imap: &mut Imap, dice: &mut Dice) -> Talk<()> {
    let one =
        |known: &[(usize, Entry)], dice: &mut Dice| (!known.is_empty()).then(|| known[dice.roll(known.len())].clone());
    match dice.roll(12) {
        0 | 1 => imap.look().await,
        2 => imap.good("NOOP").await,
        3 => imap.idle(Instant::now() + dice.pause_ms(1_000..900_000), dice.once_in(2), None).await,
        4 => match one(&known(imap), dice) {
            Some((_, Entry { uid: Some(uid), .. })) => imap.good(&format!("UID FETCH {uid} (BODY.PEEK[])")).await,
            _ => Ok(()),
        },
        5 => {
            let world = Rc::clone(&imap.world);
            let user = imap.belief.borrow().user.clone();
            let number = world.truth.borrow_mut().writes(std::slice::from_ref(&user), |number| letter(number, dice));
            world.truth.borrow_mut().becomes(number, &user, Fate::Perhaps);
            let octets = world.truth.borrow().octets(number);
            if !imap.append(&octets).await? {
                return Err(Ended::Wrong("NO to APPEND".into()));
            }
            world.truth.borrow_mut().becomes(number, &user, Fate::Accepted);
            count(&world.counts.letters);
            Ok(())
        }
        6 => {
            let mailbox = dice.pick(&["INBOX", "Archive"]);
            imap.select(mailbox).await
        }
        7 | 8 => {
            let known = known(imap);
            delete(imap, dice, &known).await
        }
        9 => match one(&known(imap), dice) {
            Some((_, Entry { uid: Some(uid), .. })) => {
                let from = imap.belief.borrow().selected.as_ref().map(|selected| selected.mailbox.clone());
                let to = if from.as_deref() == Some("INBOX") { "Archive" } else { "INBOX" };
                imap.good(&format!("UID MOVE {uid} {to}")).await
            }
            _ => Ok(()),
        },
        _ => match one(&known(imap), dice) {
            Some((at, Entry { uid: Some(uid), .. })) => {
                let (sign, flag) =
                    (dice.pick(&["+", "-"]), dice.pick(&["\\Seen", "\\Flagged", "\\Answered", "$Forwarded"]));
                // By number it may be refused, where somebody else has deleted it meanwhile (RFC 2180 §4.2).
                let command = format!("STORE {at} {sign}FLAGS ({flag})");
                match dice.once_in(3) {
                    true => imap.command(&command).await.map(|_done| ()),
                    false => imap.good(&format!("UID STORE {uid} {sign}FLAGS ({flag})")).await,
                }
            }
            _ => Ok(()),
        },
    }
}

/// Deletes some, by UID or all that are marked.
async fn delete(imap: &mut Imap, dice: &mut Dice, known: &[(usize, Entry)]) -> Talk<()> {
    let world = Rc::clone(&imap.world);
    let (user, who) = {
        let belief = imap.belief.borrow();
        (belief.user.clone(), belief.who.clone())
    };
    let Some(mailbox) = imap.belief.borrow().selected.as_ref().map(|selected| selected.mailbox.clone()) else {
        return Ok(());
    };
    let chosen: Vec<(u32, u32)> =
        known.iter().filter(|_| dice.once_in(3)).filter_map(|(_, entry)| Some((entry.uid?, entry.letter?))).collect();
    if chosen.is_empty() {
        return Ok(());
    }
    for (_, letter) in &chosen {
        world.truth.borrow_mut().condemns(*letter, &user);
    }
    let set = chosen.iter().map(|(uid, _)| uid.to_string()).collect::<Vec<_>>().join(",");
    imap.good(&format!("UID STORE {set} +FLAGS (\\Deleted)")).await?;
    if dice.once_in(4) {
        // Somebody else may see them off.
        return Ok(());
    }
    let by_uid = dice.once_in(2);
    imap.good(&if by_uid { format!("UID EXPUNGE {set}") } else { "EXPUNGE".to_owned() }).await?;
    for (uid, _) in &chosen {
        count(&world.counts.deleted);
        if by_uid {
            world.truth.borrow_mut().is_gone(&(user.clone(), mailbox.clone()), *uid, &who);
        }
    }
    Ok(())
}
