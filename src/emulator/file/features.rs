use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// The currencies of an org that has several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Currencies {
    /// The currency that all rates start from, by its ISO code: `EUR`.
    pub corporate: String,
    /// The other active currencies: how much of each one unit of the corporate currency is.
    #[serde(default)]
    pub active: BTreeMap<String, f64>,
    /// Currencies that were in use once.
    #[serde(default)]
    pub inactive: BTreeMap<String, f64>,
}

/// The two kinds of custom settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CustomSetting {
    /// Records by name.
    List,
    /// A record for the org, a profile or a user.
    Hierarchy,
}

/// How much of an encrypted text shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaskType {
    /// Nothing.
    #[default]
    All,
    /// The last four characters.
    LastFour,
    /// The last four digits of a credit card.
    CreditCard,
    /// Nothing of a national insurance number.
    Nino,
    /// The last four digits of a social security number.
    Ssn,
    /// The last four digits of a social insurance number.
    Sin,
}

impl MaskType {
    /// The word of the describe.
    pub(crate) fn api_name(self) -> &'static str {
        match self {
            MaskType::All => "all",
            MaskType::LastFour => "lastFour",
            MaskType::CreditCard => "creditCard",
            MaskType::Nino => "nino",
            MaskType::Ssn => "ssn",
            MaskType::Sin => "sin",
        }
    }
}
