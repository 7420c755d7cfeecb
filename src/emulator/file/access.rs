//! Apps, tokens, users and what they may do.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Span, yes};
use crate::emulator::access::Permission;

/// A connected app (or external client app).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectedApp {
    /// Its label.
    pub name: String,
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret; an app without one need not show any, as the Salesforce CLI's.
    #[serde(default)]
    pub client_secret: String,
    /// The flows that are switched on. Each needs its part: a run-as user, callback URLs, a certificate.
    #[serde(default = "flows")]
    pub flows: Vec<Flow>,
    /// The username of the user that the client credentials flow runs as.
    #[serde(default)]
    pub run_as: Option<String>,
    /// Where the authorization code flow may send the browser back to; compared to the letter.
    #[serde(default)]
    pub callback_urls: Vec<String>,
    /// The certificate, or just the public key, that checks the signatures of the JWT bearer flow: PEM text, or the
    /// path of a PEM file, from the org file's folder.
    #[serde(default)]
    pub certificate: Option<String>,
    /// Whether the authorization code and refresh flows ask for the secret.
    #[serde(default = "yes")]
    pub require_secret: bool,
    /// Whether the authorization code flow asks for a code challenge.
    #[serde(default)]
    pub require_pkce: bool,
    /// How long a token lives without being used.
    #[serde(default = "token_lifetime")]
    pub token_lifetime: Span,
    /// The scopes that a token can have. A client gets those of them that it asks for, or all.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Whether each use of a refresh token gives a new one and ends the old.
    #[serde(default)]
    pub refresh_token_rotation: bool,
    /// How long a refresh token is good for; without it until it is revoked.
    #[serde(default)]
    pub refresh_token_lifetime: Option<Span>,
    /// Only users that an administrator approved may use it.
    #[serde(default)]
    pub admin_approved_users_only: bool,
    /// The usernames, profiles and permission sets that the administrator approved.
    #[serde(default)]
    pub approved: Vec<String>,
    /// The username of a user for whom the authorization page answers at once, without a form, for tests.
    #[serde(default)]
    pub auto_approve: Option<String>,
    /// Whether it may look at tokens of other apps.
    #[serde(default)]
    pub introspect_all_tokens: bool,
}

/// An OAuth flow of a connected app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// Server to server, as the app's run-as user.
    ClientCredentials,
    /// An assertion that the app's certificate checks.
    JwtBearer,
    /// A browser, a login page, and a code that is exchanged for tokens.
    AuthorizationCode,
    /// Username and password; off by default, as in new orgs.
    #[serde(alias = "password")]
    UsernamePassword,
}

/// A token that is valid from the start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessToken {
    /// The token.
    pub token: String,
    /// The username of its user; without it the first user.
    #[serde(default)]
    pub user: Option<String>,
    /// How long it lives without being used.
    #[serde(default = "token_lifetime")]
    pub lifetime: Span,
    /// What it is good for; everything, unless it is said.
    #[serde(default = "full")]
    pub scopes: Vec<String>,
}

/// A user.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserEntry {
    /// Unique in the org.
    pub username: String,
    /// First and last name.
    pub name: String,
    /// Without it the username.
    #[serde(default)]
    pub email: Option<String>,
    /// Eight characters; made from the name.
    #[serde(default)]
    pub alias: Option<String>,
    /// Inactive users cannot sign in or own new records.
    #[serde(default = "yes")]
    pub is_active: bool,
    /// Signs in on the login page, by the username-password flow and by SOAP; without it the user cannot.
    #[serde(default)]
    pub password: Option<String>,
    /// What clients have to put behind the password; the login page does not ask for it.
    #[serde(default)]
    pub security_token: Option<String>,
    /// Locked out after too many wrong passwords.
    #[serde(default)]
    pub locked: bool,
    /// One of the file's `profiles`, or a standard one: `System Administrator`, `Standard User`, `Read Only`,
    /// `Minimum Access - Salesforce`, `Salesforce API Only System Integrations`.
    #[serde(default = "administrator")]
    pub profile: String,
    /// Permission sets of the file that the user has.
    #[serde(default)]
    pub permission_sets: Vec<String>,
    /// Other fields of the User object.
    #[serde(default)]
    pub fields: BTreeMap<String, serde_json::Value>,
}

impl UserEntry {
    /// An active administrator.
    pub(crate) fn administrator(username: String, name: &str) -> Self {
        UserEntry {
            username,
            name: name.to_owned(),
            email: None,
            alias: None,
            is_active: true,
            password: None,
            security_token: None,
            locked: false,
            profile: administrator(),
            permission_sets: Vec::new(),
            fields: BTreeMap::new(),
        }
    }
}

/// A profile: what all its users may do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name; a standard name changes that profile.
    pub name: String,
    /// System permissions.
    #[serde(default = "api_enabled")]
    pub user_permissions: Vec<Permission>,
    /// What may be done with records, by object; objects that are not named are hidden.
    #[serde(default)]
    pub object_permissions: BTreeMap<String, Vec<ObjectPermission>>,
    /// Field-level security, by object and field.
    #[serde(default)]
    pub field_permissions: BTreeMap<String, BTreeMap<String, FieldPermission>>,
    /// Field-level security of the fields that are not named.
    #[serde(default = "editable")]
    pub other_fields: FieldPermission,
}

/// A permission set: what its users may do beyond their profile.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PermissionSet {
    /// Its API name.
    pub name: String,
    /// Made from the name when it is left out.
    #[serde(default)]
    pub label: Option<String>,
    /// System permissions.
    #[serde(default)]
    pub user_permissions: Vec<Permission>,
    /// What may be done with records, by object.
    #[serde(default)]
    pub object_permissions: BTreeMap<String, Vec<ObjectPermission>>,
    /// Field-level security, by object and field.
    #[serde(default)]
    pub field_permissions: BTreeMap<String, BTreeMap<String, FieldPermission>>,
}

/// What may be done with an object's records. Each brings what it needs: `edit` brings `read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectPermission {
    /// See them.
    Read,
    /// Make them.
    Create,
    /// Change them.
    Edit,
    /// Delete them.
    Delete,
    /// See them all, whoever owns them.
    ViewAllRecords,
    /// See, change and delete them all, whoever owns them.
    ModifyAllRecords,
}

/// Field-level security of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldPermission {
    /// Not there for the user.
    Hidden,
    /// Can be read.
    Read,
    /// Can be read and written.
    Edit,
}

/// Who sees an object's records beside their owner: its organization-wide default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Everybody sees and changes them.
    #[default]
    PublicReadWrite,
    /// Everybody sees them.
    PublicReadOnly,
    /// Nobody sees them without "View All".
    Private,
}

fn token_lifetime() -> Span {
    Span::from_millis(2 * 60 * 60 * 1_000)
}

fn flows() -> Vec<Flow> {
    vec![Flow::ClientCredentials, Flow::JwtBearer, Flow::AuthorizationCode]
}

fn scopes() -> Vec<String> {
    vec!["api".to_owned()]
}

fn full() -> Vec<String> {
    vec!["full".to_owned()]
}

fn administrator() -> String {
    "System Administrator".to_owned()
}

fn api_enabled() -> Vec<Permission> {
    vec![Permission::ApiEnabled]
}

fn editable() -> FieldPermission {
    FieldPermission::Edit
}
