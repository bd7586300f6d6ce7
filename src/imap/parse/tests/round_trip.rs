//! Whatever command is printed, it is read as what it was; whatever octets come, they get an answer.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::set;
use crate::imap::command::*;
use crate::imap::dialect::Dialect;
use crate::imap::mailbox_filter::MailboxFilter;
use crate::imap::notify::{Event, EventGroup};
use crate::imap::numbers::PartialRange;
use crate::imap::parse::command;
use crate::imap::print;
use crate::imap::sequence_set::{SeqNumber, SequenceSet};
use crate::message::date::Civil;
use crate::message::{Section, SectionText};
use crate::store::{Date, FlagAction, FlagNames, Flags, UidSet};

fn tag() -> impl Strategy<Value = Tag> {
    "[A-Za-z0-9.\\[\\]]{1,8}".prop_map(|tag| Tag::new(tag.as_bytes()).unwrap())
}

fn keyword() -> impl Strategy<Value = String> {
    "[$A-Za-z0-9_-]{1,12}"
}

fn flags() -> impl Strategy<Value = FlagNames> {
    let keywords = prop::collection::btree_set("[$a-z0-9]{1,6}", 0..4);
    (0u64..32, keywords)
        .prop_map(|(bits, keywords)| FlagNames { system: Flags(bits), keywords: keywords.into_iter().collect() })
}

/// A string without NUL.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,6}", "[ -~]{0,12}", any::<String>()].prop_map(|text| text.replace('\0', ""))
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof!["[ -~]{0,12}".prop_map(String::into_bytes), prop::collection::vec(1u8..=255, 0..12)]
}

fn sequence_set() -> impl Strategy<Value = SequenceSet> {
    prop_oneof![
        9 => prop::collection::vec((any::<u32>(), 0u32..9), 1..5).prop_map(|ranges| set(&ranges)),
        1 => Just(SequenceSet::SAVED),
    ]
}

fn day() -> impl Strategy<Value = Civil> {
    (0..10_000i32, 1u8..=12, 1u8..=28).prop_map(|(year, month, day)| Civil::new(year, month, day).unwrap())
}

fn date() -> impl Strategy<Value = Date> {
    (0i64..250_000_000_000, -1439i16..1440).prop_map(|(unix_s, offset_min)| Date { unix_s, offset_min })
}

fn numbering() -> impl Strategy<Value = Numbering> {
    prop_oneof![Just(Numbering::Sequence), Just(Numbering::Uid)]
}

fn sort_key() -> impl Strategy<Value = SortKey> {
    use SortKey::{Arrival, Cc, Date, DisplayFrom, DisplayTo, From, Size, Subject, To};
    prop::sample::select(vec![Arrival, Cc, Date, DisplayFrom, DisplayTo, From, Size, Subject, To])
}

/// Where ESEARCH looks.
fn source() -> impl Strategy<Value = MailboxFilter> {
    let names = || prop::collection::vec(any::<String>(), 1..3);
    prop_oneof![
        Just(MailboxFilter::Selected),
        Just(MailboxFilter::Inboxes),
        Just(MailboxFilter::Personal),
        Just(MailboxFilter::Subscribed),
        names().prop_map(MailboxFilter::Subtree),
        names().prop_map(MailboxFilter::SubtreeOne),
        names().prop_map(MailboxFilter::Mailboxes),
    ]
}

fn partial_range() -> impl Strategy<Value = PartialRange> {
    (any::<NonZeroU32>(), any::<NonZeroU32>(), any::<bool>()).prop_map(|(from, to, from_last)| PartialRange {
        from,
        to,
        from_last,
    })
}

/// At least one is set: what is read of an empty list is ALL.
fn search_return() -> impl Strategy<Value = SearchReturn> {
    (any::<[bool; 4]>(), prop::option::of(partial_range())).prop_map(|([min, max, count, save], partial)| {
        SearchReturn { min, max, all: partial.is_none() && !(min || max || save), count, save, partial }
    })
}

