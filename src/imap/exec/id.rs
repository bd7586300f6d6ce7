//! ID (RFC 2971 §3.1): who we are, for whoever has to find an error. The client's fields go to the log and decide
//! nothing (§1).

use super::{Context, Done, Outcome};
use crate::imap::response::Data;

pub(super) fn run(cx: &mut Context<'_>, fields: &[(String, Option<String>)]) -> Outcome {
    tracing::debug!(?fields, "the client names itself");
    cx.put(Data::Id(vec![
        ("name".into(), Some("Postbell".into())),
        ("version".into(), Some(env!("CARGO_PKG_VERSION").into())),
    ]));
    Ok(Done::ok("ID done"))
}
