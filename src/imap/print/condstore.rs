//! What RFC 7162 puts into commands and responses: the twin of [`parse::condstore`](crate::imap::parse).

use super::lexeme::{number, spaced};
use super::partial_range;
use super::status::uid_set;
use crate::imap::command::{FetchModifiers, QuickResync, SelectParameters};
use crate::imap::numbers::PartialRange;
use crate::store::{ModSeq, UidSet};

/// `[SP "(" select-param *(SP select-param) ")"]`
pub(super) fn select_parameters(out: &mut Vec<u8>, parameters: &SelectParameters) {
    let SelectParameters { condstore, resync } = parameters;
    let condstore = condstore.then_some(None);
    let resync = resync.as_deref().map(Some);
    bracketed(out, condstore.into_iter().chain(resync), |out, parameter| match parameter {
        None => out.extend_from_slice(b"CONDSTORE"),
        Some(resync) => quick_resync(out, resync),
    });
}

/// `"QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
fn quick_resync(out: &mut Vec<u8>, resync: &QuickResync) {
    out.extend_from_slice(b"QRESYNC (");
    number(out, u64::from(resync.uid_validity));
    out.push(b' ');
    number(out, resync.mod_seq);
    if let Some(uids) = &resync.known_uids {
        out.push(b' ');
        uid_set(out, uids);
    }
    if let Some(matches) = &resync.matches {
        out.extend_from_slice(b" (");
        uid_set(out, &matches.numbers);
        out.push(b' ');
        uid_set(out, &matches.uids);
        out.push(b')');
    }
    out.push(b')');
}

/// `[SP "(" fetch-modifier *(SP fetch-modifier) ")"]`
pub(super) fn fetch_modifiers(out: &mut Vec<u8>, modifiers: &FetchModifiers) {
    let FetchModifiers { changed_since, vanished, partial } = *modifiers;
    let given = [
        changed_since.map(FetchModifier::ChangedSince),
        vanished.then_some(FetchModifier::Vanished),
        partial.map(FetchModifier::Partial),
    ];
    bracketed(out, given.into_iter().flatten(), |out, modifier| match modifier {
        FetchModifier::ChangedSince(mod_seq) => {
            out.extend_from_slice(b"CHANGEDSINCE ");
            number(out, mod_seq);
        }
        FetchModifier::Vanished => out.extend_from_slice(b"VANISHED"),
        FetchModifier::Partial(range) => {
            out.extend_from_slice(b"PARTIAL ");
            partial_range(out, range);
        }
    });
}

enum FetchModifier {
    ChangedSince(ModSeq),
    Vanished,
    Partial(PartialRange),
}

/// `[SP "(" "UNCHANGEDSINCE SP mod-sequence-valzer ")"]`
pub(super) fn store_modifiers(out: &mut Vec<u8>, unchanged_since: Option<ModSeq>) {
    bracketed(out, unchanged_since, |out, mod_seq| {
        out.extend_from_slice(b"UNCHANGEDSINCE ");
        number(out, mod_seq);
    });
}

/// `[SP "(" item *(SP item) ")"]`: nothing where there is no item.
fn bracketed<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, print: impl FnMut(&mut Vec<u8>, T)) {
    let mut items = items.into_iter().peekable();
    if items.peek().is_some() {
        out.extend_from_slice(b" (");
        spaced(out, items, print);
        out.push(b')');
    }
}

/// `[SP "(" "MODSEQ" SP mod-sequence-value ")"]`
pub(super) fn search_mod_seq(out: &mut Vec<u8>, mod_seq: Option<ModSeq>) {
    if let Some(mod_seq) = mod_seq {
        out.extend_from_slice(b" (MODSEQ ");
        number(out, mod_seq);
        out.push(b')');
    }
}

/// `expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids`
pub(super) fn vanished(out: &mut Vec<u8>, earlier: bool, uids: &UidSet) {
    out.extend_from_slice(if earlier { b"VANISHED (EARLIER) " } else { b"VANISHED " });
    uid_set(out, uids);
}
