//! Org files: what users write about a virtual org, as YAML.
//!
//! The types below are the file's grammar; unknown keys are refused, and a JSON Schema can be made of them. What a
//! file means is worked out when the org is built (`schema::build`, `recipe`).

mod access;
mod features;
mod life;
mod rules;
mod sobjects;
mod values;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Deserialize;

pub use access::{
    AccessToken, ConnectedApp, FieldPermission, Flow, ObjectPermission, PermissionSet, Profile, Sharing,
    UserEntry,
};
pub use features::{Currencies, CustomSetting, MaskType};
pub use life::{ClockSpec, LimitsSpec};
pub use rules::{
    Automation, Blanks, DuplicateAction, DuplicateRule, Event, LookupFilter, MatchMethod, Rule, Summary,
    SummaryOperation,
};
pub use sobjects::{FieldSpec, NameField, OnDelete, RecordTypeSpec, SObject};
pub use values::{Generator, NumberSpan, Recipe, Share, Span, TextRecipe, TimeSpan, Weighted};

/// An org file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum OrgFileError {
    /// The file, or a CSV file that it names, cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The YAML is broken, or a key or value is not what it should be.
    #[error("{path}:{line}:{column}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What is wrong.
        message: String,
    },
    /// The file is well-formed, but says something impossible.
    #[error("{path}: {place}: {message}")]
    Meaning {
        /// The file.
        path: PathBuf,
        /// The key, as a path: `sobjects.Account.fields.Legacy_Id__c`.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A record of the file breaks a rule of its object.
    #[error("{path}: {place} is refused: {code}: {message}")]
    Record {
        /// The file.
        path: PathBuf,
        /// Which one: `records[0]: record 2 of `Account``.
        place: String,
        /// The error code that the API would answer.
        code: String,
        /// The message.
        message: String,
    },
}

/// A virtual org.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrgFile {
    /// The version of this format: 1.
    pub version: u32,
    /// A short name for the org, used in output and messages.
    pub name: String,
    /// The port on 127.0.0.1 that the org asks for; without it any free one.
    #[serde(default)]
    pub port: Option<u16>,
    /// Its Id, `00D...`; without it one is made from the seed.
    #[serde(default)]
    pub org_id: Option<String>,
    /// Everything that looks random (Ids, generated records, the order of Bulk results) follows from this number.
    #[serde(default)]
    pub seed: u64,
    /// The API versions that the org answers to.
    #[serde(default)]
    pub api_versions: ApiVersions,
    /// `IsSandbox` of the Organization record.
    #[serde(default = "yes")]
    pub is_sandbox: bool,
    /// `OrganizationType` of the Organization record.
    #[serde(default = "developer_edition")]
    pub organization_type: String,
    /// Calls that the org allows in a day, for `Sforce-Limit-Info` and `/limits`.
    #[serde(default = "daily_calls")]
    pub daily_api_requests: u64,
    /// When the records of this file were made; they all carry it in their audit fields.
    #[serde(default = "records_created")]
    pub records_created: String,
    /// Rows on a page of a query.
    #[serde(default = "page_size")]
    pub query_page_size: usize,
    /// How Bulk jobs behave.
    #[serde(default)]
    pub bulk: BulkOptions,
    /// Whether answers are compressed for clients that ask for it.
    #[serde(default = "yes")]
    pub compression: bool,
    /// Apps that clients sign in through.
    #[serde(default)]
    pub connected_apps: Vec<ConnectedApp>,
    /// Tokens that are valid from the start, for clients that bring a token.
    #[serde(default)]
    pub access_tokens: Vec<AccessToken>,
    /// The org's users. The first one owns what nobody else owns. Without any there is one administrator.
    #[serde(default)]
    pub users: Vec<UserEntry>,
    /// Profiles beside the standard ones.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// Permission sets.
    #[serde(default)]
    pub permission_sets: Vec<PermissionSet>,
    /// Hosts that stand for `login.salesforce.com`, such as `localhost`: they lead to the token endpoint, which
    /// refuses the client credentials flow there.
    #[serde(default)]
    pub login_hosts: Vec<String>,
    /// Queues, which may own cases, leads and custom objects.
    #[serde(default)]
    pub queues: Vec<Queue>,
    /// The setting that lets users set audit fields on new records and write records of inactive owners, if they
    /// have the permissions too, as administrators have.
    #[serde(default)]
    pub audit_fields: bool,
    /// Whether an account may be a person: accounts then have the fields of a person, and a contact of their own.
    #[serde(default)]
    pub person_accounts: bool,
    /// Whether contacts are related to several accounts, by records of AccountContactRelation.
    #[serde(default)]
    pub contacts_to_multiple_accounts: bool,
    /// Several currencies; without it the org knows one.
    #[serde(default)]
    pub currencies: Option<Currencies>,
    /// What this org adds to the standard objects, and its custom objects.
    #[serde(default)]
    pub sobjects: BTreeMap<String, SObject>,
    /// The records, in the order in which they are made.
    #[serde(default)]
    pub records: Vec<Records>,
    /// The org's clock.
    #[serde(default)]
    pub clock: ClockSpec,
    /// What the org allows in a day and at a time.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// Things that go wrong on purpose.
    #[serde(default)]
    pub faults: Vec<crate::emulator::Fault>,
    /// Where relative paths start. Set by the loader.
    #[serde(skip)]
    pub base_dir: PathBuf,
    /// The file itself, for messages. Set by the loader.
    #[serde(skip)]
    pub path: PathBuf,
}

