//! The parameters of MAIL and RCPT as values, with their parser and printer.
//!
//! SIZE (RFC 1870), BODY (RFC 1652 §3, RFC 3030 §3), SMTPUTF8 (RFC 6531 §3.4), REQUIRETLS (RFC 8689 §2), AUTH (RFC 4954 §5),
//! and those of DSN (RFC 3461 §4): RET and ENVID, NOTIFY and ORCPT. Each may come once at the most (RFC 5321 §4.1.1.11,
//! RFC 3461 §4.5). The grammar does not know which of them this session has offered; the session does, and refuses the
//! others.
//!
//! What comes as xtext is kept as what it means, and encoded again by the printer. It is text without control characters,
//! so it can go into a header field as it is.

use std::fmt;

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while_m_n, take_while1};
use nom::character::complete::{char, satisfy, space1};
use nom::combinator::{all_consuming, map, map_opt, opt, recognize, value, verify};
use nom::multi::{fold_many0, many0, separated_list1};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::parse::Error;
use super::path;

/// RFC 3461 §4.4, in octets as they come.
const ENVID_OCTETS: usize = 100;
/// RFC 3461 §4.2, RFC 4954 §3, in octets as they come.
const ADDRESS_OCTETS: usize = 500;

/// The parameters of MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// `SIZE`: how many octets the client believes the message to have.
    pub size: Option<u64>,
    /// `BODY`: what octets it may be made of.
    pub body: BodyType,
    /// `SMTPUTF8`: addresses and header fields may be in UTF-8.
    pub smtputf8: bool,
    /// `REQUIRETLS`: the message may go over TLS alone. It is at its end here, and goes nowhere.
    pub require_tls: bool,
    /// `RET`: how much of the message comes back with the news that it was not delivered. None come from here: what was
    /// accepted is delivered.
    pub ret: Option<Ret>,
    /// `ENVID`: what the sender calls this transaction, for notifications. Printable US-ASCII.
    pub envid: Option<String>,
    /// `AUTH`: who is said to have submitted the message, or `<>`. Nobody's word is taken for it (RFC 4954 §5).
    pub auth: Option<String>,
}

/// The values of `BODY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyType {
    /// Lines of US-ASCII. As in most servers, what comes under this name is not checked for it.
    #[default]
    SevenBit,
    /// Lines of any octets but NUL, CR, LF.
    EightBitMime,
    /// Any octets; only by BDAT.
    BinaryMime,
}

/// The values of `RET` (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header.
    Headers,
}

/// The parameters of RCPT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RcptParameters {
    /// `NOTIFY`: what the sender wants to be told about this recipient; without it, failures (RFC 3461 §4.1).
    pub notify: Option<Notify>,
    /// `ORCPT`: to whom the message was sent at first.
    pub orcpt: Option<OriginalRecipient>,
}

/// The values of `NOTIFY` (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// That it was delivered.
    pub success: bool,
    /// That it will not be.
    pub failure: bool,
    /// That it takes long.
    pub delay: bool,
}

impl Notify {
    /// `NEVER`: nothing at all.
    pub const NEVER: Notify = Notify { success: false, failure: false, delay: false };
}

/// The value of `ORCPT` (RFC 3461 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// The kind of address: an atom such as `rfc822`.
    pub addr_type: String,
    /// The address, which is printable US-ASCII; of the type `utf-8` it is printable Unicode (RFC 6533 §3).
    pub address: String,
}

/// `Mail-parameters`, each with a space before it.
pub(super) fn mail(input: &str) -> Result<MailParameters, Error> {
    let mut parameters = MailParameters::default();
    for (keyword, value) in each_once(input, Error::BadSender)? {
        match (keyword.as_str(), value) {
            ("SIZE", Some(value)) => parameters.size = Some(size_value(value).ok_or(Error::BadParameter)?),
            ("BODY", Some(value)) => parameters.body = is(body_value, value)?,
            ("SMTPUTF8", None) => parameters.smtputf8 = true,
            ("REQUIRETLS", None) => parameters.require_tls = true,
            ("RET", Some(value)) => parameters.ret = Some(is(ret_value, value)?),
            ("ENVID", Some(value)) if value.len() <= ENVID_OCTETS => parameters.envid = Some(is(xtext, value)?),
            ("AUTH", Some(value)) if value.len() <= ADDRESS_OCTETS => parameters.auth = Some(is(auth_value, value)?),
            ("SIZE" | "BODY" | "SMTPUTF8" | "REQUIRETLS" | "RET" | "ENVID" | "AUTH", _) => {
                return Err(Error::BadParameter);
            }
            _ => return Err(Error::UnknownParameter),
        }
    }
    Ok(parameters)
}

