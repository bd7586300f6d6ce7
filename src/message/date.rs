//! Dates: the civil calendar, and the date-time of RFC 5322 §3.3 with the obsolete forms of §4.3.
//!
//! No locale, no time zone database, no clock: whoever needs the present passes it in.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::header::Words;

/// A moment, and the zone that it was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Zoned {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix_s: i64,
    /// Minutes east of UTC, -1439 to 1439.
    pub offset_min: i16,
}

/// A day of the Gregorian calendar; ordered as days are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Civil {
    /// The year, 0 to 9999.
    pub year: i32,
    /// The month, 1 to 12.
    pub month: u8,
    /// The day of the month, 1 to 31.
    pub day: u8,
}

/// The months as RFC 5322 and IMAP write them.
pub const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The days of the week as RFC 5322 writes them, Sunday first.
pub const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

const DAY_S: i64 = 86_400;

/// The last year: RFC 5322 and IMAP write four digits.
const YEAR_MAX: i32 = 9999;

/// Days from 0000-03-01, where the arithmetic below begins, to 1970-01-01.
const MARCH_0000_TO_1970: i64 = 719_468;

/// Days of 400 years, after which the calendar repeats.
const DAYS_OF_400_YEARS: i64 = 146_097;

impl Civil {
    /// The day, if there is such a day in such a month of such a year, 0 to 9999.
    pub fn new(year: i32, month: u8, day: u8) -> Option<Civil> {
        let civil = Civil { year, month, day };
        let exists = (0..=YEAR_MAX).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && civil.same_day_by_count();
        exists.then_some(civil)
    }

    /// Whether counting to the day and back comes to the same: not so for the 31st of April.
    fn same_day_by_count(self) -> bool {
        Civil::from_unix_days(self.unix_days()) == self
    }

    /// The month `jan` or `January` names, 1 to 12: its first three letters decide, in any case.
    pub fn month_named(name: &[u8]) -> Option<u8> {
        let name = name.get(..3)?;
        (1..).zip(MONTHS).find(|(_, month)| month.as_bytes().eq_ignore_ascii_case(name)).map(|(number, _)| number)
    }

    /// Days since 1970-01-01.
    pub fn unix_days(self) -> i64 {
        // Years that begin in March have their leap day last, and their months' lengths follow one line of fifths.
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * DAYS_OF_400_YEARS + day_of_era - MARCH_0000_TO_1970
    }

    /// The day so many days after 1970-01-01; outside the years 0 to 9999 the nearest day inside.
    pub fn from_unix_days(days: i64) -> Civil {
        const FIRST: Civil = Civil { year: 0, month: 1, day: 1 };
        const LAST: Civil = Civil { year: YEAR_MAX, month: 12, day: 31 };
        let days = days.clamp(FIRST.unix_days(), LAST.unix_days()) + MARCH_0000_TO_1970;
        let day_of_era = days.rem_euclid(DAYS_OF_400_YEARS);
        // Leap days (every 4 years, not every 100, every 400) are taken out before dividing by 365.
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = year_of_era + days.div_euclid(DAYS_OF_400_YEARS) * 400 + i64::from(month <= 2);
        // In range by the clamp above: the year is 0 to 9999, the others are a calendar's.
        Civil { year: year as i32, month: month as u8, day: day as u8 }
    }

    /// 0 is Sunday.
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        (self.unix_days() + 4).rem_euclid(7) as u8
    }
}

impl Zoned {
    /// The moment when clocks in that zone show that day and second of the day (0 to 86,400: a leap second is the next
    /// day's first). The zone is kept below a day.
    pub fn new(day: Civil, second_of_day: u32, offset_min: i16) -> Zoned {
        let offset_min = offset_min.clamp(-1439, 1439);
        let local_s = day.unix_days() * DAY_S + i64::from(second_of_day.min(DAY_S as u32));
        Zoned { unix_s: local_s - i64::from(offset_min) * 60, offset_min }
    }

    /// Seconds since 1970 as a clock in its zone would count them.
    fn local_s(self) -> i64 {
        self.unix_s.saturating_add(i64::from(self.offset_min) * 60)
    }

    /// The day in its own zone: what SEARCH compares, "disregarding time and timezone" (RFC 3501 §6.4.4).
    pub fn civil(self) -> Civil {
        Civil::from_unix_days(self.local_s().div_euclid(DAY_S))
    }

    /// Hour, minute and second in its own zone.
    pub fn time(self) -> (u8, u8, u8) {
        let second = self.local_s().rem_euclid(DAY_S);
        ((second / 3600) as u8, (second / 60 % 60) as u8, (second % 60) as u8)
    }

    /// Reads a date-time (RFC 5322 §3.3, §4.3) with tolerance: comments, a missing weekday, a missing time, a missing or
    /// obsolete zone, years of two and three digits, missing seconds, months written out, and hyphens between day, month
    /// and year. What follows the zone is not read. `None`: there is no date to be found in it.
    pub fn parse_rfc5322(text: &[u8]) -> Option<Zoned> {
        let mut words = Words::new(text);
        let day = day(&mut words)?;
        let second_of_day = time(&mut words)?;
        Some(Zoned::new(day, second_of_day, zone(&mut words)))
    }

