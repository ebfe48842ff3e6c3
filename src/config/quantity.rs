//! Amounts as users write them: durations (`50ms`, `2h`), sizes (`256MB`, `1GiB`) and shares (`1%`).

use std::time::Duration;

const DURATIONS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// `50ms`, `10s`, `5m`, `2h`, `7d`; a whole number and one unit.
pub fn duration(text: &str) -> Option<Duration> {
    amount(text, &DURATIONS).map(Duration::from_millis)
}

/// Bytes: `300KB`, `256MB`, `1GB` are powers of 1000, `KiB`, `MiB`, `GiB` of 1024.
pub fn size(text: &str) -> Option<u64> {
    amount(text, &SIZES)
}

/// A share from `0%` to `100%`, as a number from 0 to 1.
pub fn share(text: &str) -> Option<f64> {
    let digits = text.strip_suffix('%')?;
    // `parse` alone would take `inf`, `1e-2` and signs.
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    digits.parse::<f64>().ok().map(|percent| percent / 100.0).filter(|share| (0.0..=1.0).contains(share))
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_a_whole_number_and_a_unit() {
        assert_eq!(duration("50ms"), Some(Duration::from_millis(50)));
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(7 * 86_400)));
        for wrong in
            ["", "10", "s", "1.5s", "-1s", "1 s", "1S", "10sec", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_tell_powers_of_1000_from_powers_of_1024() {
        assert_eq!(size("300KB"), Some(300_000));
        assert_eq!(size("256MB"), Some(256_000_000));
        assert_eq!(size("1GiB"), Some(1 << 30));
        for wrong in ["256", "256mb", "256 MB", "1.5GB", "MB", "99999999999TB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_share_is_a_percentage_of_at_most_all() {
        assert_eq!(share("1%"), Some(0.01));
        assert_eq!(share("0.5%"), Some(0.005));
        assert_eq!(share("100%"), Some(1.0));
        for wrong in ["101%", "-1%", "1", "%", "inf%", "1e1%", "1.2.3%"] {
            assert_eq!(share(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_whole_number_of_a_unit_reads_back(number in 0..1_000_000u64, unit in 0..DURATIONS.len(), other in 0..SIZES.len()) {
            let (name, millis) = DURATIONS[unit];
            prop_assert_eq!(duration(&format!("{number}{name}")), Some(Duration::from_millis(number * millis)));
            let (name, bytes) = SIZES[other];
            prop_assert_eq!(size(&format!("{number}{name}")), Some(number * bytes));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            let _ = (duration(&text), size(&text), share(&text));
        }
    }
}
