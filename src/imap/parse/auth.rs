//! Who the client is, and what it can do: LOGIN, AUTHENTICATE (RFC 3501 §6.2, RFC 4959), ID (RFC 2971), ENABLE (RFC 5161),
//! COMPRESS (RFC 4978).
//! The responses of a SASL exchange are not read here, `auth::sasl` does it for all protocols.

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::take_while1;
use nom::combinator::opt;
use nom::multi::many1;

use super::Fault;
use super::lexeme::{Parsed, argument, ascii, astring, atom, fail, list0, named, nil, nstring, string};
use crate::imap::command::{CommandBody, Secret};

/// `login = "LOGIN" SP userid SP password`, both astrings.
pub(super) fn login(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let user = argument(named("a user name", astring));
    let password = argument(named("a password", astring));
    (user, password)
        .map(|(user, password)| CommandBody::Login { user: user.into_owned(), password: Secret(password.into_owned()) })
        .parse(rest)
}

/// `authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")]` (RFC 4959 §7)
pub(super) fn authenticate(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let mechanism = argument(named("a SASL mechanism", atom)).map(|name| ascii(name).to_ascii_uppercase());
    (mechanism, opt(argument(initial_response)))
        .map(|(mechanism, initial_response)| CommandBody::Authenticate { mechanism, initial_response })
        .parse(rest)
}

/// `base64 / "="`, as it stands: the SASL exchange reads base64 wherever a response comes from.
fn initial_response(rest: &[u8]) -> Parsed<'_, Secret> {
    let digit = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=');
    named("base64", take_while1(digit)).map(|text: &[u8]| Secret(text.to_vec())).parse(rest)
}

/// The bounds of RFC 2971 §3.3: pairs, octets of a name, octets of a value.
const ID_FIELDS_MAX: usize = 30;
const ID_NAME_OCTETS_MAX: usize = 30;
const ID_VALUE_OCTETS_MAX: usize = 1024;

/// `id = "ID" SP ("(" #(string SP nstring) ")" / nil)` (RFC 2971 §4). Only logs see it, so that octets that are no UTF-8 may
/// become U+FFFD.
pub(super) fn id(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let field = (string, argument(nstring)).map(|(name, value)| (text(&name), value.map(|value| text(&value))));
    let (behind, fields) = argument(alt((list0(field), nil.map(|()| Vec::new())))).parse(rest)?;
    let long = |(name, value): &(String, Option<String>)| {
        name.len() > ID_NAME_OCTETS_MAX || value.as_ref().is_some_and(|value| value.len() > ID_VALUE_OCTETS_MAX)
    };
    if fields.len() > ID_FIELDS_MAX || fields.iter().any(long) {
        return fail(rest, Fault::Invalid("More than RFC 2971 allows"));
    }
    Ok((behind, CommandBody::Id(fields)))
}

/// `compress = "COMPRESS" SP algorithm`, `algorithm = "DEFLATE"` (RFC 4978 §5)
pub(super) fn compress(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let (behind, algorithm) = named("DEFLATE", atom).parse(rest)?;
    match algorithm.eq_ignore_ascii_case(b"DEFLATE") {
        true => Ok((behind, CommandBody::Compress)),
        false => fail(rest, Fault::Expected("DEFLATE")),
    }
}

/// `enable = "ENABLE" 1*(SP capability)` (RFC 5161 §4)
pub(super) fn enable(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let capability = argument(named("a capability", atom)).map(|name| ascii(name).to_ascii_uppercase());
    many1(capability).map(CommandBody::Enable).parse(rest)
}
