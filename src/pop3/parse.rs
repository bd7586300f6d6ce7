//! The grammar of a command line, its CRLF taken off (RFC 2449 §3):
//!
//! ```abnf
//! command = keyword *(SP param) CRLF
//! keyword = 3*4VCHAR
//! param   = 1*VCHAR
//! ```
//!
//! The keyword is read first, and decides how the rest is read: so an unknown command and a bad argument differ. The
//! arguments of USER and PASS are the whole rest of the line, since a name or a password may hold spaces (RFC 1939 §7).

use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::{char, digit1};
use nom::combinator::{all_consuming, eof, opt, value, verify};
use nom::sequence::{preceded, separated_pair};
use nom::{IResult, Parser};

use super::command::{Authorization, BadCommand, Command, Secret, Transaction};

/// Reads a line without its CRLF.
pub(super) fn command(line: &[u8]) -> Result<Command, BadCommand> {
    // Names and passwords may be in UTF-8, before the UTF8 command too (RFC 6856 §2.2).
    let line = std::str::from_utf8(line).map_err(|_| BadCommand::Characters)?;
    if line.chars().any(char::is_control) {
        return Err(BadCommand::Characters);
    }
    let (rest, keyword) = keyword(line).map_err(|_| BadCommand::Unknown)?;
    let (usage, parsed) = match keyword.to_ascii_uppercase().as_str() {
        "AUTH" => ("AUTH mechanism [initial-response]", before(auth, rest)),
        "CAPA" => ("CAPA", run(value(Command::Capa, eof), rest)),
        "DELE" => ("DELE message", after(argument(number).map(|number| Transaction::Dele { number }), rest)),
        "LANG" => ("LANG [language]", run(opt(argument(language)).map(|range| Command::Lang { range }), rest)),
        "LIST" => ("LIST [message]", after(opt(argument(number)).map(|number| Transaction::List { number }), rest)),
        "NOOP" => ("NOOP", after(value(Transaction::Noop, eof), rest)),
        "PASS" => {
            let pass = argument(text).map(|text| Authorization::Pass { password: Secret(text) });
            ("PASS password", before(pass, rest))
        }
        "QUIT" => ("QUIT", run(value(Command::Quit, eof), rest)),
        "RETR" => ("RETR message", after(argument(number).map(|number| Transaction::Retr { number }), rest)),
        "RSET" => ("RSET", after(value(Transaction::Rset, eof), rest)),
        "STAT" => ("STAT", after(value(Transaction::Stat, eof), rest)),
        "STLS" => ("STLS", before(value(Authorization::Stls, eof), rest)),
        "TOP" => ("TOP message lines", after(top, rest)),
        "UIDL" => ("UIDL [message]", after(opt(argument(number)).map(|number| Transaction::Uidl { number }), rest)),
        "USER" => ("USER name", before(argument(text).map(|name| Authorization::User { name }), rest)),
        "UTF8" => ("UTF8", before(value(Authorization::Utf8, eof), rest)),
        _ => return Err(BadCommand::Unknown),
    };
    parsed.ok_or(BadCommand::Arguments { usage })
}

/// Reads all that stands behind the keyword.
fn run<'a>(
    arguments: impl Parser<&'a str, Output = Command, Error = nom::error::Error<&'a str>>,
    rest: &'a str,
) -> Option<Command> {
    all_consuming(arguments).parse(rest).ok().map(|(_, command)| command)
}

/// [`run`] for what is given before the login.
fn before<'a>(
    arguments: impl Parser<&'a str, Output = Authorization, Error = nom::error::Error<&'a str>>,
    rest: &'a str,
) -> Option<Command> {
    run(arguments.map(Command::Authorization), rest)
}

/// [`run`] for what is given after it.
fn after<'a>(
    arguments: impl Parser<&'a str, Output = Transaction, Error = nom::error::Error<&'a str>>,
    rest: &'a str,
) -> Option<Command> {
    run(arguments.map(Command::Transaction), rest)
}

fn keyword(line: &str) -> IResult<&str, &str> {
    take_while1(is_vchar).parse(line)
}

/// `SP param`
fn argument<'a, T>(
    param: impl Parser<&'a str, Output = T, Error = nom::error::Error<&'a str>>,
) -> impl Parser<&'a str, Output = T, Error = nom::error::Error<&'a str>> {
    preceded(char(' '), param)
}

/// A number beyond 32 bits is more than any maildrop has messages, or a message lines: it counts as the greatest.
fn number(input: &str) -> IResult<&str, u32> {
    digit1.map(|digits: &str| digits.parse().unwrap_or(u32::MAX)).parse(input)
}

/// The rest of the line, spaces and all.
fn text(input: &str) -> IResult<&str, String> {
    take_while1(|_| true).map(str::to_owned).parse(input)
}

/// RFC 5034 §4: `auth-command = "AUTH" SP sasl-mech [SP initial-response]`. What base64 is, the exchange decides.
fn auth(input: &str) -> IResult<&str, Authorization> {
    let mechanism = argument(take_while1(is_vchar).map(str::to_owned));
    let initial_response = argument(take_while(is_vchar).map(|text: &str| Secret(text.to_owned())));
    (mechanism, opt(initial_response))
        .map(|(mechanism, initial_response)| Authorization::Auth { mechanism, initial_response })
        .parse(input)
}

