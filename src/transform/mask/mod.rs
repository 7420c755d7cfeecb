//! `mask`: values that look alike and tell nothing, the same ones for equal values in every run.
//!
//! Everything is drawn from HMAC-SHA-256 of the value under the project's key, so that equal values stay equal across
//! objects, steps and runs, and nobody without the key can check a guess. Digits go through a keyed permutation: two
//! numbers of one length never become one.

mod digits;
mod draw;
mod words;

use std::sync::Arc;

use hmac::{Hmac, KeyInit};
use sha2::Sha256;

use crate::{
    pipeline::model::Mask,
    record::{Number, Value},
};
use draw::Draw;

/// Masked names are no longer than this, or than the name was: the shortest standard field of a name takes so many.
const LONGEST_NAME: usize = 40;

/// Masks values under one key.
#[derive(Clone)]
pub struct Masker {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masker(key hidden)")
    }
}

/// A value that cannot be masked, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`mask` takes a text, a number or a list of them, and not {0}")]
pub struct CannotMask(&'static str);

impl Masker {
    /// Masks under this key.
    pub fn new(key: &[u8]) -> Masker {
        // HMAC takes keys of any length; the type system wants a word all the same.
        let mac =
            Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
        Masker { mac }
    }

    /// The masked value. Null stays null; a list is masked entry by entry.
    ///
    /// # Errors
    /// For what is neither text nor number.
    pub fn mask(&self, kind: Mask, value: &Value) -> Result<Value, CannotMask> {
        Ok(match value {
            Value::Null => Value::Null,
            Value::Number(number) if kind == Mask::Digits => self.number(number),
            Value::Number(number) => Value::text(self.text_of(kind, number.as_str())),
            Value::Text(text) => Value::text(self.text_of(kind, text)),
            Value::Bool(_) => return Err(CannotMask("true or false")),
            Value::Json(json) => match json.as_array() {
                None => return Err(CannotMask("an object")),
                Some(list) => {
                    let masked: Result<Vec<_>, _> = list
                        .iter()
                        .map(|entry| Ok(self.mask(kind, &Value::from_json(entry))?.to_json()))
                        .collect();
                    Value::Json(Arc::new(serde_json::Value::Array(masked?)))
                }
            },
        })
    }

    fn text_of(&self, kind: Mask, text: &str) -> String {
        match kind {
            Mask::Email => self.email(text),
            Mask::Name => self.name(text),
            Mask::Phone => self.phone(text),
            Mask::Text => self.text(text),
            Mask::Digits => self.digits(text),
        }
    }

    fn draw(&self, what: &str, value: &str) -> Draw {
        Draw::new(&self.mac, what, value)
    }

    /// Two readable words and 64 bits that keep it unique, under a domain that can never exist (RFC 2606).
    fn email(&self, text: &str) -> String {
        let mut draw = self.draw("email", &text.trim().to_lowercase());
        let (first, last) = (words::name(&mut draw), words::name(&mut draw));
        let tail = draw.letters(13);
        format!(
            "{}.{}.{tail}@example.invalid",
            first.to_lowercase(),
            last.to_lowercase()
        )
    }

    /// Word by word, so that a whole name is made of its masked parts.
    fn name(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 8);
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if !c.is_alphabetic() {
                match c.is_numeric() {
                    true => out.push(self.draw("name digit", text).digit()),
                    false => out.push(c),
                }
                rest = &rest[c.len_utf8()..];
                continue;
            }
            let end = rest.find(|c: char| !words::in_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            out.push_str(&self.name_word(word));
            rest = after;
        }
        let most = text.chars().count().max(LONGEST_NAME);
        match out.char_indices().nth(most) {
            Some((cut, _)) => out[..cut].trim_end().to_owned(),
            None => out,
        }
    }

    fn name_word(&self, word: &str) -> String {
        let lower = word.to_lowercase();
        if words::is_kept(&lower) {
            return word.to_owned();
        }
        let mut draw = self.draw("name", &lower);
        let new = match word.chars().nth(1) {
            None => draw.letter().to_string(),
            Some(_) => words::name(&mut draw),
        };
        let shouted = word.chars().all(|c| !c.is_lowercase()) && word.chars().count() > 1;
        let whispered = word.chars().all(|c| !c.is_uppercase());
        // Scripts without capitals are neither: their names become plain ones.
        match (shouted, whispered) {
            (true, false) => new.to_uppercase(),
            (false, true) => new.to_lowercase(),
            (_, _) => words::capitalised(&new),
        }
    }

    /// Digits become others, zeros in front stay; what is written between them stays, words do not.
    fn phone(&self, text: &str) -> String {
        let bare: String = text.chars().filter(char::is_ascii_digit).collect();
        let masked = self.behind_zeros("phone", &bare);
        let mut masked = masked.chars();
        let mut letters = self.draw("phone letters", text);
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c.is_ascii_digit() {
                out.extend(masked.next());
                rest = &rest[1..];
            } else if c.is_alphabetic() {
                let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                match words::is_of_phones(&word.to_lowercase()) {
                    true => out.push_str(word),
                    false => out.extend(word.chars().map(|c| letters.like(c))),
                }
                rest = after;
            } else {
                out.push(if c.is_numeric() { letters.digit() } else { c });
                rest = &rest[c.len_utf8()..];
            }
        }
        out
    }

    fn text(&self, text: &str) -> String {
        let mut draw = self.draw("text", text);
        text.chars().map(|c| draw.like(c)).collect()
    }

    /// Dates keep their year and stay dates; otherwise digits become other digits, and all else stays.
    fn digits(&self, text: &str) -> String {
        if let Some(date) = self.date(text) {
            return date;
        }
        let bare: String = text.chars().filter(char::is_ascii_digit).collect();
        if bare.is_empty() {
            // Nothing would be masked: better the letters than nothing.
            return self.text(text);
        }
        let masked = digits::permuted(&self.mac, "digits", &bare);
        let mut masked = masked.chars();
        text.chars()
            .map(|c| {
                if c.is_ascii_digit() {
                    masked.next().unwrap_or(c)
                } else {
                    c
                }
            })
            .collect()
    }

    fn number(&self, number: &Number) -> Value {
        let canonical = Number::canonical(number.as_str()).unwrap_or_else(|_| number.clone());
        let text = canonical.as_str();
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let bare: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let masked = self.behind_zeros("digits", &bare);
        let mut masked = masked.chars();
        let text: String = mantissa
            .chars()
            .map(|c| {
                if c.is_ascii_digit() {
                    masked.next().unwrap_or(c)
                } else {
                    c
                }
            })
            .chain(exponent.chars())
            .collect();
        Number::canonical(&text).map_or(Value::Null, Value::Number)
    }

    /// Zeros in front stay, and the first digit behind them stays no zero.
    fn behind_zeros(&self, what: &str, bare: &str) -> String {
        let zeros = bare.bytes().take_while(|b| *b == b'0').count();
        let (zeros, rest) = bare.split_at(zeros);
        let mut masked = rest.to_owned();
        if !rest.is_empty() {
            // Walking on until the form is right keeps it a permutation of those with this form.
            loop {
                masked = digits::permuted(&self.mac, what, &masked);
                if !masked.starts_with('0') {
                    break;
                }
            }
        }
        format!("{zeros}{masked}")
    }

    /// `2026-01-31`, with a time behind it or not.
    fn date(&self, text: &str) -> Option<String> {
        let day = text.get(..10)?;
        let date: jiff::civil::Date = day.parse().ok()?;
        let year = day.get(..4)?;
        let days = u64::try_from(date.days_in_year()).unwrap_or(365);
        let nth = self.draw("date", day).below(days);
        let masked = date
            .first_of_year()
            .checked_add(jiff::Span::new().days(i64::try_from(nth).unwrap_or(0)))
            .ok()?;
        debug_assert!(masked.to_string().starts_with(year));
        let rest = &text[10..];
        if rest.is_empty() {
            return Some(masked.to_string());
        }
        let time = rest.strip_prefix(['T', ' '])?;
        let clock = time.get(..8)?;
        let _: jiff::civil::Time = clock.parse().ok()?;
        let mut draw = self.draw("time", clock);
        let (hour, minute, second) = (draw.below(24), draw.below(60), draw.below(60));
        Some(format!(
            "{masked}{}{hour:02}:{minute:02}:{second:02}{}",
            &rest[..1],
            &time[8..]
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn masker() -> Masker {
        Masker::new(b"a key of a test project")
    }

    fn masked(kind: Mask, text: &str) -> String {
        let value = masker().mask(kind, &Value::text(text)).expect("a text");
        value.as_text().unwrap_or_default().to_owned()
    }

    #[test]
    fn masks_look_like_what_they_stand_for() {
        for (kind, text) in [
            (Mask::Email, "Ann.Lee@acme.example"),
            (Mask::Email, "not an address"),
            (Mask::Name, "Ann Lee"),
            (Mask::Name, "Dr. ANN O'Brien-Lee von der Heide"),
            (Mask::Name, "王小明"),
            (Mask::Phone, "+49 (30) 1234-5678 ext. 9"),
            (Mask::Phone, "0049 30 12345"),
            (Mask::Text, "Flat 12b, Straße 7!"),
            (Mask::Digits, "AB-001234"),
            (Mask::Digits, "1984-02-29"),
            (Mask::Digits, "2026-01-31T09:05:07.000Z"),
            (Mask::Digits, "none"),
        ] {
            let out = masked(kind, text);
            assert_ne!(out, text, "{kind:?}");
            match kind {
                Mask::Email => {
                    let (local, domain) = out.split_once('@').expect("an address");
                    assert_eq!(domain, "example.invalid");
                    assert!(local.len() < 40 && local.split('.').count() == 3, "{out}");
                }
                Mask::Name => assert!(out.chars().count() <= 40.max(text.chars().count()), "{out}"),
                Mask::Phone | Mask::Text | Mask::Digits => {
                    assert_eq!(out.chars().count(), text.chars().count(), "{out}");
                }
            }
        }
        assert!(masked(Mask::Phone, "+49 (30) 1234-5678 ext. 9").starts_with('+'));
        assert!(masked(Mask::Phone, "0049 30 12345").starts_with("00"));
        assert!(masked(Mask::Digits, "AB-001234").starts_with("AB-"));
        let date: jiff::civil::Date = masked(Mask::Digits, "1984-02-29").parse().expect("a date");
        assert_eq!(date.year(), 1984);
        let time = masked(Mask::Digits, "2026-01-31T09:05:07.000Z");
        let _: jiff::Timestamp = time.parse().expect("a time");
        assert!(masked(Mask::Name, "Dr. ANN O'Brien").starts_with("Dr. "));
    }

    #[test]
    fn what_counts_as_equal_stays_equal() {
        for (kind, a, b) in [
            (Mask::Email, "Ann@Acme.example", " ann@acme.EXAMPLE "),
            (Mask::Phone, "+49 30 1234", "+49-30-1234"),
        ] {
            let digits = |t: String| {
                t.chars()
                    .filter(|c| c.is_ascii_alphanumeric())
                    .collect::<String>()
            };
            assert_eq!(digits(masked(kind, a)), digits(masked(kind, b)));
        }
        // A whole name is made of its parts, in the case of each.
        let (first, last) = (masked(Mask::Name, "Ann"), masked(Mask::Name, "Lee"));
        assert_eq!(masked(Mask::Name, "Ann Lee"), format!("{first} {last}"));
        assert_eq!(masked(Mask::Name, "ANN"), first.to_uppercase());
        assert_eq!(masked(Mask::Name, "ann"), first.to_lowercase());
        // Texts compare exactly.
        assert_ne!(
            masked(Mask::Text, "Ann").to_lowercase(),
            masked(Mask::Text, "ann")
        );
    }

    #[test]
    fn another_key_gives_other_values_and_is_not_shown() {
        let other = Masker::new(b"another key, of another project");
        for kind in Mask::ALL {
            let value = Value::text("Ann Lee 123-456-7890");
            assert_ne!(masker().mask(kind, &value), other.mask(kind, &value), "{kind:?}");
        }
        assert!(!format!("{other:?}").contains("another"));
    }

    /// What was masked once is masked so for ever: orgs hold such values.
    #[test]
    fn masks_do_not_change_between_versions() {
        let all: Vec<String> = Mask::ALL
            .into_iter()
            .map(|kind| masked(kind, "Ann Lee +49 30 1234567"))
            .collect();
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn kinds_of_values() {
        let masker = masker();
        let number = |text: &str| Value::Number(Number::exact(text).expect("a number"));
        for text in ["4711", "-12.5", "0.05", "1e30", "0"] {
            let out = masker.mask(Mask::Digits, &number(text)).expect("a number");
            assert!(matches!(out, Value::Number(_)), "{text}: {out:?}");
        }
        let list = Value::from_json(&serde_json::json!(["Ann", null, "Lee"]));
        let out = masker.mask(Mask::Name, &list).expect("a list").to_json();
        assert_eq!(out[0], masked(Mask::Name, "Ann"));
        assert_eq!(out[1], serde_json::Value::Null);
        assert_eq!(masker.mask(Mask::Email, &Value::Null), Ok(Value::Null));
        assert!(masker.mask(Mask::Text, &Value::Bool(true)).is_err());
        assert!(
            masker
                .mask(Mask::Text, &Value::from_json(&serde_json::json!({"a": 1})))
                .is_err()
        );
    }

    #[test]
    fn a_million_addresses_and_all_numbers_stay_apart() {
        let masker = masker();
        let mut seen = HashSet::new();
        for i in 0..20_000 {
            assert!(
                seen.insert(masked(Mask::Email, &format!("p{i}@acme.example"))),
                "{i}"
            );
        }
        for length in 1..=4 {
            let mut seen = HashSet::new();
            for i in 0..10_u32.pow(length) {
                let text = format!("{i:0width$}", width = length as usize);
                assert!(seen.insert(masker.digits(&text)), "{text}");
            }
            assert_eq!(seen.len(), 10_usize.pow(length));
        }
        let phones: HashSet<String> = (1_000..10_000).map(|i| masker.phone(&format!("+{i}"))).collect();
        assert_eq!(phones.len(), 9_000);
    }

    fn shape(text: &str) -> Vec<u8> {
        text.chars()
            .map(|c| match c {
                c if c.is_uppercase() => b'A',
                c if c.is_alphabetic() => b'a',
                c if c.is_numeric() => b'0',
                _ => b'-',
            })
            .collect()
    }

    proptest! {
        #[test]
        fn any_text_can_be_masked(text in "\\PC{0,60}") {
            let masker = masker();
            let value = Value::text(text.as_str());
            for kind in Mask::ALL {
                let once = masker.mask(kind, &value).expect("a text");
                prop_assert_eq!(&once, &masker.mask(kind, &value).expect("a text"));
                prop_assert_eq!(once.is_null(), value.is_null());
            }
            prop_assert_eq!(shape(&masker.text(&text)), shape(&text));
            prop_assert_eq!(masker.digits(&text).chars().count(), text.chars().count());
            prop_assert_eq!(masker.phone(&text).chars().count(), text.chars().count());
            prop_assert!(masker.name(&text).chars().count() <= text.chars().count().max(LONGEST_NAME));
        }

        #[test]
        fn phones_keep_their_shape(text in "[+]?[0-9 ()./-]{3,24}") {
            let masked = masker().phone(&text);
            prop_assert_eq!(shape(&masked), shape(&text));
            for (a, b) in text.chars().zip(masked.chars()) {
                prop_assert!(a.is_ascii_digit() && b.is_ascii_digit() || a == b);
            }
        }

        #[test]
        fn different_numbers_stay_different(a in "[0-9]{6}", b in "[0-9]{6}") {
            let masker = masker();
            prop_assert_eq!(a == b, masker.digits(&a) == masker.digits(&b));
        }
    }
}
