//! External credentials, named credentials and permission sets, as Salesforce Setup calls them.
//!
//! Holds references to secrets, not secrets: `auth` resolves them when a run needs them. (The one exception is a
//! text beside a loopback host, which is a test's own secret.)

use std::{collections::BTreeMap, fmt, path::PathBuf};

/// Everything that one credentials file, or one pipeline's `credentials:`, declares.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// How to sign in, by name.
    pub external: BTreeMap<String, ExternalCredential>,
    /// Where to call, by name.
    pub named: BTreeMap<String, NamedCredential>,
    /// Who may use which principal, by name. Empty: every pipeline may use every principal.
    pub permission_sets: BTreeMap<String, PermissionSet>,
}

/// How to sign in.
#[derive(Clone, Debug)]
pub struct ExternalCredential {
    /// Its key in the file.
    pub name: String,
    /// For people.
    pub label: Option<String>,
    /// What is sent.
    pub protocol: Protocol,
    /// Whose secrets, ordered by `sequence`.
    pub principals: Vec<Principal>,
}

/// The protocol of an external credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OAuth 2.0.
    OAuth2(OAuth2),
    /// `Authorization: Basic`, with the principal's `username` and `password`.
    Basic,
    /// The named credential's headers carry the principal's parameters.
    Custom,
    /// Nothing is sent.
    None,
}

/// The settings of an OAuth 2.0 external credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    /// How a token is come by.
    pub flow: Flow,
    /// The token endpoint. Required by `client_credentials`.
    pub identity_provider_url: Option<String>,
    /// Whether the client's id and secret travel in the form (true) or in a Basic header.
    pub pass_client_credentials_in_body: bool,
    /// Sent as `scope` when given.
    pub scope: Option<String>,
}

/// An OAuth 2.0 flow. The other flows of the language arrive with later issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Server to server, with `client_id` and `client_secret`.
    ClientCredentials,
    /// A token from elsewhere, in `access_token`.
    AccessToken,
}

/// Whose secret it is.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Its key in the file.
    pub name: String,
    /// Of those that a permission set opens, the lowest is used.
    pub sequence: u32,
    /// `client_id`, `client_secret`, `access_token`, `username`, ..., each where it comes from.
    pub parameters: BTreeMap<String, ValueRef>,
}

/// Where a value of a credential comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum ValueRef {
    /// It stands in the file. Only ids, and secrets for loopback hosts.
    Text(String),
    /// An environment variable's name.
    Env(String),
    /// A file, its path made absolute; a line break at its end is not part of the value.
    File(PathBuf),
}

impl fmt::Debug for ValueRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueRef::Text(_) => f.write_str("Text(..)"),
            ValueRef::Env(name) => f.debug_tuple("Env").field(name).finish(),
            ValueRef::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Where to call, and how that is authorised.
#[derive(Clone, Debug)]
pub struct NamedCredential {
    /// Its key in the file; pipelines say it in `from`, `to` and `callout:`.
    pub name: String,
    /// For people.
    pub label: Option<String>,
    /// The base URL without a slash at its end: `https://`, or `http://` on loopback.
    pub url: String,
    /// The external credential's name.
    pub external_credential: String,
    /// `66.0`; without it the newest that both sides know.
    pub api_version: Option<String>,
    /// Sent with every request.
    pub headers: BTreeMap<String, HeaderValue>,
    /// Whether requests carry `Authorization`.
    pub generate_authorization_header: bool,
    /// Whether this org may be written to.
    pub writes: Writes,
}

/// A header of a named credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// As it stands in the file.
    Text(String),
    /// From the environment or a file.
    Reference(ValueRef),
    /// A parameter of the principal: `{ parameter: api_key }`.
    Parameter(String),
}

/// Whether an org may be written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writes {
    /// Refused when the org is a production org.
    #[default]
    Auto,
    /// Allowed, production or not.
    Allow,
    /// Refused.
    Refuse,
}

/// Opens principals to pipelines.
#[derive(Clone, Debug)]
pub struct PermissionSet {
    /// Its key in the file; a pipeline says it in `run_as`.
    pub name: String,
    /// `(external credential, principal)`.
    pub principals: Vec<(String, String)>,
    /// Globs of pipeline names.
    pub pipelines: Vec<String>,
}

