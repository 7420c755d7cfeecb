use jiff::{Span, civil::DateTime, civil::Time};
use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};

use super::{
    Broken,
    compile::{Expr, Path, Root},
    functions::Function,
    syntax::Operator,
    value::{Value, datetime},
};
use crate::{
    emulator::store::{Cell, Store},
    record::Id,
};

/// What a formula is worked out on.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) store: &'a Store,
    pub(crate) object: usize,
    pub(crate) row: u32,
    /// The values that an update replaced; `None` for a new record.
    pub(crate) prior: Option<&'a [(usize, Cell)]>,
    /// The running user's Id.
    pub(crate) user: &'a str,
    /// The time, in canonical form.
    pub(crate) now: &'a str,
}

type Outcome = Result<Value, Broken>;

impl Scope<'_> {
    fn cell(&self, path: &Path) -> Option<&str> {
        let store = self.store;
        let (mut object, mut row) = match path.root {
            Root::Record => (self.object, self.row),
            Root::User => (store.user, store.row(store.user, self.user)?),
            Root::Only(object) => (object, 0),
        };
        for (by, target) in &path.hops {
            let id = store.tables[object].get(row, *by);
            if id.is_empty() {
                return None;
            }
            row = store.row(*target, id)?;
            object = *target;
        }
        Some(store.tables[object].get(row, path.field))
    }

    fn read(path: &Path, cell: &str) -> Value {
        if path.zero && cell.is_empty() {
            return Value::Number(Decimal::ZERO);
        }
        Value::read(path.kind, cell)
    }

    /// The value before the change; of a new record the present one.
    fn prior(&self, path: &Path) -> &str {
        self.prior
            .and_then(|old| old.iter().find(|(field, _)| *field == path.field))
            .map(|(_, cell)| cell.as_str())
            .or_else(|| self.cell(path))
            .unwrap_or_default()
    }
}

/// The value of an expression. Nulls follow the three-valued logic of a database: what is made of a null is null.
pub(super) fn value(expr: &Expr, scope: &Scope<'_>) -> Outcome {
    Ok(match expr {
        Expr::Value(value) => value.clone(),
        Expr::Field(path) => Scope::read(path, scope.cell(path).unwrap_or_default()),
        Expr::Prior(path) => Scope::read(path, scope.prior(path)),
        Expr::Changed(path) => {
            Value::Bool(scope.prior.is_some() && scope.prior(path) != scope.cell(path).unwrap_or_default())
        }
        Expr::IsNew => Value::Bool(scope.prior.is_none()),
        Expr::Negative(inner) => match value(inner, scope)? {
            Value::Number(n) => Value::Number(-n),
            other => other,
        },
        Expr::Not(inner) => match value(inner, scope)? {
            Value::Bool(flag) => Value::Bool(!flag),
            other => other,
        },
        Expr::And(terms) => decide(terms, scope, false)?,
        Expr::Or(terms) => decide(terms, scope, true)?,
        Expr::Compare(operator, left, right) => {
            let (left, right) = (value(left, scope)?, value(right, scope)?);
            // Empty texts are equal to each other; other nulls compare to nothing.
            let text = |expr: &Value, other: &Value| match (expr, other) {
                (Value::Null, Value::Text(_)) => Value::Text(String::new()),
                (value, _) => value.clone(),
            };
            if left == Value::Null && right == Value::Null {
                return Ok(match (expr_is_text(expr), operator) {
                    (true, Operator::Equal) => Value::Bool(true),
                    (true, Operator::Unequal) => Value::Bool(false),
                    _ => Value::Null,
                });
            }
            let equality = matches!(operator, Operator::Equal | Operator::Unequal);
            let pair = if equality {
                (text(&left, &right), text(&right, &left))
            } else {
                (left, right)
            };
            match pair.0.compare(&pair.1) {
                None => Value::Null,
                Some(ordering) => Value::Bool(match operator {
                    Operator::Equal => ordering.is_eq(),
                    Operator::Unequal => ordering.is_ne(),
                    Operator::Less => ordering.is_lt(),
                    Operator::LessOrEqual => ordering.is_le(),
                    Operator::Greater => ordering.is_gt(),
                    _ => ordering.is_ge(),
                }),
            }
        }
        Expr::Arithmetic(operator, left, right) => {
            arithmetic(*operator, value(left, scope)?, value(right, scope)?)?
        }
        Expr::Join(left, right) => {
            let mut text = value(left, scope)?.shown();
            text.push_str(&value(right, scope)?.shown());
            Value::text(text)
        }
        Expr::If(test, yes, no) => match value(test, scope)? {
            Value::Bool(true) => value(yes, scope)?,
            _ => value(no, scope)?,
        },
        Expr::Case(subject, pairs, rest) => {
            let subject = value(subject, scope)?;
            for (when, then) in pairs {
                if value(when, scope)? == subject {
                    return value(then, scope);
                }
            }
            value(rest, scope)?
        }
        Expr::IsBlank(inner) => Value::Bool(value(inner, scope)? == Value::Null),
        Expr::Else(first, second) => match value(first, scope)? {
            Value::Null => value(second, scope)?,
            first => first,
        },
        Expr::Includes(list, wanted) => {
            let (list, wanted) = (value(list, scope)?.shown(), value(wanted, scope)?.shown());
            Value::Bool(list.split(';').any(|v| v == wanted))
        }
        Expr::Text(inner) => Value::text(value(inner, scope)?.shown()),
        Expr::Regex(text, pattern) => Value::Bool(pattern.is_match(&value(text, scope)?.shown())),
        Expr::Call(function, arguments) => {
            let mut values = Vec::with_capacity(arguments.len());
            for argument in arguments {
                values.push(value(argument, scope)?);
            }
            call(*function, &values, scope)?
        }
    })
}

