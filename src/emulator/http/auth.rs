use std::{sync::Arc, time::Duration};

use axum::http::HeaderMap;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Call, Org, Reply};
use crate::emulator::{
    access::Access,
    faults::lock,
    file::{ConnectedApp, Flow},
    store::Cell,
};

/// Who is signed in with a token.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(super) user: Cell,
    /// What the user may see and do.
    pub(super) access: Access,
    pub(super) client_id: Option<String>,
    scope: String,
    issued: jiff::Timestamp,
    lifetime: Duration,
}

impl Session {
    pub(super) fn new(
        user: Cell,
        client_id: Option<String>,
        scope: String,
        lifetime: Duration,
        issued: jiff::Timestamp,
    ) -> Self {
        Session {
            user,
            access: Access::All,
            client_id,
            scope,
            issued,
            lifetime,
        }
    }

    /// When the token ends, in seconds since 1970.
    fn expires(&self) -> i64 {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        self.issued.as_second().saturating_add(lifetime)
    }
}

/// The token of the Authorization header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get("authorization")?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth")).then_some(token.trim())
}

fn live(org: &Org, token: &str) -> Option<Session> {
    lock(&org.tokens)
        .get(token)
        .filter(|s| s.expires() > org.time().as_second())
        .cloned()
}

/// The caller's session, or the 401 that the data APIs answer.
pub(super) fn session(org: &Org, call: &Call) -> Result<Session, Reply> {
    let refuse =
        |code: &str, message: &str| Reply::error(401, code, message).header("WWW-Authenticate", "Token");
    let Some(token) = bearer(&call.headers) else {
        return Err(refuse("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"));
    };
    live(org, token).ok_or_else(|| refuse("INVALID_SESSION_ID", "Session expired or invalid"))
}

/// An endpoint below `/services/oauth2`.
pub(super) fn endpoint(org: &Arc<Org>, call: &Call, name: &str) -> Reply {
    match (name, call.method.as_str()) {
        ("token", "POST") => token(org, call),
        ("revoke", _) => revoke(org, call),
        ("introspect", "POST") => introspect(org, call),
        ("userinfo", _) => userinfo(org, call),
        _ => Reply::missing(),
    }
}

fn refuse(error: &str, description: &str) -> Reply {
    Reply::json(400, &json!({"error": error, "error_description": description}))
}

/// Key and secret, from the body or from a Basic header.
fn client(call: &Call, form: &[(String, String)]) -> (String, String) {
    let get = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    if let Some(basic) = call
        .header("authorization")
        .and_then(|h| h.strip_prefix("Basic "))
        && let Ok(bytes) = STANDARD.decode(basic.trim())
        && let Ok(pair) = String::from_utf8(bytes)
        && let Some((id, secret)) = pair.split_once(':')
    {
        return (id.to_owned(), secret.to_owned());
    }
    (
        get("client_id").unwrap_or_default(),
        get("client_secret").unwrap_or_default(),
    )
}

fn app<'a>(org: &'a Org, id: &str, secret: &str) -> Result<&'a ConnectedApp, Reply> {
    let app = org
        .apps
        .iter()
        .find(|app| app.client_id == id)
        .ok_or_else(|| refuse("invalid_client_id", "client identifier invalid"))?;
    if app.client_secret != secret {
        return Err(refuse("invalid_client", "invalid client credentials"));
    }
    Ok(app)
}

fn token(org: &Arc<Org>, call: &Call) -> Reply {
    let form = call.form();
    let is_form = call.header("content-type").is_some_and(|t| {
        t.to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
    });
    let grant = form
        .iter()
        .find(|(n, _)| n == "grant_type")
        .map(|(_, v)| v.as_str());
    if !is_form || grant != Some("client_credentials") {
        return refuse("unsupported_grant_type", "grant type not supported");
    }
    let (id, secret) = client(call, &form);
    let app = match app(org, &id, &secret) {
        Ok(app) => app,
        Err(reply) => return reply,
    };
    if !app.flows.contains(&Flow::ClientCredentials) {
        return refuse("invalid_grant", "client credentials flow not enabled");
    }
    let Some(user) = app.run_as.as_ref().and_then(|name| org.user(name)) else {
        return refuse("invalid_grant", "no client credentials user enabled");
    };
    let active = {
        let store = org.read();
        store
            .live_row(store.user, &user)
            .is_some_and(|row| store.text(store.user, row, "IsActive") == "true")
    };
    if !active {
        return refuse("invalid_grant", "inactive user");
    }
    if app.admin_approved_users_only {
        return refuse(
            "invalid_app_access",
            "user is not admin approved to access this app",
        );
    }
    // The grammar of an opaque token: the org's Id, an exclamation mark, 96 characters.
    let alphabet: Vec<char> = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['.', '_'])
        .collect();
    let tail: String = (0..96)
        .map(|_| alphabet[fastrand::usize(..alphabet.len())])
        .collect();
    let token = format!("{}!{tail}", &org.org_id[..15]);
    let scope = app.scopes.join(" ");
    let issued_at = org.time().as_millisecond().to_string();
    let identity = org.identity_url(&user);
    let signature = sign(&app.client_secret, &format!("{identity}{issued_at}"));
    lock(&org.tokens).insert(
        token.clone(),
        Session::new(
            user,
            Some(app.client_id.clone()),
            scope.clone(),
            app.token_lifetime.get(),
            org.time(),
        ),
    );
    org.tally(|c| c.logins += 1);
    Reply::json(
        200,
        &json!({
            "access_token": token,
            "signature": signature,
            "scope": scope,
            "instance_url": org.url,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued_at,
            "api_instance_url": "https://api.salesforce.com",
        }),
    )
}

