//! Numbers for a person.

/// `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 object`, `2 objects`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `1.2 GB`, in powers of 1,000 as S3's prices are.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_000.0;
    let mut unit = 0;
    // 999.95 would be rounded to 1000.0
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `45 s`, `3 min 12 s`, `2 h 5 min`, `1 d 3 h`: two units at most.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// `$12.34`; what is less than a cent and not nothing is said to be so.
pub fn dollars(amount: f64) -> String {
    if amount > 0.0 && amount < 0.005 { "<$0.01".into() } else { format!("${amount:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_person_writes_them() {
        assert_eq!([count(0), count(999), count(1_000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([counted(1, "object"), counted(2, "object")], ["1 object", "2 objects"]);
        assert_eq!(
            [bytes(999), bytes(1_000), bytes(999_960), bytes(1_250_000_000)],
            ["999 B", "1.0 KB", "1.0 MB", "1.2 GB"]
        );
        assert_eq!([duration(59.4), duration(192.0), duration(7_500.0)], ["59 s", "3 min 12 s", "2 h 5 min"]);
        assert_eq!([dollars(0.0), dollars(0.001), dollars(12.345)], ["$0.00", "<$0.01", "$12.35"]);
    }
}
