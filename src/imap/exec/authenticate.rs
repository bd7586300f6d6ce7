//! AUTHENTICATE (RFC 3501 §6.2.2), with an initial response (RFC 4959): the lines of a SASL exchange.
//!
//! The mechanisms are `auth::sasl`'s; this file frames their challenges with `+`, and turns their failures into answers.

use super::failure::Failure;
use super::{Context, Outcome, login};
use crate::auth::sasl::{self, Exchange, Mechanism, Step};
use crate::imap::command::Secret;
use crate::imap::framer::Event;
use crate::imap::response::{Code, Response};

pub(super) async fn run(cx: &mut Context<'_>, mechanism: &str, initial_response: Option<Secret>) -> Outcome {
    login::allowed(cx)?;
    let Some(mechanism) = Mechanism::from_name(mechanism) else {
        return Err(Failure::no(Code::Cannot, "There is no such mechanism here"));
    };
    let mut step = Exchange::start(mechanism, initial_response.as_ref().map(|Secret(text)| text.as_slice()));
    loop {
        match step {
            Step::Challenge(text, exchange) => {
                cx.put(Response::Continue(text.into()));
                cx.client.framer().expect_line();
                step = match cx.event().await? {
                    Event::Line(line) => exchange.respond(&line),
                    Event::Refused { status, close } => {
                        return Err(Failure::Refused { status: Box::new(status), close });
                    }
                    // The framer was told what to expect.
                    _ => return Err(Failure::Bad("A line was expected")),
                };
            }
            Step::Done(name_and_password) => return login::check(cx, name_and_password).await,
            Step::Failed(sasl::Failure::Cancelled) => return Err(Failure::Bad("AUTHENTICATE cancelled")),
            Step::Failed(sasl::Failure::Malformed(text)) => return Err(Failure::Bad(text)),
            Step::Failed(sasl::Failure::NotAuthorized) => return Err(login::refused(cx)),
        }
    }
}
