use super::Kind;

/// A data type as Setup prints it in its list of fields: `Text(40)`, `Currency(16, 2)`, `Lookup(Account)`.
///
/// Upper and lower case, spaces, `_` and `-` make no difference, so that `long_text_area(32768)` is read too.
/// As in Setup, the two numbers of `Number(16, 2)` are digits before and after the point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataType {
    pub(crate) kind: Kind,
    pub(crate) length: usize,
    pub(crate) precision: u32,
    pub(crate) scale: u32,
    pub(crate) reference_to: Vec<String>,
    pub(crate) master_detail: bool,
    pub(crate) auto_number: bool,
    pub(crate) calculated: bool,
    /// A roll-up summary.
    pub(crate) summary: bool,
}

impl DataType {
    /// A type without sizes.
    fn plain(kind: Kind) -> Self {
        DataType {
            kind,
            length: 0,
            precision: 0,
            scale: 0,
            reference_to: Vec::new(),
            master_detail: false,
            auto_number: false,
            calculated: false,
            summary: false,
        }
    }

    /// Reads a type.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (word, rest) = match text.split_once('(') {
            Some((word, rest)) => (
                word,
                rest.trim_end()
                    .strip_suffix(')')
                    .ok_or_else(|| format!("`{text}` lacks its closing parenthesis"))?,
            ),
            None => (text, ""),
        };
        let word: String = word
            .chars()
            .filter(|c| c.is_ascii_alphanumeric())
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let arguments: Vec<&str> = rest.split(',').map(str::trim).filter(|a| !a.is_empty()).collect();
        let size = |default: usize, max: usize| -> Result<usize, String> {
            let n = match arguments.first() {
                None => default,
                Some(a) => a.parse().map_err(|_| format!("`{a}` is no length in `{text}`"))?,
            };
            if (1..=max).contains(&n) {
                Ok(n)
            } else {
                Err(format!("`{text}`: the length goes from 1 to {max}"))
            }
        };
        let sized = |kind: Kind, length: usize| DataType {
            length,
            ..DataType::plain(kind)
        };
        let number = |kind: Kind, default: (u32, u32)| -> Result<Self, String> {
            let part = |at: usize, default: u32| match arguments.get(at) {
                None => Ok(default),
                Some(a) => a
                    .parse::<u32>()
                    .map_err(|_| format!("`{a}` is no number of digits in `{text}`")),
            };
            let (whole, scale) = if arguments.is_empty() {
                default
            } else {
                (part(0, default.0)?, part(1, 0)?)
            };
            if whole + scale > 18 || whole + scale == 0 {
                return Err(format!("`{text}`: a number has 1 to 18 digits in all"));
            }
            Ok(DataType {
                precision: whole + scale,
                scale,
                ..DataType::plain(kind)
            })
        };
        let references = |master_detail: bool| -> Result<Self, String> {
            if arguments.is_empty() {
                return Err(format!("`{text}` names no object: `Lookup(Account)`"));
            }
            let mut reference_to: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
            reference_to.sort();
            Ok(DataType {
                length: 18,
                reference_to,
                master_detail,
                ..DataType::plain(Kind::Reference)
            })
        };
        Ok(match word.as_str() {
            "text" if rest.eq_ignore_ascii_case("encrypted") => sized(Kind::Encrypted, 175),
            "text" | "string" => sized(Kind::Text, size(255, 4_000)?),
            "textarea" => sized(Kind::TextArea, size(255, 4_000)?),
            "longtextarea" | "longtext" => sized(Kind::LongText, size(32_768, 384_000)?),
            "richtextarea" | "richtext" | "html" => sized(Kind::RichText, size(32_768, 131_072)?),
            "picklist" if rest.to_ascii_lowercase().starts_with("multi") => sized(Kind::MultiPicklist, 4_099),
            "picklist" => sized(Kind::Picklist, size(255, 255)?),
            "multiselectpicklist" | "multipicklist" => sized(Kind::MultiPicklist, 4_099),
            "combobox" => sized(Kind::Combobox, size(255, 255)?),
            "checkbox" | "boolean" => DataType::plain(Kind::Boolean),
            "int" | "integer" => DataType::plain(Kind::Int),
            "number" | "double" => number(Kind::Double, (18, 0))?,
            "currency" => number(Kind::Currency, (16, 2))?,
            "percent" => number(Kind::Percent, (16, 2))?,
            "date" => DataType::plain(Kind::Date),
            "datetime" => DataType::plain(Kind::DateTime),
            "time" => DataType::plain(Kind::Time),
            "email" => sized(Kind::Email, size(80, 1_000)?),
            "phone" | "fax" => sized(Kind::Phone, size(40, 40)?),
            "url" => sized(Kind::Url, size(255, 2_000)?),
            "lookup" | "reference" | "hierarchy" => references(false)?,
            "masterdetail" => references(true)?,
            "autonumber" => DataType {
                auto_number: true,
                ..sized(Kind::Text, size(30, 80)?)
            },
            "formula" => DataType {
                calculated: true,
                ..formula(rest)?
            },
            // What is summarized stands elsewhere: `Roll-Up Summary (COUNT)` and `Roll-Up Summary` are the same.
            "rollupsummary" => DataType {
                calculated: true,
                summary: true,
                precision: 18,
                ..DataType::plain(Kind::Double)
            },
            "address" => DataType::plain(Kind::Address),
            "geolocation" | "location" => DataType::plain(Kind::Location),
            "base64" | "file" => DataType::plain(Kind::Base64),
            "encryptedtext" | "encryptedstring" => sized(Kind::Encrypted, size(175, 175)?),
            _ => {
                return Err(format!(
                    "`{text}` is no data type; known are Text(n), Text Area, Long Text Area(n), Rich Text Area(n), \
                     Picklist, Multi-Select Picklist, Checkbox, Number(n, d), Currency(n, d), Percent(n, d), Int, Date, \
                     Date/Time, Time, Email, Phone, URL, Lookup(Object), Master-Detail(Object), Auto Number, Formula(Type), Roll-Up Summary"
                ));
            }
        })
    }
}