    /// The day of a date-time alone, at midnight UTC: for one whose time is no time (RFC 5256 §2.2).
    pub fn parse_rfc5322_day(text: &[u8]) -> Option<Zoned> {
        day(&mut Words::new(text)).map(|day| Zoned::new(day, 0, 0))
    }
}

/// The weekday, if there is one, day, month and year.
fn day(words: &mut Words<'_>) -> Option<Civil> {
    // The weekday says nothing that the date does not say.
    let mut ahead = *words;
    if let Some(Token::Letters(_)) = token(&mut ahead) {
        *words = ahead;
        take(words, b',');
    }
    let day = number(words)?.0;
    take(words, b'-');
    let Some(Token::Letters(month)) = token(words) else { return None };
    take(words, b'-');
    Civil::new(year(words)?, Civil::month_named(month)?, u8::try_from(day).ok()?)
}

enum Token<'h> {
    Digits(&'h [u8]),
    Letters(&'h [u8]),
    Mark(u8),
}

/// The next token; blanks and comments may stand between any two (RFC 5322 §4.3).
fn token<'h>(words: &mut Words<'h>) -> Option<Token<'h>> {
    words.skip_blanks_and_comments();
    Some(match words.peek()? {
        b'0'..=b'9' => Token::Digits(words.take_while(|octet| octet.is_ascii_digit())),
        octet if octet.is_ascii_alphabetic() => Token::Letters(words.take_while(|octet| octet.is_ascii_alphabetic())),
        octet => {
            words.next();
            Token::Mark(octet)
        }
    })
}

/// Takes the next token if it is this mark.
fn take(words: &mut Words<'_>, mark: u8) -> bool {
    words.skip_blanks_and_comments();
    words.take(mark)
}

/// The next token if it is a number of at most four digits, and how many digits it has.
fn number(words: &mut Words<'_>) -> Option<(u16, usize)> {
    let Some(Token::Digits(digits)) = token(words) else { return None };
    let value =
        (digits.len() <= 4).then(|| digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0')))?;
    Some((value, digits.len()))
}

/// RFC 5322 §4.3: two digits below 50 are of 2000 and later, others and three digits of 1900 and later.
fn year(words: &mut Words<'_>) -> Option<i32> {
    let (year, digits) = number(words)?;
    Some(
        i32::from(year)
            + if digits > 3 {
                0
            } else if digits <= 2 && year < 50 {
                2000
            } else {
                1900
            },
    )
}

/// The second of the day; midnight where there is no time.
fn time(words: &mut Words<'_>) -> Option<u32> {
    words.skip_blanks_and_comments();
    if !words.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        return Some(0);
    }
    let (hour, _) = number(words)?;
    if !take(words, b':') {
        return None;
    }
    let (minute, _) = number(words)?;
    let second = if take(words, b':') { number(words)?.0 } else { 0 };
    // 60 is a leap second (RFC 5322 §3.3).
    let fits = hour <= 23 && minute <= 59 && second <= 60;
    fits.then(|| (u32::from(hour) * 60 + u32::from(minute)) * 60 + u32::from(second))
}

/// The zone in minutes east; unknown, absent and military ones count as -0000 (RFC 5322 §4.3).
fn zone(words: &mut Words<'_>) -> i16 {
    match token(words) {
        Some(Token::Mark(sign @ (b'+' | b'-'))) => {
            let Some((value, digits)) = number(words) else { return 0 };
            // `+05` and `+5` are hours alone.
            let (hours, minutes) = if digits <= 2 { (value, 0) } else { (value / 100, value % 100) };
            if hours > 23 || minutes > 59 {
                return 0;
            }
            let offset_min = (hours * 60 + minutes) as i16;
            if sign == b'-' { -offset_min } else { offset_min }
        }
        Some(Token::Letters(name)) => {
            let hours = match &*name.to_ascii_uppercase() {
                b"EDT" => -4,
                b"EST" | b"CDT" => -5,
                b"CST" | b"MDT" => -6,
                b"MST" | b"PDT" => -7,
                b"PST" => -8,
                _ => 0,
            };
            hours * 60
        }
        Some(Token::Digits(_) | Token::Mark(_)) | None => 0,
    }
}

