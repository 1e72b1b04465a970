//! The one edge between chrono, which plans, and jiff, which Kubernetes objects carry.

use chrono::{DateTime, Utc};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

/// A time of Kubernetes as the planner reads it. Out of chrono's range: 1970.
pub fn from_k8s(time: &Time) -> DateTime<Utc> {
    let nanos = u32::try_from(time.0.subsec_nanosecond()).unwrap_or(0);
    DateTime::from_timestamp(time.0.as_second(), nanos).unwrap_or_default()
}

/// A time of the planner as Kubernetes writes it: whole seconds. Out of jiff's range: 1970.
pub fn to_k8s(time: DateTime<Utc>) -> Time {
    Time(Timestamp::from_second(time.timestamp()).unwrap_or_default())
}

/// RFC 3339 in UTC with whole seconds, as annotations and documents carry it.
pub fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A time as [`text`] and Kubernetes write it.
pub fn read(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_the_way_through_kubernetes() {
        let time = DateTime::from_timestamp(1_795_500_000, 0).unwrap();
        assert_eq!(from_k8s(&to_k8s(time)), time);
        assert_eq!(text(time), "2026-11-24T06:00:00Z");
        assert_eq!((read(&text(time)), read("soon")), (Some(time), None));
    }
}
