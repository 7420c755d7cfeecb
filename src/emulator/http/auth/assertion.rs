use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    super::{Org, Reply},
    apps, get,
    login::{admit, approved},
    refuse,
    token::Grant,
};
use crate::emulator::{faults::lock, file::Flow};

/// The login hosts that an assertion may be meant for, beside the org's own.
const AUDIENCES: [&str; 2] = ["login.salesforce.com", "test.salesforce.com"];

/// The JWT bearer flow.
pub(super) fn grant<'a>(org: &'a Org, form: &[(String, String)]) -> Result<Grant<'a>, Reply> {
    let invalid = || refuse("invalid_grant", "invalid assertion");
    let Some(jwt) = get(form, "assertion") else {
        return Err(refuse("invalid_request", "missing required parameter: assertion"));
    };
    let (signed, signature) = jwt.rsplit_once('.').ok_or_else(invalid)?;
    let (head, claims) = signed.split_once('.').ok_or_else(invalid)?;
    let json = |part: &str| -> Option<Value> {
        let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    let head = json(head).ok_or_else(invalid)?;
    let claims = json(claims).ok_or_else(invalid)?;
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let app = apps::app(org, claim("iss"))?;
    let key = org
        .logins
        .key(&app.client_id)
        .filter(|_| app.flows.contains(&Flow::JwtBearer))
        .ok_or_else(invalid)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature.trim_end_matches('='))
        .map_err(|_| invalid())?;
    if head.get("alg").and_then(Value::as_str) != Some("RS256") || !key.signed(signed.as_bytes(), &signature)
    {
        return Err(invalid());
    }
    if !for_this_org(org, claims.get("aud")) {
        return Err(refuse("invalid_grant", "audience is invalid"));
    }
    // Seconds; a text does too, and so do milliseconds, which just lie far ahead.
    let expires = match claims.get("exp") {
        Some(Value::String(text)) => text.parse::<f64>().ok(),
        Some(Value::Number(number)) => number.as_f64(),
        _ => None,
    };
    let expires = expires.ok_or_else(invalid)?;
    if expires <= org.time().as_second() as f64 {
        return Err(refuse("invalid_grant", "expired authorization code"));
    }
    // Who is unknown has approved nothing: the answer does not tell the two apart.
    let unapproved = || refuse("invalid_grant", "user hasn't approved this consumer");
    let subject = Some(claim("sub"))
        .filter(|sub| !sub.is_empty())
        .unwrap_or(claim("prn"));
    let user = org.user(subject).ok_or_else(unapproved)?;
    let allowed = approved(org, app, &user)
        || lock(&org.logins.state)
            .approvals
            .contains(&(app.client_id.clone(), user.clone()));
    if !app.admin_approved_users_only && !allowed {
        return Err(unapproved());
    }
    admit(org, app, &user)?;
    // No refresh token comes of it, so its scope is not given either.
    let scope: Vec<&str> = app
        .scopes
        .iter()
        .map(String::as_str)
        .filter(|scope| !matches!(*scope, "refresh_token" | "offline_access"))
        .collect();
    Ok(Grant {
        app,
        user,
        scope: scope.join(" "),
        refreshable: false,
        nonce: None,
    })
}

fn for_this_org(org: &Org, audience: Option<&Value>) -> bool {
    let fits = |text: &str| {
        let Some((_, host)) = text.split_once("://") else {
            return false;
        };
        let host = host.trim_end_matches('/');
        let host = host.strip_suffix("/services/oauth2/token").unwrap_or(host);
        AUDIENCES.contains(&host)
            || Some(host) == org.url.split_once("://").map(|(_, own)| own)
            || org.is_login_host(Some(host))
    };
    match audience {
        Some(Value::String(text)) => fits(text),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).any(fits),
        _ => false,
    }
}
