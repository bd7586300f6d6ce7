//! The model test: several sessions of one account and a stream of deliveries, in random histories over a real store.
//!
//! - [`step`]: what happens, drawn by lot from a seed: commands of all kinds, deliveries, mailboxes made, renamed and
//!   deleted under sessions, connections that are cut and come back with QRESYNC, a server that is restarted; one step may
//!   happen in the middle of another's answer.
//! - [`truth`]: what is true then, in plain data, as the RFCs say it. It knows nothing of our code.
//! - [`client`]: what each client believes, by what it was told alone. It is right after every answer and in IDLE after
//!   every change, not only at the end; and whatever breaks a rule on the way is a failure: EXPUNGE and VANISHED where
//!   numbers are in use, EXISTS that falls, UIDs, UIDNEXT, UIDVALIDITY and mod-sequences that do what they must not.
//! - [`account`]: what a client that used NOTIFY believes of all its mailboxes besides.
//! - [`reply`]: every line is read by grammars that are not ours.
//! - [`play`]: brings them together: what each step does, and what the truth is after it.
//!
//! No clock is read but the store's: the runtime's is paused. A failure prints its seed, the rule, and the conversation of
//! the shortest history that was found to break it, and is repeated by one command:
//!
//! ```text
//! cargo test --lib model                                 the same histories each time
//! POSTBELL_MODEL_SEED=17 cargo test --lib model          that history alone
//! POSTBELL_MODEL_CASES=10000 cargo test --lib model      so many, from a seed that is new each time
//! ```
//!
//! A plain `cargo test` is no lottery: whether a change may land must not hang on luck that it has nothing to do with. New
//! histories are looked for on purpose, by many cases.
//!
//! That it finds what it is for was shown with mistakes made by hand, one at a time, each found within some hundred cases:
//! EXPUNGE told during FETCH, a UID that is forgotten, a mod-sequence that STORE skips, a UIDVALIDITY that a rename gives
//! again.

mod account;
mod client;
mod play;
mod reply;
mod step;
mod truth;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use self::client::Dialect;
pub(super) use self::play::Gate;
use self::play::{Log, Play};
use self::step::{Dice, Step, steps};
use super::*;

/// How many histories a plain `cargo test` plays, some seconds of a debug build, and from which seed on.
const CASES: u64 = 150;
const FIRST_SEED: u64 = 1;
/// How many steps a history has at the most.
const STEPS: usize = 60;
/// How many histories share a store: each has an account of its own.
const CASES_A_STORE: u64 = 40;
/// How many histories are tried at the most to find a shorter one that fails too.
const TRIES: usize = 400;

/// Why a history failed, and what was said in it.
struct Failed {
    why: String,
    said: Vec<String>,
}

/// Three that are always there, and some more; any of them may use NOTIFY.
fn dialects(dice: &mut Dice) -> Vec<Dialect> {
    let mut dialects = vec![Dialect::PLAIN, Dialect::CONDSTORE, Dialect::QRESYNC];
    let more = [Dialect::REV2, Dialect::REV2_QRESYNC, Dialect::UID_ONLY, Dialect::UID_ONLY_QRESYNC, Dialect::QRESYNC];
    for _ in 0..dice.roll(3) {
        dialects.push(dice.pick(&more));
    }
    for dialect in &mut dialects {
        if dice.once_in(3) {
            *dialect = dialect.listening();
        }
    }
    dialects
}

/// Plays a history; gives the world back for the next, where it is whole.
fn play(world: World, user: String, dialects: &[Dialect], steps: &[Step]) -> Result<Option<World>, Failed> {
    let log: Log = Rc::new(RefCell::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let played = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut play = Play::begin(world, user, dialects, Rc::clone(&log)).await?;
            play.run(steps).await?;
            Ok(play.end())
        })
    }));
    let why = match played {
        Ok(Ok(world)) => return Ok(world),
        Ok(Err(why)) => why,
        Err(panic) => match panic.downcast_ref::<String>() {
            Some(text) => format!("panic: {text}"),
            None => format!("panic: {:?}", panic.downcast_ref::<&str>()),
        },
    };
    let said = log.borrow().clone();
    Err(Failed { why, said })
}

/// A shorter history that fails too: pieces are left out for as long as it still does.
fn shortest(dialects: &[Dialect], mut steps: Vec<Step>, mut failed: Failed) -> (Vec<Step>, Failed) {
    let mut size = steps.len() / 2;
    let mut tries = 0;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() && tries < TRIES {
            let mut shorter = steps.clone();
            shorter.drain(at..(at + size).min(steps.len()));
            tries += 1;
            match play(World::new(), "again".to_owned(), dialects, &shorter) {
                Err(again) => (steps, failed) = (shorter, again),
                Ok(_) => at += size,
            }
        }
        size /= 2;
    }
    (steps, failed)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

#[test]
fn every_session_sees_what_the_model_says() {
    let (first, cases) = match (number("POSTBELL_MODEL_SEED"), number("POSTBELL_MODEL_CASES")) {
        (Some(seed), _) => (seed, 1),
        (None, Some(cases)) => (u64::from(getrandom::u32().unwrap()), cases),
        (None, None) => (FIRST_SEED, CASES),
    };
    let mut world = None;
    for case in 0..cases {
        let seed = first.wrapping_add(case);
        let mut dice = Dice::new(seed);
        let dialects = dialects(&mut dice);
        let steps = steps(&mut dice, dialects.len(), STEPS);
        let shared = world.take().filter(|_| case % CASES_A_STORE != 0).unwrap_or_else(World::new);
        match play(shared, format!("m{}", case % CASES_A_STORE), &dialects, &steps) {
            Ok(whole) => world = whole,
            Err(failed) => {
                let (steps, failed) = shortest(&dialects, steps, failed);
                panic!(
                    "{}\nseed {seed}, {dialects:?}, {} steps:\n  {}\nagain: POSTBELL_MODEL_SEED={seed} cargo test --lib model",
                    failed.why,
                    steps.len(),
                    failed.said.join("\n  "),
                );
            }
        }
    }
}
