//! Whether what comes over a connection is what a block of `S` lines asks for.
//!
//! In IMAP, untagged responses may come in any order and unasked (RFC 3501 §7), so a block is cut at its tagged and
//! continuation responses: the untagged ones written before such a line have to have come before it, in any order. A
//! response is taken by one expectation only; what nobody took waits for later expectations until the next tagged
//! response. Other languages answer in order.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::bindings::Bindings;
use crate::connection::{Arrival, Connection, Entry, Log, Reply, printable};
use crate::imap::pattern::{Pattern, is_delivered};
use crate::imap::value::{Kind, Response};
use crate::text::{self, Case, Cover};
use crate::transcript::{Expectation, Language, MessagePattern, ReplyPattern};

/// A line of the transcript that did not come true.
#[derive(Debug)]
pub struct Failure {
    /// The line.
    pub line: usize,
    /// What came instead.
    pub got: String,
}

impl Failure {
    /// A failure of this line.
    pub fn at(line: usize, got: impl Into<String>) -> Failure {
        Failure { line, got: got.into() }
    }
}

/// What a block needs besides its connection.
pub struct Context<'a> {
    /// Names and their values.
    pub bindings: &'a mut Bindings,
    /// What passed.
    pub log: &'a mut Log,
    /// The moment by which the next expectation has to be met, from now.
    pub deadline: &'a (dyn Fn() -> Instant + Sync),
    /// The last moment at which somebody else had an answer: what `S told:` is measured from.
    pub cause: Option<Instant>,
    /// What was measured, by line.
    pub measured: &'a mut Measured,
}

/// How long it took, each time that the line was met.
pub type Measured = BTreeMap<usize, Vec<Duration>>;

/// Waits for all that a block asks for.
pub async fn block(
    connection: &mut Connection,
    block: &[(usize, Expectation)],
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut at = 0;
    while at < block.len() {
        if connection.language == Language::Imap {
            let segment = Segment::cut(&block[at..]);
            if segment.length > 0 {
                segment.run(connection, context).await?;
                at += segment.length;
                continue;
            }
        }
        let (line, expectation) = &block[at];
        single(connection, *line, expectation, context).await?;
        at += 1;
    }
    Ok(())
}

/// Receives one reply and takes note of it.
pub async fn receive(
    connection: &mut Connection,
    line: usize,
    deadline: Instant,
    log: &mut Log,
) -> Result<Arrival, Failure> {
    let arrival = connection.reply(deadline).await.map_err(|error| Failure::at(line, error))?;
    let text = match &arrival {
        Arrival::Reply(Reply::Imap(response)) => printable(&response.raw),
        Arrival::Reply(Reply::Lines(lines)) => printable(&lines.join(&b"\r\n"[..])),
        Arrival::End => "(end of the stream)".to_owned(),
        Arrival::Nothing => return Ok(arrival),
    };
    log.0.push(Entry { line, connection: connection.name.clone(), arrow: '←', text });
    Ok(arrival)
}

/// What a tagged or continuation response means for the segment that it came in.
enum Next {
    /// The segment ends with it.
    Done,
    /// It is none of the segment's.
    GoOn,
}

/// An untagged response that is asked for.
struct Wanted<'a> {
    line: usize,
    pattern: &'a Pattern,
    then: bool,
    told: bool,
}

