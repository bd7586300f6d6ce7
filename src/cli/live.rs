//! `dev`'s live line: one for each delivery, completed by the pushes that told of it.
//!
//! ```text
//! 15:04:05  alice@localhost  INBOX  uid 3   1.2 kB  "Lunch on Thursday?"  told 2 sessions in 0.3-0.9 ms
//! ```
//!
//! A line is printed when every session that was woken has written the news to its client, or half a second after the
//! delivery. Who watches the whole account (NOTIFY) need not tell of this mailbox, and is waited for a moment only. Lines
//! come in the order of the deliveries. [`Board`] decides, and owns neither terminal nor clock; a thread prints, so that a
//! slow terminal slows nobody: what it can't keep up with is counted and said.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::log::escape_controls;
use crate::observe::{Delivery, Observer, Push};

/// How long a line waits for the pushes that belong to it.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long it waits where only sessions are left that watch the account, and may have nothing to tell.
const MOMENT: Duration = Duration::from_millis(50);

/// How many pushes are remembered that came before their delivery was seen.
const EARLY_PUSHES_MAX: usize = 1024;

/// How many events may wait for the terminal. Beyond them a person reads nothing anyway.
const EVENTS_MAX: usize = 4096;

/// How much of a subject is shown, in characters.
const SUBJECT_MAX: usize = 48;

enum Event {
    Delivered(Delivery),
    Pushed(Push),
    Said(String),
    End,
}

/// Observes a server and prints what it sees.
pub(super) struct Live {
    events: SyncSender<Event>,
    missed: std::sync::Arc<AtomicU64>,
    printer: Mutex<Option<JoinHandle<()>>>,
    read_by_a_person: bool,
}

impl Live {
    /// Prints to `out`; in colours where `out` is a terminal and `NO_COLOR` (no-color.org) is not set.
    pub(super) fn begin(out: impl Write + IsTerminal + Send + 'static) -> std::io::Result<Self> {
        let read_by_a_person = out.is_terminal();
        let coloured = read_by_a_person && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let (events, received) = sync_channel(EVENTS_MAX);
        let missed = std::sync::Arc::new(AtomicU64::new(0));
        let missed_too = std::sync::Arc::clone(&missed);
        let printer = std::thread::Builder::new()
            .name("live-line".to_owned())
            .spawn(move || print(&received, &missed_too, Board::new(Paint { coloured }), out))?;
        Ok(Self { events, missed, printer: Mutex::new(Some(printer)), read_by_a_person })
    }

    /// Whether the lines go to a terminal, where somebody reads them at a person's pace.
    pub(super) fn read_by_a_person(&self) -> bool {
        self.read_by_a_person
    }

    /// Prints `text` behind the lines of all deliveries seen so far.
    pub(super) fn say(&self, text: impl Into<String>) {
        // Not lost, unlike events: whoever says something waits. The printer is gone only when the output is.
        let _unheard = self.events.send(Event::Said(text.into()));
    }

    /// Prints what is waiting, and ends.
    pub(super) fn finish(&self) {
        let _unheard = self.events.send(Event::End);
        let printer = self.printer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(printer) = printer {
            // A panic of the printer was logged, and there is nothing left to print.
            let _panicked = printer.join();
        }
    }

    fn note(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Observer for Live {
    fn delivered(&self, delivery: &Delivery) {
        self.note(Event::Delivered(delivery.clone()));
    }

    fn pushed(&self, push: &Push) {
        self.note(Event::Pushed(*push));
    }
}

fn print(events: &Receiver<Event>, missed: &AtomicU64, mut board: Board, mut out: impl Write) {
    let mut going_on = true;
    while going_on {
        let wait =
            board.deadline().map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        match events.recv_timeout(wait) {
            Ok(Event::Delivered(delivery)) => board.delivered(delivery, Instant::now(), time_of_day()),
            Ok(Event::Pushed(push)) => board.pushed(push),
            Ok(Event::Said(text)) => board.said(text),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => going_on = false,
        }
        let mut text = String::new();
        while let Some(line) = if going_on { board.due(Instant::now()) } else { board.next() } {
            text.push_str(&line);
            text.push('\n');
        }
        match missed.swap(0, Ordering::Relaxed) {
            0 => {}
            missed => {
                let _infallible = writeln!(text, "… and {missed} more deliveries and pushes than can be shown");
            }
        }
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            // Nobody reads any more (`dev | head`): the server goes on without the line.
            return;
        }
    }
}

fn time_of_day() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S").to_string()
}

/// Which lines are complete.
struct Board {
    paint: Paint,
    waiting: VecDeque<Waiting>,
    early: VecDeque<Push>,
}

enum Waiting {
    Delivery {
        /// Boxed, since it is large beside what is said.
        delivery: Box<Delivery>,
        time_of_day: String,
        since: Instant,
        /// Each connection that told of it, and how long after the commit.
        told: HashMap<u64, Duration>,
    },
    Said(String),
}

