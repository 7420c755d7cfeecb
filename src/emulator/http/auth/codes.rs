use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{
    super::{Call, Org, Reply},
    LETTERS,
    apps::named,
    get,
    login::admit,
    random, refuse,
    token::Grant,
};
use crate::emulator::{
    faults::lock,
    file::{ConnectedApp, Flow},
    store::Cell,
};

/// A code is good for so long, in seconds.
const LIFETIME: i64 = 15 * 60;

/// An authorization code that waits to be exchanged.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) client_id: String,
    pub(super) user: Cell,
    pub(super) scope: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) made: Timestamp,
    /// It buys tokens once.
    pub(super) used: bool,
}

/// Keeps what a user allowed under a new code.
pub(super) fn keep(org: &Org, code: Code) -> String {
    let text = format!("aPrx{}==", random(80, LETTERS));
    let mut state = lock(&org.logins.state);
    let now = org.time().as_second();
    state
        .codes
        .retain(|_, code| now - code.made.as_second() < 4 * LIFETIME);
    state.codes.insert(text.clone(), code);
    text
}

/// The last step of the authorization code flow.
pub(super) fn grant<'a>(org: &'a Org, call: &Call, form: &[(String, String)]) -> Result<Grant<'a>, Reply> {
    let app: &ConnectedApp = named(org, call, form)?;
    if !app.flows.contains(&Flow::AuthorizationCode) {
        return Err(refuse("unsupported_grant_type", "grant type not supported"));
    }
    let Some(given) = get(form, "code") else {
        return Err(refuse("invalid_request", "missing required parameter: code"));
    };
    let code = {
        let mut state = lock(&org.logins.state);
        let known = state
            .codes
            .get_mut(given)
            .filter(|code| code.client_id == app.client_id)
            .ok_or_else(|| refuse("invalid_grant", "invalid authorization code"))?;
        if known.used || org.time().as_second() - known.made.as_second() >= LIFETIME {
            return Err(refuse("invalid_grant", "expired authorization code"));
        }
        if get(form, "redirect_uri").unwrap_or_default() != known.redirect_uri {
            return Err(refuse(
                "redirect_uri_mismatch",
                "redirect_uri must match configuration",
            ));
        }
        known.used = true;
        known.clone()
    };
    match (&code.challenge, get(form, "code_verifier")) {
        (None, None) => {}
        (Some(challenge), Some(verifier)) if challenge_of(verifier) == challenge.trim_end_matches('=') => {}
        (Some(_), None) => return Err(refuse("invalid_request", "missing required code verifier")),
        _ => return Err(refuse("invalid_grant", "invalid code verifier")),
    }
    admit(org, app, &code.user)?;
    Ok(Grant {
        app,
        user: code.user,
        scope: code.scope,
        refreshable: true,
        nonce: code.nonce,
    })
}

fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_of_the_standards_example() {
        assert_eq!(
            challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