fn sign(secret: &str, text: &str) -> String {
    match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mut mac) => {
            mac.update(text.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        }
        Err(_) => String::new(),
    }
}

fn revoke(org: &Org, call: &Call) -> Reply {
    let form = call.form();
    let token = call
        .param("token")
        .or_else(|| form.iter().find(|(n, _)| n == "token").map(|(_, v)| v.as_str()))
        .unwrap_or_default();
    if lock(&org.tokens).remove(token).is_some() {
        Reply::empty(200)
    } else {
        refuse("invalid_token", "invalid token")
    }
}

fn introspect(org: &Org, call: &Call) -> Reply {
    let form = call.form();
    let (id, secret) = client(call, &form);
    if app(org, &id, &secret).is_err() {
        return Reply::json(
            401,
            &json!({"error": "invalid_client", "error_description": "invalid client credentials"}),
        );
    }
    let token = form
        .iter()
        .find(|(n, _)| n == "token")
        .map(|(_, v)| v.as_str())
        .unwrap_or_default();
    // An app may look at its own tokens only.
    match live(org, token).filter(|s| s.client_id.as_deref() == Some(id.as_str())) {
        None => Reply::json(200, &json!({"active": false})),
        Some(s) => Reply::json(
            200,
            &json!({
                "active": true,
                "scope": s.scope,
                "client_id": id,
                "username": user_text(org, &s.user, "Username"),
                "sub": org.identity_url(&s.user),
                "token_type": "access_token",
                "exp": s.expires(),
                "iat": s.issued.as_second(),
                "nbf": s.issued.as_second(),
            }),
        ),
    }
}

fn user_text(org: &Org, user: &str, field: &str) -> String {
    let store = org.read();
    match store.row(store.user, user) {
        Some(row) => store.text(store.user, row, field).to_owned(),
        None => String::new(),
    }
}

/// These endpoints refuse in plain text, and with 403.
fn helper_session(org: &Org, call: &Call) -> Result<Session, Reply> {
    let token = bearer(&call.headers).or_else(|| call.param("oauth_token"));
    let token = token.ok_or_else(|| Reply::plain(403, "Missing_OAuth_Token"))?;
    live(org, token).ok_or_else(|| Reply::plain(403, "Bad_OAuth_Token"))
}

fn urls(org: &Org, user: &str) -> Value {
    let base = format!("{}/services/data/v{{version}}/", org.url);
    json!({
        "rest": base,
        "sobjects": format!("{base}sobjects/"),
        "query": format!("{base}query/"),
        "profile": format!("{}/{user}", org.url),
        "custom_domain": org.url,
    })
}

fn userinfo(org: &Org, call: &Call) -> Reply {
    let session = match helper_session(org, call) {
        Ok(session) => session,
        Err(reply) => return reply,
    };
    let user = session.user.as_str();
    let get = |field: &str| user_text(org, user, field);
    Reply::json(
        200,
        &json!({
            "sub": org.identity_url(user),
            "user_id": user,
            "organization_id": org.org_id,
            "preferred_username": get("Username"),
            "nickname": get("Alias"),
            "name": get("Name"),
            "email": get("Email"),
            "email_verified": true,
            "given_name": get("FirstName"),
            "family_name": get("LastName"),
            "zoneinfo": get("TimeZoneSidKey"),
            "address": {},
            "urls": urls(org, user),
            "active": get("IsActive") == "true",
            "user_type": "STANDARD",
            "language": get("LanguageLocaleKey"),
            "locale": get("LocaleSidKey"),
            "utcOffset": 0,
            "updated_at": get("SystemModstamp").replace(".000Z", "Z"),
        }),
    )
}

/// The identity URL.
pub(super) fn identity(org: &Org, call: &Call) -> Reply {
    let session = match helper_session(org, call) {
        Ok(session) => session,
        Err(reply) => return reply,
    };
    let user = session.user.as_str();
    let get = |field: &str| user_text(org, user, field);
    Reply::json(
        200,
        &json!({
            "id": org.identity_url(user),
            "asserted_user": true,
            "user_id": user,
            "organization_id": org.org_id,
            "username": get("Username"),
            "nick_name": get("Alias"),
            "display_name": get("Name"),
            "email": get("Email"),
            "email_verified": true,
            "first_name": get("FirstName"),
            "last_name": get("LastName"),
            "timezone": get("TimeZoneSidKey"),
            "mobile_phone": null,
            "mobile_phone_verified": false,
            "is_lightning_login_user": false,
            "status": {"created_date": null, "body": null},
            "urls": urls(org, user),
            "active": get("IsActive") == "true",
            "user_type": "STANDARD",
            "language": get("LanguageLocaleKey"),
            "locale": get("LocaleSidKey"),
            "utcOffset": 0,
            "last_modified_date": get("LastModifiedDate").replace('Z', "+0000"),
            "is_app_installed": true,
        }),
    )
}