fn expr_is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Compare(_, left, _) if matches!(**left, Expr::Text(_)))
}

/// All or any of some terms; the first one that decides ends it.
fn decide(terms: &[Expr], scope: &Scope<'_>, decisive: bool) -> Outcome {
    let mut out = Value::Bool(!decisive);
    for term in terms {
        match value(term, scope)? {
            Value::Bool(flag) if flag == decisive => return Ok(Value::Bool(decisive)),
            Value::Bool(_) => {}
            _ => out = Value::Null,
        }
    }
    Ok(out)
}

const DAY: i64 = 86_400;

fn arithmetic(operator: Operator, left: Value, right: Value) -> Outcome {
    let adds = operator == Operator::Add;
    Ok(match (left, right) {
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (Value::Number(a), Value::Number(b)) => Value::Number(
            match operator {
                Operator::Add => a.checked_add(b),
                Operator::Subtract => a.checked_sub(b),
                Operator::Multiply => a.checked_mul(b),
                Operator::Divide => a.checked_div(b),
                _ => power(a, b),
            }
            .ok_or(Broken)?,
        ),
        (Value::Date(date), Value::Number(n)) | (Value::Number(n), Value::Date(date)) => {
            let days = n.trunc().to_i64().ok_or(Broken)?;
            let days = if adds { days } else { -days };
            let span = Span::new().try_days(days).map_err(|_| Broken)?;
            Value::Date(date.checked_add(span).map_err(|_| Broken)?)
        }
        (Value::DateTime(at), Value::Number(n)) | (Value::Number(n), Value::DateTime(at)) => {
            let seconds = n
                .checked_mul(Decimal::from(DAY))
                .and_then(|s| s.round().to_i64())
                .ok_or(Broken)?;
            let seconds = if adds { seconds } else { -seconds };
            let span = Span::new().try_seconds(seconds).map_err(|_| Broken)?;
            Value::DateTime(at.checked_add(span).map_err(|_| Broken)?)
        }
        // A clock goes round.
        (Value::Time(at), Value::Number(n)) | (Value::Number(n), Value::Time(at)) => {
            let millis = n.trunc().to_i64().ok_or(Broken)?;
            let millis = if adds { millis } else { -millis };
            let total = (millis_of(at) + millis).rem_euclid(DAY * 1_000);
            Value::Time(Time::midnight().wrapping_add(Span::new().milliseconds(total)))
        }
        (Value::Date(a), Value::Date(b)) => {
            let days = a.since(b).map_err(|_| Broken)?.get_days();
            Value::Number(Decimal::from(days))
        }
        (Value::DateTime(a), Value::DateTime(b)) => {
            let seconds = (a.duration_since(b)).as_secs();
            Value::Number(Decimal::from(seconds) / Decimal::from(DAY))
        }
        (Value::Time(a), Value::Time(b)) => Value::Number(Decimal::from(millis_of(a) - millis_of(b))),
        _ => return Err(Broken),
    })
}

