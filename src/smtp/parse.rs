//! The parser of command lines: one whole line in, one [`Command`] or one reason why not.
//!
//! The keyword is read first and matched, so that an unknown command (500), one we know of and do not have (502) and
//! a known one with a wrong argument (501) differ. The grammar stands above each parser: RFC 5321 §4.1.1 and the
//! extensions' RFCs; the printer is in [`super::command`]. Lines have been framed and bounded before; nothing here
//! looks at a session's state.

use nom::bytes::complete::{tag, tag_no_case, take_while1};
use nom::character::complete::{digit1, space0, space1};
use nom::combinator::{all_consuming, map, opt, value, verify};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::command::{AuthArguments, Chunk, Command, FACTS, Verb};
use super::parameters;
use super::path::{self, LOCAL_PART_OCTETS, Path};

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Its keyword has octets that none has: a control character, or what is not UTF-8.
    BadOctets,
    /// No such command.
    Unknown,
    /// A client of the web, at the wrong door, or a header field where a command should be: whoever says so does not
    /// listen to what we answer.
    Http,
    /// A command of some RFC that we do not have.
    NotImplemented,
    /// The command needs an argument, must have none, or has a malformed one.
    BadArgument(Verb),
    /// What stands after `FROM:` is no reverse-path.
    BadSender,
    /// What stands after `TO:` is no forward-path.
    BadRecipient,
    /// A path is longer than RFC 5321 §4.5.3.1 has it.
    PathTooLong,
    /// A parameter that no session here offers.
    UnknownParameter,
    /// A parameter that we know, with a value that it cannot have, or twice.
    BadParameter,
}

/// Commands that RFCs 821, 5321, 1985, 2645 name and that we do not have: 502 instead of 500
/// (RFC 5321 §4.2.4).
const NOT_IMPLEMENTED: [&str; 7] = ["EXPN", "TURN", "ETRN", "ATRN", "SEND", "SOML", "SAML"];

/// Methods of HTTP. Whoever makes a browser talk to this port wants to talk to us through it.
const HTTP_METHODS: [&str; 9] = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"];

/// Parses a line that stood before a CRLF.
pub fn command(line: &[u8]) -> Result<Command, Error> {
    // RFC 5321 §4.1.1: white space before the CRLF is to be tolerated.
    let blanks = line.iter().rev().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    let line = &line[..line.len() - blanks];
    let keyword_octets = line.iter().position(|octet| *octet == b' ').unwrap_or(line.len());
    let (keyword, argument) = line.split_at(keyword_octets);
    let keyword = text(keyword).ok_or(Error::BadOctets)?;
    let argument = text(argument);
    let Some(facts) = FACTS.iter().find(|facts| facts.name.eq_ignore_ascii_case(keyword)) else {
        let is_one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(keyword));
        return Err(match () {
            () if is_one_of(&NOT_IMPLEMENTED) => Error::NotImplemented,
            () if is_one_of(&HTTP_METHODS) || keyword.len() > 1 && keyword.ends_with(':') => Error::Http,
            () => Error::Unknown,
        });
    };
    let bad_argument = match facts.verb {
        Verb::Mail if argument.is_none() => Error::BadSender,
        Verb::Rcpt if argument.is_none() => Error::BadRecipient,
        verb => Error::BadArgument(verb),
    };
    let argument = argument.ok_or(bad_argument)?;
    let argument = argument.strip_prefix(' ').unwrap_or(argument);
    let bare = |command| if argument.is_empty() { Ok(command) } else { Err(bad_argument) };
    match facts.verb {
        Verb::Helo => whole(client_name, argument).map(Command::Helo).ok_or(bad_argument),
        Verb::Ehlo => whole(client_name, argument).map(Command::Ehlo).ok_or(bad_argument),
        Verb::Lhlo => whole(client_name, argument).map(Command::Lhlo).ok_or(bad_argument),
        Verb::Mail => mail(argument),
        Verb::Rcpt => rcpt(argument),
        Verb::Data => bare(Command::Data),
        Verb::Bdat => whole(chunk, argument).map(Command::Bdat).ok_or(bad_argument),
        Verb::Rset => bare(Command::Rset),
        Verb::Noop => Ok(Command::Noop),
        Verb::Vrfy if argument.is_empty() => Err(bad_argument),
        Verb::Vrfy => Ok(Command::Vrfy),
        Verb::Help => Ok(Command::Help),
        Verb::Quit => bare(Command::Quit),
        Verb::StartTls => bare(Command::StartTls),
        Verb::Auth => whole(auth, argument).map(Command::Auth).ok_or(bad_argument),
    }
}

