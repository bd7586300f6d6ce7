//! Dates: the civil calendar, and the date-time of RFC 5322 §3.3 with the obsolete forms of §4.3.
//!
//! No locale, no time zone database, no clock: whoever needs the present passes it in.

use std::fmt;

use serde::{Deserialize, Serialize};

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

impl Civil {
    /// The day, if there is such a day in such a month of such a year, 0 to 9999.
    pub fn new(year: i32, month: u8, day: u8) -> Option<Civil> {
        let _ = (year, month, day);
        unimplemented!()
    }
    /// Days since 1970-01-01.
    pub fn unix_days(self) -> i64 {
        unimplemented!()
    }
    /// The day so many days after 1970-01-01; outside the years 0 to 9999 the nearest day inside.
    pub fn from_unix_days(days: i64) -> Civil {
        let _ = days;
        unimplemented!()
    }
    /// 0 is Sunday.
    pub fn weekday(self) -> u8 {
        unimplemented!()
    }
}

impl Zoned {
    /// The moment when clocks in that zone show that day and second of the day (0 to 86,400: a leap second is the next
    /// day's first).
    pub fn new(day: Civil, second_of_day: u32, offset_min: i16) -> Zoned {
        let _ = (day, second_of_day, offset_min);
        unimplemented!()
    }
    /// The day in its own zone: what SEARCH compares, "disregarding time and timezone" (RFC 3501 §6.4.4).
    pub fn civil(self) -> Civil {
        unimplemented!()
    }
    /// Hour, minute and second in its own zone.
    pub fn time(self) -> (u8, u8, u8) {
        unimplemented!()
    }
    /// Reads a date-time (RFC 5322 §3.3, §4.3): comments, missing weekday, missing or obsolete zone, years of two and three
    /// digits, missing seconds. `None`: there is no date to be found in it.
    pub fn parse_rfc5322(text: &[u8]) -> Option<Zoned> {
        let _ = text;
        unimplemented!()
    }
}

/// As RFC 5322 §3.3 writes it: `Mon, 23 Nov 2026 15:06:51 +0000`.
impl fmt::Display for Zoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        unimplemented!()
    }
}