fn search_key() -> impl Strategy<Value = SearchKey> {
    use SearchKey::*;
    let leaf = prop_oneof![
        prop::sample::select(vec![
            All,
            Answered,
            Deleted,
            Draft,
            Flagged,
            New,
            Old,
            Recent,
            Seen,
            Unanswered,
            Undeleted,
            Undraft,
            Unflagged,
            Unseen,
            SaveDateSupported
        ]),
        any::<NonZeroU32>().prop_map(Older),
        any::<NonZeroU32>().prop_map(Younger),
        day().prop_map(SavedBefore),
        day().prop_map(SavedOn),
        day().prop_map(SavedSince),
        "[A-Za-z0-9_-]{1,12}".prop_map(EmailId),
        "[A-Za-z0-9_-]{1,255}".prop_map(ThreadId),
        text().prop_map(Bcc),
        text().prop_map(Body),
        text().prop_map(Cc),
        text().prop_map(From),
        text().prop_map(Subject),
        text().prop_map(Text),
        text().prop_map(To),
        (text(), text()).prop_map(|(name, text)| Header(name, text)),
        day().prop_map(Before),
        day().prop_map(On),
        day().prop_map(Since),
        day().prop_map(SentBefore),
        day().prop_map(SentOn),
        day().prop_map(SentSince),
        keyword().prop_map(Keyword),
        keyword().prop_map(Unkeyword),
        (0..1u64 << 63).prop_map(Larger),
        (0..1u64 << 63).prop_map(ModSeq),
        (0..1u64 << 63).prop_map(Smaller),
        sequence_set().prop_map(Uid),
        sequence_set().prop_map(Sequence),
    ];
    leaf.prop_recursive(4, 16, 3, |key| {
        prop_oneof![
            key.clone().prop_map(|key| Not(Box::new(key))),
            (key.clone(), key.clone()).prop_map(|(one, other)| Or(Box::new(one), Box::new(other))),
            prop::collection::vec(key, 2..4).prop_map(And),
        ]
    })
}

fn part() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(1u32.., 0..4)
}

fn partial() -> impl Strategy<Value = Option<Partial>> {
    prop::option::of((0..1u64 << 63, 1..1u64 << 63).prop_map(|(offset, length)| Partial { offset, length }))
}

fn section() -> impl Strategy<Value = Section> {
    let fields = || prop::collection::vec(octets(), 1..4);
    let text = prop::option::of(prop_oneof![
        Just(SectionText::Header),
        fields().prop_map(SectionText::HeaderFields),
        fields().prop_map(SectionText::HeaderFieldsNot),
        Just(SectionText::Text),
        Just(SectionText::Mime),
    ]);
    (part(), text).prop_map(|(path, text)| match text {
        Some(SectionText::Mime) if path.is_empty() => Section { path: vec![1], text },
        _ => Section { path, text },
    })
}

fn fetch_item() -> impl Strategy<Value = FetchItem> {
    use FetchItem::*;
    prop_oneof![
        prop::sample::select(vec![
            Envelope,
            Flags,
            InternalDate,
            Rfc822,
            Rfc822Header,
            Rfc822Size,
            Rfc822Text,
            Body,
            BodyStructure,
            SaveDate,
            EmailId,
            ThreadId,
            Uid,
            ModSeq,
            Preview { lazy: false },
            Preview { lazy: true },
        ]),
        (any::<bool>(), section(), partial()).prop_map(|(peek, section, partial)| BodySection {
            peek,
            section,
            partial
        }),
        (any::<bool>(), part(), partial()).prop_map(|(peek, part, partial)| Binary { peek, part, partial }),
        part().prop_map(|part| BinarySize { part }),
    ]
}

fn status_item() -> impl Strategy<Value = StatusItem> {
    use StatusItem::{
        AppendLimit, Deleted, DeletedStorage, HighestModSeq, MailboxId, Messages, Recent, Size, UidNext, UidValidity,
        Unseen,
    };
    prop::sample::select(vec![
        Messages,
        Recent,
        UidNext,
        UidValidity,
        Unseen,
        Deleted,
        DeletedStorage,
        Size,
        AppendLimit,
        MailboxId,
        HighestModSeq,
    ])
}

fn uids() -> impl Strategy<Value = UidSet> {
    prop::collection::btree_set(prop_oneof![1..40u32, 1..u32::MAX], 1..6).prop_map(|uids| uids.into_iter().collect())
}

fn select_parameters() -> impl Strategy<Value = SelectParameters> {
    let matches = (uids(), uids()).prop_map(|(numbers, uids)| {
        let size = numbers.len().min(uids.len()) as usize;
        MatchData { numbers: numbers.iter().take(size).collect(), uids: uids.iter().take(size).collect() }
    });
    let resync = (1u32.., 1..1u64 << 63, prop::option::of(uids()), prop::option::of(matches)).prop_map(
        |(uid_validity, mod_seq, known_uids, matches)| {
            Box::new(QuickResync { uid_validity, mod_seq, known_uids, matches })
        },
    );
    (any::<bool>(), prop::option::of(resync)).prop_map(|(condstore, resync)| SelectParameters { condstore, resync })
}

