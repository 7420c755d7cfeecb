//! The page that a browser is sent to for an authorization code.

use std::sync::Arc;

use super::{
    super::{Call, Org, Reply},
    apps::app,
    browser::{cookie_user, set_cookie},
    codes::{Code, keep},
    get,
    login::{LoginError, approved, by_password},
    page, parameters,
};
use crate::emulator::{
    faults::lock,
    file::{ConnectedApp, Flow},
    store::Cell,
};

/// An authorization request that may be answered by sending the browser back.
struct Request<'a> {
    app: &'a ConnectedApp,
    redirect_uri: &'a str,
    state: Option<&'a str>,
    scope: String,
    challenge: Option<&'a str>,
    nonce: Option<&'a str>,
    prompt: Vec<&'a str>,
}

/// `/services/oauth2/authorize`.
pub(super) fn authorize(org: &Arc<Org>, call: &Call) -> Reply {
    let form = parameters(call);
    let app = match app(org, get(&form, "client_id").unwrap_or_default()) {
        Ok(app) => app,
        Err(_) => return page::error("invalid_client_id", "client identifier invalid"),
    };
    let redirect_uri = get(&form, "redirect_uri").unwrap_or_default();
    if !app.callback_urls.iter().any(|url| url == redirect_uri) {
        // Nothing is sent to an address that is not the app's.
        return page::error("redirect_uri_mismatch", "redirect_uri must match configuration");
    }
    let mut request = Request {
        app,
        redirect_uri,
        state: get(&form, "state"),
        scope: String::new(),
        challenge: get(&form, "code_challenge").filter(|c| !c.is_empty()),
        nonce: get(&form, "nonce"),
        prompt: get(&form, "prompt")
            .unwrap_or_default()
            .split_whitespace()
            .collect(),
    };
    match scope(app, get(&form, "scope").unwrap_or_default()) {
        Ok(scope) => request.scope = scope,
        Err((error, description)) => return request.back(error, description),
    }
    if let Err((error, description)) = acceptable(&request, &form) {
        return request.back(error, description);
    }
    if let Some(user) = app.auto_approve.as_deref().and_then(|name| org.user(name)) {
        return request.done(org, user);
    }
    let posted = call.method == "POST";
    let mut cookie = None;
    let user = match (get(&form, "username"), get(&form, "pw")) {
        (Some(username), Some(password)) if posted => match by_password(org, username, password, false) {
            Ok(user) => {
                cookie = Some(set_cookie(org, &user));
                user
            }
            Err(error) => return page::login(org, app, username, Some(complaint(error))),
        },
        _ => match cookie_user(org, call).filter(|_| posted || !request.prompt.contains(&"login")) {
            Some(user) => user,
            None if request.prompt.contains(&"none") => {
                return request.back("login_required", "the user is not signed in");
            }
            None => return page::login(org, app, get(&form, "login_hint").unwrap_or_default(), None),
        },
    };
    let reply = decide(org, &request, &form, posted, user);
    match cookie {
        Some(cookie) => reply.header("Set-Cookie", &cookie),
        None => reply,
    }
}

/// What happens once it is known who sits in front of the browser.
fn decide(org: &Org, request: &Request<'_>, form: &[(String, String)], posted: bool, user: Cell) -> Reply {
    let app = request.app;
    if app.admin_approved_users_only {
        if !approved(org, app, &user) {
            return request.back(
                "invalid_app_access",
                "user is not admin approved to access this app",
            );
        }
        return request.done(org, user);
    }
    let approval = (app.client_id.clone(), user.clone());
    if posted && get(form, "deny").is_some() {
        return request.back("access_denied", "end-user denied authorization");
    }
    if posted && get(form, "allow").is_some() {
        lock(&org.logins.state).approvals.insert(approval);
        return request.done(org, user);
    }
    let known = approved(org, app, &user) || lock(&org.logins.state).approvals.contains(&approval);
    if known && !request.prompt.contains(&"consent") {
        return request.done(org, user);
    }
    if request.prompt.contains(&"none") {
        return request.back("consent_required", "the user has not approved the app");
    }
    page::approval(org, app, &user, &request.scope)
}

fn complaint(error: LoginError) -> &'static str {
    match error {
        LoginError::Wrong | LoginError::SecurityToken => {
            "Please check your username and password. If you still can't log in, contact your Salesforce administrator."
        }
        LoginError::Rate => "There were too many logins in the last hour. Try again later.",
    }
}

/// The scopes that were asked for, as far as the app has them; all of the app's when none were named.
fn scope(app: &ConnectedApp, wanted: &str) -> Result<String, (&'static str, &'static str)> {
    if wanted.trim().is_empty() {
        return Ok(app.scopes.join(" "));
    }
    let has = |scope: &str| {
        app.scopes.iter().any(|own| match own.as_str() {
            "full" => !matches!(scope, "refresh_token" | "offline_access"),
            // Two words for one thing.
            "refresh_token" | "offline_access" => matches!(scope, "refresh_token" | "offline_access"),
            own => own == scope,
        }) || scope == "id"
    };
    let list: Vec<&str> = wanted.split_whitespace().collect();
    if list.iter().all(|scope| has(scope)) {
        return Ok(list.join(" "));
    }
    Err(("invalid_scope", "the requested scope is not allowed"))
}

fn acceptable(request: &Request<'_>, form: &[(String, String)]) -> Result<(), (&'static str, &'static str)> {
    if get(form, "response_type") != Some("code") {
        return Err(("unsupported_response_type", "response type not supported"));
    }
    if !request.app.flows.contains(&Flow::AuthorizationCode) {
        return Err((
            "unauthorized_client",
            "the app does not have this flow switched on",
        ));
    }
    if request.challenge.is_none() && request.app.require_pkce {
        return Err(("invalid_request", "missing required code challenge"));
    }
    // Without a method it is S256 all the same.
    match get(form, "code_challenge_method") {
        None | Some("S256") => Ok(()),
        Some(_) => Err(("invalid_request", "code challenge method must be S256")),
    }
}

impl Request<'_> {
    /// Sends the browser back with a code.
    fn done(&self, org: &Org, user: Cell) -> Reply {
        let code = keep(
            org,
            Code {
                client_id: self.app.client_id.clone(),
                user,
                scope: self.scope.clone(),
                redirect_uri: self.redirect_uri.to_owned(),
                challenge: self.challenge.map(str::to_owned),
                nonce: self.nonce.map(str::to_owned),
                made: org.time(),
                used: false,
            },
        );
        self.redirect(&[("code", &code)])
    }

    /// Sends the browser back with an error.
    fn back(&self, error: &str, description: &str) -> Reply {
        self.redirect(&[("error", error), ("error_description", description)])
    }

    fn redirect(&self, parameters: &[(&str, &str)]) -> Reply {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        if let Some(state) = self.state {
            query.append_pair("state", state);
        }
        let joint = if self.redirect_uri.contains('?') { '&' } else { '?' };
        Reply::redirect(&format!("{}{joint}{}", self.redirect_uri, query.finish()))
    }
}
