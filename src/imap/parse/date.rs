//! Dates of SEARCH and APPEND (RFC 3501 §9 `date`, `date-time`).

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::take_while_m_n;
use nom::sequence::delimited;

use super::lexeme::{Parsed, expected, named, octet};
use crate::message::date::{Civil, MONTHS, Zoned};
use crate::store::Date;

/// ```abnf
/// date      = date-text / DQUOTE date-text DQUOTE
/// date-text = date-day "-" date-month "-" date-year
/// date-day  = 1*2DIGIT
/// ```
pub(super) fn date(rest: &[u8]) -> Parsed<'_, Civil> {
    let text = |rest| civil(digits(rest, 1, 2)?, rest);
    let quoted = delimited(octet(b'"', "\""), text, octet(b'"', "\""));
    named("a date like 1-Feb-1994", alt((quoted, text))).parse(rest)
}

/// ```abnf
/// date-time      = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
/// date-day-fixed = (SP DIGIT) / 2DIGIT
/// time           = 2DIGIT ":" 2DIGIT ":" 2DIGIT
/// zone           = ("+" / "-") 4DIGIT
/// ```
pub(super) fn date_time(rest: &[u8]) -> Parsed<'_, Date> {
    let (rest, _) = octet(b'"', "a date and time like \" 1-Feb-1994 12:00:00 +0100\"").parse(rest)?;
    let day = match rest.strip_prefix(b" ") {
        Some(rest) => digits(rest, 1, 1)?,
        None => digits(rest, 2, 2)?,
    };
    let (rest, day) = civil(day, rest)?;
    let (rest, _) = octet(b' ', "a space").parse(rest)?;
    let (rest, hour) = below(24, rest)?;
    let (rest, _) = octet(b':', ":").parse(rest)?;
    let (rest, minute) = below(60, rest)?;
    let (rest, _) = octet(b':', ":").parse(rest)?;
    // 60 is a leap second (RFC 5322 §3.3).
    let (rest, second) = below(61, rest)?;
    let (rest, _) = octet(b' ', "a space").parse(rest)?;
    let (rest, sign) = alt((octet(b'+', "+ or -"), octet(b'-', "+ or -"))).parse(rest)?;
    let (rest, zone_hour) = below(24, rest)?;
    let (rest, zone_minute) = below(60, rest)?;
    let (rest, _) = octet(b'"', "\"").parse(rest)?;
    // Below 24 * 60 by the bounds above.
    let east_min = (zone_hour * 60 + zone_minute) as i16;
    let offset_min = if sign == b'-' { -east_min } else { east_min };
    let moment = Zoned::new(day, (hour * 60 + minute) * 60 + second, offset_min);
    Ok((rest, Date { unix_s: moment.unix_s, offset_min }))
}

/// `"-" date-month "-" date-year` behind a day; `start` is where the day began.
fn civil<'f>((rest, day): (&'f [u8], u32), start: &'f [u8]) -> Parsed<'f, Civil> {
    let (rest, _) = octet(b'-', "-").parse(rest)?;
    let name = rest.get(..3).unwrap_or_default();
    let Some(month) = MONTHS.iter().position(|month| month.as_bytes().eq_ignore_ascii_case(name)) else {
        return expected(rest, "a month like Feb");
    };
    let (rest, _) = octet(b'-', "-").parse(&rest[3..])?;
    let (rest, year) = digits(rest, 4, 4)?;
    // Two digits and twelve months fit.
    match Civil::new(year as i32, month as u8 + 1, day as u8) {
        Some(day) => Ok((rest, day)),
        None => expected(start, "a day of the calendar"),
    }
}

/// `2DIGIT` below a bound.
fn below(bound: u32, rest: &[u8]) -> Parsed<'_, u32> {
    let (behind, number) = digits(rest, 2, 2)?;
    if number < bound { Ok((behind, number)) } else { expected(rest, "a time of the day") }
}

/// So many digits, at most 9.
fn digits(rest: &[u8], min: usize, max: usize) -> Parsed<'_, u32> {
    let digits = take_while_m_n(min, max, |octet: u8| octet.is_ascii_digit());
    let number = digits.map(|digits: &[u8]| digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')));
    named(if max == 4 { "four digits" } else { "digits" }, number).parse(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let leap = Civil::new(2024, 2, 29).unwrap();
        for text in ["29-Feb-2024", "\"29-Feb-2024\"", "29-feb-2024", "29-FEB-2024"] {
            assert_eq!(date(text.as_bytes()), Ok((&b""[..], leap)));
        }
        assert_eq!(date(b"1-Feb-1994 X"), Ok((&b" X"[..], Civil::new(1994, 2, 1).unwrap())));
        for bad in [
            "29-Feb-2023",
            "0-Jan-2024",
            "32-Jan-2024",
            "1-Foo-2024",
            "1-Jan-24",
            "1 Jan 2024",
            "",
            "\"1-Jan-2024",
            "1-Jan",
        ] {
            assert!(date(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn date_times() {
        let parse = |text: &str| {
            let parsed = date_time(text.as_bytes());
            parsed.map(|(rest, date)| (rest.len(), date.unix_s, date.offset_min)).map_err(drop)
        };
        assert_eq!(parse("\" 1-Jan-1970 00:00:00 +0000\""), Ok((0, 0, 0)));
        assert_eq!(parse("\"01-Jan-1970 01:00:00 +0100\""), Ok((0, 0, 60)));
        assert_eq!(parse("\"31-Dec-1969 23:30:00 -0030\""), Ok((0, 0, -30)));
        assert_eq!(parse("\"17-Jul-1996 02:44:25 -0700\""), Ok((0, 837_596_665, -420)));
        assert_eq!(parse("\"31-Dec-2016 23:59:60 +0000\""), Ok((0, 1_483_228_800, 0)));
        for bad in [
            "17-Jul-1996 02:44:25 -0700",
            "\"1-Jan-1970 00:00:00 +0000\"",
            "\" 1-Jan-1970 24:00:00 +0000\"",
            "\" 1-Jan-1970 00:60:00 +0000\"",
            "\" 1-Jan-1970 00:00:61 +0000\"",
            "\" 1-Jan-1970 00:00:00 +2400\"",
            "\" 1-Jan-1970 00:00:00 +0060\"",
            "\" 1-Jan-1970 00:00:00 0000\"",
            "\"30-Feb-1970 00:00:00 +0000\"",
            "\" 1-Jan-1970 00:00:00\"",
            "\" 1-Jan-1970 00:00:00 +0000",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