fn fetch_modifiers() -> impl Strategy<Value = (Numbering, FetchModifiers)> {
    let partial = prop::option::of(partial_range());
    (numbering(), prop::option::of(1..1u64 << 63), any::<bool>(), partial).prop_map(
        |(by, changed_since, vanished, partial)| {
            let vanished = vanished && by == Numbering::Uid && changed_since.is_some();
            let partial = partial.filter(|_| by == Numbering::Uid);
            (by, FetchModifiers { changed_since, vanished, partial })
        },
    )
}

fn list() -> impl Strategy<Value = CommandBody> {
    let select = prop::option::of(any::<[bool; 4]>().prop_map(|[subscribed, remote, recursive, special_use]| {
        ListSelect { subscribed, remote, recursive_match: recursive && subscribed, special_use }
    }));
    let status = prop::collection::vec(status_item(), 0..4);
    let returns = prop::option::of((any::<[bool; 4]>(), status, prop::collection::vec(entry_name(), 0..3)).prop_map(
        |([subscribed, children, special_use, my_rights], status, metadata)| ListReturn {
            subscribed,
            children,
            special_use,
            status,
            my_rights,
            metadata,
        },
    ));
    let name = any::<String>;
    (select, name(), prop::collection::vec(name(), 1..4), returns).prop_map(|(select, reference, patterns, returns)| {
        CommandBody::List(List { select, reference, patterns, returns })
    })
}

fn event() -> impl Strategy<Value = Event> {
    use Event::{
        AnnotationChange, FlagChange, MailboxMetadataChange, MailboxName, MessageExpunge, MessageNew, Other,
        ServerMetadataChange, SubscriptionChange,
    };
    let plain = vec![
        MessageExpunge,
        FlagChange,
        AnnotationChange,
        MailboxName,
        SubscriptionChange,
        MailboxMetadataChange,
        ServerMetadataChange,
    ];
    prop_oneof![
        prop::sample::select(plain),
        prop::collection::vec(fetch_item(), 0..3).prop_map(MessageNew),
        "X-[a-z]{1,8}".prop_map(Other),
    ]
}

fn notify() -> impl Strategy<Value = crate::imap::notify::Notify> {
    use MailboxFilter::{Inboxes, Mailboxes, Personal, Selected, SelectedDelayed, Subscribed, Subtree, SubtreeOne};
    let names = || prop::collection::vec(any::<String>(), 1..4);
    let filter = prop_oneof![
        prop::sample::select(vec![Selected, SelectedDelayed, Inboxes, Personal, Subscribed]),
        names().prop_map(Subtree),
        names().prop_map(SubtreeOne),
        names().prop_map(Mailboxes),
    ];
    let group =
        (filter, prop::collection::vec(event(), 0..4)).prop_map(|(mailboxes, events)| EventGroup { mailboxes, events });
    prop_oneof![
        1 => Just(crate::imap::notify::Notify::None),
        9 => (any::<bool>(), prop::collection::vec(group, 1..4))
            .prop_map(|(status, groups)| crate::imap::notify::Notify::Set { status, groups }),
    ]
}

/// Of three components: a vendor's entry has four.
fn entry_name() -> impl Strategy<Value = String> {
    "/(private|shared|PRIVATE)/[a-z]{1,5}/[ -$&-)+-.0-~]{1,8}"
        .prop_filter("a vendor's", |name| !name.contains("/vendor/"))
}

fn get_metadata() -> impl Strategy<Value = CommandBody> {
    let entries = prop::collection::vec(prop_oneof![entry_name(), Just("/private".to_owned())], 1..4);
    let depth = prop::sample::select(vec![Depth::Zero, Depth::One, Depth::Infinity]);
    (any::<String>(), entries, prop::option::of(0..1u64 << 63), depth).prop_map(
        |(mailbox, entries, max_size, depth)| {
            CommandBody::GetMetadata(GetMetadata { mailbox, entries, max_size, depth })
        },
    )
}

