//! Dates (RFC 3501 §9 `date`, `date-time`).

use super::lexeme::two_digits;
use crate::message::date::{Civil, MONTHS, Zoned};
use crate::store::Date;

/// `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`
pub(super) fn date_time(out: &mut Vec<u8>, date: Date) {
    let zoned = Zoned { unix_s: date.unix_s, offset_min: date.offset_min };
    let day = zoned.civil();
    out.push(b'"');
    if day.day < 10 {
        // date-day-fixed
        out.push(b' ');
    }
    civil(out, day);
    let (hour, minute, second) = zoned.time();
    for (before, number) in [(b' ', hour), (b':', minute), (b':', second)] {
        out.push(before);
        two_digits(out, number);
    }
    let east_min = date.offset_min.unsigned_abs();
    out.extend_from_slice(if date.offset_min < 0 { b" -" } else { b" +" });
    // Below 24 and below 60: the zone is less than a day.
    two_digits(out, (east_min / 60) as u8);
    two_digits(out, (east_min % 60) as u8);
    out.push(b'"');
}

/// `date-text = date-day "-" date-month "-" date-year`
pub(super) fn civil(out: &mut Vec<u8>, day: Civil) {
    if day.day >= 10 {
        out.push(b'0' + day.day / 10);
    }
    out.push(b'0' + day.day % 10);
    out.push(b'-');
    // 1 to 12 by its type; a month that is none of them would be our own fault, and is no reason to panic.
    out.extend_from_slice(MONTHS.get(usize::from(day.month).wrapping_sub(1)).unwrap_or(&MONTHS[0]).as_bytes());
    out.push(b'-');
    let year = day.year.clamp(0, 9999);
    two_digits(out, (year / 100) as u8);
    two_digits(out, (year % 100) as u8);
}
