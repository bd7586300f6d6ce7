//! LOGIN (RFC 3501 §6.2.3), and what it shares with AUTHENTICATE: a name and a password become a session's account.
//!
//! A client learns nothing from the answer about which of both was wrong, nor from the time it takes.

use std::sync::Arc;

use super::capability::capabilities;
use super::failure::Failure;
use super::{Context, Done, Outcome};
use crate::auth::LoginError;
use crate::auth::sasl::Login;
use crate::imap::command::Secret;
use crate::imap::framer;
use crate::imap::response::Code;
use crate::imap::session::State;
use crate::store::Account;

pub(super) async fn run(cx: &mut Context<'_>, user: &[u8], password: &Secret) -> Outcome {
    allowed(cx)?;
    match (std::str::from_utf8(user), std::str::from_utf8(&password.0)) {
        (Ok(name), Ok(password)) => check(cx, Login { name: name.to_owned(), password: password.to_owned() }).await,
        // No account has such a name, no password such octets: passwords are UTF-8 (RFC 4616 §2), however they come.
        _ => check(cx, Login { name: String::new(), password: String::new() }).await,
    }
}

/// Whether a password may come over this line at all.
pub(super) fn allowed(cx: &Context<'_>) -> Result<(), Failure> {
    if cx.session.line.login {
        Ok(())
    } else {
        // RFC 5530 §3
        Err(Failure::no(Code::PrivacyRequired, "Passwords are taken under TLS only"))
    }
}

/// Checks name and password, and logs in.
pub(super) async fn check(cx: &mut Context<'_>, login: Login) -> Outcome {
    match cx.environment.authenticator.login(&login.name, &login.password, cx.environment.peer).await {
        Ok(account) => log_in(cx, account),
        Err(error) => Err(failed(cx, error)),
    }
}

/// Logs in who has shown to be the owner of this account, if there is a place.
pub(super) fn log_in(cx: &mut Context<'_>, account: Arc<Account>) -> Outcome {
    let peer = cx.environment.peer;
    if !cx.client.admit(account.id) {
        tracing::warn!(account = %account.name, %peer, "too many sessions");
        // RFC 5530 §3
        return Err(Failure::no(Code::Limit, "There are too many sessions of this user from your address"));
    }
    tracing::info!(account = %account.name, %peer, "logged in");
    cx.session.state = State::Authenticated(account);
    cx.session.bad_commands = 0;
    let limits = framer::Limits::after_login(cx.store().max_message());
    cx.client.framer().set_limits(limits);
    // RFC 3501 §6.2.3: saves the client a CAPABILITY.
    Ok(Done::ok("Logged in").with_code(Code::Capability(capabilities(cx.session, cx.store()))))
}

/// The answer where the authenticator knows why not.
pub(super) fn failed(cx: &mut Context<'_>, error: LoginError) -> Failure {
    match error {
        LoginError::Refused => refused(cx),
        LoginError::Unavailable => Failure::no(Code::Unavailable, "Logging in is not possible at the moment"),
    }
}

/// The answer to every login that failed for the client's sake; the last one that a connection may have closes it.
pub(super) fn refused(cx: &mut Context<'_>) -> Failure {
    cx.session.login_failures += 1;
    Failure::Login { last: cx.session.login_failures >= cx.environment.limits.login_failures }
}