/// Whether a line is an AUTH command, which may be longer than others (RFC 4954 §4.2).
pub(super) fn is_auth(line: &[u8]) -> bool {
    line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH "))
}

/// The octets as text, where they are UTF-8 without control characters.
fn text(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    let is_control = |c: char| c.is_control() && c != '\t';
    (!text.contains(is_control)).then_some(text)
}

/// What `parser` makes of all of `input`.
fn whole<'a, T>(
    parser: impl Parser<&'a str, Output = T, Error = nom::error::Error<&'a str>>,
    input: &'a str,
) -> Option<T> {
    all_consuming(parser).parse(input).ok().map(|(_, found)| found)
}

/// `Domain / address-literal`, and whatever else hosts call themselves that is harmless in a trace header: a wrong
/// name is no reason to refuse mail (RFC 5321 §4.1.4).
fn client_name(input: &str) -> IResult<&str, String> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let name = verify(take_while1(harmless), |name: &str| name.len() <= path::DOMAIN_OCTETS);
    preceded(space0, name).map(str::to_owned).parse(input)
}

/// `"FROM:" Reverse-path [SP Mail-parameters]`; a space after the colon is tolerated.
fn mail(argument: &str) -> Result<Command, Error> {
    let Ok((rest, _)) = prefix("FROM:", argument) else { return Err(Error::BadArgument(Verb::Mail)) };
    let (rest, sender) = path::reverse_path(rest).map_err(|_| Error::BadSender)?;
    // The local part may be longer than 64 octets here: VERP and SRS make such senders.
    if sender.as_ref().is_some_and(|path| !path.keeps_lengths()) {
        return Err(Error::PathTooLong);
    }
    Ok(Command::Mail(sender, parameters::mail(rest)?))
}

/// `"TO:" Forward-path [SP Rcpt-parameters]`
fn rcpt(argument: &str) -> Result<Command, Error> {
    let Ok((rest, _)) = prefix("TO:", argument) else { return Err(Error::BadArgument(Verb::Rcpt)) };
    let (rest, recipient): (_, Path) = path::path(rest).map_err(|_| Error::BadRecipient)?;
    if !recipient.keeps_lengths() || recipient.local_part().len() > LOCAL_PART_OCTETS {
        return Err(Error::PathTooLong);
    }
    Ok(Command::Rcpt(recipient, parameters::rcpt(rest)?))
}

fn prefix<'a>(word: &str, argument: &'a str) -> IResult<&'a str, ()> {
    value((), (space0, tag_no_case(word), space0)).parse(argument)
}

/// `sasl-mech [SP initial-response]`; `sasl-mech = 1*20mech-char` (RFC 4422 §3.1). Whether the response is base64, the
/// mechanism says.
fn auth(input: &str) -> IResult<&str, AuthArguments> {
    let is_mech_char = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mechanism = verify(take_while1(is_mech_char), |name: &str| name.len() <= 20);
    let response = opt(preceded(space1, take_while1(|c: char| c.is_ascii_graphic())));
    let arguments = map((mechanism, response), |(mechanism, response): (&str, Option<&str>)| AuthArguments {
        mechanism: mechanism.to_owned(),
        initial_response: response.map(str::to_owned),
    });
    preceded(space0, arguments).parse(input)
}