/// A range of API versions, both ends included.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiVersions {
    /// The oldest, 31 or later.
    #[serde(default = "oldest")]
    pub from: u32,
    /// The newest.
    #[serde(default = "newest")]
    pub to: u32,
}

/// How Bulk jobs behave.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkOptions {
    /// How long a job waits before it starts, and again before it is complete.
    #[serde(default = "bulk_delay")]
    pub delay: Span,
    /// Whether results come in another order than the rows. An org promises none.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// Rows on a page of query results when the client asks for no number.
    #[serde(default = "bulk_page")]
    pub result_page_rows: usize,
    /// Whether the running user may delete for good.
    #[serde(default = "yes")]
    pub hard_delete: bool,
}

/// A queue.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its label.
    pub name: String,
    /// Made from the name when it is left out.
    #[serde(default)]
    pub developer_name: Option<String>,
    /// The objects whose records it may own; Case, Lead and all custom objects when nothing is said.
    #[serde(default)]
    pub objects: Vec<String>,
}

/// What a value must be. An empty field passes every test but `not_null`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleTest {
    /// Not empty.
    NotNull,
    /// One of these, in this case.
    OneOf(Vec<String>),
    /// None of these.
    NoneOf(Vec<String>),
    /// As in SOQL: `%` stands for any text, `_` for one character.
    Like(String),
    /// The opposite of `like`.
    NotLike(String),
    /// At least this number.
    AtLeast(f64),
    /// At most this number.
    AtMost(f64),
    /// No longer than this many characters.
    MaxLength(usize),
}

/// Records of one object: written out, from a CSV file, or generated. Exactly one of the three.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Records {
    /// The object.
    pub object: String,
    /// Records as maps of field to value. A parent is named by any field of it: `Account: { Legacy_Id__c: A-1 }`.
    #[serde(default)]
    pub rows: Vec<serde_json::Map<String, serde_json::Value>>,
    /// A CSV file with a header line; parents as `Account.Legacy_Id__c`. The path starts at the org file's folder.
    #[serde(default)]
    pub csv: Option<PathBuf>,
    /// A seeded recipe.
    #[serde(default)]
    pub generate: Option<Generate>,
}

/// A recipe for records.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// How many.
    pub count: usize,
    /// How each field is filled.
    pub fields: BTreeMap<String, Recipe>,
    /// The share of records in which a field stays empty: `Phone: 10%`.
    #[serde(default)]
    pub nulls: BTreeMap<String, Share>,
    /// The share of records in which a text is messy, as people type it: `Name: 3%`.
    #[serde(default)]
    pub dirty: BTreeMap<String, Share>,
}

