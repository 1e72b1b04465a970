//! Sets of days, good for every year.
//!
//! The 28 years from 2001 on hold every kind of year (leap or not, by the weekday of 1 January), so one bit for each of
//! their days says of any day whether it is in the set.

use chrono::{Datelike, Days as Count, NaiveDate};
use croner::{Cron, Weekday};

/// First year of the cycle; its 1 January is a Monday.
const FIRST_YEAR: i32 = 2001;
const YEARS: i32 = 28;
const DAYS: usize = 10_227;
const WORDS: usize = DAYS.div_ceil(64);
/// Years that are searched for a day: a 29 February of a given weekday comes every 28 years, or every 40 across 2100.
const YEARS_AHEAD: usize = 41;

/// A set of days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days(Box<[u64; WORDS]>);

impl Days {
    /// No day.
    pub(super) fn none() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// Every day.
    pub(super) fn all() -> Self {
        Self::weeks([true; 7])
    }

    /// The days on which `cron` fires, by its fields for day, month and weekday.
    pub(super) fn of(cron: &Cron) -> Self {
        let mut days = Self::none();
        // Within a month only its length and the weekday of its first day matter.
        let mut masks = [[None; 7]; 4];
        let mut position = 0u32;
        for (year, month) in (FIRST_YEAR..FIRST_YEAR + YEARS).flat_map(|y| (1..=12).map(move |m| (y, m))) {
            let (length, first) = (month_length(year, month), position % 7);
            if cron.pattern.month_match(month).unwrap_or(false) {
                let mask = masks[length as usize - 28][first as usize].get_or_insert_with(|| {
                    let fires = |day: &u32| {
                        let weekday = Weekday::from_days_from_sunday(first + day);
                        cron.pattern.day_match(year, month, *day, weekday).unwrap_or(false)
                    };
                    (1..=length).filter(fires).fold(0u64, |mask, day| mask | 1 << (day - 1))
                });
                days.insert(position as usize, *mask);
            }
            position += length;
        }
        days
    }

    /// The same weekdays in every week, from Monday.
    fn weeks(week: [bool; 7]) -> Self {
        let bits = |first: usize| (0..64).filter(|b| week[(first + b) % 7]).fold(0, |word, b| word | 1 << b);
        let words: [u64; 7] = std::array::from_fn(bits);
        // A word is nine weeks and a day, so word `n` begins on weekday `n`.
        let mut days = Self(Box::new(std::array::from_fn(|n| words[n % 7])));
        days.0[WORDS - 1] &= (1 << (DAYS % 64)) - 1;
        days
    }

    /// The weekdays from Monday, if every week is the same.
    pub(super) fn weekly(&self) -> Option<[bool; 7]> {
        let week = std::array::from_fn(|day| self.has(day));
        (*self == Self::weeks(week)).then_some(week)
    }

    /// The days after these.
    pub(super) fn next_day(&self) -> Self {
        let mut days = self.clone();
        let mut carry = u64::from(self.has(DAYS - 1));
        for word in days.0.iter_mut() {
            (*word, carry) = (*word << 1 | carry, *word >> 63);
        }
        days.0[DAYS / 64] &= !(1 << (DAYS % 64));
        days
    }

    /// Whether some day is in both.
    pub(super) fn meet(&self, other: &Self) -> bool {
        // Without a way out of the loop it becomes vector instructions.
        self.0.iter().zip(other.0.iter()).fold(0, |any, (a, b)| any | (a & b)) != 0
    }

    /// Adds the days of `other`.
    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(a, b)| *a |= b);
    }

    /// Keeps the days that are in `other` too.
    pub(super) fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(a, b)| *a &= b);
    }

    /// Whether no day is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether the day at this [`position`] is in it.
    pub(super) fn has(&self, position: usize) -> bool {
        self.0[position / 64] >> (position % 64) & 1 == 1
    }

    /// The first day from `from` on that is in the set (`inside`) or is not. Absent: none in four decades.
    pub(super) fn next(&self, from: NaiveDate, inside: bool) -> Option<NaiveDate> {
        let mut day = from;
        for _ in 0..YEARS_AHEAD {
            let start = position(day);
            let new_year = NaiveDate::from_ymd_opt(day.year().checked_add(1)?, 1, 1)?;
            let rest = usize::try_from((new_year - day).num_days()).ok()?;
            if let Some(found) = self.first(start, start + rest, inside) {
                return day.checked_add_days(Count::new((found - start) as u64));
            }
            day = new_year;
        }
        None
    }

    /// The first position from `start` to before `end` that is in the set or is not.
    fn first(&self, start: usize, end: usize, inside: bool) -> Option<usize> {
        let mut from = start;
        while from < end {
            let word = if inside { self.0[from / 64] } else { !self.0[from / 64] } >> (from % 64);
            if word != 0 {
                return Some(from + word.trailing_zeros() as usize).filter(|found| *found < end);
            }
            from = (from / 64 + 1) * 64;
        }
        None
    }

    /// Adds up to 31 days from a position on.
    fn insert(&mut self, position: usize, mask: u64) {
        let (word, shift) = (position / 64, position % 64);
        self.0[word] |= mask << shift;
        if shift > 33 {
            self.0[word + 1] |= mask >> (64 - shift);
        }
    }
}

/// Where a day is in the cycle: the day of the same date in a year of the same kind.
pub(super) fn position(day: NaiveDate) -> usize {
    let kind = |year| NaiveDate::from_ymd_opt(year, 1, 1).map(|d| (d.leap_year(), d.weekday()));
    let wanted = kind(day.year());
    let mut years = (0usize..).zip(FIRST_YEAR..FIRST_YEAR + YEARS);
    let years = years.find(|(_, year)| kind(*year) == wanted).map_or(0, |(years, _)| years);
    years * 365 + years / 4 + day.ordinal0() as usize
}

/// Days of a month in the cycle.
fn month_length(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