/// Untagged responses in any order, up to the response that closes them.
#[derive(Default)]
struct Segment<'a> {
    wanted: Vec<Wanted<'a>>,
    unwanted: Vec<(usize, &'a Pattern)>,
    end: Option<(usize, &'a Pattern)>,
    /// The stream's end closes the segment.
    closes: Option<usize>,
    length: usize,
}

impl<'a> Segment<'a> {
    fn cut(block: &'a [(usize, Expectation)]) -> Segment<'a> {
        let mut segment = Segment::default();
        for (line, expectation) in block {
            match expectation {
                Expectation::Reply { pattern: ReplyPattern::Imap(pattern), then, told } if pattern.is_untagged() => {
                    segment.wanted.push(Wanted { line: *line, pattern, then: *then, told: *told });
                }
                Expectation::Not(ReplyPattern::Imap(pattern)) => segment.unwanted.push((*line, pattern)),
                Expectation::Reply { pattern: ReplyPattern::Imap(pattern), .. } => {
                    segment.end = Some((*line, pattern));
                    segment.length += 1;
                    break;
                }
                Expectation::Closes => {
                    segment.closes = Some(*line);
                    segment.length += 1;
                    break;
                }
                _ => break,
            }
            segment.length += 1;
        }
        segment
    }

    /// The line to blame for what comes while the segment is waited for.
    fn line(&self) -> usize {
        self.wanted
            .first()
            .map(|w| w.line)
            .or(self.end.map(|e| e.0))
            .or(self.closes)
            .or(self.unwanted.first().map(|u| u.0))
            .unwrap_or(0)
    }

    async fn run(&self, connection: &mut Connection, context: &mut Context<'_>) -> Result<(), Failure> {
        if self.wanted.is_empty() && self.end.is_none() && self.closes.is_none() {
            return Err(Failure::at(self.line(), "`S not:` needs an expectation behind it that ends the wait"));
        }
        let deadline = (context.deadline)();
        for response in &connection.pool {
            self.refuse_unwanted(response, context.bindings)?;
        }
        let mut line = self.blamed(&connection.pool, context.bindings);
        let mut is_news = true;
        loop {
            if is_news && self.end.is_none() && self.closes.is_none() && self.take(&mut connection.pool, context) {
                return Ok(());
            }
            match receive(connection, line, deadline, context.log).await? {
                Arrival::Reply(Reply::Imap(response)) if response.kind == Kind::Untagged => {
                    self.refuse_unwanted(&response, context.bindings)?;
                    // Of a thousand that nobody asked for, none is a reason to look at all others again.
                    is_news = self.wanted.iter().any(|wanted| wanted.pattern.may_match(&response));
                    connection.pool.push(response);
                    if is_news {
                        line = self.blamed(&connection.pool, context.bindings);
                    }
                }
                Arrival::Reply(Reply::Imap(response)) => match self.closed_by(&response, connection, context)? {
                    Next::Done => return Ok(()),
                    Next::GoOn => {}
                },
                Arrival::Reply(Reply::Lines(_)) => {}
                Arrival::End if self.closes.is_some() => {
                    if self.take(&mut connection.pool, context) {
                        return Ok(());
                    }
                    return Err(Failure::at(line, "the end of the stream came first"));
                }
                Arrival::End => return Err(Failure::at(line, "the end of the stream")),
                Arrival::Nothing => return Err(Failure::at(line, late(connection))),
            }
        }
    }

    fn closed_by(
        &self,
        response: &Response,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Result<Next, Failure> {
        let got = || printable(&response.raw);
        let missing = self.missing(&connection.pool, context.bindings);
        let Some((end_line, end)) = self.end else {
            // What is still answered before the stream ends is the server's business.
            if self.closes.is_some() {
                return Ok(Next::GoOn);
            }
            return Err(Failure::at(missing.or(self.closes).unwrap_or_else(|| self.line()), got()));
        };
        let mut trial = context.bindings.clone();
        let mut used = Vec::new();
        let taken = assign(&self.wanted, &connection.pool, &mut used, &mut trial);
        if taken && end.matches(response, &mut trial) {
            *context.bindings = trial;
            self.remove(&used, &mut connection.pool, context);
            // What a command brought and nobody asked for is of no use to the next one.
            if matches!(response.kind, Kind::Tagged(_)) {
                connection.pool.clear();
            }
            return Ok(Next::Done);
        }
        // A refusal explains missing responses better than they do.
        if !end.matches(response, &mut context.bindings.clone()) || taken {
            return Err(Failure::at(end_line, got()));
        }
        let seen: Vec<String> =
            connection.pool.iter().map(|r| format!("\n              {}", printable(&r.raw))).collect();
        let seen = if seen.is_empty() { " nothing".to_owned() } else { seen.concat() };
        Err(Failure::at(missing.unwrap_or(end_line), format!("{} — before it came, and was not taken:{seen}", got())))
    }

    fn refuse_unwanted(&self, response: &Response, bindings: &Bindings) -> Result<(), Failure> {
        match self.unwanted.iter().find(|(_, pattern)| pattern.matches(response, &mut bindings.clone())) {
            Some((line, _)) => Err(Failure::at(*line, printable(&response.raw))),
            None => Ok(()),
        }
    }

    /// Takes the responses that are wanted out of the pool; false, and nothing taken, if one is missing.
    fn take(&self, pool: &mut Vec<Response>, context: &mut Context<'_>) -> bool {
        let mut used = Vec::new();
        if !assign(&self.wanted, pool, &mut used, context.bindings) {
            return false;
        }
        self.remove(&used, pool, context);
        true
    }

    /// Removes what [`assign`] found, and measures what is to be measured.
    fn remove(&self, used: &[usize], pool: &mut Vec<Response>, context: &mut Context<'_>) {
        for (wanted, &at) in self.wanted.iter().zip(used) {
            if let (true, Some(cause), Some(arrived)) = (wanted.told, context.cause, pool[at].arrived) {
                // Who is told before the other has an answer has waited for nothing.
                let took = arrived.saturating_duration_since(cause);
                context.measured.entry(wanted.line).or_default().push(took);
            }
        }
        let mut index = 0;
        pool.retain(|_| {
            index += 1;
            !used.contains(&(index - 1))
        });
    }

    /// The line to blame for what does not come.
    fn blamed(&self, pool: &[Response], bindings: &Bindings) -> usize {
        self.missing(pool, bindings).unwrap_or_else(|| self.line())
    }

    /// The line of the first expectation that cannot be met from the pool.
    fn missing(&self, pool: &[Response], bindings: &Bindings) -> Option<usize> {
        (1..=self.wanted.len())
            .find(|&count| !assign(&self.wanted[..count], pool, &mut Vec::new(), &mut bindings.clone()))
            .map(|count| self.wanted[count - 1].line)
    }
}

/// Gives each wanted pattern a response of its own. `used` holds the indices that are taken, in the order of `wanted`.
fn assign(wanted: &[Wanted<'_>], pool: &[Response], used: &mut Vec<usize>, bindings: &mut Bindings) -> bool {
    let Some((first, left)) = wanted.split_first() else { return true };
    // Without it, ten alike that wait for the tenth would be tried against nine in every order.
    if pool.len() - used.len() < wanted.len() {
        return false;
    }
    let from = if first.then { used.last().map_or(0, |last| last + 1) } else { 0 };
    for at in from..pool.len() {
        if used.contains(&at) || !first.pattern.may_match(&pool[at]) {
            continue;
        }
        let mut trial = bindings.clone();
        if !first.pattern.matches(&pool[at], &mut trial) {
            continue;
        }
        used.push(at);
        if assign(left, pool, used, &mut trial) {
            *bindings = trial;
            return true;
        }
        used.pop();
    }
    false
}

fn late(connection: &Connection) -> String {
    let mut got = "nothing in time".to_owned();
    if !connection.unfinished().is_empty() {
        got += &format!("; unfinished: {}", printable(connection.unfinished()));
    }
    for response in &connection.pool {
        got += &format!("\n              not taken: {}", printable(&response.raw));
    }
    got
}

async fn single(
    connection: &mut Connection,
    line: usize,
    expectation: &Expectation,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let deadline = (context.deadline)();
    match expectation {
        Expectation::Reply { pattern: ReplyPattern::Text(pattern), .. } => {
            match receive(connection, line, deadline, context.log).await? {
                Arrival::Reply(Reply::Lines(lines)) => {
                    let matched =
                        lines.iter().any(|l| begins(pattern, &spaced(l, connection.language), context.bindings));
                    let got = printable(&lines.join(&b"\r\n"[..]));
                    connection.last = lines;
                    if matched { Ok(()) } else { Err(Failure::at(line, got)) }
                }
                Arrival::End => Err(Failure::at(line, "the end of the stream")),
                _ => Err(Failure::at(line, late(connection))),
            }
        }
        Expectation::Has(pattern) | Expectation::Lacks(pattern) => {
            let wanted = matches!(expectation, Expectation::Has(_));
            // Behind the code in SMTP; a listing of POP3 has none.
            let from = if connection.language == Language::Smtp { 4 } else { 0 };
            let found = connection.last.iter().any(|l| begins(pattern, l.get(from..).unwrap_or(b""), context.bindings));
            if found == wanted {
                return Ok(());
            }
            Err(Failure::at(line, format!("the reply {}", printable(&connection.last.join(&b"\r\n"[..])))))
        }
        Expectation::Lines(patterns) => {
            let bytes = connection.multi_line(deadline).await.map_err(|e| Failure::at(line, e))?;
            log_bytes(connection, line, &bytes, context.log);
            let mut found: Vec<&[u8]> =
                bytes.split(|&b| b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).collect();
            // Behind the last CRLF there is no line.
            found.pop();
            connection.last = found.iter().map(|l| l.to_vec()).collect();
            if listing(patterns, &found, context.bindings) { Ok(()) } else { Err(Failure::at(line, printable(&bytes))) }
        }
        Expectation::Message(wanted) => {
            let bytes = connection.multi_line(deadline).await.map_err(|e| Failure::at(line, e))?;
            log_bytes(connection, line, &bytes, context.log);
            let matched = match wanted {
                MessagePattern::Exactly(wanted) => *wanted == bytes,
                MessagePattern::Delivered(wanted) => is_delivered(wanted, &bytes),
            };
            if matched { Ok(()) } else { Err(Failure::at(line, printable(&bytes))) }
        }
        Expectation::Closes => match receive(connection, line, deadline, context.log).await? {
            Arrival::End => Ok(()),
            Arrival::Reply(Reply::Lines(lines)) => Err(Failure::at(line, printable(&lines.join(&b"\r\n"[..])))),
            _ => Err(Failure::at(line, late(connection))),
        },
        Expectation::Quiet(duration) => {
            let came = connection.anything(Instant::now() + *duration).await.map_err(|e| Failure::at(line, e))?;
            came.map_or(Ok(()), |bytes| Err(Failure::at(line, printable(&bytes))))
        }
        Expectation::Not(ReplyPattern::Text(_)) => {
            Err(Failure::at(line, "`S not:` is for IMAP; replies come in order here"))
        }
        // Of IMAP, these are parts of segments.
        Expectation::Reply { .. } | Expectation::Not(_) => {
            Err(Failure::at(line, "an IMAP pattern on another connection"))
        }
    }
}

fn log_bytes(connection: &Connection, line: usize, bytes: &[u8], log: &mut Log) {
    log.0.push(Entry { line, connection: connection.name.clone(), arrow: '←', text: printable(bytes) });
}

fn begins(pattern: &str, text: &[u8], bindings: &mut Bindings) -> bool {
    text::matches(pattern, text, Cover::Beginning, Case::Ignored, bindings)
}

/// The lines of an SMTP reply are compared as if each were the last.
fn spaced(line: &[u8], language: Language) -> Vec<u8> {
    let mut line = line.to_vec();
    if language == Language::Smtp && line.get(3) == Some(&b'-') {
        line[3] = b' ';
    }
    line
}

fn listing(patterns: &[String], lines: &[&[u8]], bindings: &mut Bindings) -> bool {
    let Some((pattern, left)) = patterns.split_first() else { return lines.is_empty() };
    if pattern == "…" {
        return (0..=lines.len()).any(|skipped| listing(left, &lines[skipped..], bindings));
    }
    let Some((line, lines_left)) = lines.split_first() else { return false };
    text::matches(pattern, line, Cover::Whole, Case::Ignored, bindings) && listing(left, lines_left, bindings)
}