/// As RFC 5322 §3.3 writes it: `Mon, 23 Nov 2026 15:06:51 +0000`.
impl fmt::Display for Zoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day } = self.civil();
        let (hour, minute, second) = self.time();
        let sign = if self.offset_min < 0 { '-' } else { '+' };
        let offset = self.offset_min.unsigned_abs();
        write!(
            f,
            "{}, {day} {} {year:04} {hour:02}:{minute:02}:{second:02} {sign}{:02}{:02}",
            WEEKDAYS[usize::from(self.civil().weekday())],
            MONTHS[usize::from(month) - 1],
            offset / 60,
            offset % 60,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<String> {
        Zoned::parse_rfc5322(text.as_bytes()).map(|date| date.to_string())
    }

    #[test]
    fn the_calendar_knows_its_days() {
        assert_eq!(Civil::new(1970, 1, 1).unwrap().unix_days(), 0);
        assert_eq!(Civil::new(2000, 2, 29).unwrap().unix_days(), 11_016);
        assert_eq!(Civil::new(1900, 2, 29), None);
        assert_eq!(Civil::new(2026, 4, 31), None);
        assert_eq!(Civil::new(2026, 13, 1), None);
        assert_eq!(Civil::new(10_000, 1, 1), None);
        assert_eq!(Civil::new(2026, 11, 23).unwrap().weekday(), 1);
        assert_eq!(Civil::from_unix_days(i64::MAX), Civil::new(9999, 12, 31).unwrap());
        assert_eq!(Civil::from_unix_days(i64::MIN), Civil::new(0, 1, 1).unwrap());
    }

    #[test]
    fn dates_of_today() {
        assert_eq!(read("Mon, 23 Nov 2026 15:06:51 +0000").unwrap(), "Mon, 23 Nov 2026 15:06:51 +0000");
        assert_eq!(read("23 Nov 2026 15:06 -0330").unwrap(), "Mon, 23 Nov 2026 15:06:00 -0330");
        assert_eq!(Zoned::parse_rfc5322(b"1 Jan 1970 01:00:00 +0100"), Some(Zoned { unix_s: 0, offset_min: 60 }));
        assert_eq!(read("30 Jun 2015 23:59:60 +0000").unwrap(), "Wed, 1 Jul 2015 00:00:00 +0000");
    }

    /// RFC 5322 §4.3, appendix A.5 and A.6.2.
    #[test]
    fn dates_of_old() {
        assert_eq!(read("21 Nov 97 09:55:06 GMT").unwrap(), "Fri, 21 Nov 1997 09:55:06 +0000");
        assert_eq!(read("21 Nov 05 09:55:06 PST").unwrap(), "Mon, 21 Nov 2005 09:55:06 -0800");
        assert_eq!(read("21 Nov 105 09:55:06 edt").unwrap(), "Mon, 21 Nov 2005 09:55:06 -0400");
        assert_eq!(
            read("Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)")
                .unwrap(),
            "Thu, 13 Feb 1969 23:32:00 -0330"
        );
        assert_eq!(
            read("Fri(x), 21 (y) Nov 1997 09(comment):   55  :  06 -0600").unwrap(),
            "Fri, 21 Nov 1997 09:55:06 -0600"
        );
        assert_eq!(
            read("1 Jan 2000 00:00:00 A").unwrap(),
            "Sat, 1 Jan 2000 00:00:00 +0000",
            "military zones mean nothing"
        );
    }

    #[test]
    fn dates_of_careless_programs() {
        assert_eq!(read("Monday, 23-November-2026 15:06:51").unwrap(), "Mon, 23 Nov 2026 15:06:51 +0000");
        assert_eq!(read("23 Nov 2026").unwrap(), "Mon, 23 Nov 2026 00:00:00 +0000");
        assert_eq!(read("23 Nov 2026 15:06:51 +9999").unwrap(), "Mon, 23 Nov 2026 15:06:51 +0000");
        assert_eq!(read("23 Nov 2026 15:06:51 +05").unwrap(), "Mon, 23 Nov 2026 15:06:51 +0500");
        for none in [
            "",
            "yesterday",
            "32 Nov 2026 15:06:51",
            "23 Nov 2026 25:06:51",
            "23 Nov 99999",
            "23 Xyz 2026",
            "((((",
            "23 Nov 2026 1",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn a_day_without_a_good_time() {
        let day = |text: &str| Zoned::parse_rfc5322_day(text.as_bytes()).map(|date| date.to_string());
        assert_eq!(day("Mon, 23 Nov 2026 25:06:51 +0200").unwrap(), "Mon, 23 Nov 2026 00:00:00 +0000");
        assert_eq!(day("yesterday"), None);
    }

    /// RFC 3501 §6.4.4: the day is that of the sender's clock.
    #[test]
    fn the_day_is_the_senders() {
        let date = Zoned::parse_rfc5322(b"1 Jan 2026 00:30:00 +0200").unwrap();
        assert_eq!(date.civil(), Civil::new(2026, 1, 1).unwrap());
        assert_eq!(date.time(), (0, 30, 0));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(unix_s in -62_000_000_000i64..253_000_000_000, offset_min in -1439i16..=1439) {
            let date = Zoned { unix_s, offset_min };
            prop_assert_eq!(Zoned::parse_rfc5322(date.to_string().as_bytes()), Some(date));
        }

        #[test]
        fn days_count_there_and_back(days in -700_000i64..2_900_000) {
            let day = Civil::from_unix_days(days);
            prop_assert_eq!(day.unix_days(), days);
            prop_assert!(Civil::from_unix_days(days + 1) > day);
        }

        #[test]
        fn any_octets_are_a_date_or_not(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            Zoned::parse_rfc5322(&text);
        }
    }
}