fn millis_of(at: Time) -> i64 {
    i64::from(at.hour()) * 3_600_000
        + i64::from(at.minute()) * 60_000
        + i64::from(at.second()) * 1_000
        + i64::from(at.millisecond())
}

fn power(base: Decimal, exponent: Decimal) -> Option<Decimal> {
    match exponent
        .to_i64()
        .filter(|n| Decimal::from(*n) == exponent && n.abs() <= 1_000)
    {
        Some(n) => {
            let mut out = Decimal::ONE;
            for _ in 0..n.abs() {
                out = out.checked_mul(base)?;
            }
            if n < 0 {
                Decimal::ONE.checked_div(out)
            } else {
                Some(out)
            }
        }
        None => float(base.to_f64()?.powf(exponent.to_f64()?)).ok(),
    }
}

/// A result of a function that needs no more than the digits of a double.
fn float(n: f64) -> Result<Decimal, Broken> {
    if !n.is_finite() {
        return Err(Broken);
    }
    Decimal::try_from(n).map_err(|_| Broken)
}

/// Moves a date by months; the last day of a month stays the last one.
fn add_months(date: jiff::civil::Date, months: i64) -> Result<jiff::civil::Date, Broken> {
    let last = date.last_of_month() == date;
    let span = Span::new().try_months(months).map_err(|_| Broken)?;
    let moved = date.checked_add(span).map_err(|_| Broken)?;
    Ok(if last { moved.last_of_month() } else { moved })
}

