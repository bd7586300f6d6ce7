//! What RFC 7162 puts into commands: good and bad lines.

use super::*;

fn select(parameters: SelectParameters) -> CommandBody {
    CommandBody::Select { mailbox: "INBOX".to_owned(), parameters }
}

fn uids(ranges: &[(u32, u32)]) -> UidSet {
    ranges.iter().fold(UidSet::new(), |mut uids, (first, last)| {
        uids.insert_range(*first, *last);
        uids
    })
}

#[test]
fn parameters_of_select() {
    assert_eq!(good("SELECT INBOX (condstore)"), select(SelectParameters { condstore: true, resync: None }));
    let bare = QuickResync { uid_validity: 67890007, mod_seq: 20050715194045000, known_uids: None, matches: None };
    let resync =
        |resync: &QuickResync| select(SelectParameters { condstore: false, resync: Some(Box::new(resync.clone())) });
    assert_eq!(good("SELECT INBOX (QRESYNC (67890007 20050715194045000))"), resync(&bare));
    let known = QuickResync { known_uids: Some(uids(&[(41, 41), (43, 211), (214, 541)])), ..bare.clone() };
    assert_eq!(good("SELECT INBOX (QRESYNC (67890007 20050715194045000 541:214,41,43:211))"), resync(&known));
    let matches = Some(MatchData { numbers: uids(&[(5, 5), (7, 8)]), uids: uids(&[(15, 15), (22, 23)]) });
    let matched = QuickResync { matches: matches.clone(), ..known };
    assert_eq!(
        good("SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541 (5,7:8 15,22:23)))"),
        resync(&matched)
    );
    assert_eq!(
        good("SELECT INBOX (QRESYNC (67890007 20050715194045000 (5,7:8 15,22,23)))"),
        resync(&QuickResync { matches, ..bare.clone() })
    );
    assert_eq!(
        good("EXAMINE INBOX (QRESYNC (67890007 20050715194045000) CONDSTORE)"),
        CommandBody::Examine {
            mailbox: "INBOX".to_owned(),
            parameters: SelectParameters { condstore: true, resync: Some(Box::new(bare)) }
        }
    );
    all_bad(&[
        "SELECT INBOX ()",
        "SELECT INBOX CONDSTORE",
        "SELECT INBOX (CONDSTORE CONDSTORE)",
        "SELECT INBOX (CONDSTORE",
        "SELECT INBOX (CONDSTORE) ",
        "SELECT INBOX (X-WALNUT)",
        "SELECT INBOX (QRESYNC)",
        "SELECT INBOX (QRESYNC ())",
        "SELECT INBOX (QRESYNC (1))",
        "SELECT INBOX (QRESYNC (0 1))",
        "SELECT INBOX (QRESYNC (1 0))",
        "SELECT INBOX (QRESYNC (4294967296 1))",
        "SELECT INBOX (QRESYNC (1 9223372036854775808))",
        "SELECT INBOX (QRESYNC (1 1 *))",
        "SELECT INBOX (QRESYNC (1 1 1:*))",
        "SELECT INBOX (QRESYNC (1 1 ))",
        "SELECT INBOX (QRESYNC (1 1 1:5 ()))",
        "SELECT INBOX (QRESYNC (1 1 1:5 (1)))",
        "SELECT INBOX (QRESYNC (1 1 1:5 (2,1 3,4)))",
        "SELECT INBOX (QRESYNC (1 1 1:5 (2:1 3:4)))",
        "SELECT INBOX (QRESYNC (1 1 1:5 (1,2 4,3)))",
        "SELECT INBOX (QRESYNC (1 1 1:5 (1,1 3,4)))",
        "SELECT INBOX (QRESYNC (1 1 1:5 (1:2 3)))",
        "SELECT INBOX (QRESYNC (1 1 1:5 (1:* 3:*)))",
        "SELECT INBOX (QRESYNC (1 1) QRESYNC (1 1))",
    ]);
}

#[test]
fn modifiers_of_fetch() {
    let fetch = |by, changed_since, vanished| CommandBody::Fetch {
        by,
        set: set(&[(1, 0)]),
        items: vec![FetchItem::Flags],
        modifiers: FetchModifiers { changed_since, vanished, partial: None },
    };
    assert_eq!(good("FETCH 1:* FLAGS"), fetch(Numbering::Sequence, None, false));
    assert_eq!(good("FETCH 1:* FLAGS (CHANGEDSINCE 12345)"), fetch(Numbering::Sequence, Some(12345), false));
    assert_eq!(good("UID FETCH 1:* (FLAGS) (changedsince 1 vanished)"), fetch(Numbering::Uid, Some(1), true));
    assert_eq!(good("UID FETCH 1:* (FLAGS) (VANISHED CHANGEDSINCE 1)"), fetch(Numbering::Uid, Some(1), true));
    all_bad(&[
        "FETCH 1 FLAGS ()",
        "FETCH 1 FLAGS CHANGEDSINCE 1",
        "FETCH 1 FLAGS (CHANGEDSINCE)",
        "FETCH 1 FLAGS (CHANGEDSINCE 0)",
        "FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED VANISHED)",
        "UID FETCH 1 FLAGS (X-WALNUT)",
    ]);
}

#[test]
fn a_modifier_of_store() {
    let store = |unchanged_since| CommandBody::Store {
        by: Numbering::Sequence,
        set: set(&[(7, 7), (3, 9)]),
        unchanged_since,
        action: FlagAction::Add,
        silent: true,
        flags: FlagNames { system: Flags::DELETED, keywords: Vec::new() },
    };
    assert_eq!(good("STORE 7,3:9 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)"), store(Some(12121230045)));
    assert_eq!(good("STORE 7,3:9 (unchangedsince 0) +FLAGS.SILENT (\\Deleted)"), store(Some(0)));
    all_bad(&[
        "STORE 1 () FLAGS (\\Seen)",
        "STORE 1 (UNCHANGEDSINCE) FLAGS (\\Seen)",
        "STORE 1 (UNCHANGEDSINCE -1) FLAGS (\\Seen)",
        "STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 2) FLAGS (\\Seen)",
        "STORE 1 (X-WALNUT 1) FLAGS (\\Seen)",
        "STORE 1 FLAGS (UNCHANGEDSINCE 1) (\\Seen)",
        "STORE 1 FLAGS (\\Seen) (UNCHANGEDSINCE 1)",
    ]);
}

#[test]
fn a_search_key() {
    let search =
        |mod_seq| CommandBody::Search { by: Numbering::Sequence, returns: None, key: SearchKey::ModSeq(mod_seq) };
    assert_eq!(good("SEARCH MODSEQ 620162338"), search(620162338));
    assert_eq!(good("SEARCH MODSEQ 0"), search(0));
    assert_eq!(good("SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338"), search(620162338));
    assert_eq!(good("SEARCH MODSEQ \"/flags/$MDNSent\" PRIV 1"), search(1));
    all_bad(&[
        "SEARCH MODSEQ",
        "SEARCH MODSEQ x",
        "SEARCH MODSEQ \"/flags/\\\\draft\" 1",
        "SEARCH MODSEQ \"/flags/\\\\draft\" some 1",
        "SEARCH MODSEQ \"/flags/\" all 1",
        "SEARCH MODSEQ \"/comment\" all 1",
        "SEARCH MODSEQ 9223372036854775808",
    ]);
}
