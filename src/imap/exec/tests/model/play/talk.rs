//! A command and its answer: what is said goes through framer, parser and executor as a driver hands it on, and what comes
//! back is read by its client in the order in which it came. An answer may be heard in part, or be stopped in the middle
//! for as long as something else happens.

use super::*;

impl Play {
    pub(super) async fn says(
        &mut self,
        who: usize,
        command: &str,
        asked: Asked,
        inner: Option<&Step>,
        effect: impl FnOnce(&mut Truth, &mut Reader, &Answer) -> Check,
    ) -> Result<Answer, String> {
        self.says_and_hears(who, command, asked, inner, usize::MAX, effect).await
    }

    /// Says a command, of whose answer so many replies reach the client. `effect`: what it does to the truth. With `inner`,
    /// which is for commands without effect, that step is done where the answer is first handed over.
    pub(super) async fn says_and_hears(
        &mut self,
        who: usize,
        command: &str,
        asked: Asked,
        inner: Option<&Step>,
        reach: usize,
        effect: impl FnOnce(&mut Truth, &mut Reader, &Answer) -> Check,
    ) -> Result<Answer, String> {
        let world = self.world();
        // What it does itself is known to be its own, as the driver does it (RFC 5465 §5).
        let store = if self.seats[who].client.listens() { world.store.remembering() } else { world.store.clone() };
        let mut connection = self.seats[who].connection.take().ok_or("not connected")?;
        connection.commands += 1;
        let tag = format!("{who}.{} ", connection.commands);
        self.log.borrow_mut().push(format!("{who} C: {tag}{command}"));
        connection.wire.framer.receive([tag.as_bytes(), command.as_bytes(), b"\r\n"].concat());
        let gate = Arc::clone(&connection.gate);
        *gate.tag.lock().unwrap() = tag;
        gate.armed.store(inner.is_some(), Ordering::SeqCst);
        let mut answer = Answer::default();
        let mut closed = false;
        while let Some(event) = connection.wire.framer.next_event() {
            let (Event::Command(frame) | Event::Append(frame)) = event else {
                if event == Event::Continue {
                    continue;
                }
                return Err(format!("{event:?}"));
            };
            let dialect = connection.session.enabled.dialect;
            let command = match parse::command(&frame, dialect) {
                Ok(command) => command,
                Err(error) => {
                    print::response(&mut gate.heard.lock().unwrap(), &error.status().into(), dialect);
                    continue;
                }
            };
            let environment = Environment { store: &store, ..world.environment() };
            let mut cx = Context::new(environment, &mut connection.session, &mut connection.wire);
            let mut running = pin!(run(&mut cx, command));
            let after = loop {
                tokio::select! {
                    biased;
                    after = &mut running => break after.map_err(|error| error.to_string())?,
                    () = gate.reached.notified() => {
                        self.hear(who, &gate.heard, &mut answer)?;
                        for reply in answer.replies.clone() {
                            self.seats[who].client.reads(&reply, Some(asked), true, &mut self.truth)?;
                        }
                        answer.interrupted = true;
                        self.log.borrow_mut().push(format!("{who} has heard so much of it when"));
                        self.step(inner.expect("armed"), None).await?;
                        self.log.borrow_mut().push(format!("{who} hears on"));
                        gate.open.notify_one();
                    }
                }
            };
            match after {
                After::Idle(tag) => connection.idle = Some(tag),
                After::Close => closed = true,
                After::Continue | After::StartTls | After::Compress | After::Unauthenticated => {}
            }
        }
        gate.armed.store(false, Ordering::SeqCst);
        let read = answer.replies.len();
        self.hear(who, &gate.heard, &mut answer)?;
        expect(gate.heard.lock().unwrap().is_empty(), "whole replies")?;
        let before = Shape::of(&self.truth);
        let client = &mut self.seats[who].client;
        effect(&mut self.truth, client, &answer)?;
        if let Some(account) = &mut client.account {
            account.reckons(&before, &Shape::of(&self.truth));
        }
        // A mailbox that was deleted in the middle of the answer: BYE is all that counts.
        let gone = self.selected(who).is_some_and(|id| !self.truth.mailboxes.contains_key(&id));
        expect(!gone || (answer.interrupted && closed), "BYE")?;
        for reply in answer.replies.iter().skip(read).take(if gone { 0 } else { reach }) {
            self.seats[who].client.reads(reply, Some(asked), !answer.interrupted, &mut self.truth)?;
        }
        answer.bye = closed;
        if closed {
            drop(connection);
            self.disconnect(who)?;
        } else {
            self.seats[who].connection = Some(connection);
            if reach == usize::MAX && answer.condition != "BAD" && !answer.condition.is_empty() {
                let owed = matches!(asked, Asked::ByNumber | Asked::Select { .. });
                self.seats[who].client.is_right(&self.truth, owed).map_err(|error| format!("{who}: {error}"))?;
            }
        }
        Ok(answer)
    }