impl OrgFile {
    /// Reads an org file.
    ///
    /// # Errors
    /// When it cannot be read or is not a valid org file. What its records break shows when the org is started.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, OrgFileError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| OrgFileError::Read {
            path: path.to_owned(),
            source,
        })?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse_named(&text, base, path.to_owned())
    }

    /// Reads the text of an org file; relative paths in it start at `base_dir`.
    ///
    /// # Errors
    /// When it is not a valid org file.
    pub fn parse(text: &str, base_dir: impl Into<PathBuf>) -> Result<Self, OrgFileError> {
        Self::parse_named(text, base_dir.into(), PathBuf::from("org file"))
    }

    fn parse_named(text: &str, base_dir: PathBuf, path: PathBuf) -> Result<Self, OrgFileError> {
        let mut file: OrgFile = serde_yaml::from_str(text).map_err(|error| {
            let location = error.location();
            OrgFileError::Syntax {
                path: path.clone(),
                line: location.map_or(1, |l| l.line()),
                column: location.map_or(1, |l| l.column()),
                message: without_location(&error.without_snippet().to_string()),
            }
        })?;
        file.base_dir = base_dir;
        file.path = path;
        if file.version != 1 {
            return Err(file.meaning(
                "version",
                format!("this release reads version 1, not {}", file.version),
            ));
        }
        if file.api_versions.from < 31 || file.api_versions.to < file.api_versions.from {
            return Err(file.meaning(
                "api_versions",
                "a range from 31 or later, the smaller number first".to_owned(),
            ));
        }
        Ok(file)
    }

    /// An error about what the file says at `place`.
    pub(crate) fn meaning(&self, place: impl Into<String>, message: impl Into<String>) -> OrgFileError {
        OrgFileError::Meaning {
            path: self.path.clone(),
            place: place.into(),
            message: message.into(),
        }
    }
}

/// The reader puts the place behind its messages; ours stands in front.
fn without_location(message: &str) -> String {
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message.to_owned(),
    }
}

fn yes() -> bool {
    true
}

fn oldest() -> u32 {
    31
}

fn newest() -> u32 {
    68
}

fn developer_edition() -> String {
    "Developer Edition".to_owned()
}

fn daily_calls() -> u64 {
    100_000
}

fn records_created() -> String {
    "2026-01-05T08:00:00Z".to_owned()
}

fn page_size() -> usize {
    2_000
}

fn bulk_page() -> usize {
    100_000
}

fn bulk_delay() -> Span {
    Span::from_millis(20)
}

impl Default for ApiVersions {
    fn default() -> Self {
        ApiVersions {
            from: oldest(),
            to: newest(),
        }
    }
}

impl Default for BulkOptions {
    fn default() -> Self {
        BulkOptions {
            delay: bulk_delay(),
            shuffle: true,
            result_page_rows: bulk_page(),
            hard_delete: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_is_enough() {
        let file = OrgFile::parse("version: 1\nname: hq\n", ".").expect("a file");
        assert_eq!((file.name.as_str(), file.api_versions.to), ("hq", 68));
        assert!(file.is_sandbox && file.bulk.shuffle);
    }

    #[test]
    fn complaints_say_where() {
        for (text, place, words) in [
            ("version: 1\nname: hq\nnmae: x\n", (3, 1), "nmae"),
            ("version: 2\nname: hq\n", (0, 0), "version 1"),
            (
                "version: 1\nname: hq\nsobjects:\n  Account:\n    fields:\n      A__c: { typ: Text(3) }\n",
                (6, 15),
                "typ",
            ),
            ("version: 1\nname: hq\nbulk: { delay: soon }\n", (3, 16), "soon"),
        ] {
            let error = OrgFile::parse(text, ".").expect_err(text);
            if let OrgFileError::Syntax { line, column, .. } = &error {
                assert_eq!((*line, *column), place, "{error}");
            }
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn recipes_read_as_people_write_them() {
        let file = OrgFile::parse(
            r#"
version: 1
name: hq
records:
  - object: Account
    generate:
      count: 3
      fields:
        Name: { company: }
        Legacy_Id__c: "A-{n:05}"
        Industry: { pick: { Banking: 3, Energy: 1 } }
        Rating: { pick: [Hot, Cold] }
        AnnualRevenue: { decimal: { min: 0, max: 1000000, scale: 2 } }
        ParentId: { parent: { share: 40%, depth: 4 } }
        Active__c: { bool: 20% }
        NumberOfEmployees: 12
      nulls: { Phone: 10% }
"#,
            ".",
        )
        .expect("a file");
        let generate = file.records[0].generate.as_ref().expect("a recipe");
        assert_eq!(generate.fields.len(), 8);
        assert!(matches!(
            generate.fields["Name"],
            Recipe::Generator(Generator::Company(()))
        ));
        assert!(matches!(generate.fields["Legacy_Id__c"], Recipe::Pattern(_)));
        assert!(matches!(generate.fields["NumberOfEmployees"], Recipe::Pattern(_)));
    }

    #[test]
    fn the_grammar_has_a_json_schema() {
        let schema = schemars::schema_for!(OrgFile);
        assert!(schema.to_value()["properties"]["sobjects"].is_object());
    }
}
