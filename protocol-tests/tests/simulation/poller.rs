//! Who polls by POP3: reads what is there, deletes some of it, and at times forgets to say goodbye.

use std::rc::Rc;
use std::time::Duration;

use postbell::net::listener::Role;

use super::dice::Dice;
use super::line::{Ended, Line, Talk, line, multi_line};
use super::truth::number;
use super::world::{World, count};

/// Without a command a session lasts so long (RFC 1939 §3).
const AUTOLOGOUT: Duration = Duration::from_secs(10 * 60);

pub(crate) async fn run(world: Rc<World>, seat: usize, user: String, mut dice: Dice) -> Result<(), String> {
    loop {
        world.think(seat, &mut dice, 60_000..1_800_000).await;
        match converse(&world, seat, &user, &mut dice).await {
            Ok(()) | Err(Ended::Gone) => {}
            Err(Ended::Wrong(why)) => return Err(format!("{seat} (POP3 of {user}): {why}")),
        }
    }
}

struct Pop3(Line);

impl Pop3 {
    async fn is_ok(&mut self) -> Talk<bool> {
        let answer = self.0.answer(line).await?;
        if answer.starts_with(b"-ERR [SYS/TEMP]") {
            // The server stops, and says so.
            return Err(Ended::Gone);
        }
        Ok(answer.starts_with(b"+OK"))
    }

    async fn ask(&mut self, command: &str) -> Talk<bool> {
        self.0.send(format!("{command}\r\n").as_bytes()).await?;
        self.is_ok().await
    }

    /// As [`ask`](Self::ask), where nothing but agreement is right.
    async fn gets(&mut self, command: &str) -> Talk<()> {
        match self.ask(command).await? {
            true => Ok(()),
            false => Err(Ended::Wrong(format!("-ERR to {command}"))),
        }
    }

    async fn lines(&mut self) -> Talk<Vec<u8>> {
        let mut octets = self.0.answer(multi_line).await?;
        octets.truncate(octets.len() - 3);
        let lines = octets.split_inclusive(|octet| *octet == b'\n');
        Ok(lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect())
    }
}

async fn converse(world: &Rc<World>, seat: usize, user: &str, dice: &mut Dice) -> Talk<()> {
    let mut pop3 = Pop3(Line::connect(world, seat, dice, Role::Pop3)?);
    if !pop3.is_ok().await? {
        return Err(Ended::Wrong("-ERR as a greeting".into()));
    }
    pop3.gets(&format!("USER {user}")).await?;
    if !pop3.ask("PASS secret").await? {
        // The server may be about to stop.
        return Err(Ended::Gone);
    }
    pop3.gets("UIDL").await?;
    let listed = String::from_utf8_lossy(&pop3.lines().await?).into_owned();
    let numbers: Vec<u32> = listed.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    let mut deleted = Vec::new();
    for at in numbers {
        if !dice.once_in(3) {
            continue;
        }
        // Somebody may have deleted it meanwhile.
        if !pop3.ask(&format!("RETR {at}")).await? {
            continue;
        }
        let octets = pop3.lines().await?;
        let letter = number(&octets).ok_or("a message without a number".to_owned())?;
        world.truth.borrow().reads(letter, user, &octets)?;
        if dice.once_in(2) {
            pop3.gets(&format!("DELE {at}")).await?;
            deleted.push(letter);
        }
        if dice.once_in(6) {
            world.think(seat, dice, 100..60_000).await;
        }
    }
    match dice.roll(8) {
        // Without QUIT nothing is deleted (RFC 1939 §6).
        0 => Ok(()),
        1 => is_logged_out(&mut pop3).await,
        _ => {
            for letter in &deleted {
                world.truth.borrow_mut().condemns(*letter, user);
                count(&world.counts.deleted);
            }
            pop3.gets("QUIT").await
        }
    }
}

/// Who says nothing is hung up on in time.
async fn is_logged_out(pop3: &mut Pop3) -> Talk<()> {
    let ended = pop3.0.reply(line, pop3.0.deadline() + AUTOLOGOUT).await;
    match ended {
        Err(Ended::Gone) => Ok(()),
        Err(wrong) => Err(wrong),
        Ok(Some(_)) => Err(Ended::Gone),
        Ok(None) if pop3.0.health.is_good_for(AUTOLOGOUT) => Err(Ended::Wrong("no autologout".into())),
        Ok(None) => Err(Ended::Gone),
    }
}
