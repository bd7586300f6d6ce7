//! Quiet points. After each step, who idles is told what there is to tell, and believes the truth then. At some, and in the
//! end, everybody asks for all that was held back, and an auditor looks into every mailbox.

use super::*;

impl Play {
    /// What is told without being asked for: to those who idle, and to those whose mailbox is gone.
    pub(super) async fn sweep(&mut self, seed: u64) -> Check {
        let world = self.world();
        for who in 0..self.seats.len() {
            let gone = self.selected(who).is_some_and(|id| !self.truth.mailboxes.contains_key(&id));
            let Seat { client, connection: Some(connection) } = &mut self.seats[who] else { continue };
            // Some who used NOTIFY read later: it is still to be heard then.
            let late = client.listens() && !client.idling && Dice::new(seed ^ who as u64).once_in(2);
            if late && !gone {
                continue;
            }
            if client.listens() && !client.idling && !gone {
                self.listens(who).await?;
                continue;
            }
            let rung = connection.session.bell().is_some_and(|bell| bell.take());
            if gone {
                expect(rung, "the bell of a mailbox that was deleted")?;
                self.disconnect(who)?;
                continue;
            }
            if !client.idling {
                // It is still to be heard by IDLE, which looks first.
                continue;
            }
            if rung {
                let mut cx = Context::new(world.environment(), &mut connection.session, &mut connection.wire);
                idle::news(&mut cx).await.map_err(|error| error.to_string())?;
                let octets = std::mem::take(&mut *connection.gate.heard.lock().unwrap());
                for (line, reply) in reply::read(&octets)? {
                    self.log.borrow_mut().push(format!("{who} S: {line}"));
                    client.reads(&reply, Some(Asked::Freely), true, &mut self.truth)?;
                }
            }
            client.is_right(&self.truth, false).map_err(|error| format!("{who} idles and was not rung: {error}"))?;
        }
        Ok(())
    }

    pub(super) async fn quiet(&mut self) -> Check {
        for who in 0..self.clients() {
            if !self.seats[who].client.idling {
                self.listens(who).await?;
            }
            if self.selected(who).is_none() || self.seats[who].client.idling {
                continue;
            }
            expect(self.says(who, "NOOP", Asked::Freely, None, nothing).await?.ok(), "NOOP")?;
            let selected = self.seats[who].client.selected.as_ref().ok_or("still selected")?;
            if !selected.entries.is_empty() {
                let more = if self.seats[who].client.enabled.condstore { " MODSEQ" } else { "" };
                let (uid, asked) = match self.seats[who].client.enabled.uid_only {
                    true => ("UID ", Asked::Freely),
                    false => ("", Asked::ByNumber),
                };
                let command = format!("{uid}FETCH 1:* (UID FLAGS{more})");
                expect(self.says(who, &command, asked, None, nothing).await?.ok(), &command)?;
                let selected = self.seats[who].client.selected.as_ref().ok_or("still selected")?;
                expect(selected.entries.iter().all(|entry| entry.flags.is_some()), "all flags are told")?;
            }
        }
        let auditor = self.clients();
        if self.seats[auditor].connection.is_none() {
            self.connect(auditor).await?;
        }
        for name in self.truth.names() {
            self.select(auditor, &name, true, &mut Dice::new(1), None).await?;
            let selected = self.seats[auditor].client.selected.as_ref().ok_or(format!("EXAMINE {name}"))?;
            if !selected.entries.is_empty() {
                let command = format!("UID FETCH 1:* (FLAGS MODSEQ {TOKEN})");
                let answer = self.says(auditor, &command, Asked::Freely, None, nothing).await?;
                let whole = |reply: &&Reply| matches!(reply, Reply::Fetch(told) if told.items == 4);
                let told = answer.replies.iter().filter(whole).count();
                let selected = self.seats[auditor].client.selected.as_ref().ok_or("still selected")?;
                expect(told == selected.entries.len(), &format!("{told} messages in {name}"))?;
            }
        }
        self.list(auditor).await?;
        for Seat { client, .. } in &self.seats {
            if let Some(account) = client.account.as_ref().filter(|account| account.listens) {
                let who = client.session;
                account.is_right(&self.truth, true).map_err(|error| format!("connection {who} listens: {error}"))?;
            }
        }
        // It must not hold a mailbox that others delete.
        self.leave(auditor, false).await
    }
}
