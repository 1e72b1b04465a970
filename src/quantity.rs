//! Kubernetes quantities as numbers: to compare what was asked for with what the API server made of it.

/// A quantity in thousandths of its unit (`500m` is 500, `1Ki` is 1024000); `None` if it is none or out of range.
pub(crate) fn thousandths(text: &str) -> Option<i128> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || fraction.len() > 18 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (up, down) = scale(suffix)?;
    let down = down.checked_mul(10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    // Rounded up, as the API server does with what is finer than it keeps.
    let value = digits.checked_mul(up)?.checked_mul(1000)?;
    Some(sign * (value + down - 1).div_euclid(down))
}

/// Whole bytes of a quantity, rounded up.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    u64::try_from((thousandths(text)? + 999).div_euclid(1000)).ok()
}

/// Factor and divisor of a suffix.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let binary = |n: u32| Some((1_i128 << (10 * n), 1));
    let decimal = |n: u32| Some((10_i128.pow(3 * n), 1));
    match suffix {
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1000)),
        "" => Some((1, 1)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_i128.checked_pow(exponent.unsigned_abs().min(18))?;
            Some(if exponent < 0 { (1, power) } else { (power, 1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_amount_in_other_words_is_the_same_number() {
        for (a, b) in
            [("1Gi", "1024Mi"), ("0.5", "500m"), ("1e3", "1k"), ("1.5Gi", "1536Mi"), ("100", "0.1k"), (".5Ki", "512")]
        {
            assert_eq!(thousandths(a), thousandths(b), "{a} and {b}");
        }
        assert_ne!(thousandths("1G"), thousandths("1Gi"));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", ".", "Gi", "1.2.3", "1Xi", "one", "1 Gi"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_are_whole_and_rounded_up() {
        assert_eq!(bytes("16Mi"), Some(16 << 20));
        assert_eq!(bytes("1500m"), Some(2));
        assert_eq!(bytes("-1"), None);
    }
}
