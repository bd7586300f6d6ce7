//! Who sends: over SMTP and LMTP, with DATA and BDAT, one command at a time and all at once.

use std::rc::Rc;

use postbell::net::listener::Role;
use protocol_tests::connection::stuffed;

use super::dice::Dice;
use super::line::{Ended, Line, Talk, smtp_reply};
use super::truth::Fate;
use super::world::{World, count};

/// Sends now and then, for ever.
pub(crate) async fn run(world: Rc<World>, seat: usize, mut dice: Dice) -> Result<(), String> {
    let role = if dice.once_in(3) { Role::Lmtp } else { Role::Smtp };
    loop {
        world.think(seat, &mut dice, 20_000..1_500_000).await;
        match converse(&world, seat, &mut dice, role).await {
            Ok(()) | Err(Ended::Gone) => {}
            Err(Ended::Wrong(why)) => return Err(why),
        }
    }
}

/// A letter: a header, and some lines that try what a body may be.
pub(crate) fn letter(number: u32, dice: &mut Dice) -> Vec<u8> {
    let mut text = format!("Message-ID: <l{number}@simulation>\r\nSubject: letter {number}\r\n\r\n");
    let most = if dice.once_in(8) { 400 } else { 12 };
    for _ in 0..dice.within(0..most) {
        text += match dice.roll(8) {
            0 => ".\r\n",
            1 => "..two dots\r\n",
            2 => "\r\n",
            3 => ". QUIT\r\n",
            4 => "From the beginning of a line\r\n",
            _ => "The quick brown fox jumps over the lazy dog, and over nothing else.\r\n",
        };
    }
    text.into_bytes()
}

struct Smtp<'w> {
    world: &'w Rc<World>,
    line: Line,
}

impl Smtp<'_> {
    /// The code of the next reply.
    async fn code(&mut self) -> Talk<u32> {
        let reply = self.line.answer(smtp_reply).await?;
        let code = reply.get(..3).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
        match code.ok_or("a reply without a code".to_owned())? {
            // The server stops, and says so.
            421 => Err(Ended::Gone),
            code => Ok(code),
        }
    }

    async fn ask(&mut self, command: &str) -> Talk<u32> {
        self.line.send(format!("{command}\r\n").as_bytes()).await?;
        self.code().await
    }
}

async fn converse(world: &Rc<World>, seat: usize, dice: &mut Dice, role: Role) -> Talk<()> {
    let mut smtp = Smtp { world, line: Line::connect(world, seat, dice, role)? };
    is(smtp.code().await?, 220)?;
    let hello = if role == Role::Lmtp { "LHLO" } else { "EHLO" };
    is(smtp.ask(&format!("{hello} client.example")).await?, 250)?;
    for _ in 0..1 + dice.roll(3) {
        transaction(&mut smtp, dice, role).await?;
        if dice.once_in(3) {
            world.think(seat, dice, 200..20_000).await;
        }
    }
    if dice.once_in(5) {
        // Some never say goodbye.
        return Ok(());
    }
    is(smtp.ask("QUIT").await?, 221)
}

fn is(code: u32, expected: u32) -> Talk<()> {
    if code == expected { Ok(()) } else { Err(Ended::Wrong(format!("{code} where {expected} was due"))) }
}

async fn transaction(smtp: &mut Smtp<'_>, dice: &mut Dice, role: Role) -> Talk<()> {
    let world = smtp.world;
    let mut to: Vec<String> = Vec::new();
    for _ in 0..1 + dice.roll(3) {
        let reader = &world.users[dice.roll(world.users.len())];
        if !to.contains(reader) {
            to.push(reader.clone());
        }
    }
    let number = world.truth.borrow_mut().writes(&to, |number| letter(number, dice));
    let octets = world.truth.borrow().octets(number);
    let mut commands = vec!["MAIL FROM:<sender@example.com>".to_owned()];
    commands.extend(to.iter().map(|reader| format!("RCPT TO:<{reader}>")));
    let (pipelines, chunks) = (dice.once_in(2), dice.once_in(2));
    if pipelines {
        smtp.line.send(format!("{}\r\n", commands.join("\r\n")).as_bytes()).await?;
        for _ in &commands {
            is(smtp.code().await?, 250)?;
        }
    } else {
        for command in &commands {
            is(smtp.ask(command).await?, 250)?;
        }
    }
    let sent = if chunks {
        let cut = dice.roll(octets.len());
        let mut first = format!("BDAT {cut}\r\n").into_bytes();
        first.extend_from_slice(&octets[..cut]);
        smtp.line.send(&first).await?;
        is(smtp.code().await?, 250)?;
        let mut last = format!("BDAT {} LAST\r\n", octets.len() - cut).into_bytes();
        last.extend_from_slice(&octets[cut..]);
        last
    } else {
        is(smtp.ask("DATA").await?, 354)?;
        stuffed(&octets)
    };
    // All but the last octet: whoever is cut off before that one has sent nothing.
    let (before, last) = sent.split_at(sent.len() - 1);
    smtp.line.send(before).await?;
    for reader in &to {
        world.truth.borrow_mut().becomes(number, reader, Fate::Perhaps);
    }
    smtp.line.send(last).await?;
    // One answer in SMTP, one for each recipient in LMTP (RFC 2033 §4.2).
    let answers: Vec<&[String]> = if role == Role::Lmtp { to.chunks(1).collect() } else { vec![&to] };
    for readers in answers {
        let code = smtp.code().await?;
        let fate = if code == 250 { Fate::Accepted } else { Fate::Nowhere };
        for reader in readers {
            world.truth.borrow_mut().becomes(number, reader, fate);
        }
        is(code, 250)?;
        count(&world.counts.letters);
    }
    Ok(())
}