/// `chunk-size [SP end-marker]`; `chunk-size = 1*DIGIT`; `end-marker = "LAST"` (RFC 3030 §2). What is above 2^64 is larger
/// than any limit all the same, and must not be an error of syntax: behind one, the octets would be read as commands.
fn chunk(input: &str) -> IResult<&str, Chunk> {
    let octets = map(digit1, |digits: &str| digits.parse().unwrap_or(u64::MAX));
    let last = opt((space1, tag_no_case("LAST"), tag(""))).map(|last| last.is_some());
    preceded(space0, (octets, last)).map(|(octets, last)| Chunk { octets, last }).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Result<String, Error> {
        command(line.as_bytes()).map(|command| command.to_string())
    }

    fn same(line: &str) {
        assert_eq!(parse(line).as_deref(), Ok(line));
    }

    #[test]
    fn commands_in_their_plain_form() {
        for line in [
            "HELO client.example",
            "EHLO [192.0.2.1]",
            "LHLO client.example",
            "MAIL FROM:<>",
            "MAIL FROM:<alice@example.org> SIZE=1000 BODY=8BITMIME SMTPUTF8",
            "MAIL FROM:<alice@example.org> BODY=BINARYMIME",
            "MAIL FROM:<alice@example.org> RET=FULL ENVID=1+2B1",
            "RCPT TO:<bob@example.org>",
            "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob@example.org",
            "RCPT TO:<Postmaster>",
            "DATA",
            "BDAT 0",
            "BDAT 86 LAST",
            "RSET",
            "NOOP",
            "HELP",
            "QUIT",
            "STARTTLS",
            "AUTH SCRAM-SHA-256",
            "AUTH PLAIN =",
            "AUTH PLAIN AGEAYg==",
        ] {
            same(line);
        }
    }

    #[test]
    fn case_and_spaces_are_tolerated() {
        assert_eq!(
            parse("mail from: <alice@x> size=1 body=8bitmime ").as_deref(),
            Ok("MAIL FROM:<alice@x> SIZE=1 BODY=8BITMIME")
        );
        assert_eq!(parse("rcpt to:<@relay.example:bob@x>").as_deref(), Ok("RCPT TO:<bob@x>"));
        assert_eq!(parse("bdat 5 last").as_deref(), Ok("BDAT 5 LAST"));
        assert_eq!(parse("NOOP whatever").as_deref(), Ok("NOOP"));
        assert_eq!(parse("EHLO my_pc").as_deref(), Ok("EHLO my_pc"));
    }

    #[test]
    fn each_mistake_has_its_name() {
        for (line, error) in [
            ("", Error::Unknown),
            ("FROB", Error::Unknown),
            ("MAILFROM:<a@x>", Error::Unknown),
            (" NOOP", Error::Unknown),
            ("EXPN list", Error::NotImplemented),
            ("AUTH", Error::BadArgument(Verb::Auth)),
            ("AUTH PLA/IN", Error::BadArgument(Verb::Auth)),
            ("AUTH PLAIN dGVzdA== x", Error::BadArgument(Verb::Auth)),
            ("AUTH ABCDEFGHIJKLMNOPQRSTU", Error::BadArgument(Verb::Auth)),
            ("GET / HTTP/1.1", Error::Http),
            ("POST / HTTP/1.1", Error::Http),
            ("GET /", Error::Http),
            ("CONNECT", Error::Http),
            ("Host: mail.example.org", Error::Http),
            ("Subject: x", Error::Http),
            (": x", Error::Unknown),
            ("NO\0OP", Error::BadOctets),
            ("NOOP\r", Error::BadOctets),
            ("DATA \r", Error::BadArgument(Verb::Data)),
            ("NOOP a\0b", Error::BadArgument(Verb::Noop)),
            ("MAIL FROM:<a\0b@x>", Error::BadSender),
            ("RCPT TO:<a\0b@x>", Error::BadRecipient),
            ("EHLO", Error::BadArgument(Verb::Ehlo)),
            ("HELO two words", Error::BadArgument(Verb::Helo)),
            ("EHLO (x)", Error::BadArgument(Verb::Ehlo)),
            ("DATA now", Error::BadArgument(Verb::Data)),
            ("VRFY", Error::BadArgument(Verb::Vrfy)),
            ("STARTTLS now", Error::BadArgument(Verb::StartTls)),
            ("BDAT", Error::BadArgument(Verb::Bdat)),
            ("BDAT -1", Error::BadArgument(Verb::Bdat)),
            ("BDAT 5 FIRST", Error::BadArgument(Verb::Bdat)),
            ("MAIL TO:<a@x>", Error::BadArgument(Verb::Mail)),
            ("MAIL FROM:a@x", Error::BadSender),
            ("MAIL FROM:<a@x>SIZE=1", Error::BadSender),
            ("MAIL FROM:<a@x> SIZE", Error::BadParameter),
            ("MAIL FROM:<a@x> SIZE=1 SIZE=1", Error::BadParameter),
            ("MAIL FROM:<a@x> SIZE=x", Error::BadParameter),
            ("MAIL FROM:<a@x> BODY=9BIT", Error::BadParameter),
            ("MAIL FROM:<a@x> SMTPUTF8=yes", Error::BadParameter),
            ("MAIL FROM:<a@x> WALNUT=1", Error::UnknownParameter),
            ("MAIL FROM:<a@x> RET=SOME", Error::BadParameter),
            ("RCPT TO:<>", Error::BadRecipient),
            ("RCPT TO:<a@x", Error::BadRecipient),
            ("RCPT TO:<a@x> WALNUT", Error::UnknownParameter),
            ("RCPT TO:<a@x> NOTIFY=SOMETIMES", Error::BadParameter),
        ] {
            assert_eq!(parse(line), Err(error), "{line}");
        }
        assert_eq!(command(b"NOOP\xff"), Err(Error::BadOctets));
        assert_eq!(command(b"RCPT TO:<\xff@x>"), Err(Error::BadRecipient));
    }

    #[test]
    fn lengths_of_the_rfc() {
        let local = |octets| "a".repeat(octets);
        let domain = |octets: usize| ["x".repeat(60).as_str(); 5].join(".")[..octets].to_owned();
        same(&format!("RCPT TO:<{}@x>", local(64)));
        assert_eq!(parse(&format!("RCPT TO:<{}@x>", local(65))), Err(Error::PathTooLong));
        same(&format!("MAIL FROM:<{}@x>", local(100)));
        same(&format!("RCPT TO:<a@{}>", domain(252)));
        assert_eq!(parse(&format!("RCPT TO:<a@{}>", domain(253))), Err(Error::PathTooLong));
        assert_eq!(parse(&format!("EHLO {}", local(256))), Err(Error::BadArgument(Verb::Ehlo)));
    }

    #[test]
    fn a_size_above_all_numbers_is_the_largest() {
        let Ok(Command::Mail(_, parameters)) = command(b"MAIL FROM:<> SIZE=99999999999999999999") else { panic!() };
        assert_eq!(parameters.size, Some(u64::MAX));
    }

    #[test]
    fn a_chunk_above_all_numbers_is_the_largest() {
        for size in ["18446744073709551616", "99999999999999999999999999999999"] {
            let command = command(format!("BDAT {size} LAST").as_bytes());
            assert_eq!(command, Ok(Command::Bdat(Chunk { octets: u64::MAX, last: true })));
        }
    }

    fn any_command() -> impl Strategy<Value = Command> {
        prop_oneof![
            "[a-z0-9.-]{1,20}".prop_map(Command::Ehlo),
            (proptest::option::of(path::tests::any_path()), parameters::tests::any_mail())
                .prop_map(|(path, parameters)| Command::Mail(path, parameters)),
            (path::tests::any_path(), parameters::tests::any_rcpt())
                .prop_map(|(path, parameters)| Command::Rcpt(path, parameters)),
            (any::<u64>(), any::<bool>()).prop_map(|(octets, last)| Command::Bdat(Chunk { octets, last })),
            Just(Command::Data),
            Just(Command::Vrfy),
            Just(Command::StartTls),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(wanted in any_command()) {
            prop_assert_eq!(command(wanted.to_string().as_bytes()), Ok(wanted));
        }

        #[test]
        fn any_line_is_survived(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = command(&line);
        }
    }
}
