//! Signs in to every org that a pipeline names, once each, and settles versions and who they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{EngineError, RunRequest};
use crate::{
    auth::{Environment, Sessions},
    event::Event,
    http::{HeaderName, Retry, Transport, TransportOptions},
    pipeline::{
        Pipeline,
        credentials::{ExternalCredential, NamedCredential, Principal, Protocol, Writes},
        model::{ForeignSource, Operation, Source},
    },
    plan::Orgs,
    salesforce::{ApiVersion, BudgetState, CallBudget, Callout, Client},
};

/// Who the orgs are.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections {
    identities: BTreeMap<String, String>,
}

impl Connections {
    /// What state knows a named credential by: the org's id; for other systems its host.
    pub(super) fn identity(&self, connection: &str) -> String {
        self.identities
            .get(connection)
            .cloned()
            .unwrap_or_else(|| connection.to_owned())
    }
}

/// Whether the pipeline may use every named credential that it names. Sends nothing.
///
/// # Errors
/// The first refusal.
pub fn check_access(pipeline: &Pipeline) -> Result<(), EngineError> {
    for connection in connections(pipeline).keys() {
        principal(pipeline, connection)?;
    }
    Ok(())
}

/// The named credentials of a pipeline, and whether each is spoken to as an org.
fn connections(pipeline: &Pipeline) -> BTreeMap<String, Use> {
    let mut all: BTreeMap<String, Use> = BTreeMap::new();
    for step in &pipeline.steps {
        match &step.source {
            // Nobody's credentials: whoever is called is called as he is.
            Source::Http(http) if http.plain => {}
            Source::Http(http) => {
                all.entry(http.credential.clone()).or_default().called = true;
            }
            Source::Soql { .. } | Source::Object { .. } => {
                all.entry(step.source_connection.clone()).or_default().org = true;
            }
            Source::File(_) => {}
        }
        if step.target.file.is_some() {
            // Its lookups ask an org; nothing is written there.
            if step.asks_target() {
                all.entry(step.target.connection.clone()).or_default().org = true;
            }
            continue;
        }
        let target = all.entry(step.target.connection.clone()).or_default();
        target.org = true;
        target.written |= step.target.operation != Operation::Match;
    }
    // State keeps the links of another file's step by what that step reads.
    for other in &pipeline.foreign {
        match &other.source {
            ForeignSource::Org(name) => all.entry(name.clone()).or_default().org = true,
            ForeignSource::Callout(name) => all.entry(name.clone()).or_default().called = true,
            ForeignSource::File(_) => {}
        }
    }
    all
}

/// The servers that are called without credentials.
fn plain_servers(pipeline: &Pipeline) -> BTreeSet<String> {
    let servers = pipeline.steps.iter().filter_map(|step| match &step.source {
        Source::Http(http) if http.plain => Some(http.credential.clone()),
        _ => None,
    });
    servers.collect()
}

/// A credential of a server that sends nothing.
fn nobody(server: &str) -> (NamedCredential, ExternalCredential, Principal) {
    let named = NamedCredential {
        name: server.to_owned(),
        label: None,
        url: server.to_owned(),
        external_credential: server.to_owned(),
        api_version: None,
        headers: BTreeMap::new(),
        generate_authorization_header: false,
        writes: Writes::Refuse,
    };
    let external = ExternalCredential {
        name: server.to_owned(),
        label: None,
        protocol: Protocol::None,
        principals: Vec::new(),
    };
    let principal = Principal {
        name: server.to_owned(),
        sequence: 0,
        parameters: BTreeMap::new(),
    };
    (named, external, principal)
}

#[derive(Clone, Copy, Debug, Default)]
struct Use {
    org: bool,
    called: bool,
    written: bool,
}

fn principal<'p>(
    pipeline: &'p Pipeline,
    connection: &str,
) -> Result<(&'p NamedCredential, &'p ExternalCredential, &'p Principal), EngineError> {
    let broken = || EngineError::Broken(format!("the named credential `{connection}` is not declared"));
    let credentials = &pipeline.credentials;
    let named = credentials.named.get(connection).ok_or_else(broken)?;
    let external = credentials
        .external
        .get(&named.external_credential)
        .ok_or_else(broken)?;
    let principal = credentials
        .principal_for(external, &pipeline.name, pipeline.run_as.as_deref())
        .map_err(|refusal| EngineError::Access {
            connection: connection.to_owned(),
            refusal,
        })?;
    Ok((named, external, principal))
}

/// The named credentials of a pipeline that are Salesforce orgs to it.
pub fn orgs_of(pipeline: &Pipeline) -> Vec<String> {
    connections(pipeline)
        .into_iter()
        .filter(|(_, used)| used.org)
        .map(|(connection, _)| connection)
        .collect()
}

/// What two pipelines have in common that sign in as the same: addresses and principals.
pub(super) fn logins(pipeline: &Pipeline) -> Result<String, EngineError> {
    let mut all = String::new();
    for connection in orgs_of(pipeline) {
        let (named, _, principal) = principal(pipeline, &connection)?;
        all += &format!(
            "{connection} {} {} {}\n",
            named.url, named.external_credential, principal.name
        );
    }
    Ok(all)
}