fn append_body() -> impl Strategy<Value = CommandBody> {
    let message = (0..1u64 << 63, any::<bool>(), any::<bool>())
        .prop_map(|(octets, non_synchronizing, binary)| LiteralHeader { octets, non_synchronizing, binary });
    let data = prop_oneof![
        2 => Just(None),
        1 => prop::collection::vec(prop::collection::vec(any::<u8>().prop_filter("no NUL", |octet| *octet != 0), 0..9), 0..3)
            .prop_map(Some),
    ];
    let first = (flags(), prop::option::of(date()), data);
    let seq_number =
        any::<Option<NonZeroU32>>().prop_map(|number| number.map_or(SeqNumber::Largest, SeqNumber::Number));
    let replace = prop::option::of((numbering(), seq_number));
    let messages = prop::collection::vec(first, 1..4);
    (replace, any::<String>(), messages, message, any::<bool>()).prop_map(
        |(replace, mailbox, mut messages, literal, ends)| {
            if replace.is_some() {
                messages.truncate(1);
            }
            let last = messages.len() - 1;
            let mut pieces = Vec::new();
            for (number, (flags, internal_date, urls)) in messages.into_iter().enumerate() {
                pieces.push(AppendPiece::Message { flags, internal_date });
                // Only at the end of the frame octets follow.
                let urls = urls.or_else(|| (number < last).then(Vec::new));
                let Some(mut urls) = urls else {
                    pieces.push(match ends && literal.binary {
                        true => AppendPiece::Utf8(literal),
                        false => AppendPiece::Literal(literal),
                    });
                    break;
                };
                let ends = ends || number < last;
                if ends && urls.is_empty() {
                    urls.push(b"x".to_vec());
                }
                pieces.push(AppendPiece::Catenate);
                pieces.extend(urls.into_iter().map(AppendPiece::Url));
                pieces.push(match ends {
                    true => AppendPiece::EndCatenate,
                    // UTF8 takes a literal8 alone, TEXT either.
                    false if literal.binary && literal.non_synchronizing => AppendPiece::Utf8Text(literal),
                    false => AppendPiece::Text(literal),
                });
            }
            let append = Append { mailbox, pieces };
            match replace {
                Some((by, message)) => CommandBody::Replace { by, message, append },
                None => CommandBody::Append(append),
            }
        },
    )
}

fn command_body() -> impl Strategy<Value = CommandBody> {
    use CommandBody::*;
    let name = any::<String>;
    let action = prop::sample::select(vec![FlagAction::Add, FlagAction::Remove, FlagAction::Replace]);
    let session = prop_oneof![
        prop::sample::select(vec![
            Capability,
            Noop,
            Logout,
            StartTls,
            Namespace,
            Idle,
            Unauthenticate,
            Compress,
            Check,
            Close,
            Unselect,
            Expunge,
        ]),
        prop::collection::vec(("[a-z -]{1,12}", prop::option::of(text())), 0..4).prop_map(Id),
        ("[A-Z0-9_-]{1,12}", prop::option::of("[A-Za-z0-9+/]{1,12}=?")).prop_map(|(mechanism, response)| {
            Authenticate { mechanism, initial_response: response.map(|text| Secret(text.into_bytes())) }
        }),
        (octets(), octets()).prop_map(|(user, password)| Login { user, password: Secret(password) }),
        prop::collection::vec("[A-Z0-9=-]{1,12}", 1..4).prop_map(Enable),
        notify().prop_map(Notify),
        octets().prop_map(GetQuota),
        name().prop_map(|mailbox| GetQuotaRoot { mailbox }),
    ];
    let mailbox = prop_oneof![
        (name(), select_parameters()).prop_map(|(mailbox, parameters)| Select { mailbox, parameters }),
        (name(), select_parameters()).prop_map(|(mailbox, parameters)| Examine { mailbox, parameters }),
        (name(), prop::collection::vec("\\\\[A-Za-z$-]{1,8}", 0..3))
            .prop_map(|(mailbox, uses)| Create { mailbox, uses }),
        name().prop_map(|mailbox| MyRights { mailbox }),
        get_metadata(),
        (name(), prop::collection::vec((entry_name(), prop::option::of(any::<Vec<u8>>())), 1..4))
            .prop_map(|(mailbox, entries)| SetMetadata { mailbox, entries }),
        name().prop_map(|mailbox| Delete { mailbox }),
        name().prop_map(|mailbox| Subscribe { mailbox }),
        name().prop_map(|mailbox| Unsubscribe { mailbox }),
        (name(), name()).prop_map(|(from, to)| Rename { from, to }),
        (name(), name()).prop_map(|(reference, pattern)| Lsub { reference, pattern }),
        (name(), prop::collection::vec(status_item(), 1..4)).prop_map(|(mailbox, items)| Status { mailbox, items }),
        list(),
        append_body(),
    ];
    let message = prop_oneof![
        sequence_set().prop_map(UidExpunge),
        (any::<NonZeroU32>(), any::<Option<(NonZeroU32, NonZeroU32)>>())
            .prop_map(|(size, range)| CommandBody::UidBatches(super::UidBatches { size, range })),
        (numbering(), prop::option::of(search_return()), search_key()).prop_map(|(by, returns, key)| Search {
            by,
            returns,
            key
        }),
        (prop::collection::vec(source(), 1..4), search_return(), search_key()).prop_map(|(sources, returns, key)| {
            let save = returns.save && sources.iter().all(|source| *source == MailboxFilter::Selected);
            let all = returns.all
                || (returns.save
                    && !save
                    && !(returns.min || returns.max || returns.count || returns.partial.is_some()));
            MultiSearch { sources, returns: SearchReturn { save, all, ..returns }, key }
        }),
        (
            numbering(),
            prop::option::of(search_return()),
            prop::collection::vec((sort_key(), any::<bool>()), 1..4),
            search_key()
        )
            .prop_map(|(by, returns, criteria, key)| {
                let criteria = criteria.into_iter().map(|(key, reverse)| SortCriterion { key, reverse }).collect();
                Sort { by, returns, criteria, key }
            }),
        (
            numbering(),
            prop::sample::select(vec![ThreadAlgorithm::OrderedSubject, ThreadAlgorithm::References]),
            search_key()
        )
            .prop_map(|(by, algorithm, key)| Thread { by, algorithm, key }),
        (fetch_modifiers(), sequence_set(), prop::collection::vec(fetch_item(), 1..4))
            .prop_map(|((by, modifiers), set, items)| Fetch { by, set, items, modifiers }),
        (numbering(), sequence_set(), prop::option::of(0..1u64 << 63), action, any::<bool>(), flags()).prop_map(
            |(by, set, unchanged_since, action, silent, flags)| {
                Store { by, set, unchanged_since, action, silent, flags }
            }
        ),
        (numbering(), sequence_set(), name()).prop_map(|(by, set, mailbox)| Copy { by, set, mailbox }),
        (numbering(), sequence_set(), name()).prop_map(|(by, set, mailbox)| Move { by, set, mailbox }),
    ];
    prop_oneof![session, mailbox, message]
}

