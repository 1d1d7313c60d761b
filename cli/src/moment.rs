//! Points in time as the command line spells them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A text that names no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a time: write a timestamp with its zone like 2026-01-31T12:00:00Z, a date like 2026-01-31 (midnight UTC), \
     or an age like 7d, 12h or 30m"
)]
pub struct BadMoment(pub String);

/// Reads a timestamp (RFC 3339), a date (its midnight in UTC) or an age (that long before `now`; units s, m, h, d, w).
///
/// # Errors
/// If it is none of these, or so long ago that no calendar has it.
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, BadMoment> {
    let bad = || BadMoment(text.to_owned());
    let text = text.trim();
    if let Some(age) = age(text) {
        // to the second below: nobody means the nanoseconds, and the input is read in the console
        let moment = age.and_then(|age| now.checked_sub(age).ok()).map(Timestamp::as_second);
        return moment.and_then(|second| Timestamp::from_second(second).ok()).ok_or_else(bad);
    }
    // a date's parser would also take a whole date and time, and drop the time
    if text.len() == "2026-01-31".len() {
        let date: Date = text.parse().map_err(|_| bad())?;
        return Ok(date.to_zoned(TimeZone::UTC).map_err(|_| bad())?.timestamp());
    }
    text.parse().map_err(|_| bad())
}

/// A text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an age: write one like 7d, 12h or 30m, or 0")]
pub struct BadAge(pub String);

/// Reads an age in seconds, spelled as for [`parse`], or `0`.
///
/// # Errors
/// If it is neither, or longer than can be counted.
pub fn parse_age(text: &str) -> Result<u64, BadAge> {
    let trimmed = text.trim();
    if trimmed == "0" {
        return Ok(0);
    }
    let seconds = age(trimmed).flatten().and_then(|age| u64::try_from(age.as_secs()).ok());
    seconds.ok_or_else(|| BadAge(text.to_owned()))
}

/// `None` if this is not spelled as an age, `Some(None)` if it is one that can't be counted.
fn age(text: &str) -> Option<Option<SignedDuration>> {
    let unit = text.chars().last()?;
    let unit_seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let seconds = digits.parse::<i64>().ok().and_then(|count| count.checked_mul(unit_seconds));
    Some(seconds.map(SignedDuration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, BadMoment> {
        let now = "2026-11-08T10:20:30.987654321Z".parse().expect("a timestamp");
        parse(text, now).map(|moment| moment.to_string())
    }

    #[test]
    fn timestamps_dates_and_ages_are_read() {
        for (text, moment) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("7d", "2026-11-01T10:20:30Z"),
            ("1w", "2026-11-01T10:20:30Z"),
            ("12h", "2026-11-07T22:20:30Z"),
            ("20m", "2026-11-08T10:00:30Z"),
            ("0s", "2026-11-08T10:20:30Z"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(moment), "{text}");
        }
    }

    #[test]
    fn ages_are_read_in_seconds_and_need_their_unit() {
        for (text, seconds) in [("7d", 604_800), ("12h", 43_200), ("30m", 1_800), ("0", 0), (" 0d ", 0)] {
            assert_eq!(parse_age(text), Ok(seconds), "{text}");
        }
        for text in ["", "7", "-7d", "7 d", "2026-01-31", "99999999999999999w", "never"] {
            let error = parse_age(text).expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("7d"), "{error}");
        }
    }

    #[test]
    fn anything_else_is_named_with_what_to_write() {
        for text in [
            "",
            "yesterday",
            "7",
            "7 d",
            "-7d",
            "7y",
            "2026-13-01",
            "2026-01-31T12:00:00",
            "31.01.2026",
            "99999999999999999w",
            "ä",
        ] {
            let error = parsed(text).expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("2026-01-31"), "{error}");
        }
    }
}