/// RFC 4647 §2.1: `language-range = (1*8ALPHA *("-" 1*8alphanum)) / "*"`
fn language(input: &str) -> IResult<&str, String> {
    verify(take_while1(is_vchar), is_language_range).map(str::to_owned).parse(input)
}

fn is_language_range(text: &str) -> bool {
    let is_subtag = |tag: &str, fits: fn(&u8) -> bool| (1..=8).contains(&tag.len()) && tag.as_bytes().iter().all(fits);
    let mut subtags = text.split('-');
    text == "*"
        || subtags.next().is_some_and(|tag| is_subtag(tag, u8::is_ascii_alphabetic))
            && subtags.all(|tag| is_subtag(tag, u8::is_ascii_alphanumeric))
}

/// RFC 1939 §7: `TOP msg n`
fn top(input: &str) -> IResult<&str, Transaction> {
    argument(separated_pair(number, char(' '), number))
        .map(|(number, lines)| Transaction::Top { number, lines })
        .parse(input)
}

fn is_vchar(c: char) -> bool {
    c.is_ascii_graphic()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn before_login(command: Authorization) -> Command {
        Command::Authorization(command)
    }

    fn after_login(command: Transaction) -> Command {
        Command::Transaction(command)
    }

    #[test]
    fn every_command_in_any_case() {
        let secret = |text: &str| Secret(text.to_owned());
        for (line, expected) in [
            ("AUTH PLAIN", before_login(Authorization::Auth { mechanism: "PLAIN".into(), initial_response: None })),
            (
                "auth plain AGEAYg==",
                before_login(Authorization::Auth {
                    mechanism: "plain".into(),
                    initial_response: Some(secret("AGEAYg==")),
                }),
            ),
            (
                "AUTH PLAIN ",
                before_login(Authorization::Auth { mechanism: "PLAIN".into(), initial_response: Some(secret("")) }),
            ),
            ("Capa", Command::Capa),
            ("DELE 1", after_login(Transaction::Dele { number: 1 })),
            ("LANG", Command::Lang { range: None }),
            ("lang *", Command::Lang { range: Some("*".into()) }),
            ("LANG en-boont-x1", Command::Lang { range: Some("en-boont-x1".into()) }),
            ("LIST", after_login(Transaction::List { number: None })),
            ("list 007", after_login(Transaction::List { number: Some(7) })),
            ("NOOP", after_login(Transaction::Noop)),
            ("PASS  pass word ", before_login(Authorization::Pass { password: secret(" pass word ") })),
            ("QUIT", Command::Quit),
            ("RETR 99999999999999999999", after_login(Transaction::Retr { number: u32::MAX })),
            ("RSET", after_login(Transaction::Rset)),
            ("STAT", after_login(Transaction::Stat)),
            ("STLS", before_login(Authorization::Stls)),
            ("TOP 1 0", after_login(Transaction::Top { number: 1, lines: 0 })),
            ("UIDL", after_login(Transaction::Uidl { number: None })),
            ("uidl 2", after_login(Transaction::Uidl { number: Some(2) })),
            ("utf8", before_login(Authorization::Utf8)),
            (
                "USER j\u{fc}rgen@example.org",
                before_login(Authorization::User { name: "j\u{fc}rgen@example.org".into() }),
            ),
        ] {
            assert_eq!(command(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn an_unknown_command_and_a_bad_argument_differ() {
        for line in ["", " STAT", "APOP a b", "STATS", "XTND", "STA", "."] {
            assert_eq!(command(line.as_bytes()), Err(BadCommand::Unknown), "{line}");
        }
        for line in [
            "STAT 1",
            "STAT ",
            "LIST x",
            "LIST 1 2",
            "LIST -1",
            "LIST  1",
            "RETR",
            "RETR ",
            "DELE +1",
            "TOP 1",
            "TOP 1 2 3",
            "USER",
            "USER ",
            "PASS",
            "PASS ",
            "AUTH",
            "AUTH  PLAIN",
            "AUTH PLAIN a b",
            "UIDL 1x",
            "QUIT now",
            "CAPA x",
            "STLS x",
            "UTF8 USER",
            "LANG ",
            "LANG en de",
            "LANG e1",
            "LANG en-",
            "LANG abcdefghi",
            "LANG *-en",
        ] {
            assert!(matches!(command(line.as_bytes()), Err(BadCommand::Arguments { .. })), "{line}");
        }
    }

    #[test]
    fn control_characters_and_broken_utf_8_are_no_text() {
        for line in [&b"USER a\0"[..], b"NOOP\r", b"STAT\t", b"PASS \x7f", b"USER \xff", b"\xff"] {
            assert_eq!(command(line), Err(BadCommand::Characters), "{line:?}");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        for line in ["PASS hunter2", "AUTH PLAIN hunter2"] {
            assert!(!format!("{:?}", command(line.as_bytes())).contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = command(&line);
        }

        #[test]
        fn a_password_is_the_rest_of_the_line(password in "[^\\p{C}]{1,40}") {
            let line = format!("PASS {password}");
            prop_assert_eq!(command(line.as_bytes()), Ok(before_login(Authorization::Pass { password: Secret(password) })));
        }
    }
}
