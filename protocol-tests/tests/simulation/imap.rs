//! An IMAP client's half of a conversation, for whatever kind of client it is.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use postbell::net::listener::Role;
use protocol_tests::imap::always::Session;
use protocol_tests::imap::value::{Kind, Response, frame};
use tokio::time::{Instant, sleep_until};

use super::belief::Belief;
use super::dice::Dice;
use super::line::{Ended, Line, Talk};
use super::world::{World, count};

/// Between two signs of life of an IDLE, beside what the way takes: what the server has by default.
const KEEPALIVE: Duration = Duration::from_secs(2 * 60);

/// A client that is connected and logged in.
pub(crate) struct Imap {
    pub(crate) world: Rc<World>,
    pub(crate) belief: Rc<RefCell<Belief>>,
    line: Line,
    session: Session,
    tag: u32,
    seat: usize,
    /// When the belief is to be looked at, since it has been listening for long enough by then.
    look_at: Option<Instant>,
}

impl Drop for Imap {
    fn drop(&mut self) {
        self.belief.borrow_mut().is_alone();
    }
}

impl Imap {
    /// Connects, logs in, and enables what the client uses.
    pub(crate) async fn connect(world: &Rc<World>, belief: &Rc<RefCell<Belief>>, dice: &mut Dice) -> Talk<Imap> {
        let (seat, user, dialect) = {
            let belief = belief.borrow();
            (belief.seat, belief.user.clone(), belief.dialect)
        };
        let line = Line::connect(world, seat, dice, Role::Imap)?;
        belief.borrow_mut().health = Some(Rc::clone(&line.health));
        let mut imap = Imap {
            world: Rc::clone(world),
            belief: Rc::clone(belief),
            line,
            session: Session::default(),
            tag: 0,
            seat,
            look_at: None,
        };
        let greeting = imap.response(imap.line.deadline()).await?;
        greeting.ok_or_else(|| imap.line.is_late("no greeting"))?;
        imap.good(&format!("LOGIN {user} secret")).await?;
        for (is_used, capability) in
            [(dialect.rev2, "IMAP4rev2"), (dialect.condstore, "CONDSTORE"), (dialect.qresync, "QRESYNC")]
        {
            if is_used {
                imap.good(&format!("ENABLE {capability}")).await?;
            }
        }
        Ok(imap)
    }

    /// The next response, taken in; `None`: none until then.
    async fn response(&mut self, until: Instant) -> Talk<Option<Response>> {
        let Some(octets) = self.line.reply(frame, until).await? else { return Ok(None) };
        let raw = octets.strip_suffix(b"\r\n").unwrap_or(&octets);
        let wrong = |why: String| format!("{why}: {}", String::from_utf8_lossy(raw));
        let response = Response::read_as(raw, self.session.reads_utf8()).map_err(wrong)?;
        self.session.received(&response).map_err(wrong)?;
        let heard = self.belief.borrow_mut().hears(&response, &mut self.world.truth.borrow_mut());
        heard.map_err(wrong)?;
        if response.kind == Kind::Untagged && response.word(0).as_deref() == Some("BYE") {
            return Err(Ended::Gone);
        }
        Ok(Some(response))
    }

    async fn send(&mut self, octets: &[u8]) -> Talk<()> {
        self.belief.borrow_mut().listens_since = None;
        self.look_at = None;
        self.session.sent(octets);
        self.line.send(octets).await
    }

    /// Responses up to the tagged one; whether it is OK.
    async fn until_tagged(&mut self, tag: &str) -> Talk<bool> {
        let until = self.line.deadline();
        loop {
            let response = self.response(until).await?;
            let response = response.ok_or_else(|| self.line.is_late(&format!("no answer to {tag}")))?;
            match &response.kind {
                Kind::Tagged(answered) if answered == tag => match response.word(0).as_deref() {
                    Some("BAD") => return Err(Ended::Wrong("BAD".into())),
                    condition => return Ok(condition == Some("OK")),
                },
                Kind::Tagged(other) => return Err(Ended::Wrong(format!("an answer to {other}, not to {tag}"))),
                _ => {}
            }
        }
    }

    fn next_tag(&mut self) -> String {
        self.tag += 1;
        format!("a{}", self.tag)
    }

    /// A command and its answer.
    pub(crate) async fn command(&mut self, command: &str) -> Talk<bool> {
        let tag = self.next_tag();
        self.send(format!("{tag} {command}\r\n").as_bytes()).await?;
        self.until_tagged(&tag).await
    }

    /// A command to which nothing but OK is right.
    pub(crate) async fn good(&mut self, command: &str) -> Talk<()> {
        match self.command(command).await? {
            true => Ok(()),
            false => Err(Ended::Wrong(format!("NO to {command}"))),
        }
    }

    /// SELECT, with what is known of the mailbox where QRESYNC is used, and whatever more it takes to know all of it.
    pub(crate) async fn select(&mut self, mailbox: &str) -> Talk<()> {
        let known = {
            let mut belief = self.belief.borrow_mut();
            belief.leaves();
            let known = belief.caches.get(mailbox).cloned();
            belief.selects(mailbox, known.clone());
            known
        };
        let Some(known) = known else {
            self.good(&format!("SELECT {mailbox}")).await?;
            return self.good("UID FETCH 1:* (UID FLAGS)").await;
        };
        count(&self.world.counts.resynced);
        let (uid_validity, mod_seq) = (known.uid_validity, known.mod_seq);
        self.good(&format!("SELECT {mailbox} (QRESYNC ({uid_validity} {mod_seq}))")).await?;
        Ok(self.belief.borrow_mut().has_selected()?)
    }