/// Clients of everybody that a pipeline speaks to, or of the orgs alone; those that `signed` has are kept.
pub(super) async fn sign_in(
    pipeline: &Pipeline,
    environment: &Environment,
    callouts: bool,
    signed: &mut Signed,
) -> Result<(), EngineError> {
    check_access(pipeline)?;
    let retry = retry(pipeline);
    let options = TransportOptions {
        request_id: Some(HeaderName::from_static(crate::salesforce::REQUEST_ID)),
        ..TransportOptions::default()
    };
    let transport = Transport::new(options).map_err(|error| EngineError::Broken(error.to_string()))?;
    let sessions = Sessions::new(environment.clone(), transport, retry);
    for (connection, used) in &connections(pipeline) {
        let (named, external, principal) = principal(pipeline, connection)?;
        let failed = |source| failed(connection, source);
        if used.org && !signed.orgs.contains_key(connection) {
            let client = Client::connect(&sessions, named, external, principal, retry)
                .await
                .map_err(failed)?;
            signed.orgs.insert(connection.clone(), client);
        }
        if used.called && callouts {
            let callout = Callout::new(&sessions, named, external, principal, retry).map_err(failed)?;
            signed.callouts.insert(connection.clone(), callout);
        }
    }
    if callouts {
        for server in plain_servers(pipeline) {
            let (named, external, principal) = nobody(&server);
            let failed = |source| failed(&server, source);
            let callout = Callout::new(&sessions, &named, &external, &principal, retry).map_err(failed)?;
            signed.callouts.insert(server.clone(), callout);
        }
    }
    same_version(pipeline, &mut signed.orgs);
    Ok(())
}

/// Signs in everywhere. `orgs` is filled as far as it goes, so that calls can be counted even when it fails.
/// Where nothing will be written (`writes` false), no org is an obstacle.
pub(super) async fn connect(
    request: &RunRequest,
    writes: bool,
    orgs: &mut Signed,
) -> Result<Connections, EngineError> {
    let pipeline = &request.pipeline;
    sign_in(pipeline, &request.environment, true, orgs).await?;
    let uses = connections(pipeline);
    let mut connected = Connections::default();
    for (connection, used) in &uses {
        if used.called {
            let url = pipeline.credentials.named[connection].url.clone();
            connected.identities.insert(connection.clone(), url);
        }
    }
    for (connection, client) in &orgs.orgs {
        let identity = client
            .identity()
            .await
            .map_err(|source| failed(connection, source))?;
        let organization = client
            .organization()
            .await
            .map_err(|source| failed(connection, source))?;
        request.events.send(Event::SignedIn {
            credential: connection.clone(),
            org_id: identity.org_id.to_string(),
            org_name: Some(organization.name.clone()),
            api_version: client.version().to_string(),
        });
        connected
            .identities
            .insert(connection.clone(), identity.org_id.to_string());
        if writes && uses[connection].written {
            let why = match pipeline.credentials.named[connection].writes {
                Writes::Allow => None,
                Writes::Refuse => Some("its named credential says `writes: refuse`".to_owned()),
                Writes::Auto if organization.is_production() => Some(format!(
                    "`{}` is a production org ({}), and `writes` is `auto`",
                    organization.name, organization.kind
                )),
                Writes::Auto => None,
            };
            if let Some(why) = why {
                return Err(EngineError::WritesRefused {
                    connection: connection.clone(),
                    why,
                });
            }
        }
    }
    Ok(connected)
}

/// Everybody who is signed in.
#[derive(Clone, Default)]
pub(super) struct Signed {
    pub(super) orgs: Orgs,
    pub(super) callouts: BTreeMap<String, Callout>,
    /// What the run may use of each org's calls. Named credentials of one org share a budget.
    pub(super) budgets: BTreeMap<String, Arc<CallBudget>>,
}

impl Signed {
    /// Calls made, by named credential.
    pub(super) fn calls(&self) -> Vec<(String, u64)> {
        let mut calls: BTreeMap<&String, u64> = BTreeMap::new();
        for (name, org) in &self.orgs {
            *calls.entry(name).or_default() += org.calls();
        }
        for (name, callout) in &self.callouts {
            *calls.entry(name).or_default() += callout.calls();
        }
        calls
            .into_iter()
            .map(|(name, calls)| (name.clone(), calls))
            .collect()
    }

    /// How the budgets stand, by named credential.
    pub(super) fn budgets(&self) -> Vec<(String, BudgetState)> {
        let states = self.budgets.iter();
        states
            .map(|(name, budget)| (name.clone(), budget.state()))
            .collect()
    }
}

/// Credentials without an `api_version` of their own use the newest that all orgs of the run know.
fn same_version(pipeline: &Pipeline, orgs: &mut Orgs) {
    let mut common: Option<BTreeSet<ApiVersion>> = None;
    for client in orgs.values() {
        let listed: BTreeSet<_> = client.versions().iter().copied().collect();
        common = Some(match common {
            None => listed,
            Some(common) => common.intersection(&listed).copied().collect(),
        });
    }
    let common: Vec<ApiVersion> = common.unwrap_or_default().into_iter().collect();
    let Some(newest) = ApiVersion::choose(&common, None) else {
        return;
    };
    for (connection, client) in orgs.iter_mut() {
        if pipeline.credentials.named[connection].api_version.is_none() {
            *client = client.clone().with_version(newest);
        }
    }
}

fn retry(pipeline: &Pipeline) -> Retry {
    let policy = pipeline
        .steps
        .first()
        .map(|s| s.policy.clone())
        .unwrap_or_default();
    Retry {
        attempts: policy.attempts,
        first: policy.backoff_first,
        cap: policy.backoff_cap,
    }
}

fn failed(connection: &str, source: crate::salesforce::ClientError) -> EngineError {
    EngineError::Org {
        connection: connection.to_owned(),
        source,
    }
}
