use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::{
    super::{Call, Org, Reply},
    LETTERS,
    apps::{named, proven},
    assertion, codes, get, identity, is_form,
    login::{LoginError, Refresh, active, admit, by_password},
    parameters, random, refuse,
    session::{Session, open},
};
use crate::emulator::{
    faults::lock,
    file::{ConnectedApp, Flow},
    store::Cell,
};

/// What a sign-in leads to.
pub(super) struct Grant<'a> {
    pub(super) app: &'a ConnectedApp,
    pub(super) user: Cell,
    pub(super) scope: String,
    /// Whether a refresh token goes with it, if the scope says so.
    pub(super) refreshable: bool,
    pub(super) nonce: Option<String>,
}

/// `/services/oauth2/token`.
pub(super) fn token(org: &Arc<Org>, call: &Call) -> Reply {
    if call.method != "POST" {
        return refuse("invalid_request", "must use HTTP POST");
    }
    let form = parameters(call);
    let unsupported = || refuse("unsupported_grant_type", "grant type not supported");
    if !is_form(call) && !call.body.is_empty() {
        return unsupported();
    }
    let answer = match get(&form, "grant_type").unwrap_or_default() {
        "client_credentials" => client_credentials(org, call, &form),
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => assertion::grant(org, &form),
        "refresh_token" => return refresh(org, call, &form),
        "authorization_code" => codes::grant(org, call, &form),
        "password"
            if org
                .apps
                .iter()
                .any(|app| app.flows.contains(&Flow::UsernamePassword)) =>
        {
            password(org, call, &form)
        }
        // Device, token exchange, SAML and asset flows are switched off here, as they are in a new org.
        _ => return unsupported(),
    };
    match answer {
        Ok(grant) => issue(org, grant),
        Err(reply) => reply,
    }
}

fn client_credentials<'a>(org: &'a Org, call: &Call, form: &[(String, String)]) -> Result<Grant<'a>, Reply> {
    if org.is_login_host(call.header("host")) {
        return Err(refuse("invalid_grant", "request not supported on this domain"));
    }
    let app = proven(org, call, form)?;
    if !app.flows.contains(&Flow::ClientCredentials) {
        return Err(refuse("invalid_grant", "client credentials flow not enabled"));
    }
    let user = app
        .run_as
        .as_ref()
        .and_then(|name| org.user(name))
        .ok_or_else(|| refuse("invalid_grant", "no client credentials user enabled"))?;
    admit(org, app, &user)?;
    Ok(Grant {
        app,
        user,
        scope: app.scopes.join(" "),
        refreshable: false,
        nonce: None,
    })
}

/// The username-password flow. Its recorded answers tell no scope.
fn password<'a>(org: &'a Org, call: &Call, form: &[(String, String)]) -> Result<Grant<'a>, Reply> {
    let app = proven(org, call, form)?;
    if !app.flows.contains(&Flow::UsernamePassword) {
        return Err(refuse("unsupported_grant_type", "grant type not supported"));
    }
    let (Some(username), Some(password)) = (get(form, "username"), get(form, "password")) else {
        return Err(refuse(
            "invalid_request",
            "missing required parameter: username or password",
        ));
    };
    let user = by_password(org, username, password, true).map_err(|error| match error {
        LoginError::Wrong | LoginError::SecurityToken => refuse("invalid_grant", "authentication failure"),
        LoginError::Rate => refuse("rate_limit_exceeded", "login rate exceeded"),
    })?;
    admit(org, app, &user)?;
    Ok(Grant {
        app,
        user,
        scope: String::new(),
        refreshable: false,
        nonce: None,
    })
}