impl Waiting {
    /// Until when it waits for more; `None`: it is complete.
    fn until(&self) -> Option<Instant> {
        let Waiting::Delivery { delivery, told, since, .. } = self else { return None };
        if told.len() < delivery.told {
            return Some(*since + PATIENCE);
        }
        (told.len() < delivery.told + delivery.watching).then_some(*since + MOMENT)
    }
}

impl Board {
    fn new(paint: Paint) -> Self {
        Self { paint, waiting: VecDeque::new(), early: VecDeque::new() }
    }

    fn delivered(&mut self, delivery: Delivery, now: Instant, time_of_day: String) {
        let mut told = HashMap::new();
        for push in &self.early {
            note(&delivery, push, &mut told);
        }
        self.waiting.push_back(Waiting::Delivery { delivery: Box::new(delivery), time_of_day, since: now, told });
    }

    fn pushed(&mut self, push: Push) {
        for waiting in &mut self.waiting {
            if let Waiting::Delivery { delivery, told, .. } = waiting {
                note(delivery, &push, told);
            }
        }
        // The delivery that it tells of may not have been seen yet: the wake comes before the answer.
        if self.early.len() == EARLY_PUSHES_MAX {
            self.early.pop_front();
        }
        self.early.push_back(push);
    }

    fn said(&mut self, text: String) {
        self.waiting.push_back(Waiting::Said(text));
    }

    /// When the first line is printed, complete or not.
    fn deadline(&self) -> Option<Instant> {
        self.waiting.front()?.until()
    }

    /// The next line, if it is complete or has waited long enough.
    fn due(&mut self, now: Instant) -> Option<String> {
        match self.waiting.front()?.until() {
            Some(until) if now < until => None,
            _ => self.next(),
        }
    }

    /// The next line, complete or not.
    fn next(&mut self) -> Option<String> {
        match self.waiting.pop_front()? {
            Waiting::Said(text) => Some(text),
            Waiting::Delivery { delivery, time_of_day, told, .. } => {
                Some(self.paint.line(&delivery, &time_of_day, told.values().copied()))
            }
        }
    }
}

/// A push tells of every delivery to its mailbox up to its mod-sequence; the first of a connection counts. One that was
/// written before the commit told of something else.
fn note(delivery: &Delivery, push: &Push, told: &mut HashMap<u64, Duration>) {
    let tells = push.mailbox_id == delivery.mailbox_id && push.mod_seq >= delivery.mod_seq;
    if tells && let Some(delay) = push.written_at.checked_duration_since(delivery.committed_at) {
        told.entry(push.connection).or_insert(delay);
    }
}

struct Paint {
    coloured: bool,
}

impl Paint {
    fn line(&self, delivery: &Delivery, time_of_day: &str, told: impl Iterator<Item = Duration>) -> String {
        let mut delays: Vec<Duration> = told.collect();
        delays.sort();
        format!(
            "{}  {}  {}  {}  {:>8}  {}  {}",
            self.dim(time_of_day),
            escape_controls(&delivery.account),
            escape_controls(&delivery.mailbox),
            self.dim(&format!("uid {:<3}", delivery.uid)),
            octets(delivery.octets),
            self.bold(&subject(&delivery.subject)),
            self.outcome(delivery.told, &delays),
        )
    }

    fn outcome(&self, woken: usize, delays: &[Duration]) -> String {
        let span = match delays {
            [] if woken == 0 => return self.dim("nobody was watching"),
            [] => return self.dim(&format!("{} woken, none has told its client yet", sessions(woken))),
            [only] => millis(*only),
            [first, .., last] => format!("{}-{}", millis(*first), millis(*last)),
        };
        let of = if delays.len() < woken { format!("{} of ", delays.len()) } else { String::new() };
        self.green(&format!("told {of}{} in {span} ms", sessions(woken.max(delays.len()))))
    }

    fn dim(&self, text: &str) -> String {
        self.styled("2", text)
    }

    fn bold(&self, text: &str) -> String {
        self.styled("1", text)
    }

    fn green(&self, text: &str) -> String {
        self.styled("32", text)
    }