/// `Rcpt-parameters`, each with a space before it.
pub(super) fn rcpt(input: &str) -> Result<RcptParameters, Error> {
    let mut parameters = RcptParameters::default();
    for (keyword, value) in each_once(input, Error::BadRecipient)? {
        match (keyword.as_str(), value) {
            ("NOTIFY", Some(value)) => parameters.notify = Some(is(notify_value, value)?),
            ("ORCPT", Some(value)) if value.len() <= ADDRESS_OCTETS => parameters.orcpt = Some(is(orcpt_value, value)?),
            ("NOTIFY" | "ORCPT", _) => return Err(Error::BadParameter),
            _ => return Err(Error::UnknownParameter),
        }
    }
    Ok(parameters)
}

/// What `parser` makes of all of a value.
fn is<'a, T>(
    parser: impl Parser<&'a str, Output = T, Error = nom::error::Error<&'a str>>,
    value: &'a str,
) -> Result<T, Error> {
    all_consuming(parser).parse(value).map(|(_, found)| found).map_err(|_| Error::BadParameter)
}

/// `Mail-parameters = esmtp-param *(SP esmtp-param)`; `esmtp-param = esmtp-keyword ["=" esmtp-value]`. Keywords come out in
/// capitals. `otherwise` is what the line is where it has no such end.
fn each_once(input: &str, otherwise: Error) -> Result<Vec<(String, Option<&str>)>, Error> {
    let keyword = recognize((
        take_while1(|c: char| c.is_ascii_alphanumeric()),
        many0(take_while1(|c: char| c.is_ascii_alphanumeric() || c == '-')),
    ));
    let esmtp_value = take_while1(|c: char| c != '=' && (c.is_ascii_graphic() || !c.is_ascii()));
    let parameter = (map(keyword, str::to_ascii_uppercase), opt(preceded(char('='), esmtp_value)));
    let mut parameters = all_consuming(many0(preceded(space1, parameter)));
    let (_, parameters): (_, Vec<(String, _)>) = parameters.parse(input).map_err(|_: nom::Err<()>| otherwise)?;
    let comes_again =
        |(index, (keyword, _)): (usize, &(String, _))| parameters[..index].iter().any(|p| p.0 == *keyword);
    match parameters.iter().enumerate().any(comes_again) {
        true => Err(Error::BadParameter),
        false => Ok(parameters),
    }
}

/// `size-value = 1*20DIGIT` (RFC 1870 §4). What is above 2^64 is larger than any limit all the same.
fn size_value(text: &str) -> Option<u64> {
    let is_size = text.len() <= 20 && !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    is_size.then(|| text.parse().unwrap_or(u64::MAX))
}

/// `body-value = "7BIT" / "8BITMIME" / "BINARYMIME"` (RFC 3030 §3)
fn body_value(input: &str) -> IResult<&str, BodyType> {
    alt((
        value(BodyType::SevenBit, tag_no_case("7BIT")),
        value(BodyType::EightBitMime, tag_no_case("8BITMIME")),
        value(BodyType::BinaryMime, tag_no_case("BINARYMIME")),
    ))
    .parse(input)
}

/// `"FULL" / "HDRS"`
fn ret_value(input: &str) -> IResult<&str, Ret> {
    alt((value(Ret::Full, tag_no_case("FULL")), value(Ret::Headers, tag_no_case("HDRS")))).parse(input)
}

/// An xtext that means a mailbox or `<>` (RFC 4954 §5).
fn auth_value(input: &str) -> IResult<&str, String> {
    verify(xtext, |text: &str| text == "<>" || all_consuming(path::mailbox).parse(text).is_ok()).parse(input)
}

/// `"NEVER" / 1#notify-list-element`; `notify-list-element = "SUCCESS" / "FAILURE" / "DELAY"`
fn notify_value(input: &str) -> IResult<&str, Notify> {
    let element = alt((
        value(Notify { success: true, ..Notify::NEVER }, tag_no_case("SUCCESS")),
        value(Notify { failure: true, ..Notify::NEVER }, tag_no_case("FAILURE")),
        value(Notify { delay: true, ..Notify::NEVER }, tag_no_case("DELAY")),
    ));
    let list = map(separated_list1(char(','), element), |elements| {
        elements.into_iter().fold(Notify::NEVER, |all, one| Notify {
            success: all.success || one.success,
            failure: all.failure || one.failure,
            delay: all.delay || one.delay,
        })
    });
    alt((value(Notify::NEVER, tag_no_case("NEVER")), list)).parse(input)
}

