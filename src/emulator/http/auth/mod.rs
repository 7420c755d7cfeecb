//! Signing in: the OAuth endpoints, the sessions that tokens stand for, and the login page.

mod apps;
mod assertion;
mod authorize;
mod browser;
mod codes;
mod identity;
mod inspect;
mod login;
mod page;
mod session;
mod token;

use std::sync::Arc;

use serde_json::json;

use super::{Call, Org, Reply};

pub(crate) use self::login::Logins;
pub(super) use self::login::password_login;
pub(super) use self::login::profile_name;
pub(super) use self::session::{Session, bearer, session};

/// An endpoint below `/services/oauth2`.
pub(super) fn endpoint(org: &Arc<Org>, call: &Call, name: &str) -> Reply {
    match name {
        "token" => token::token(org, call),
        "authorize" => authorize::authorize(org, call),
        "revoke" => inspect::revoke(org, call),
        "introspect" => inspect::introspect(org, call),
        "userinfo" => identity::userinfo(org, call),
        "singleaccess" => browser::single_access(org, call),
        _ => Reply::missing(),
    }
}

/// The pages that browsers are sent to.
pub(super) fn browser(org: &Arc<Org>, call: &Call, page: &str) -> Reply {
    match page {
        "frontdoor.jsp" => browser::front_door(org, call),
        "logout.jsp" => browser::log_out(org, call),
        _ => Reply::missing(),
    }
}

pub(super) use self::identity::{identity, keys, open_id_configuration};

/// A refusal of the OAuth endpoints.
fn refuse(error: &str, description: &str) -> Reply {
    Reply::json(400, &json!({"error": error, "error_description": description}))
}

/// The parameters of an OAuth request, wherever they stand: the body's go first.
fn parameters(call: &Call) -> Vec<(String, String)> {
    let mut all = if is_form(call) { call.form() } else { Vec::new() };
    all.extend(call.query.iter().cloned());
    all
}

fn is_form(call: &Call) -> bool {
    call.header("content-type").is_some_and(|kind| {
        kind.to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
    })
}

/// One of the parameters.
fn get<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

/// Letters that nobody guesses.
fn random(length: usize, alphabet: &str) -> String {
    let letters = alphabet.as_bytes();
    (0..length)
        .map(|_| char::from(letters[fastrand::usize(..letters.len())]))
        .collect()
}

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