fn call(function: Function, arguments: &[Value], scope: &Scope<'_>) -> Outcome {
    let text = |at: usize| arguments.get(at).map(Value::shown).unwrap_or_default();
    let given = |at: usize| arguments.get(at).is_some_and(|v| *v != Value::Null);
    let number = |at: usize| match arguments.get(at) {
        Some(Value::Number(n)) => Some(*n),
        _ => None,
    };
    let whole = |at: usize| number(at).and_then(|n| n.trunc().to_i64());
    let length = |at: usize| usize::try_from(whole(at).unwrap_or(0).max(0)).unwrap_or(0);
    let count = |n: usize| Value::Number(Decimal::from(n));
    // Functions of numbers and moments are null when their argument is.
    macro_rules! on_number {
        ($n:ident => $out:expr) => {
            match number(0) {
                Some($n) => Value::Number($out),
                None => Value::Null,
            }
        };
    }
    macro_rules! on_date {
        ($d:ident => $out:expr) => {
            match arguments.first() {
                Some(Value::Date($d)) => Value::Number(Decimal::from($out)),
                _ => Value::Null,
            }
        };
    }
    macro_rules! on_time {
        ($t:ident => $out:expr) => {
            match arguments.first() {
                Some(Value::Time($t)) => Value::Number(Decimal::from($out)),
                _ => Value::Null,
            }
        };
    }
    macro_rules! on_float {
        ($n:ident => $out:expr) => {
            match number(0) {
                Some(n) => {
                    let $n = n.to_f64().ok_or(Broken)?;
                    Value::Number(float($out)?)
                }
                None => Value::Null,
            }
        };
    }
    let now = || datetime(scope.now).ok_or(Broken);
    Ok(match function {
        Function::Abs => on_number!(n => n.abs()),
        // Rounded away from zero and towards it for negative numbers, as the documentation has it.
        Function::Ceiling => on_number!(n => if n.is_sign_negative() { n.floor() } else { n.ceil() }),
        Function::Floor => on_number!(n => n.trunc()),
        Function::Mceiling => on_number!(n => n.ceil()),
        Function::Mfloor => on_number!(n => n.floor()),
        Function::Exp => on_float!(n => n.exp()),
        Function::Ln => on_float!(n => n.ln()),
        Function::Log => on_float!(n => n.log10()),
        Function::Sqrt => on_float!(n => n.sqrt()),
        Function::Pi => Value::Number(float(std::f64::consts::PI)?),
        Function::Mod => match (number(0), number(1)) {
            (Some(a), Some(b)) => Value::Number(a.checked_rem(b).ok_or(Broken)?),
            _ => Value::Null,
        },
        Function::Round | Function::Trunc => match (number(0), whole(1).unwrap_or(0)) {
            (None, _) => Value::Null,
            (Some(n), places) => {
                let strategy = if function == Function::Round {
                    RoundingStrategy::MidpointAwayFromZero
                } else {
                    RoundingStrategy::ToZero
                };
                if places >= 0 {
                    let places = u32::try_from(places).map_err(|_| Broken)?;
                    Value::Number(n.round_dp_with_strategy(places, strategy))
                } else {
                    let unit = power(Decimal::TEN, Decimal::from(-places)).ok_or(Broken)?;
                    Value::Number((n / unit).round_dp_with_strategy(0, strategy) * unit)
                }
            }
        },
        Function::Max | Function::Min => {
            let mut best: Option<Decimal> = None;
            for at in 0..arguments.len() {
                let Some(n) = number(at) else {
                    return Ok(Value::Null);
                };
                best = Some(match best {
                    None => n,
                    Some(b) if function == Function::Max => b.max(n),
                    Some(b) => b.min(n),
                });
            }
            best.map_or(Value::Null, Value::Number)
        }
        Function::Value => {
            let text = text(0);
            if text.trim().is_empty() {
                Value::Null
            } else {
                Value::Number(text.trim().parse().map_err(|_| Broken)?)
            }
        }
        Function::IsNumber => Value::Bool(given(0) && text(0).trim().parse::<Decimal>().is_ok()),
        Function::Len => count(text(0).encode_utf16().count()),
        Function::Left => Value::text(text(0).chars().take(length(1)).collect::<String>()),
        Function::Right => {
            let text = text(0);
            let skip = text.chars().count().saturating_sub(length(1));
            Value::text(text.chars().skip(skip).collect::<String>())
        }
        Function::Mid => {
            let from = length(1).max(1) - 1;
            Value::text(text(0).chars().skip(from).take(length(2)).collect::<String>())
        }
        Function::Trim => Value::text(text(0).trim()),
        Function::Upper => Value::text(text(0).to_uppercase()),
        Function::Lower => Value::text(text(0).to_lowercase()),
        Function::Reverse => Value::text(text(0).chars().rev().collect::<String>()),
        Function::InitCap => {
            let mut start = true;
            let mut out = String::new();
            for c in text(0).chars() {
                if start {
                    out.extend(c.to_uppercase());
                } else {
                    out.extend(c.to_lowercase());
                }
                start = !c.is_alphanumeric();
            }
            Value::text(out)
        }
        Function::Lpad | Function::Rpad => {
            let (text, wanted) = (text(0), length(1));
            let have = text.chars().count();
            let fill = if arguments.len() > 2 {
                arguments[2].shown()
            } else {
                " ".to_owned()
            };
            if text.is_empty() || wanted == 0 {
                Value::Null
            } else if have >= wanted {
                Value::text(text.chars().take(wanted).collect::<String>())
            } else {
                let pad: String = fill.chars().cycle().take(wanted - have).collect();
                Value::text(if function == Function::Lpad {
                    pad + &text
                } else {
                    text + &pad
                })
            }
        }
        Function::Ascii => match text(0).chars().next() {
            Some(c) => Value::Number(Decimal::from(u32::from(c))),
            None => Value::Null,
        },
        Function::Chr => match whole(0)
            .and_then(|n| u32::try_from(n).ok())
            .and_then(char::from_u32)
        {
            Some(c) => Value::text(c),
            None => Value::Null,
        },
        Function::Contains => Value::Bool(!given(1) || given(0) && text(0).contains(&text(1))),
        Function::Begins => Value::Bool(!given(1) || text(0).starts_with(&text(1))),
        Function::Find => {
            let (wanted, whole) = (text(0), text(1));
            let from = if arguments.len() > 2 { length(2) } else { 1 };
            let skipped: usize = whole.chars().take(from.max(1) - 1).map(char::len_utf8).sum();
            match (wanted.is_empty() || from == 0, whole[skipped..].find(&wanted)) {
                (false, Some(at)) => count(whole[..skipped + at].chars().count() + 1),
                _ => count(0),
            }
        }
        Function::Substitute => {
            let wanted = text(1);
            if wanted.is_empty() {
                Value::text(text(0))
            } else {
                Value::text(text(0).replace(&wanted, &text(2)))
            }
        }
        Function::CaseSafeId => match text(0).parse::<Id>() {
            Ok(id) => Value::text(id.as_str()),
            Err(_) => Value::text(text(0)),
        },
        Function::Br => Value::text("_BR_ENCODED_"),
        Function::Hyperlink => {
            let target = if given(2) { text(2) } else { "_blank".to_owned() };
            Value::text(format!(
                "<a href=\"{}\" target=\"{target}\">{}</a>",
                text(0),
                text(1)
            ))
        }
        Function::Image => {
            let size = |at: usize, unit: &str| match number(at) {
                Some(n) => format!(" style=\"{unit}:{n}px;\""),
                None => String::new(),
            };
            let style = match (number(2), number(3)) {
                (Some(h), Some(w)) => format!(" style=\"height:{h}px; width:{w}px;\""),
                _ => size(2, "height") + &size(3, "width"),
            };
            Value::text(format!(
                "<img src=\"{}\" alt=\"{}\"{style} border=\"0\"/>",
                text(0),
                text(1)
            ))
        }
        Function::Now => Value::DateTime(now()?),
        Function::Today => Value::Date(now()?.date()),
        Function::TimeNow => Value::Time(now()?.time()),
        Function::Date => match (whole(0), whole(1), whole(2)) {
            (Some(y), Some(m), Some(d)) => {
                let part = |n: i64| i8::try_from(n).map_err(|_| Broken);
                let year = i16::try_from(y).map_err(|_| Broken)?;
                Value::Date(jiff::civil::Date::new(year, part(m)?, part(d)?).map_err(|_| Broken)?)
            }
            _ => Value::Null,
        },
        Function::DateValue => match &arguments[0] {
            Value::Date(date) => Value::Date(*date),
            Value::DateTime(at) => Value::Date(at.date()),
            Value::Text(text) => Value::Date(text.trim().parse().map_err(|_| Broken)?),
            _ => Value::Null,
        },
        Function::DateTimeValue => match &arguments[0] {
            Value::Date(date) => Value::DateTime(date.at(0, 0, 0, 0)),
            Value::DateTime(at) => Value::DateTime(*at),
            Value::Text(text) => Value::DateTime(moment(text).ok_or(Broken)?),
            _ => Value::Null,
        },
        Function::TimeValue => match &arguments[0] {
            Value::DateTime(at) => Value::Time(at.time()),
            Value::Text(text) => Value::Time(text.trim().parse().map_err(|_| Broken)?),
            _ => Value::Null,
        },
        Function::Year => on_date!(d => d.year()),
        Function::Month => on_date!(d => d.month()),
        Function::Day => on_date!(d => d.day()),
        Function::DayOfYear => on_date!(d => d.day_of_year()),
        Function::Weekday => on_date!(d => d.weekday().to_sunday_one_offset()),
        Function::IsoWeek => on_date!(d => d.iso_week_date().week()),
        Function::IsoYear => on_date!(d => d.iso_week_date().year()),
        Function::Hour => on_time!(t => t.hour()),
        Function::Minute => on_time!(t => t.minute()),
        Function::Second => on_time!(t => t.second()),
        Function::Millisecond => on_time!(t => t.millisecond()),
        Function::AddMonths => match (&arguments[0], whole(1)) {
            (Value::Date(date), Some(n)) => Value::Date(add_months(*date, n)?),
            (Value::DateTime(at), Some(n)) => {
                Value::DateTime(add_months(at.date(), n)?.to_datetime(at.time()))
            }
            _ => Value::Null,
        },
        Function::UnixTimestamp => match &arguments[0] {
            Value::DateTime(at) => Value::Number(Decimal::from(
                at.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0))
                    .as_secs(),
            )),
            _ => Value::Null,
        },
        Function::FromUnixTime => match whole(0) {
            Some(seconds) => {
                let span = Span::new().try_seconds(seconds).map_err(|_| Broken)?;
                let start = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
                Value::DateTime(start.checked_add(span).map_err(|_| Broken)?)
            }
            None => Value::Null,
        },
    })
}

/// A datetime as `DATETIMEVALUE` takes it: `2026-01-31 09:05:07`.
fn moment(text: &str) -> Option<DateTime> {
    let text = text.trim().trim_end_matches('Z');
    if text.len() == 10 {
        return Some(text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0));
    }
    text.replacen(' ', "T", 1).parse().ok()
}
