//! AUTHENTICATE (RFC 3501 §6.2.2), with an initial response (RFC 4959 §3): the lines of a SASL exchange.
//!
//! The mechanisms are `auth::sasl`'s; this file frames their challenges with `+`, asks the authenticator where a mechanism
//! needs to know an account, and turns failures into answers.

use super::failure::Failure;
use super::{Context, Outcome, login};
use crate::auth::sasl::{self, Exchange, Mechanism, Step};
use crate::imap::command::Secret;
use crate::imap::framer::Event;
use crate::imap::response::{Code, Response};

pub(super) async fn run(cx: &mut Context<'_>, mechanism: &str, initial_response: Option<Secret>) -> Outcome {
    login::allowed(cx)?;
    let offer = cx.session.line.sasl;
    let Some(mechanism) = Mechanism::from_name(mechanism).filter(|mechanism| offer.has(*mechanism)) else {
        return Err(Failure::no(Code::Cannot, "There is no such mechanism here"));
    };
    let channel = cx.client.channel_binding();
    let mut step = Exchange::start(mechanism, channel, initial_response.as_ref().map(|Secret(text)| text.as_slice()));
    let authenticator = cx.environment.authenticator;
    loop {
        step = match step {
            Step::Challenge(text, exchange) => exchange.respond(&answer(cx, text).await?),
            Step::Identify(first) => match authenticator.challenge(first).await {
                Ok(step) => step,
                Err(error) => return Err(login::failed(cx, error)),
            },
            Step::Done(name_and_password) => return login::check(cx, name_and_password).await,
            Step::Prove(attempt) => {
                let (account, signature) = match authenticator.prove(&attempt, cx.environment.peer).await {
                    Ok(proven) => proven,
                    Err(error) => return Err(login::failed(cx, error)),
                };
                // OK has no room for it (RFC 3501 §6.2.2).
                return match sasl::acknowledged(&answer(cx, signature).await?) {
                    Ok(()) => login::log_in(cx, account),
                    Err(failure) => Err(refusal(cx, failure)),
                };
            }
            Step::Failed(failure) => return Err(refusal(cx, failure)),
        };
    }
}

/// Sends a challenge; the client's line.
async fn answer(cx: &mut Context<'_>, challenge: String) -> Result<Vec<u8>, Failure> {
    cx.put(Response::Continue(challenge.into()));
    cx.client.framer().expect_line();
    match cx.event().await? {
        Event::Line(line) => Ok(line),
        Event::Refused { status, close } => Err(Failure::Refused { status: Box::new(status), close }),
        // The framer was told what to expect.
        _ => Err(Failure::Bad("A line was expected")),
    }
}

fn refusal(cx: &mut Context<'_>, failure: sasl::Failure) -> Failure {
    match failure {
        sasl::Failure::Cancelled => Failure::Bad("AUTHENTICATE cancelled"),
        sasl::Failure::Malformed(text) => Failure::Bad(text),
        sasl::Failure::NotAuthorized => login::refused(cx),
    }
}