/// Octets that get past the first words of a command.
fn almost_a_command() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "SEARCH",
        "SORT",
        "THREAD",
        "REVERSE",
        "SUBJECT",
        "REFERENCES",
        "FETCH",
        "UID",
        "STORE",
        "LIST",
        "APPEND",
        "REPLACE",
        "CATENATE",
        "TEXT",
        "URL",
        "STATUS",
        "NOTIFY",
        "SET",
        "(PERSONAL",
        "(MessageNew",
        "ID",
        "LOGIN",
        "CHARSET",
        "UTF-8",
        "OR",
        "NOT",
        "BODY[",
        "HEADER",
        ".FIELDS",
        "(",
        ")",
        "\"",
        "\\",
        "{3+}\r\n",
        "{9}",
        "abc",
        "1",
        ":",
        "*",
        ",",
        "]",
        "<",
        ">",
        "~",
        "\0",
        "\u{e4}",
        "FLAGS",
        "\\Seen",
        "RETURN",
        "PARTIAL",
        "-1:-9",
        "1-Jan-2000",
        "&AOQ-",
        "NIL",
    ]);
    prop::collection::vec((word, any::<bool>()), 0..12).prop_map(|words| {
        let words: String =
            words.iter().map(|(word, space)| if *space { format!("{word} ") } else { (*word).to_owned() }).collect();
        format!("a {words}").into_bytes()
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_what_it_was(tag in tag(), body in command_body()) {
        let original = Command { tag, body };
        let mut octets = Vec::new();
        print::command(&mut octets, &original);
        let frame = octets.strip_suffix(b"\r\n").unwrap();
        prop_assert_eq!(command(frame, Dialect::REV1), Ok(original), "{}", frame.escape_ascii());
    }

    #[test]
    fn any_octets_get_an_answer(octets in prop_oneof![any::<Vec<u8>>(), almost_a_command()]) {
        let utf8 = Dialect { rev2: true, utf8_accept: true, uid_only: true };
        for dialect in [Dialect::REV1, utf8] {
            if let Err(error) = command(&octets, dialect) {
                prop_assert!(error.position <= octets.len());
                error.status();
            }
        }
    }
}