/// Why a pipeline may not use a named credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Permission sets exist, and the pipeline names none.
    #[error("the credentials declare permission sets, and the pipeline names none in `run_as`")]
    NoRunAs,
    /// The permission set is not for this pipeline.
    #[error("permission set `{set}` is not open to pipeline `{pipeline}`")]
    PipelineNotCovered {
        /// The set in `run_as`.
        set: String,
        /// The pipeline's name.
        pipeline: String,
    },
    /// The permission set opens none of the external credential's principals.
    #[error("permission set `{set}` opens no principal of external credential `{external}`")]
    NoPrincipal {
        /// The set in `run_as`.
        set: String,
        /// The external credential.
        external: String,
    },
    /// The external credential has no principal at all.
    #[error("external credential `{external}` has no principal")]
    Empty {
        /// The external credential.
        external: String,
    },
}

impl Credentials {
    /// The principal that `pipeline`, running as `run_as`, uses to reach `external`: of those that the permission
    /// set opens, the one of lowest `sequence`.
    ///
    /// # Errors
    /// A [`Refusal`] when the permission sets do not allow it. Nothing may be sent then.
    pub fn principal_for<'a>(
        &self,
        external: &'a ExternalCredential,
        pipeline: &str,
        run_as: Option<&str>,
    ) -> Result<&'a Principal, Refusal> {
        let lowest = |allowed: &dyn Fn(&Principal) -> bool| {
            external
                .principals
                .iter()
                .filter(|p| allowed(p))
                .min_by_key(|p| p.sequence)
        };
        if external.principals.is_empty() {
            return Err(Refusal::Empty {
                external: external.name.clone(),
            });
        }
        if self.permission_sets.is_empty() {
            return lowest(&|_| true).ok_or_else(|| Refusal::Empty {
                external: external.name.clone(),
            });
        }
        let set = run_as
            .and_then(|name| self.permission_sets.get(name))
            .ok_or(Refusal::NoRunAs)?;
        if !set.covers(pipeline) {
            return Err(Refusal::PipelineNotCovered {
                set: set.name.clone(),
                pipeline: pipeline.to_owned(),
            });
        }
        lowest(&|p| {
            set.principals
                .iter()
                .any(|(e, n)| *e == external.name && *n == p.name)
        })
        .ok_or_else(|| Refusal::NoPrincipal {
            set: set.name.clone(),
            external: external.name.clone(),
        })
    }
}

impl PermissionSet {
    /// Whether one of its globs matches the pipeline's name.
    pub fn covers(&self, pipeline: &str) -> bool {
        self.pipelines
            .iter()
            .filter_map(|glob| globset::Glob::new(glob).ok())
            .any(|glob| glob.compile_matcher().is_match(pipeline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(sets: &[(&str, &[&str], &[&str])]) -> Credentials {
        let permission_sets = sets
            .iter()
            .map(|(name, principals, pipelines)| {
                let set = PermissionSet {
                    name: (*name).into(),
                    principals: principals
                        .iter()
                        .map(|p| ("EC".to_owned(), (*p).to_owned()))
                        .collect(),
                    pipelines: pipelines.iter().map(|p| (*p).to_owned()).collect(),
                };
                (set.name.clone(), set)
            })
            .collect();
        Credentials {
            permission_sets,
            ..Credentials::default()
        }
    }

    fn external(principals: &[(&str, u32)]) -> ExternalCredential {
        ExternalCredential {
            name: "EC".into(),
            label: None,
            protocol: Protocol::None,
            principals: principals
                .iter()
                .map(|(name, sequence)| Principal {
                    name: (*name).into(),
                    sequence: *sequence,
                    parameters: BTreeMap::new(),
                })
                .collect(),
        }
    }

    #[test]
    fn the_lowest_open_sequence_is_used() {
        let ec = external(&[("Admin", 1), ("Reader", 2), ("Writer", 3)]);
        for (sets, run_as, expected) in [
            (&[][..], None, Ok("Admin")),
            (
                &[("s", &["Writer", "Reader"][..], &["cust*"][..])][..],
                Some("s"),
                Ok("Reader"),
            ),
            (
                &[("s", &["Writer"][..], &["*"][..])][..],
                None,
                Err(Refusal::NoRunAs),
            ),
            (
                &[("s", &["Writer"][..], &["orders"][..])][..],
                Some("s"),
                Err(Refusal::PipelineNotCovered {
                    set: "s".into(),
                    pipeline: "customers".into(),
                }),
            ),
            (
                &[("s", &[][..], &["*"][..])][..],
                Some("s"),
                Err(Refusal::NoPrincipal {
                    set: "s".into(),
                    external: "EC".into(),
                }),
            ),
        ] {
            let found = credentials(sets)
                .principal_for(&ec, "customers", run_as)
                .map(|p| p.name.as_str());
            assert_eq!(found, expected);
        }
    }
}