/// `original-recipient-address = addr-type ";" xtext`; `addr-type = atom`
fn orcpt_value(input: &str) -> IResult<&str, OriginalRecipient> {
    let is_atom_char = |c: char| c.is_ascii_graphic() && !r#"()<>@,;:\"./[]="#.contains(c);
    let (rest, addr_type): (_, &str) = take_while1(is_atom_char).parse(input)?;
    // RFC 6533 §3: there the address may be in UTF-8, and has none of what xtext encodes.
    let text = xchars(addr_type.eq_ignore_ascii_case("utf-8"));
    let (rest, (_, address)) = (tag(";"), text).parse(rest)?;
    Ok((rest, OriginalRecipient { addr_type: addr_type.to_owned(), address }))
}

/// `xtext = *( xchar / hexchar )` that means printable US-ASCII (RFC 3461 §4).
fn xtext(input: &str) -> IResult<&str, String> {
    xchars(false).parse(input)
}

/// `xchar`: `!` to `~` without `+` and `=`; `hexchar = ASCII "+" immediately followed by two upper case hexadecimal digits`.
fn xchars<'a>(unicode: bool) -> impl Parser<&'a str, Output = String, Error = nom::error::Error<&'a str>> {
    let xchar = satisfy(move |c| match c {
        '+' | '=' => false,
        _ if c.is_ascii() => c.is_ascii_graphic(),
        _ => unicode && !c.is_control(),
    });
    let digits = take_while_m_n(2, 2, |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c));
    // Graphic and white space: the latter is folded away in a header field, and is no line of its own.
    let printable = |octet: u8| (octet == b' ' || octet.is_ascii_graphic()).then_some(char::from(octet));
    let hexchar =
        preceded(char('+'), map_opt(digits, move |digits| u8::from_str_radix(digits, 16).ok().and_then(printable)));
    fold_many0(alt((xchar, hexchar)), String::new, |mut text, character| {
        text.push(character);
        text
    })
}

/// Text as xtext.
struct Xtext<'a>(&'a str);

impl fmt::Display for Xtext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '+' | '=' | ' ' => write!(f, "+{:02X}", u32::from(character)),
            _ => write!(f, "{character}"),
        })
    }
}

/// Each with a space before it.
impl fmt::Display for MailParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.size {
            write!(f, " SIZE={size}")?;
        }
        match self.body {
            BodyType::SevenBit => {}
            BodyType::EightBitMime => f.write_str(" BODY=8BITMIME")?,
            BodyType::BinaryMime => f.write_str(" BODY=BINARYMIME")?,
        }
        if self.smtputf8 {
            f.write_str(" SMTPUTF8")?;
        }
        if self.require_tls {
            f.write_str(" REQUIRETLS")?;
        }
        match self.ret {
            None => {}
            Some(Ret::Full) => f.write_str(" RET=FULL")?,
            Some(Ret::Headers) => f.write_str(" RET=HDRS")?,
        }
        if let Some(envid) = &self.envid {
            write!(f, " ENVID={}", Xtext(envid))?;
        }
        if let Some(auth) = &self.auth {
            write!(f, " AUTH={}", Xtext(auth))?;
        }
        Ok(())
    }
}