    /// ECMA-48, select graphic rendition.
    fn styled(&self, style: &str, text: &str) -> String {
        if self.coloured { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn sessions(number: usize) -> String {
    if number == 1 { "1 session".to_owned() } else { format!("{number} sessions") }
}

fn subject(subject: &str) -> String {
    let mut shown: String = subject.chars().take(SUBJECT_MAX).collect();
    if shown.len() < subject.len() {
        shown.push('…');
    }
    format!("\"{}\"", escape_controls(&shown))
}

/// In milliseconds, without the unit.
pub(super) fn millis(delay: Duration) -> String {
    format!("{:.1}", delay.as_secs_f64() * 1000.0)
}

fn octets(octets: u64) -> String {
    // A display of three digits needs no more precision than f64 has.
    let size = octets as f64;
    match octets {
        0..1_000 => format!("{octets} B"),
        1_000..1_000_000 => format!("{:.1} kB", size / 1e3),
        _ => format!("{:.1} MB", size / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MailboxId;

    struct Scene {
        board: Board,
        start: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self { board: Board::new(Paint { coloured: false }), start: Instant::now() }
        }

        fn at(&self, micros: u64) -> Instant {
            self.start + Duration::from_micros(micros)
        }

        fn delivered(&mut self, uid: u32, told: usize, micros: u64) {
            self.delivered_to(uid, told, 0, micros);
        }

        fn delivered_to(&mut self, uid: u32, told: usize, watching: usize, micros: u64) {
            let delivery = Delivery {
                account: "alice@localhost".to_owned(),
                mailbox: "INBOX".to_owned(),
                mailbox_id: MailboxId(1),
                uid,
                mod_seq: u64::from(uid) * 10,
                commit_seq: 1,
                octets: 1234,
                subject: format!("Number {uid}\u{1b}[2J"),
                told,
                watching,
                committed_at: self.at(micros),
            };
            self.board.delivered(delivery, self.at(micros), "15:04:05".to_owned());
        }

        fn pushed(&mut self, connection: u64, mod_seq: u64, micros: u64) {
            let written_at = self.at(micros);
            self.board.pushed(Push { mailbox_id: MailboxId(1), mod_seq, connection, written_at });
        }

        fn due(&mut self, micros: u64) -> Vec<String> {
            let now = self.at(micros);
            std::iter::from_fn(|| self.board.due(now)).collect()
        }
    }

    #[test]
    fn a_delivery_that_nobody_watches_is_shown_at_once_and_escaped() {
        let mut scene = Scene::new();
        scene.delivered(3, 0, 0);
        assert_eq!(
            scene.due(0),
            ["15:04:05  alice@localhost  INBOX  uid 3      1.2 kB  \"Number 3\\u{1b}[2J\"  nobody was watching"]
        );
    }

    #[test]
    fn a_line_waits_until_all_that_were_woken_have_told() {
        let mut scene = Scene::new();
        scene.delivered(1, 2, 0);
        scene.pushed(7, 10, 300);
        scene.pushed(7, 10, 400);
        assert!(scene.due(1_000).is_empty(), "one session told twice");
        scene.pushed(8, 10, 900);
        let lines = scene.due(1_000);
        assert!(lines[0].ends_with("told 2 sessions in 0.3-0.9 ms"), "{lines:?}");
    }

    #[test]
    fn a_push_may_be_seen_before_its_delivery() {
        let mut scene = Scene::new();
        scene.pushed(7, 10, 450);
        scene.delivered(1, 1, 0);
        let lines = scene.due(500);
        assert!(lines[0].ends_with("told 1 session in 0.5 ms"), "{lines:?}");
        scene.delivered(2, 1, 1_000);
        assert!(scene.due(1_000).is_empty(), "that push told of the first alone");
    }

    #[test]
    fn one_push_may_tell_of_several_deliveries() {
        let mut scene = Scene::new();
        scene.delivered(1, 1, 0);
        scene.delivered(2, 1, 100);
        scene.pushed(7, 20, 200);
        assert_eq!(scene.due(300).len(), 2);
    }

    #[test]
    fn who_does_not_tell_in_time_is_not_waited_for() {
        let mut scene = Scene::new();
        scene.delivered(1, 3, 0);
        scene.pushed(7, 10, 300);
        scene.board.said("behind it".to_owned());
        assert!(scene.due(1_000).is_empty(), "what was said waits for its turn");
        let patience = u64::try_from(PATIENCE.as_micros()).unwrap();
        assert_eq!(scene.board.deadline(), Some(scene.at(patience)));
        let lines = scene.due(patience);
        assert!(lines[0].ends_with("told 1 of 3 sessions in 0.3 ms"), "{lines:?}");
        assert_eq!(lines[1], "behind it");
    }

    #[test]
    fn who_watches_the_account_is_waited_for_a_moment() {
        let mut scene = Scene::new();
        let moment = u64::try_from(MOMENT.as_micros()).unwrap();
        scene.delivered_to(1, 0, 1, 0);
        assert!(scene.due(100).is_empty());
        scene.pushed(7, 10, 300);
        let lines = scene.due(400);
        assert!(lines[0].ends_with("told 1 session in 0.3 ms"), "{lines:?}");
        scene.delivered_to(2, 0, 1, 1_000);
        assert!(scene.due(moment).is_empty());
        let lines = scene.due(1_000 + moment);
        assert!(lines[0].ends_with("nobody was watching"), "{lines:?}");
    }

    #[test]
    fn sizes_are_short() {
        for (number, text) in [(999, "999 B"), (1_000, "1.0 kB"), (52_428_800, "52.4 MB")] {
            assert_eq!(octets(number), text);
        }
    }
}
