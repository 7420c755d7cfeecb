use serde_json::json;

use super::{
    super::{Call, Org, Reply},
    apps::proven,
    get,
    identity::user_text,
    parameters, refuse,
    session::live,
};
use crate::emulator::faults::lock;

/// `/services/oauth2/revoke`: ends a token; a refresh token takes its access tokens along.
pub(super) fn revoke(org: &Org, call: &Call) -> Reply {
    let form = parameters(call);
    let done = match get(&form, "token") {
        None | Some("") => Err(("invalid_request", "missing required parameter: token")),
        Some(token) => {
            let refresh = lock(&org.logins.state).refresh.remove(token);
            let access = lock(&org.tokens).remove(token);
            match (&refresh, &access) {
                (Some(refresh), _) => {
                    lock(&org.tokens).retain(|_, session| session.family != Some(refresh.family));
                    Ok(())
                }
                (None, Some(_)) => Ok(()),
                (None, None) => Err(("invalid_token", "invalid token")),
            }
        }
    };
    match (get(&form, "callback"), done) {
        // A page of another origin learns of it by a script.
        (Some(callback), done) if is_name(callback) => {
            let argument = match done {
                Ok(()) => "{}".to_owned(),
                Err((error, text)) => json!({"error": error, "error_description": text}).to_string(),
            };
            Reply::script(format!("{callback}({argument});"))
        }
        (_, Ok(())) => Reply::empty(200),
        (_, Err((error, text))) => refuse(error, text),
    }
}

/// A name of a function, and nothing that could be more.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'.'))
}

/// `/services/oauth2/introspect`.
pub(super) fn introspect(org: &Org, call: &Call) -> Reply {
    if call.method != "POST" {
        return refuse("invalid_request", "must use HTTP POST");
    }
    let form = parameters(call);
    let Ok(app) = proven(org, call, &form) else {
        return Reply::json(
            401,
            &json!({"error": "invalid_client", "error_description": "invalid client credentials"}),
        );
    };
    let token = get(&form, "token").unwrap_or_default();
    let may = |client_id: &str| app.introspect_all_tokens || client_id == app.client_id;
    if let Some(session) = live(org, token)
        && may(session.client_id.as_deref().unwrap_or_default())
    {
        let since = session.issued.as_second();
        return Reply::json(
            200,
            &json!({
                "active": true,
                "scope": session.scope,
                "client_id": session.client_id,
                "username": user_text(org, &session.user, "Username"),
                "sub": org.identity_url(&session.user),
                "token_type": "access_token",
                "exp": session.expires(),
                "iat": since,
                "nbf": since,
            }),
        );
    }
    let refresh = lock(&org.logins.state).refresh.get(token).cloned();
    if let Some(refresh) = refresh.filter(|refresh| may(&refresh.client_id)) {
        let since = refresh.made.as_second();
        return Reply::json(
            200,
            &json!({
                "active": true,
                "scope": refresh.scope,
                "client_id": refresh.client_id,
                "username": user_text(org, &refresh.user, "Username"),
                "sub": org.identity_url(&refresh.user),
                "token_type": "refresh_token",
                "iat": since,
                "nbf": since,
            }),
        );
    }
    Reply::json(200, &json!({"active": false}))
}
