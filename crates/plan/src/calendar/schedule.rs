//! Cron lines as people write them.

use super::{days::Days, weekdays};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

/// Why a schedule can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScheduleError {
    /// Not a cron line of five fields.
    #[error("`{schedule}` is no cron line of five fields, as `0 2 * * *`: {fault}")]
    Unreadable {
        /// The line.
        schedule: String,
        /// What the parser says.
        fault: String,
    },
    /// A range of weekdays runs over the end of the week.
    #[error("`{schedule}` has the weekdays `{range}`, a range over the end of the week: list the days, as `{days}`")]
    WeekdaysWrap {
        /// The line.
        schedule: String,
        /// The range.
        range: String,
        /// The same days as a list.
        days: String,
    },
    /// Minute or hour is a list, a range or a star.
    #[error(
        "`{schedule}` must have plain numbers as minute and hour, as `0 2 * * *`: give a window of its own for each start"
    )]
    NotOneStart {
        /// The line.
        schedule: String,
    },
    /// It names a date that does not exist.
    #[error("`{schedule}` never happens: correct day and month")]
    Never {
        /// The line.
        schedule: String,
    },
}

/// Checks a schedule as people write it: five fields, one start a day, and a date that exists.
pub fn check_schedule(schedule: &str) -> Result<(), ScheduleError> {
    read(schedule).map(drop)
}

/// When windows begin.
pub(super) struct Start {
    /// Seconds from midnight.
    pub(super) second: u32,
    /// The days; never none.
    pub(super) days: Days,
}

/// Reads a schedule that [`check_schedule`] accepts.
pub(super) fn read(schedule: &str) -> Result<Start, ScheduleError> {
    let cron = parse(schedule)?;
    let mut fields = schedule.split_whitespace();
    let mut plain = || fields.next().filter(|f| f.bytes().all(|b| b.is_ascii_digit()))?.parse::<u32>().ok();
    let (Some(minute), Some(hour)) = (plain(), plain()) else {
        return Err(ScheduleError::NotOneStart { schedule: schedule.into() });
    };
    let days = Days::of(&cron);
    if days.is_empty() {
        return Err(ScheduleError::Never { schedule: schedule.into() });
    }
    Ok(Start { second: (hour * 60 + minute) * 60, days })
}

pub(super) fn parse(schedule: &str) -> Result<Cron, ScheduleError> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(schedule).map_err(|e| {
        match weekdays::wrapped(schedule) {
            Some((range, days)) => ScheduleError::WeekdaysWrap { schedule: schedule.into(), range, days },
            None => ScheduleError::Unreadable { schedule: schedule.into(), fault: e.to_string() },
        }
    })
}