/// The result of a formula: `Formula (Text)`, `Formula (Number)`.
fn formula(result: &str) -> Result<DataType, String> {
    let result = result.trim();
    if result.is_empty() || result.eq_ignore_ascii_case("text") {
        return DataType::parse("Text(1300)");
    }
    DataType::parse(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_setup_prints_them() {
        for (text, kind, length, precision, scale) in [
            ("Text(40)", Kind::Text, 40, 0, 0),
            ("text_area", Kind::TextArea, 255, 0, 0),
            ("Long Text Area(32768)", Kind::LongText, 32_768, 0, 0),
            ("Number(16, 2)", Kind::Double, 0, 18, 2),
            ("Currency(16, 2)", Kind::Currency, 0, 18, 2),
            ("Percent(3, 0)", Kind::Percent, 0, 3, 0),
            ("Date/Time", Kind::DateTime, 0, 0, 0),
            ("Picklist (Multi-Select)", Kind::MultiPicklist, 4_099, 0, 0),
            ("URL", Kind::Url, 255, 0, 0),
            ("Auto Number", Kind::Text, 30, 0, 0),
            ("Formula (Text)", Kind::Text, 1_300, 0, 0),
        ] {
            let data = DataType::parse(text).expect(text);
            assert_eq!(
                (data.kind, data.length, data.precision, data.scale),
                (kind, length, precision, scale),
                "{text}"
            );
        }
        let lookup = DataType::parse("Lookup(User, Group)").expect("a lookup");
        assert_eq!(lookup.reference_to, ["Group", "User"]);
        assert!(
            DataType::parse("Master-Detail(Account)")
                .expect("a detail")
                .master_detail
        );
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for text in ["Txt", "Text(0)", "Text(x)", "Number(16, 4)", "Lookup", "Text(4"] {
            assert!(DataType::parse(text).is_err(), "{text}");
        }
    }
}