    /// What has come is looked at: UIDs, flags and numbers of the letters that are not known yet.
    pub(crate) async fn look(&mut self) -> Talk<()> {
        let unknown = {
            let belief = self.belief.borrow();
            let entries = belief.selected.iter().flat_map(|selected| &selected.entries);
            entries.enumerate().find(|(_, entry)| entry.letter.is_none() || entry.flags.is_none()).map(|(at, _)| at + 1)
        };
        let Some(first) = unknown else { return Ok(()) };
        let header = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]";
        match self.command(&format!("FETCH {first}:* (UID FLAGS {header})")).await? {
            true => Ok(()),
            // Some are gone, of which it may not be told while numbers are in use (RFC 2180 §4.1.2).
            false => self.good("NOOP").await,
        }
    }

    /// IDLE, until then or, for who is `curious`, until something has come; and with what follows DONE in the same segment.
    pub(crate) async fn idle(&mut self, until: Instant, curious: bool, behind: Option<&str>) -> Talk<()> {
        let tag = self.next_tag();
        self.send(format!("{tag} IDLE\r\n").as_bytes()).await?;
        loop {
            let response = self.response(self.line.deadline()).await?;
            let response = response.ok_or_else(|| self.line.is_late("no + to IDLE"))?;
            match response.kind {
                Kind::Continuation => break,
                Kind::Tagged(_) => return Err(Ended::Wrong("IDLE was refused".into())),
                Kind::Untagged => {}
            }
        }
        self.listen(until, curious).await?;
        let Some(behind) = behind else {
            self.send(b"DONE\r\n").await?;
            return self.done(&tag).await;
        };
        let next = self.next_tag();
        self.send(format!("DONE\r\n{next} {behind}\r\n").as_bytes()).await?;
        self.done(&tag).await?;
        match self.until_tagged(&next).await? {
            true => Ok(()),
            false => Err(Ended::Wrong(format!("NO to {behind} behind DONE"))),
        }
    }

    async fn done(&mut self, tag: &str) -> Talk<()> {
        match self.until_tagged(tag).await? {
            true => Ok(()),
            false => Err(Ended::Wrong("NO to DONE".into())),
        }
    }

    fn messages(&self) -> usize {
        self.belief.borrow().selected.as_ref().map_or(0, |selected| selected.entries.len())
    }

    /// Listens, until then or until something has come.
    pub(crate) async fn listen(&mut self, until: Instant, curious: bool) -> Talk<()> {
        let begun = Instant::now();
        self.belief.borrow_mut().listens_since = Some(begun);
        let (bound, keepalive) = (self.world.clock.bound(), KEEPALIVE + self.world.clock.bound());
        self.look_at = Some(begun + bound + Duration::from_millis(1));
        let before = self.messages();
        let mut heard_at = begun;
        while !(curious && self.messages() > before) {
            let (silence, look_at) = (heard_at + keepalive, self.look_at.unwrap_or(until));
            let next = until.min(silence).min(look_at);
            if self.response(next).await?.is_some() {
                heard_at = Instant::now();
                continue;
            }
            let now = Instant::now();
            if self.look_at.is_some_and(|at| at <= now) {
                self.look_at = None;
                self.is_asked().await;
            }
            if now >= silence {
                if self.line.health.is_good_for(keepalive) {
                    return Err(Ended::Wrong(format!("no sign of life for {} s", keepalive.as_secs())));
                }
                self.world.note(self.seat, format!("{}   gives up", self.seat));
                return Err(Ended::Gone);
            }
            if now >= until {
                break;
            }
        }
        Ok(())
    }

    /// It has been listening for as long as a change may take: it is right, if nothing has changed.
    async fn is_asked(&self) {
        let (user, mailbox) = {
            let belief = self.belief.borrow();
            let Some(selected) = &belief.selected else { return };
            (belief.user.clone(), selected.mailbox.clone())
        };
        self.world.ask_all_of(&(user, mailbox)).await;
    }

    /// Says nothing until it is hung up on.
    pub(crate) async fn is_logged_out(&mut self, autologout: Duration) -> Talk<()> {
        let until = self.line.deadline() + autologout;
        while self.response(until).await?.is_some() {}
        sleep_until(until).await;
        match self.line.health.is_good_for(autologout) {
            true => Err(Ended::Wrong("no autologout".into())),
            false => Err(Ended::Gone),
        }
    }

    /// APPEND of these octets to INBOX.
    pub(crate) async fn append(&mut self, octets: &[u8]) -> Talk<bool> {
        let tag = self.next_tag();
        self.send(format!("{tag} APPEND INBOX {{{}}}\r\n", octets.len()).as_bytes()).await?;
        loop {
            let response = self.response(self.line.deadline()).await?;
            let response = response.ok_or_else(|| self.line.is_late("no + to APPEND"))?;
            match response.kind {
                Kind::Continuation => break,
                Kind::Tagged(_) => return Err(Ended::Wrong("APPEND was refused".into())),
                Kind::Untagged => {}
            }
        }
        // The literal itself is no command.
        self.line.send(octets).await?;
        self.line.send(b"\r\n").await?;
        self.until_tagged(&tag).await
    }
}
