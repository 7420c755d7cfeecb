use std::time::Duration;

use axum::http::HeaderMap;
use jiff::Timestamp;

use super::{
    super::{Call, Org, Reply},
    LETTERS,
    login::active,
    random,
};
use crate::emulator::{
    access::{Access, Permission},
    faults::lock,
    store::Cell,
};

/// Who is signed in with a token.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(in super::super) user: Cell,
    /// What the user may see and do.
    pub(in super::super) access: Access,
    pub(in super::super) client_id: Option<String>,
    pub(super) scope: String,
    pub(super) issued: Timestamp,
    /// The token ends when it was not used for so long.
    pub(super) lifetime: Duration,
    used: Timestamp,
    /// The refresh token that it belongs to, by its family.
    pub(super) family: Option<u64>,
}

impl Session {
    /// A session that begins now.
    pub(in super::super) fn new(
        org: &Org,
        user: Cell,
        client_id: Option<String>,
        scope: String,
        lifetime: Duration,
    ) -> Self {
        let now = org.time();
        Session {
            access: org.access_of(&user),
            user,
            client_id,
            scope,
            issued: now,
            lifetime,
            used: now,
            family: None,
        }
    }

    /// When the token ends if it is not used again, in seconds since 1970.
    pub(super) fn expires(&self) -> i64 {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        self.used.as_second().saturating_add(lifetime)
    }

    /// Whether the token was given one of these scopes; `full` stands for all that is no refresh token.
    pub(super) fn has_scope(&self, wanted: &[&str]) -> bool {
        self.scope
            .split_whitespace()
            .any(|scope| scope == "full" || wanted.contains(&scope))
    }
}

/// The token of the Authorization header.
pub(in super::super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get("authorization")?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth")).then_some(token.trim())
}

/// Makes a session known, and its token.
pub(super) fn open(org: &Org, session: Session) -> String {
    // The grammar of an opaque token: the org's Id, an exclamation mark, 96 characters.
    let token = format!("{}!{}", &org.org_id[..15], random(96, LETTERS));
    lock(&org.tokens).insert(token.clone(), session);
    org.tally(|c| c.logins += 1);
    token
}

/// The session of a token that has not ended.
pub(in super::super) fn live(org: &Org, token: &str) -> Option<Session> {
    let now = org.time();
    let user = lock(&org.tokens).get(token)?.user.clone();
    if !active(org, &user) {
        // A deactivated user is signed out everywhere, and stays so when somebody activates him again.
        org.sign_out(&user);
        return None;
    }
    let mut tokens = lock(&org.tokens);
    let session = tokens.get_mut(token)?;
    if session.expires() <= now.as_second() {
        tokens.remove(token);
        return None;
    }
    // The end is moved once half of the time is over, and not with every call.
    if now.as_second() >= session.expires() - i64::try_from(session.lifetime.as_secs() / 2).unwrap_or(0) {
        session.used = now;
    }
    Some(session.clone())
}

/// The caller's session, or what the data APIs answer without one.
pub(in super::super) fn session(org: &Org, call: &Call) -> Result<Session, Reply> {
    let refuse =
        |code: &str, message: &str| Reply::error(401, code, message).header("WWW-Authenticate", "Token");
    let Some(token) = bearer(&call.headers) else {
        return Err(refuse("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"));
    };
    let session =
        live(org, token).ok_or_else(|| refuse("INVALID_SESSION_ID", "Session expired or invalid"))?;
    if !session.has_scope(&["api"]) {
        return Err(Reply::error(
            401,
            "INVALID_SESSION_ID",
            "This session is not valid for use with the REST API",
        ));
    }
    if !session.access.may(Permission::ApiEnabled) {
        return Err(Reply::error(
            403,
            "API_DISABLED_FOR_ORG",
            "The REST API is not enabled for this Organization.",
        ));
    }
    Ok(session)
}
