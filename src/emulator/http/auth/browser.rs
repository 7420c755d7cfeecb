//! Browser sessions: the cookie, and the door that a token opens.

use super::{
    super::{Call, Org, Reply},
    LETTERS, get,
    login::active,
    page, parameters, random,
    session::{bearer, live},
};
use crate::emulator::{faults::lock, store::Cell};

/// The user whose browser this is.
pub(super) fn cookie_user(org: &Org, call: &Call) -> Option<Cell> {
    let sid = cookie(call)?;
    let user = lock(&org.logins.state).browsers.get(sid).cloned()?;
    active(org, &user).then_some(user)
}

fn cookie(call: &Call) -> Option<&str> {
    call.header("cookie")?
        .split(';')
        .find_map(|pair| pair.trim().strip_prefix("sid="))
}

/// Opens a browser session; the answer is its cookie.
pub(super) fn set_cookie(org: &Org, user: &Cell) -> String {
    let sid = format!("{}!{}", &org.org_id[..15], random(96, LETTERS));
    lock(&org.logins.state).browsers.insert(sid.clone(), user.clone());
    format!("sid={sid}; Path=/; HttpOnly; SameSite=Lax")
}

/// `/services/oauth2/singleaccess`: an address that opens a browser session once.
pub(super) fn single_access(org: &Org, call: &Call) -> Reply {
    let form = parameters(call);
    let session = bearer(&call.headers)
        .or_else(|| get(&form, "access_token"))
        .and_then(|token| live(org, token))
        .filter(|session| session.has_scope(&["web"]));
    let Some(session) = session else {
        return Reply::plain(403, "Bad_OAuth_Token");
    };
    let once = random(64, &LETTERS[..62]);
    lock(&org.logins.state)
        .browsers
        .insert(once.clone(), session.user);
    let target = get(&form, "redirect_uri")
        .map(|path| {
            format!(
                "&startURL={}",
                url::form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>()
            )
        })
        .unwrap_or_default();
    Reply::json(
        200,
        &serde_json::json!({
            "frontdoor_uri": format!("{}/secur/frontdoor.jsp?otp={once}{target}", org.url),
        }),
    )
}

/// `/secur/frontdoor.jsp`: a token or a one-time password becomes a cookie.
pub(super) fn front_door(org: &Org, call: &Call) -> Reply {
    let form = parameters(call);
    let user = match (get(&form, "otp"), get(&form, "sid")) {
        (Some(once), _) => lock(&org.logins.state).browsers.remove(once),
        (None, Some(token)) => live(org, token)
            .filter(|session| session.has_scope(&["web"]))
            .map(|session| session.user),
        (None, None) => None,
    };
    let target = get(&form, "startURL")
        .or_else(|| get(&form, "retURL"))
        // Only a page of this org: two slashes would lead to another host.
        .filter(|path| path.starts_with('/') && !path.starts_with("//") && !path.contains('\\'))
        .unwrap_or("/");
    match user {
        Some(user) => Reply::redirect(target).header("Set-Cookie", &set_cookie(org, &user)),
        None => Reply::redirect("/?ec=302"),
    }
}

/// `/secur/logout.jsp`.
pub(super) fn log_out(org: &Org, call: &Call) -> Reply {
    if let Some(sid) = cookie(call) {
        lock(&org.logins.state).browsers.remove(sid);
    }
    page::signed_out(org).header("Set-Cookie", "sid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
}
