use std::{fmt, str::FromStr};

use serde::Deserialize;

/// A version of the API, `66.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion(u16);

/// The text is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no API version: write it as `66.0`")]
pub struct NotAVersion(pub String);

impl ApiVersion {
    /// The newest version that this program has been built for.
    pub const NEWEST_KNOWN: ApiVersion = ApiVersion(67);

    /// Of the versions that an org lists, the one to speak: `wanted` when the org has it, else the newest that both
    /// know. `None` when the org lists nothing that would do.
    pub fn choose(listed: &[ApiVersion], wanted: Option<ApiVersion>) -> Option<ApiVersion> {
        match wanted {
            Some(wanted) => listed.iter().copied().find(|v| *v == wanted),
            None => listed.iter().copied().filter(|v| *v <= Self::NEWEST_KNOWN).max(),
        }
    }

    /// The whole number, 66.
    pub fn major(self) -> u16 {
        self.0
    }
}

impl FromStr for ApiVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let bad = || NotAVersion(text.to_owned());
        let number = text.strip_prefix('v').unwrap_or(text);
        let whole = match number.split_once('.') {
            Some((whole, "0")) => whole,
            Some(_) => return Err(bad()),
            None => number,
        };
        whole.parse().map(ApiVersion).map_err(|_| bad())
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.0", self.0)
    }
}

/// Reads the answer of `GET /services/data`. Only `version` counts: labels are for people.
pub(super) fn parse_versions(body: &[u8]) -> Result<Vec<ApiVersion>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Listed {
        version: String,
    }
    let listed: Vec<Listed> = serde_json::from_slice(body)?;
    Ok(listed.iter().filter_map(|v| v.version.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_and_print() {
        for (text, expected) in [("66.0", "66.0"), ("v59.0", "59.0"), ("60", "60.0")] {
            assert_eq!(text.parse::<ApiVersion>().unwrap().to_string(), expected);
        }
        for text in ["", "66.1", "six", "-1", "66.0.0"] {
            assert!(text.parse::<ApiVersion>().is_err(), "{text}");
        }
        assert!("9.0".parse::<ApiVersion>().unwrap() < "10.0".parse().unwrap());
    }

    #[test]
    fn the_newest_that_both_know() {
        let body = r#"[{"label":"Spring ’18","url":"/services/data/v42.0","version":"42.0"},
            {"label":"Spring '26","url":"/services/data/v66.0","version":"66.0"},
            {"label":"Winter '27","url":"/services/data/v68.0","version":"68.0"}]"#;
        let listed = parse_versions(body.as_bytes()).unwrap();
        for (wanted, expected) in [
            (None, Some(66)),
            (Some(42), Some(42)),
            (Some(68), Some(68)),
            (Some(50), None),
        ] {
            assert_eq!(
                ApiVersion::choose(&listed, wanted.map(ApiVersion)).map(ApiVersion::major),
                expected
            );
        }
    }
}
