//! Units of the spec as numbers.

use super::Refusal;
use cherokee_plan::{Zone, intent::Seconds};
use kube::core::Duration;

/// Seconds of an hour.
pub(super) const HOUR: u32 = 3600;
/// Seconds of a day.
pub(super) const DAY: u32 = 24 * HOUR;

/// A time zone by its IANA name.
pub(super) fn time_zone(name: &str) -> Result<Zone, Refusal> {
    Zone::named(name).map_err(|unknown| Refusal::invalid(format!("spec.timeZone {unknown}")))
}

/// Whole seconds of a duration, within bounds.
pub(super) fn seconds(field: &str, duration: Duration, least: u32, most: u32) -> Result<Seconds, Refusal> {
    let whole = u32::try_from(std::time::Duration::from(duration).as_secs()).unwrap_or(u32::MAX);
    if duration.is_negative() || whole < least || whole > most {
        return Err(Refusal::invalid(format!("{field} is {duration}: it must be {least}s to {}h", most / HOUR)));
    }
    Ok(Seconds(whole))
}

/// A number of parameters as people write it: `160M`, `1.1B`.
pub(super) fn parameters(text: &str) -> Option<u64> {
    let unit: u64 = match text.chars().last()? {
        'K' => 1_000,
        'M' => 1_000_000,
        'B' => 1_000_000_000,
        'T' => 1_000_000_000_000,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 6
        || fraction.len() > 3
        || !digits(whole)
        || !digits(fraction)
        || number.ends_with('.')
    {
        return None;
    }
    let thousandths: u64 = format!("{whole}{fraction:0<3}").parse().ok()?;
    let count = thousandths.checked_mul(unit / 1000)?;
    (count > 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_exactly() {
        for (text, count) in [
            ("160M", 160_000_000),
            ("1.1B", 1_100_000_000),
            ("0.5B", 500_000_000),
            ("14B", 14_000_000_000),
            ("1.234K", 1234),
        ] {
            assert_eq!(parameters(text), Some(count), "{text}");
        }
        for text in ["", "B", "1.1", "1.1G", "1.B", ".5B", "0B", "1.1111B", "1e3B", "1,1B", "ä"] {
            assert_eq!(parameters(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_zone_that_does_not_exist_is_refused_by_field_and_name() {
        assert!(time_zone("America/Chicago").is_ok());
        let refusal = time_zone("America/Tahlequah").unwrap_err();
        assert_eq!(refusal.reason(), "InvalidSpec");
        assert!(refusal.to_string().starts_with("spec.timeZone `America/Tahlequah` is no IANA time zone"), "{refusal}");
    }

    #[test]
    fn a_duration_out_of_bounds_is_refused() {
        let of = |s: &str| seconds("spec.workers.drain", s.parse().unwrap(), 0, HOUR);
        assert_eq!(of("1m30s"), Ok(Seconds(90)));
        assert!(of("2h").is_err());
    }
}
