//! What a client missed while it was away (RFC 7162 §3.2.5, §3.2.6): VANISHED (EARLIER) for messages that are gone, FETCH
//! for those that changed.
//!
//! The expunge history has an end (docs/STORE.md). Who asks from before it is told all UIDs that are not there: more than
//! has to be, but never less.

use super::Context;
use super::failure::Failure;
use crate::imap::command::{MatchData, QuickResync};
use crate::imap::print::fetch::FetchWriter;
use crate::imap::response::Data;
use crate::imap::view::View;
use crate::store::{Changes, Head, Uid, UidSet};

/// Tells a client that has just selected its mailbox what it missed. `head` is what SELECT told of the mailbox: what came
/// after it is news, as for everybody.
pub(super) async fn tell(cx: &mut Context<'_>, resync: &QuickResync, head: &Head) -> Result<(), Failure> {
    // RFC 7162 §3.2.5: another mailbox of that name; the client sees it by the UIDVALIDITY that it was told.
    if resync.uid_validity != head.uid_validity {
        return Ok(());
    }
    let selected = cx.selected()?;
    let given = given(head);
    let asked = resync.known_uids.as_ref().map_or_else(|| given.clone(), |uids| uids.intersection(&given));
    let changes = selected.mailbox.changes_since(resync.mod_seq);
    let mut earlier = vanished(&selected.view, &asked, &changes);
    if let Some(last) = resync.matches.as_ref().and_then(|matches| last_match(&selected.view, matches)) {
        earlier = earlier.intersection(&UidSet::range(last.saturating_add(1), Uid::MAX));
    }
    put_earlier(cx, earlier);
    // A change that is later than what SELECT told comes with the news, behind HIGHESTMODSEQ where one is owed.
    let told = |mod_seq| mod_seq <= head.highest_mod_seq;
    let dialect = cx.session.enabled.dialect;
    for message in changes.changed.iter().filter(|message| told(message.mod_seq) && asked.contains(message.uid)) {
        let Some(selected) = cx.session.selected() else { break };
        if let Some(sequence) = selected.view.sequence(message.uid) {
            let mut line = FetchWriter::begin(&mut cx.output, sequence, message.uid, dialect);
            line.implied_uid(message.uid);
            line.flags(message.flags, &head.keywords, selected.view.is_recent(message.uid));
            line.mod_seq(message.mod_seq);
            line.end();
        }
        cx.step().await?;
    }
    Ok(())
}

/// Tells which of `asked` are gone since `changes` begin: what UID FETCH with VANISHED wants first.
pub(super) fn tell_vanished(cx: &mut Context<'_>, asked: &UidSet, changes: &Changes) -> Result<(), Failure> {
    let earlier = vanished(&cx.selected()?.view, asked, changes);
    put_earlier(cx, earlier);
    Ok(())
}

/// All UIDs that the mailbox has given: where it is asked about all, or about `*`.
pub(super) fn given(head: &Head) -> UidSet {
    UidSet::range(1, head.uid_next.saturating_sub(1))
}

/// Which of `asked` are gone, and not counted by the client: whatever it counts it is told of by a VANISHED without
/// EARLIER, which renumbers (RFC 7162 §3.2.10).
fn vanished(view: &View, asked: &UidSet, changes: &Changes) -> UidSet {
    let gone = if changes.history_lost { asked.clone() } else { asked.intersection(&changes.vanished) };
    gone.difference(view.known())
}

fn put_earlier(cx: &mut Context<'_>, uids: UidSet) {
    if !uids.is_empty() {
        cx.put(Data::Vanished { earlier: true, uids });
    }
}

/// The last UID that has the number that the client believes it has: up to there it knows of every expunge (RFC 7162
/// §3.2.5.2). Costs a look for each number that the mailbox has, at the most.
fn last_match(view: &View, matches: &MatchData) -> Option<Uid> {
    let possible = matches.numbers.count_below(view.exists().saturating_add(1));
    let mut pairs = (0..possible).rev().map(|at| (matches.numbers.nth(at), matches.uids.nth(at)));
    pairs.find_map(|(number, uid)| uid.filter(|uid| number.is_some() && view.sequence(*uid) == number))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::Snapshot;

    /// A mailbox with these UIDs, of which 99 is the highest that it gave.
    fn view(uids: &[Uid]) -> View {
        let head = Head {
            name: "INBOX".to_owned(),
            uid_validity: 1,
            uid_next: 100,
            exists: uids.len() as u32,
            unseen: 0,
            deleted: 0,
            octets: 0,
            first_recent_uid: 100,
            highest_mod_seq: 50,
            keywords: Arc::default(),
            special_use: None,
            gone: false,
        };
        View::new(&Snapshot { head, uids: uids.iter().copied().collect() }, 100)
    }

    #[test]
    fn without_history_all_that_are_not_there_are_gone() {
        let view = view(&[3, 5, 90]);
        let vanished_since = UidSet::range(4, 4);
        let kept = Changes { vanished: vanished_since.clone(), ..Changes::default() };
        assert_eq!(vanished(&view, &UidSet::range(1, 6), &kept), vanished_since);
        let lost = Changes { history_lost: true, ..kept };
        assert_eq!(vanished(&view, &UidSet::range(1, 6), &lost), [1, 2, 4, 6].into_iter().collect());
    }

    #[test]
    fn match_data_of_any_size_costs_no_more_than_the_mailbox() {
        let view = view(&[3, 5, 90]);
        let matches = |numbers, uids| last_match(&view, &MatchData { numbers, uids });
        let all = || UidSet::range(1, Uid::MAX);
        assert_eq!(matches(all(), all()), None);
        assert_eq!(matches(UidSet::range(1, 3), [3, 6, 91].into_iter().collect()), Some(3));
        assert_eq!(matches(UidSet::range(2, 4), [5, 89, 90].into_iter().collect()), Some(5));
    }
}
