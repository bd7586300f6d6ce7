//! CAPABILITY (RFC 3501 §6.1.1): what this server can do, in this state of this connection.
//!
//! The one list of everything advertised; nothing stands in it that is incomplete.

use std::borrow::Cow;

use super::{Context, Done, Outcome};
use crate::auth::sasl::Mechanism;
use crate::imap::response::Data;
use crate::imap::session::Session;

/// What is there in every state. IDLE is among it before login too: clients decide by it how to go on.
const ALWAYS: [&str; 15] = [
    "IMAP4rev1",   // RFC 3501
    "LITERAL+",    // RFC 7888
    "SASL-IR",     // RFC 4959
    "ID",          // RFC 2971
    "ENABLE",      // RFC 5161
    "IDLE",        // RFC 2177
    "NAMESPACE",   // RFC 2342
    "CHILDREN",    // RFC 3348
    "UNSELECT",    // RFC 3691
    "UIDPLUS",     // RFC 4315
    "MOVE",        // RFC 6851
    "SPECIAL-USE", // RFC 6154
    "BINARY",      // RFC 3516
    "CONDSTORE",   // RFC 7162
    "QRESYNC",     // RFC 7162
];

/// The capabilities of this session at this moment.
pub(crate) fn capabilities(session: &Session) -> Vec<Cow<'static, str>> {
    let mut names: Vec<Cow<'static, str>> = ALWAYS.into_iter().map(Cow::Borrowed).collect();
    if session.is_authenticated() {
        return names;
    }
    if session.line.start_tls {
        names.push("STARTTLS".into());
    }
    if session.line.login {
        names.extend(Mechanism::ALL.iter().map(|mechanism| format!("AUTH={}", mechanism.name()).into()));
    } else {
        // RFC 3501 §6.2.3
        names.push("LOGINDISABLED".into());
    }
    names
}

pub(super) fn run(cx: &mut Context<'_>) -> Outcome {
    let names = capabilities(cx.session);
    cx.put(Data::Capability(names));
    Ok(Done::ok("CAPABILITY done"))
}
