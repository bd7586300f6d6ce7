//! CAPABILITY (RFC 3501 §6.1.1): what this server can do, in this state of this connection.
//!
//! The one list of everything advertised; nothing stands in it that is incomplete.

use std::borrow::Cow;

use super::{Context, Done, Outcome};
use crate::auth::sasl::Mechanism;
use crate::imap::response::Data;
use crate::imap::session::Session;
use crate::store::Store;

/// What is there in every state. IDLE is among it before login too: clients decide by it how to go on.
const ALWAYS: &[&str] = &[
    "IMAP4rev1",             // RFC 3501
    "IMAP4rev2",             // RFC 9051
    "UTF8=ACCEPT",           // RFC 6855
    "UIDONLY",               // RFC 9586
    "UIDBATCHES",            // RFC 10022
    "LITERAL+",              // RFC 7888
    "SASL-IR",               // RFC 4959
    "ID",                    // RFC 2971
    "ENABLE",                // RFC 5161
    "IDLE",                  // RFC 2177
    "NAMESPACE",             // RFC 2342
    "CHILDREN",              // RFC 3348
    "UNSELECT",              // RFC 3691
    "UIDPLUS",               // RFC 4315
    "MOVE",                  // RFC 6851
    "SPECIAL-USE",           // RFC 6154
    "CREATE-SPECIAL-USE",    // RFC 6154
    "METADATA",              // RFC 5464
    "BINARY",                // RFC 3516
    "ESEARCH",               // RFC 4731
    "SEARCHRES",             // RFC 5182
    "PARTIAL",               // RFC 9394
    "MULTISEARCH",           // RFC 7377
    "SORT",                  // RFC 5256
    "SORT=DISPLAY",          // RFC 5957
    "ESORT",                 // RFC 5267 §3
    "THREAD=ORDEREDSUBJECT", // RFC 5256
    "THREAD=REFERENCES",     // RFC 5256
    "I18NLEVEL=1",           // RFC 5255 §4.3
    "LIST-EXTENDED",         // RFC 5258
    "LIST-STATUS",           // RFC 5819
    "LIST-METADATA",         // RFC 9590
    "LIST-MYRIGHTS",         // RFC 8440
    "STATUS=SIZE",           // RFC 8438
    "WITHIN",                // RFC 5032
    "SAVEDATE",              // RFC 8514
    "OBJECTID",              // RFC 8474
    "CONDSTORE",             // RFC 7162
    "QRESYNC",               // RFC 7162
    "NOTIFY",                // RFC 5465
    "PREVIEW",               // RFC 8970
    "QUOTA",                 // RFC 9208
    "QUOTA=RES-STORAGE",     // RFC 9208 §5.1
    "QUOTA=RES-MESSAGE",     // RFC 9208 §5.2
    "MULTIAPPEND",           // RFC 3502
    "CATENATE",              // RFC 4469
    "REPLACE",               // RFC 8508
    "INPROGRESS",            // RFC 9585
];

/// The capabilities of this session at this moment.
pub(crate) fn capabilities(session: &Session, store: &Store) -> Vec<Cow<'static, str>> {
    let mut names: Vec<Cow<'static, str>> = ALWAYS.iter().copied().map(Cow::Borrowed).collect();
    // RFC 7889 §2: one limit for all mailboxes.
    names.push(format!("APPENDLIMIT={}", store.max_message()).into());
    if session.is_authenticated() {
        // RFC 8437 §3 allows to tell only then; RFC 4978 §5: a command-auth.
        names.push("UNAUTHENTICATE".into());
        if !session.compressed {
            names.push("COMPRESS=DEFLATE".into());
        }
        return names;
    }
    if session.line.start_tls {
        names.push("STARTTLS".into());
    }
    if session.line.login {
        let mechanisms = Mechanism::ALL.into_iter().filter(|mechanism| session.line.sasl.has(*mechanism));
        names.extend(mechanisms.map(|mechanism| format!("AUTH={}", mechanism.name()).into()));
    } else {
        // RFC 3501 §6.2.3
        names.push("LOGINDISABLED".into());
    }
    names
}

pub(super) fn run(cx: &mut Context<'_>) -> Outcome {
    let names = capabilities(cx.session, cx.store());
    cx.put(Data::Capability(names));
    Ok(Done::ok("CAPABILITY done"))
}
