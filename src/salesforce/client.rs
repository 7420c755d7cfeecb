use std::{collections::BTreeMap, sync::Arc};

use super::{
    ApiError, ApiUsage, ApiVersion, CallBudget, ClientError, Identity, Limit, MAX_COLLECTION, MAX_QUERY_URI,
    Organization, QueryPage, RowAnswer, SObjectDescribe, SObjectSummary, Write, WriteOptions,
    caller::{Call, Caller, Target, api_url},
    collections, describe, limits, query,
    rows::Record,
    version::parse_versions,
};
use crate::{
    auth::Sessions,
    http::{Body, HeaderName, HeaderValue, Method, Retry, Url},
    pipeline::credentials::{ExternalCredential, NamedCredential, Principal},
};

pub(super) const JSON: &str = "application/json; charset=UTF-8";

/// One org, signed in. Cheap to clone; clones share connections, token, and counters.
#[derive(Clone)]
pub struct Client {
    pub(super) caller: Arc<Caller>,
    versions: Arc<[ApiVersion]>,
    version: ApiVersion,
}

impl Client {
    /// Signs in and agrees on a version: the named credential's `api_version`, else the newest that the org and this
    /// program know.
    ///
    /// # Errors
    /// When a secret is missing, the sign-in is refused, the host is not an org, or it lacks the version.
    pub async fn connect(
        sessions: &Sessions,
        named: &NamedCredential,
        external: &ExternalCredential,
        principal: &Principal,
        retry: Retry,
    ) -> Result<Self, ClientError> {
        let access = sessions.access(named, external, principal)?;
        let caller = Caller::new(sessions.transport().clone(), access, retry);
        let answer = caller.send(&Call::get("/services/data".into())).await?;
        let versions = answer.parse(parse_versions)?;
        let wanted = named.api_version.as_deref().and_then(|v| v.parse().ok());
        let version = ApiVersion::choose(&versions, wanted).ok_or_else(|| ClientError::NoVersion {
            host: answer.url.host_str().unwrap_or_default().to_owned(),
            wanted: named
                .api_version
                .clone()
                .unwrap_or_else(|| format!("{} or older", ApiVersion::NEWEST_KNOWN)),
            listed: match (versions.iter().min(), versions.iter().max()) {
                (Some(oldest), Some(newest)) => format!("{oldest} to {newest}"),
                _ => "none".into(),
            },
        })?;
        Ok(Client {
            caller: Arc::new(caller),
            versions: versions.into(),
            version,
        })
    }

    /// The versions that the org lists.
    pub fn versions(&self) -> &[ApiVersion] {
        &self.versions
    }

    /// The version that this client speaks.
    pub fn version(&self) -> ApiVersion {
        self.version
    }

    /// The same client speaking another version, such as the newest that two orgs share. The org has to list it.
    #[must_use]
    pub fn with_version(mut self, version: ApiVersion) -> Self {
        self.version = version;
        self
    }

    /// The named credential's key in its file.
    pub fn named(&self) -> &str {
        self.caller.access().named()
    }

    /// Where the named credential leads; for people.
    pub fn url(&self) -> &Url {
        self.caller.access().base()
    }

    /// How many API calls the org counts, by its latest answer that said so.
    pub fn api_usage(&self) -> Option<ApiUsage> {
        self.caller.usage()
    }

    /// How many API calls this client and its clones have made, repetitions included.
    pub fn calls(&self) -> u64 {
        self.caller.calls()
    }

    /// From now on this client and its clones take their calls out of a budget. Given once.
    pub fn keep_to(&self, budget: Arc<CallBudget>) {
        self.caller.keep_to(budget);
    }

    /// The org's time by its latest answer, in seconds since 1970.
    pub fn clock(&self) -> Option<i64> {
        self.caller.clock()
    }

