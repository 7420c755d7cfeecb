//! Functions of one field, row by row: parts of dates, labels, formats, distances.

use std::{borrow::Cow, fmt::Write, str::FromStr};

use jiff::{
    civil::{Date, DateTime},
    tz::TimeZone,
};
use rust_decimal::Decimal;

use super::Asker;
use crate::emulator::schema::{Field, Kind};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Function {
    /// What an encrypted field shows to whom it is not for.
    Mask,
    /// Values and their labels, where these differ.
    Label(Vec<(String, String)>),
    /// A text in the user's locale and time zone.
    Format(Box<Locale>),
    /// There is one currency, in which everything is kept.
    Currency,
    /// A datetime as the user's clock shows it.
    Local(TimeZone),
    DayOnly,
    Date(DatePart),
    Distance(Distance),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Locale {
    zone: TimeZone,
    american: bool,
    kind: Kind,
    scale: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatePart {
    Year,
    Quarter,
    Month,
    DayInMonth,
    DayInWeek,
    DayInYear,
    WeekInMonth,
    WeekInYear,
    Hour,
}

/// A place, and the unit in which the way to it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Distance {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) miles: bool,
}

impl DatePart {
    /// Fiscal years are calendar years, as long as nobody sets up others.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "CALENDAR_YEAR" | "FISCAL_YEAR" => DatePart::Year,
            "CALENDAR_QUARTER" | "FISCAL_QUARTER" => DatePart::Quarter,
            "CALENDAR_MONTH" | "FISCAL_MONTH" => DatePart::Month,
            "DAY_IN_MONTH" => DatePart::DayInMonth,
            "DAY_IN_WEEK" => DatePart::DayInWeek,
            "DAY_IN_YEAR" => DatePart::DayInYear,
            "WEEK_IN_MONTH" => DatePart::WeekInMonth,
            "WEEK_IN_YEAR" => DatePart::WeekInYear,
            "HOUR_IN_DAY" => DatePart::Hour,
            _ => return None,
        })
    }

    /// Of a date or datetime in canonical form.
    fn apply(self, text: &str) -> Option<i64> {
        if self == DatePart::Hour {
            return text.get(11..13)?.parse().ok();
        }
        let date: Date = text.get(..10)?.parse().ok()?;
        Some(match self {
            DatePart::Year => i64::from(date.year()),
            DatePart::Quarter => i64::from((date.month() - 1) / 3 + 1),
            DatePart::Month => i64::from(date.month()),
            DatePart::DayInMonth => i64::from(date.day()),
            DatePart::DayInWeek => i64::from(date.weekday().to_sunday_one_offset()),
            DatePart::DayInYear => i64::from(date.day_of_year()),
            // Weeks are counted from the first day of the month or year on, whatever weekday it is.
            DatePart::WeekInMonth => i64::from((date.day() - 1) / 7 + 1),
            DatePart::WeekInYear => i64::from((date.day_of_year() - 1) / 7 + 1),
            DatePart::Hour => return None,
        })
    }
}

impl Function {
    pub(super) fn format(asker: &Asker<'_>, kind: Kind, field: &Field) -> Self {
        Function::Format(Box::new(Locale {
            zone: asker.zone.clone(),
            american: asker.american,
            kind,
            scale: field.scale,
        }))
    }

    /// The kind of the outcome.
    pub(super) fn kind(&self, of: Kind) -> Kind {
        match self {
            Function::Label(_) | Function::Format(_) => Kind::Text,
            Function::Mask | Function::Currency | Function::Local(_) => of,
            Function::DayOnly => Kind::Date,
            Function::Date(_) => Kind::Int,
            Function::Distance(_) => Kind::Double,
        }
    }

    /// What becomes of a cell; null stays null.
    pub(super) fn apply<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        if text.is_empty() {
            return text;
        }
        match self {
            Function::Currency | Function::Distance(_) => text,
            Function::Label(labels) if labels.is_empty() => text,
            Function::Label(labels) => {
                let label = |value: &str| -> String {
                    let found = labels.iter().find(|(known, _)| known == value);
                    found.map_or_else(|| value.to_owned(), |(_, label)| label.clone())
                };
                Cow::Owned(text.split(';').map(label).collect::<Vec<_>>().join(";"))
            }
            Function::Mask => Cow::Owned("*".repeat(text.chars().count())),
            Function::Format(locale) => Cow::Owned(locale.format(&text)),
            Function::Local(zone) => match local(&text, zone) {
                Some(moved) => Cow::Owned(moved.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()),
                None => text,
            },
            Function::DayOnly => Cow::Owned(text.get(..10).unwrap_or_default().to_owned()),
            Function::Date(part) => Cow::Owned(part.apply(&text).map(|n| n.to_string()).unwrap_or_default()),
        }
    }
}

