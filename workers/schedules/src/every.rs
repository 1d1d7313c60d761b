//! `--every` as EventBridge Scheduler spells it.

/// The words for common periods. At four in the morning: no zone changes its clocks then, so no run is left out and none comes twice.
const WORDS: [(&str, &str); 6] = [
    ("hourly", "cron(0 * * * ? *)"),
    ("daily", "cron(0 4 * * ? *)"),
    ("weekly", "cron(0 4 ? * SUN *)"),
    ("monthly", "cron(0 4 1 * ? *)"),
    ("quarterly", "cron(0 4 1 1,4,7,10 ? *)"),
    ("yearly", "cron(0 4 1 1 ? *)"),
];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no period: write hourly, daily, weekly, monthly, quarterly, yearly, rate(12 hours), or \
     cron(MINUTE HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK YEAR)"
)]
pub struct BadPeriod(String);

/// The expression for a word, or the expression that was given. Scheduler has the last word on what a cron expression means.
///
/// # Errors
/// If it is neither.
pub fn expression(text: &str) -> Result<String, BadPeriod> {
    let bad = || BadPeriod(text.chars().take(80).flat_map(char::escape_default).collect());
    let trimmed = text.trim();
    if let Some((_, expression)) = WORDS.iter().find(|(word, _)| *word == trimmed) {
        return Ok((*expression).to_owned());
    }
    let inner = |kind: &str| trimmed.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
    let is_cron = |fields: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ",-*?/L#W".contains(c);
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // one of the two days must be left open (Scheduler user guide)
        fields.len() == 6
            && fields.iter().all(|field| field.chars().all(allowed))
            && [fields[2], fields[4]].contains(&"?")
    };
    let is_rate = |rate: &str| match rate.split_whitespace().collect::<Vec<_>>().as_slice() {
        [number, unit] => {
            number.parse::<u32>().is_ok_and(|number| number > 0)
                && ["minute", "minutes", "hour", "hours", "day", "days"].contains(unit)
        }
        _ => false,
    };
    let good = inner("cron").is_some_and(is_cron) || inner("rate").is_some_and(is_rate);
    if good { Ok(trimmed.to_owned()) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_rates_and_cron_are_periods_and_nothing_else_is() {
        for (text, expected) in [
            ("daily", "cron(0 4 * * ? *)"),
            ("quarterly", "cron(0 4 1 1,4,7,10 ? *)"),
            ("rate(1 minute)", "rate(1 minute)"),
            (" rate(12 hours) ", "rate(12 hours)"),
            ("cron(15 10 ? * 6L 2026-2030)", "cron(15 10 ? * 6L 2026-2030)"),
        ] {
            assert_eq!(expression(text).as_deref(), Ok(expected));
        }
        let bad = [
            "",
            "Daily",
            "fortnightly",
            "rate(0 hours)",
            "rate(1 year)",
            "cron(0 4 * * *)",
            "cron(0 4 1 * 1 *)",
            "at(2026-11-01T04:00:00)",
            "cron(0 4 * * ? *",
        ];
        for text in bad {
            assert!(expression(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_words_mean_the_same_to_the_cdk() {
        let json = include_str!("../../../tests/fixtures/contracts/schedule-periods.json");
        let periods: std::collections::BTreeMap<String, String> = serde_json::from_str(json).expect("periods");
        assert_eq!(periods.len(), WORDS.len());
        for (word, written) in WORDS {
            assert_eq!(periods[word], written);
            assert_eq!(expression(written).as_deref(), Ok(written));
        }
    }
}
