use std::{fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// A share of all: `5%` or `0.05`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// From 0 (none) to 1 (all).
    pub fn new(share: f64) -> Self {
        Share(share.clamp(0.0, 1.0))
    }

    /// From 0 to 1.
    pub fn get(self) -> f64 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let share = match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
            None => text.trim().parse().ok()?,
        };
        (0.0..=1.0).contains(&share).then_some(Share(share))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // YAML hands every scalar out as text, JSON has numbers.
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        Share::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no share: write `5%`, or a number from 0 to 1"
            ))
        })
    }
}

impl serde::Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share of all: `5%` or `0.05`.",
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%?$"},
                {"type": "number", "minimum": 0, "maximum": 1}
            ]
        })
    }
}

/// A length of time: `250ms`, `5s`, `10m`, `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(Duration);

impl Span {
    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Span(Duration::from_millis(millis))
    }

    /// The length.
    pub fn get(self) -> Duration {
        self.0
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let at = text.find(|c: char| c.is_ascii_alphabetic())?;
        let n: f64 = text[..at].trim().parse().ok()?;
        let unit = match &text[at..] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        Duration::try_from_secs_f64(n * unit).ok().map(Span)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Span::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no length of time: write `250ms`, `5s`, `10m` or `2h`"
            ))
        })
    }
}

impl serde::Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.as_millis();
        serializer.collect_str(&match millis % 1_000 {
            0 => format!("{}s", millis / 1_000),
            _ => format!("{millis}ms"),
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time: `250ms`, `5s`, `10m`, `2h`.",
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"
        })
    }
}

/// Values to choose from: a list, or a map of value to weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighted(Vec<(String, u32)>);

impl Weighted {
    /// The values with their weights.
    pub fn entries(&self) -> &[(String, u32)] {
        &self.0
    }

    /// The value at a place between 0 and 1.
    pub(crate) fn at(&self, place: f64) -> &str {
        let total: u64 = self.0.iter().map(|(_, w)| u64::from(*w)).sum();
        let mut left = place * total as f64;
        for (value, weight) in &self.0 {
            left -= f64::from(*weight);
            if left < 0.0 {
                return value;
            }
        }
        self.0.last().map(|(v, _)| v.as_str()).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Weighted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Weighted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of values, or a map of value to weight")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Weighted, A::Error> {
                let mut out = Vec::new();
                while let Some(value) = seq.next_element::<String>()? {
                    out.push((value, 1));
                }
                Ok(Weighted(out))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weighted, A::Error> {
                let mut out = Vec::new();
                while let Some(entry) = map.next_entry::<String, u32>()? {
                    out.push(entry);
                }
                Ok(Weighted(out))
            }
        }
        let weighted = deserializer.deserialize_any(Values)?;
        if weighted.0.iter().all(|(_, w)| *w == 0) {
            return Err(de::Error::custom("there is nothing to choose from"));
        }
        Ok(weighted)
    }
}

impl JsonSchema for Weighted {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Weighted".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Values to choose from: a list, or a map of value to weight.",
            "anyOf": [
                {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1},
                {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
            ]
        })
    }
}

/// How a field of a generated record is filled: a plain value, in which `{n}` stands for the record's number
/// (`{n:05}` with zeros), or one generator.
#[derive(Clone, Debug, PartialEq)]
pub enum Recipe {
    /// A constant, or a pattern with `{n}`.
    Pattern(String),
    /// A generator.
    Generator(Generator),
}

/// A generator. Those without settings are written `{ company: }`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// A company's name.
    Company(()),
    /// A first name.
    FirstName(()),
    /// A last name.
    LastName(()),
    /// An address made of the record's own first and last name, at this domain.
    Email(String),
    /// A phone number.
    Phone(()),
    /// A street with a number.
    Street(()),
    /// A city.
    City(()),
    /// A postal code.
    PostalCode(()),
    /// A country; the one of the city when the record has one.
    Country(()),
    /// One of these values.
    Pick(Weighted),
    /// Some of these values, for multi-select picklists.
    PickSome(Weighted),
    /// A whole number.
    Number(NumberSpan),
    /// A number with decimals.
    Decimal(NumberSpan),
    /// A date.
    Date(TimeSpan),
    /// A date and time, to the second.
    Datetime(TimeSpan),
    /// True in this share of the records.
    Bool(Share),
    /// The Id of a record of another object that is made before: any of them.
    Reference(String),
    /// The Id of a record of another object: each one in turn.
    Each(String),
    /// The Id of an earlier record of this recipe: a hierarchy.
    Parent(Hierarchy),
    /// Running text.
    Text(TextRecipe),
    /// The Id of a record type, by developer name.
    RecordType(Weighted),
    /// The Id of an active user or queue; of these usernames or queue names, or any user.
    Owner(Option<Weighted>),
}

/// A hierarchy within one object.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hierarchy {
    /// The share of records that have a parent.
    pub share: Share,
    /// How many levels there are below the top.
    #[serde(default = "three")]
    pub depth: u8,
}

/// A range of numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberSpan {
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// Decimals.
    #[serde(default)]
    pub scale: u32,
}

/// A range of dates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeSpan {
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
}

/// Running text, with what makes text hard to carry.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextRecipe {
    /// About how many words.
    #[serde(default = "words")]
    pub words: usize,
    /// The share with line breaks.
    #[serde(default = "none")]
    pub newlines: Share,
    /// The share with quotes and delimiters.
    #[serde(default = "none")]
    pub quotes: Share,
    /// The share with emoji and letters beyond ASCII.
    #[serde(default = "none")]
    pub emoji: Share,
}

fn three() -> u8 {
    3
}

fn words() -> usize {
    12
}

fn none() -> Share {
    Share(0.0)
}

impl<'de> Deserialize<'de> for Recipe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Recipe;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, a pattern with `{n}`, or one generator such as `{ company: }`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Recipe, E> {
                Ok(Recipe::Pattern(text.to_owned()))
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Recipe, E> {
                Ok(Recipe::Pattern(flag.to_string()))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Recipe, E> {
                Ok(Recipe::Pattern(n.to_string()))
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Recipe, E> {
                Ok(Recipe::Pattern(n.to_string()))
            }

            fn visit_f64<E: de::Error>(self, n: f64) -> Result<Recipe, E> {
                Ok(Recipe::Pattern(n.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Recipe, A::Error> {
                Generator::deserialize(MapAccessDeserializer::new(map)).map(Recipe::Generator)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for Recipe {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Recipe".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Generator>();
        json_schema!({
            "description": "A plain value, in which `{n}` stands for the record's number, or one generator.",
            "anyOf": [{"type": ["string", "number", "boolean"]}, one]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_spans() {
        for (text, share) in [
            ("5%", Some(0.05)),
            ("0.5", Some(0.5)),
            ("1", Some(1.0)),
            ("120%", None),
            ("x", None),
        ] {
            assert_eq!(Share::parse(text).map(Share::get), share, "{text}");
        }
        for (text, millis) in [
            ("250ms", Some(250)),
            ("2h", Some(7_200_000)),
            ("1.5s", Some(1_500)),
            ("5", None),
        ] {
            assert_eq!(Span::parse(text).map(|s| s.get().as_millis()), millis, "{text}");
        }
    }

    #[test]
    fn weights_are_honoured() {
        let w = Weighted(vec![("a".into(), 3), ("b".into(), 1)]);
        assert_eq!(w.at(0.0), "a");
        assert_eq!(w.at(0.74), "a");
        assert_eq!(w.at(0.76), "b");
        assert_eq!(w.at(1.0), "b");
    }
}