/// Each with a space before it.
impl fmt::Display for RcptParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(notify) = self.notify {
            write!(f, " NOTIFY={notify}")?;
        }
        if let Some(OriginalRecipient { addr_type, address }) = &self.orcpt {
            write!(f, " ORCPT={addr_type};{}", Xtext(address))?;
        }
        Ok(())
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Notify::NEVER {
            return f.write_str("NEVER");
        }
        let words = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")];
        let words: Vec<&str> = words.into_iter().filter(|(wanted, _)| *wanted).map(|(_, word)| word).collect();
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_mail(text: &str) -> Result<String, Error> {
        mail(text).map(|parameters| parameters.to_string())
    }

    fn of_rcpt(text: &str) -> Result<String, Error> {
        rcpt(text).map(|parameters| parameters.to_string())
    }

    #[test]
    fn each_in_its_plain_form() {
        let all = " SIZE=1000 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=QQ314159 AUTH=<>";
        assert_eq!(of_mail(all).as_deref(), Ok(all));
        let all = " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;Bob@Example.org";
        assert_eq!(of_rcpt(all).as_deref(), Ok(all));
        assert_eq!(of_rcpt(" notify=never").as_deref(), Ok(" NOTIFY=NEVER"));
        assert_eq!(of_rcpt(" NOTIFY=DELAY,delay,FAILURE").as_deref(), Ok(" NOTIFY=FAILURE,DELAY"));
        assert_eq!(of_mail(" ret=full  size=1").as_deref(), Ok(" SIZE=1 RET=FULL"));
    }

    #[test]
    fn xtext_is_kept_as_what_it_means() {
        let parameters = mail(" ENVID=a+2Bb+20c AUTH=e+3Dmc2@example.com").unwrap();
        assert_eq!(parameters.envid.as_deref(), Some("a+b c"));
        assert_eq!(parameters.auth.as_deref(), Some("e=mc2@example.com"));
        assert_eq!(parameters.to_string(), " ENVID=a+2Bb+20c AUTH=e+3Dmc2@example.com");
        let parameters = rcpt(" ORCPT=utf-8;käthe@example.org").unwrap();
        assert_eq!(parameters.orcpt.unwrap().address, "käthe@example.org");
    }

    #[test]
    fn what_no_value_may_be() {
        for bad in [
            " SIZE=",
            " SIZE=x",
            " BODY=9BIT",
            " BODY=7BITS",
            " RET",
            " RET=SOME",
            " RET=FULL RET=HDRS",
            " ENVID=a ENVID=a",
            " ENVID=a+2",
            " ENVID=a+2b",
            " ENVID=a+0Ab",
            " ENVID=a+00b",
            " ENVID=a+C3+BC",
            " ENVID=ä",
            " REQUIRETLS=YES",
            " AUTH=a..b@x",
            " AUTH=<a@x>",
            " AUTH",
        ] {
            assert!(matches!(of_mail(bad), Err(Error::BadParameter | Error::BadSender)), "{bad}");
        }
        for bad in [
            " NOTIFY",
            " NOTIFY=NEVER,SUCCESS",
            " NOTIFY=SUCCESS,NEVER",
            " NOTIFY=SUCCESS,",
            " NOTIFY=ALWAYS",
            " NOTIFY=NEVER NOTIFY=NEVER",
            " ORCPT=bob@example.org",
            " ORCPT=;bob@example.org",
            " ORCPT=rfc822;käthe",
            " ORCPT=rfc822;a+0D+0Ab",
        ] {
            assert_eq!(of_rcpt(bad), Err(Error::BadParameter), "{bad}");
        }
        assert_eq!(of_mail(" NOTIFY=NEVER"), Err(Error::UnknownParameter));
        assert_eq!(of_rcpt(" RET=FULL"), Err(Error::UnknownParameter));
    }

    #[test]
    fn lengths_of_the_rfc() {
        assert!(of_mail(&format!(" ENVID={}", "a".repeat(100))).is_ok());
        assert_eq!(of_mail(&format!(" ENVID={}", "a".repeat(101))), Err(Error::BadParameter));
        assert!(of_rcpt(&format!(" ORCPT=rfc822;{}", "a".repeat(493))).is_ok());
        assert_eq!(of_rcpt(&format!(" ORCPT=rfc822;{}", "a".repeat(494))), Err(Error::BadParameter));
    }

    prop_compose! {
        /// Any parameters of MAIL that can be.
        pub(in crate::smtp) fn any_mail()(
            size in any::<Option<u64>>(),
            body in prop_oneof![
                Just(BodyType::SevenBit), Just(BodyType::EightBitMime), Just(BodyType::BinaryMime)
            ],
            (smtputf8, require_tls) in any::<(bool, bool)>(),
            ret in prop_oneof![Just(None), Just(Some(Ret::Full)), Just(Some(Ret::Headers))],
            envid in proptest::option::of("[ -~]{1,20}"),
            auth in prop_oneof![Just(None), Just(Some("<>".to_owned())), Just(Some("a+=b@x".to_owned()))],
        ) -> MailParameters {
            MailParameters { size, body, smtputf8, require_tls, ret, envid, auth }
        }
    }

    prop_compose! {
        /// Any parameters of RCPT that can be.
        pub(in crate::smtp) fn any_rcpt()(
            notify in proptest::option::of(any::<(bool, bool, bool)>()),
            orcpt in proptest::option::of("[ -~]{0,20}"),
        ) -> RcptParameters {
            let notify = notify.map(|(success, failure, delay)| Notify { success, failure, delay });
            let orcpt = orcpt.map(|address| OriginalRecipient { addr_type: "rfc822".to_owned(), address });
            RcptParameters { notify, orcpt }
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(of_mail in any_mail(), of_rcpt in any_rcpt()) {
            prop_assert_eq!(mail(&of_mail.to_string()), Ok(of_mail));
            prop_assert_eq!(rcpt(&of_rcpt.to_string()), Ok(of_rcpt));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,100}") {
            let _ = (mail(&text), rcpt(&text));
        }
    }
}
