use compact_str::CompactString;
use serde::Deserialize;

use super::rows::Record;
use crate::record::id18;

/// Who is signed in, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The org's Id, 18 characters.
    pub org_id: CompactString,
    /// The user's Id, 18 characters.
    pub user_id: CompactString,
}

impl Identity {
    /// Reads the identity URL of a token answer: `https://login.salesforce.com/id/ORG/USER`.
    pub(super) fn from_url(url: &str) -> Option<Self> {
        let url = crate::http::Url::parse(url).ok()?;
        let mut segments = url.path_segments()?.skip_while(|s| *s != "id").skip(1);
        let (org, user) = (segments.next()?, segments.next()?);
        let is_id = |text: &str, prefix: &str| {
            text.starts_with(prefix)
                && matches!(text.len(), 15 | 18)
                && text.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        (is_id(org, "00D") && is_id(user, "005")).then(|| Identity {
            org_id: id18(org),
            user_id: id18(user),
        })
    }

    /// Reads the answer of userinfo.
    pub(super) fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct UserInfo {
            organization_id: CompactString,
            user_id: CompactString,
        }
        let info: UserInfo = serde_json::from_slice(body)?;
        Ok(Identity {
            org_id: id18(&info.organization_id),
            user_id: id18(&info.user_id),
        })
    }
}

/// The org itself, for the question whether it may be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its Id, 18 characters.
    pub id: CompactString,
    /// Its name.
    pub name: String,
    /// `Developer Edition`, `Enterprise Edition`, ...
    pub kind: String,
    /// Whether it is a sandbox or a scratch org.
    pub is_sandbox: bool,
}

impl Organization {
    /// The query that asks for it.
    pub(super) const SOQL: &'static str = "SELECT Id, Name, OrganizationType, IsSandbox FROM Organization";

    /// Reads the record.
    pub(super) fn from_record(record: &Record) -> Option<Self> {
        let text = |key: &str| record.get(key).and_then(serde_json::Value::as_str);
        Some(Organization {
            id: id18(text("Id")?),
            name: text("Name").unwrap_or_default().to_owned(),
            kind: text("OrganizationType").unwrap_or_default().to_owned(),
            is_sandbox: record.get("IsSandbox").and_then(serde_json::Value::as_bool)?,
        })
    }

    /// Whether people work in it: no sandbox, and no edition that is for trying out.
    pub fn is_production(&self) -> bool {
        !self.is_sandbox && self.kind != "Developer Edition"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities() {
        for (url, expected) in [
            (
                "https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA",
                Some(("00D000000000001EAA", "005000000000001AAA")),
            ),
            (
                "https://acme.my.salesforce.com/id/00D000000000001/005000000000001?x=1",
                Some(("00D000000000001EAA", "005000000000001AAA")),
            ),
            ("https://login.salesforce.com/id/00D000000000001EAA", None),
            ("https://login.salesforce.com/elsewhere", None),
            ("no url", None),
        ] {
            let found = Identity::from_url(url);
            let found = found.as_ref().map(|i| (i.org_id.as_str(), i.user_id.as_str()));
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn production_is_what_is_neither_sandbox_nor_for_developers() {
        for (kind, sandbox, production) in [
            ("Enterprise Edition", false, true),
            ("Enterprise Edition", true, false),
            ("Developer Edition", false, false),
        ] {
            let record = serde_json::from_value(serde_json::json!({
                "Id": "00D000000000001EAA", "Name": "Acme", "OrganizationType": kind, "IsSandbox": sandbox
            }))
            .unwrap();
            assert_eq!(
                Organization::from_record(&record).unwrap().is_production(),
                production
            );
        }
    }
}