fn refresh(org: &Org, call: &Call, form: &[(String, String)]) -> Reply {
    let app = match named(org, call, form) {
        Ok(app) => app,
        Err(reply) => return reply,
    };
    let expired = || refuse("invalid_grant", "expired access/refresh token");
    let Some(given) = get(form, "refresh_token") else {
        return refuse("invalid_request", "missing required parameter: refresh_token");
    };
    let now = org.time();
    let found = {
        let mut state = lock(&org.logins.state);
        if let Some(family) = state.spent.get(given).copied() {
            // Somebody uses an old one: neither he nor the owner of the new one can be trusted.
            state.refresh.retain(|_, other| other.family != family);
            lock(&org.tokens).retain(|_, session| session.family != Some(family));
        }
        state
            .refresh
            .get(given)
            .filter(|r| r.client_id == app.client_id)
            .cloned()
    };
    let Some(old) = found else {
        return expired();
    };
    let age = now.as_second() - old.made.as_second();
    if app
        .refresh_token_lifetime
        .is_some_and(|most| age >= i64::try_from(most.get().as_secs()).unwrap_or(i64::MAX))
    {
        return expired();
    }
    if !active(org, &old.user) {
        org.sign_out(&old.user);
        return refuse("invalid_grant", "inactive user");
    }
    if let Err(reply) = admit(org, app, &old.user) {
        return reply;
    }
    let scope = old.scope.clone();
    let mut session = Session::new(
        org,
        old.user.clone(),
        Some(app.client_id.clone()),
        scope.clone(),
        app.token_lifetime.get(),
    );
    session.family = Some(old.family);
    let rotated = app.refresh_token_rotation.then(|| {
        let next = refresh_token();
        let mut state = lock(&org.logins.state);
        state.refresh.remove(given);
        state.spent.insert(given.to_owned(), old.family);
        state.refresh.insert(
            next.clone(),
            Refresh {
                made: now,
                ..old.clone()
            },
        );
        next
    });
    let token = open(org, session);
    answer(org, app, &old.user, &scope, &token, rotated, None)
}

/// Signs in, and answers with the tokens.
fn issue(org: &Org, grant: Grant<'_>) -> Reply {
    let Grant {
        app,
        user,
        scope,
        refreshable,
        nonce,
    } = grant;
    // A password login tells no scope, but has what the app has.
    let held = if scope.is_empty() {
        app.scopes.join(" ")
    } else {
        scope.clone()
    };
    let mut session = Session::new(
        org,
        user.clone(),
        Some(app.client_id.clone()),
        held,
        app.token_lifetime.get(),
    );
    let wants_refresh = scope
        .split_whitespace()
        .any(|s| matches!(s, "refresh_token" | "offline_access"));
    let refresh = (refreshable && wants_refresh).then(|| {
        let token = refresh_token();
        let mut state = lock(&org.logins.state);
        let family = state.family();
        session.family = Some(family);
        state.refresh.insert(
            token.clone(),
            Refresh {
                client_id: app.client_id.clone(),
                user: user.clone(),
                scope: scope.clone(),
                made: org.time(),
                family,
            },
        );
        token
    });
    let token = open(org, session);
    answer(org, app, &user, &scope, &token, refresh, nonce.as_deref())
}

fn refresh_token() -> String {
    format!("5Aep861{}", random(80, LETTERS))
}

fn answer(
    org: &Org,
    app: &ConnectedApp,
    user: &Cell,
    scope: &str,
    token: &str,
    refresh: Option<String>,
    nonce: Option<&str>,
) -> Reply {
    let issued_at = org.time().as_millisecond().to_string();
    let identity = org.identity_url(user);
    let mut out = Map::new();
    let mut put = |key: &str, value: &str| {
        out.insert(key.to_owned(), Value::from(value));
    };
    put("access_token", token);
    if let Some(refresh) = &refresh {
        put("refresh_token", refresh);
    }
    put(
        "signature",
        &sign(&app.client_secret, &format!("{identity}{issued_at}")),
    );
    if !scope.is_empty() {
        put("scope", scope);
    }
    if scope.split_whitespace().any(|s| s == "openid") {
        put("id_token", &identity::id_token(org, app, user, token, nonce));
    }
    put("instance_url", &org.url);
    put("id", &identity);
    put("token_type", "Bearer");
    put("issued_at", &issued_at);
    if !scope.is_empty() {
        put("api_instance_url", "https://api.salesforce.com");
    }
    Reply::json(200, &Value::Object(out)).header("Pragma", "no-cache")
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