    /// Who is signed in: from the sign-in itself, else by asking.
    ///
    /// # Errors
    /// When the org does not tell.
    pub async fn identity(&self) -> Result<Identity, ClientError> {
        let grant = self.caller.access().grant().await?;
        let told = grant.token.as_ref().and_then(|t| t.identity_url.as_deref());
        if let Some(identity) = told.and_then(Identity::from_url) {
            return Ok(identity);
        }
        let call = Call::get("/services/oauth2/userinfo".into());
        self.caller.send(&call).await?.parse(Identity::parse)
    }

    /// The org itself.
    ///
    /// # Errors
    /// When the user may not read it.
    pub async fn organization(&self) -> Result<Organization, ClientError> {
        let call = self.query_call(Organization::SOQL, false, None)?;
        let good = self.caller.send(&call).await?;
        let page = good.parse(query::parse_page)?;
        page.records
            .first()
            .and_then(Organization::from_record)
            .ok_or_else(|| good.not_understood("no Organization record with `Id` and `IsSandbox`"))
    }

    /// The org's limits by name: `DailyApiRequests` and so on.
    ///
    /// # Errors
    /// When the user may not see them.
    pub async fn limits(&self) -> Result<BTreeMap<String, Limit>, ClientError> {
        self.get("/limits").await?.parse(limits::parse_limits)
    }