fn local(text: &str, zone: &TimeZone) -> Option<DateTime> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(zone.to_datetime(at))
}

impl Locale {
    fn format(&self, text: &str) -> String {
        match self.kind {
            Kind::Date => match text.parse::<Date>() {
                Ok(date) => self.date(date),
                Err(_) => text.to_owned(),
            },
            Kind::DateTime => match local(text, &self.zone) {
                Some(at) => {
                    let clock = if self.american {
                        at.strftime("%-I:%M %p").to_string()
                    } else {
                        at.strftime("%H:%M").to_string()
                    };
                    format!("{}, {clock}", self.date(at.date()))
                }
                None => text.to_owned(),
            },
            Kind::Currency => {
                let mark = if self.american { "$" } else { "\u{a3}" };
                match text.strip_prefix('-') {
                    Some(amount) => format!("-{mark}{}", grouped(amount, self.scale)),
                    None => format!("{mark}{}", grouped(text, self.scale)),
                }
            }
            Kind::Percent => format!("{}%", grouped(text, self.scale)),
            Kind::Double | Kind::Int => grouped(text, self.scale),
            _ => text.to_owned(),
        }
    }

    fn date(&self, date: Date) -> String {
        if self.american {
            date.strftime("%-m/%-d/%Y").to_string()
        } else {
            date.strftime("%d/%m/%Y").to_string()
        }
    }
}

/// `1234.5` as `1,234.50`.
fn grouped(text: &str, scale: u32) -> String {
    let Ok(mut number) = Decimal::from_str(text) else {
        return text.to_owned();
    };
    number.rescale(scale);
    let text = number.to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = sign.to_owned();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        let _ = write!(out, ".{fraction}");
    }
    out
}

impl Distance {
    /// The way from a place, as the great circle has it.
    pub(super) fn from(&self, latitude: &str, longitude: &str) -> Option<String> {
        let (lat, lon): (f64, f64) = (latitude.parse().ok()?, longitude.parse().ok()?);
        let radius = if self.miles { 3_958.756 } else { 6_371.009 };
        let (a, b) = (lat.to_radians(), self.latitude.to_radians());
        let (dlat, dlon) = (b - a, (self.longitude - lon).to_radians());
        let half = (dlat / 2.0).sin().powi(2) + a.cos() * b.cos() * (dlon / 2.0).sin().powi(2);
        Some(format!("{:.10}", 2.0 * radius * half.sqrt().asin()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_dates() {
        for (name, text, expected) in [
            ("CALENDAR_YEAR", "2026-05-20", 2026),
            ("CALENDAR_QUARTER", "2026-05-20", 2),
            ("FISCAL_MONTH", "2026-05-20T23:30:00.000Z", 5),
            ("DAY_IN_WEEK", "2026-05-17", 1),
            ("DAY_IN_YEAR", "2026-02-01", 32),
            ("WEEK_IN_MONTH", "2026-05-08", 2),
            ("WEEK_IN_YEAR", "2026-01-07", 1),
            ("HOUR_IN_DAY", "2026-05-20T23:30:00.000Z", 23),
        ] {
            let part = DatePart::of(name).expect(name);
            assert_eq!(part.apply(text), Some(expected), "{name}");
        }
        assert_eq!(DatePart::of("CENTURY"), None);
    }

    #[test]
    fn values_are_formatted_as_the_user_reads_them() {
        let zone = TimeZone::fixed(jiff::tz::offset(-5));
        for (american, kind, scale, text, expected) in [
            (true, Kind::Date, 0, "2026-01-31", "1/31/2026"),
            (false, Kind::Date, 0, "2026-01-31", "31/01/2026"),
            (
                true,
                Kind::DateTime,
                0,
                "2026-01-31T02:05:00.000Z",
                "1/30/2026, 9:05 PM",
            ),
            (true, Kind::Currency, 2, "-1234567.5", "-$1,234,567.50"),
            (true, Kind::Int, 0, "999", "999"),
        ] {
            let locale = Locale {
                zone: zone.clone(),
                american,
                kind,
                scale,
            };
            assert_eq!(locale.format(text), expected);
        }
    }

    #[test]
    fn distances_follow_the_great_circle() {
        let there = Distance {
            latitude: 37.775,
            longitude: -122.418,
            miles: true,
        };
        let way: f64 = there
            .from("34.05", "-118.24")
            .expect("a way")
            .parse()
            .expect("a number");
        assert!((346.0..349.0).contains(&way), "{way}");
        assert_eq!(there.from("", "1"), None);
    }
}