    /// Takes what came by now into the answer.
    pub(super) fn hear(&mut self, who: usize, heard: &Mutex<Vec<u8>>, answer: &mut Answer) -> Check {
        let mut heard = heard.lock().unwrap();
        // A step of output may end within a reply.
        let whole = reply::whole(&heard)?;
        let octets: Vec<u8> = heard.drain(..whole).collect();
        for (line, reply) in reply::read(&octets)? {
            self.log.borrow_mut().push(format!("{who} S: {line}"));
            if let Reply::Tagged { condition, code } = &reply {
                (answer.condition, answer.code) = (condition.clone(), code.clone());
            }
            answer.replies.push(reply);
        }
        Ok(())
    }

    pub(super) async fn idle(&mut self, who: usize) -> Check {
        self.says(who, "IDLE", Asked::Freely, None, nothing).await?;
        self.seats[who].client.idling = self.seats[who].connection.is_some();
        if self.seats[who].client.idling {
            self.seats[who]
                .client
                .is_right(&self.truth, false)
                .map_err(|error| format!("{who} begins to idle: {error}"))?;
        }
        Ok(())
    }

    pub(super) async fn done(&mut self, who: usize) -> Check {
        let world = self.world();
        let Seat { client, connection: Some(connection) } = &mut self.seats[who] else { return Ok(()) };
        let tag = connection.idle.take().ok_or("not idling")?;
        connection.wire.framer.receive(b"DONE\r\n".to_vec());
        let Some(Event::Line(line)) = connection.wire.framer.next_event() else { return Err("no line".into()) };
        let mut cx = Context::new(world.environment(), &mut connection.session, &mut connection.wire);
        idle::end(&mut cx, &tag, &line).await.map_err(|error| error.to_string())?;
        let octets = std::mem::take(&mut *connection.gate.heard.lock().unwrap());
        client.idling = false;
        self.log.borrow_mut().push(format!("{who} C: DONE"));
        for (line, reply) in reply::read(&octets)? {
            self.log.borrow_mut().push(format!("{who} S: {line}"));
            client.reads(&reply, Some(Asked::Freely), true, &mut self.truth)?;
        }
        client.is_right(&self.truth, false).map_err(|error| format!("{who} idled: {error}"))
    }

    /// A client that used NOTIFY SET is told what is new, as the driver does it when the bell rings between commands.
    pub(super) async fn listens(&mut self, who: usize) -> Check {
        let world = self.world();
        let Seat { client, connection: Some(connection) } = &mut self.seats[who] else { return Ok(()) };
        if !client.listens() {
            return Ok(());
        }
        if connection.session.bell().is_some_and(|bell| bell.take()) {
            let mut cx = Context::new(world.environment(), &mut connection.session, &mut connection.wire);
            told_unasked(&mut cx).await.map_err(|error| error.to_string())?;
            let octets = std::mem::take(&mut *connection.gate.heard.lock().unwrap());
            for (line, reply) in reply::read(&octets)? {
                self.log.borrow_mut().push(format!("{who} S: {line}"));
                client.reads(&reply, None, true, &mut self.truth)?;
            }
        }
        client.is_right(&self.truth, false).map_err(|error| format!("{who} listens and was not rung: {error}"))
    }
}