    /// All objects that the user sees.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn describe_global(&self) -> Result<Vec<SObjectSummary>, ClientError> {
        self.get("/sobjects").await?.parse(describe::parse_global)
    }

    /// One object. Unknown or hidden: an [`ApiError`] of code `NOT_FOUND`.
    ///
    /// # Errors
    /// When there is no such object, or no answer.
    pub async fn describe(&self, object: &str) -> Result<SObjectDescribe, ClientError> {
        let path = format!("/sobjects/{}/describe", segment(object));
        self.get(&path).await?.parse(|body| serde_json::from_slice(body))
    }

    /// The fields of an object that Setup puts into compliance categories: name, and categories as `PII;GDPR`.
    ///
    /// FieldDefinition answers for one object at a time, and wants it named in the filter.
    ///
    /// # Errors
    /// What the org says; [`ClientError::hides_classification`] tells whether it is a matter of this login or release.
    pub async fn classification(&self, object: &str) -> Result<Vec<(String, String)>, ClientError> {
        let name = object.replace(['\\', '\''], "");
        let soql = format!(
            "SELECT QualifiedApiName, ComplianceGroup FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = '{name}'"
        );
        let mut page = self.query(&soql, false, None).await?;
        let mut found = Vec::new();
        loop {
            for record in &page.records {
                let text = |key: &str| {
                    record
                        .get(key)
                        .and_then(|value| value.as_str())
                        .unwrap_or_default()
                };
                let (field, group) = (text("QualifiedApiName"), text("ComplianceGroup"));
                if !group.is_empty() {
                    found.push((field.to_owned(), group.to_owned()));
                }
            }
            match &page.next {
                Some(next) => page = self.query_more(next).await?,
                None => return Ok(found),
            }
        }
    }

    /// The first page of a query. `all` includes deleted and archived rows; `batch_size` is a wish for the page's
    /// size, 200 to 2000.
    ///
    /// # Errors
    /// [`ClientError::QueryTooLong`] before anything is sent; else what the org says.
    pub async fn query(
        &self,
        soql: &str,
        all: bool,
        batch_size: Option<u32>,
    ) -> Result<QueryPage, ClientError> {
        let call = self.query_call(soql, all, batch_size)?;
        self.caller.send(&call).await?.parse(query::parse_page)
    }

    /// A following page: `next` of the one before.
    ///
    /// # Errors
    /// [`ClientError::LocatorLost`] when the cursor has expired: start the query again.
    pub async fn query_more(&self, next: &str) -> Result<QueryPage, ClientError> {
        let call = Call::get(query::page_path(next));
        self.caller.send(&call).await?.parse(query::parse_page)
    }

    /// The number that a `SELECT COUNT() FROM ...` asks for.
    ///
    /// # Errors
    /// What the org says.
    pub async fn count(&self, soql: &str) -> Result<u64, ClientError> {
        Ok(self.query(soql, false, None).await?.total_size)
    }

    /// Writes up to [`MAX_COLLECTION`] records of one object. The answers stand in the records' order; a record that
    /// failed is an answer too.
    ///
    /// # Errors
    /// When the whole call failed. [`ClientError::OutcomeUnknown`] for an insert that may have happened.
    pub async fn write(
        &self,
        write: Write<'_>,
        object: &str,
        records: &[Record],
        options: &WriteOptions,
    ) -> Result<Vec<RowAnswer>, ClientError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let path = self.path("/composite/sobjects");
        let refuse = |detail: String| ClientError::NotUnderstood {
            call: format!("{write:?} {path}"),
            detail,
            request_id: None,
        };
        if records.len() > MAX_COLLECTION {
            return Err(refuse(format!(
                "{} records, where a call takes {MAX_COLLECTION}",
                records.len()
            )));
        }
        if write == Write::Delete && records.iter().any(|r| collections::record_id(r).is_none()) {
            return Err(refuse("a record to delete has no `Id`".into()));
        }
        let built = collections::build(write, object, records, options.all_or_none)
            .map_err(|error| refuse(error.to_string()))?;
        let mut call = Call::new(built.method, Target::Api(self.path(&built.path), built.query));
        call.idempotent = write.is_idempotent();
        if let Some(body) = built.body {
            call.body = Body::Bytes(JSON, body.into());
        }
        for (name, value) in options.headers() {
            call.headers.insert(name, value);
        }
        let good = self.caller.send(&call).await?;
        let answers = good.parse(collections::parse).and_then(|answers| {
            if answers.len() == records.len() {
                Ok(answers)
            } else {
                Err(good.not_understood(format!(
                    "{} answers to {} records ({})",
                    answers.len(),
                    records.len(),
                    good.status()
                )))
            }
        });
        // Answered and not understood: the records may be there.
        answers.map_err(|error| {
            if call.idempotent {
                error
            } else {
                ClientError::OutcomeUnknown {
                    call: good.call.clone(),
                    cause: error.to_string(),
                }
            }
        })
    }

    /// A path of this version.
    pub(super) fn path(&self, below: &str) -> String {
        format!("/services/data/v{}{below}", self.version)
    }

    async fn get(&self, below: &str) -> Result<super::caller::Good, ClientError> {
        self.caller.send(&Call::get(self.path(below))).await
    }

    fn query_call(&self, soql: &str, all: bool, batch_size: Option<u32>) -> Result<Call, ClientError> {
        let path = self.path(if all { "/queryAll" } else { "/query" });
        let query = vec![("q", soql.to_owned())];
        let url = api_url(self.caller.access().base(), &path, &query);
        let bytes = url.path().len() + 1 + url.query().unwrap_or_default().len();
        if bytes > MAX_QUERY_URI {
            return Err(ClientError::QueryTooLong {
                bytes,
                max: MAX_QUERY_URI,
            });
        }
        let mut call = Call::new(Method::GET, Target::Api(path, query));
        if let Some(size) = batch_size {
            let size = size.clamp(200, 2000);
            if let Ok(value) = HeaderValue::try_from(format!("batchSize={size}")) {
                call.headers
                    .insert(HeaderName::from_static("sforce-query-options"), value);
            }
        }
        Ok(call)
    }
}

impl ClientError {
    /// Whether the org says that an object, field or record is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ClientError::Api(error) if is_not_found(error))
    }
}

impl ClientError {
    /// Whether an org of this release, or for this login, does not tell how fields are classified. What passes (limits,
    /// trouble of the server) is something else.
    pub fn hides_classification(&self) -> bool {
        matches!(
            self,
            ClientError::Api(error) if matches!(error.status, 400 | 403 | 404) && error.code != "REQUEST_LIMIT_EXCEEDED"
        )
    }
}

fn is_not_found(error: &ApiError) -> bool {
    error.status == 404 || error.code == "INVALID_TYPE"
}

/// A name as a segment of a path.
fn segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        // API names have underscores, and servers compare paths undecoded.
        .replace("%5F", "_")
}
