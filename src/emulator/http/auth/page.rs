//! The pages that people see when they sign in: plain HTML that works without scripts.

use super::super::{Org, Reply};
use crate::emulator::file::ConnectedApp;

/// The look of all of them.
const STYLE: &str = include_str!("page.css");

/// Text that may stand in HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn page(status: u16, title: &str, body: &str) -> Reply {
    Reply::sign_in_page(
        status,
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>{STYLE}</style></head>\
             <body><main>{body}</main></body></html>\n"
        ),
    )
}

/// Asks for username and password. The form goes back to the same address, with all that the client asked for.
pub(super) fn login(org: &Org, app: &ConnectedApp, username: &str, error: Option<&str>) -> Reply {
    let error = error
        .map(|text| {
            format!(
                "<p id=\"error\" class=\"error\" role=\"alert\">{}</p>",
                escape(text)
            )
        })
        .unwrap_or_default();
    // The cursor stands where something is missing.
    let (first, second) = if username.is_empty() {
        (" autofocus", "")
    } else {
        ("", " autofocus")
    };
    let body = format!(
        "<h1>Log in to {org}</h1><p class=\"note\">to continue to {app}</p>{error}\
         <form method=\"post\" id=\"login_form\">\
         <label for=\"username\">Username</label>\
         <input id=\"username\" name=\"username\" type=\"text\" autocomplete=\"username\" required value=\"{user}\"{first}>\
         <label for=\"password\">Password</label>\
         <input id=\"password\" name=\"pw\" type=\"password\" autocomplete=\"current-password\" required{second}>\
         <button id=\"Login\" name=\"Login\" type=\"submit\">Log In</button></form>\
         <p class=\"note\">An emulated org: users and passwords are those of its org file.</p>",
        org = escape(&org.name),
        app = escape(&app.name),
        user = escape(username),
    );
    page(200, "Login", &body)
}

/// Asks whether an app may act for the user.
pub(super) fn approval(org: &Org, app: &ConnectedApp, user: &str, scope: &str) -> Reply {
    let (name, username) = {
        let store = org.read();
        let text = |field: &str| match store.row(store.user, user) {
            Some(row) => store.text(store.user, row, field).to_owned(),
            None => String::new(),
        };
        (text("Name"), text("Username"))
    };
    let scopes: String = scope
        .split_whitespace()
        .map(|scope| format!("<li>{}</li>", escape(&in_words(scope))))
        .collect();
    let body = format!(
        "<h1>Allow access?</h1><p><strong>{app}</strong> is asking to:</p><ul>{scopes}</ul>\
         <form method=\"post\"><div class=\"pair\">\
         <button id=\"oadeny\" name=\"deny\" value=\"1\" class=\"quiet\">Deny</button>\
         <button id=\"oaapprove\" name=\"allow\" value=\"1\">Allow</button></div></form>\
         <p class=\"note\">Signed in to {org} as {name} ({username}). <a href=\"/secur/logout.jsp\">Not you?</a></p>",
        app = escape(&app.name),
        org = escape(&org.name),
        name = escape(&name),
        username = escape(&username),
    );
    page(200, "Allow access?", &body)
}

fn in_words(scope: &str) -> String {
    let words = match scope {
        "api" => "Manage user data via APIs",
        "full" => "Full access",
        "id" | "profile" | "email" | "address" | "phone" => "Access the identity URL service",
        "openid" => "Access unique user identifiers",
        "refresh_token" | "offline_access" => "Perform requests at any time",
        "web" => "Manage user data via Web browsers",
        "visualforce" => "Access Visualforce applications",
        "chatter_api" => "Access Connect REST API resources",
        _ => return scope.to_owned(),
    };
    format!("{words} ({scope})")
}

/// Says what is wrong with the link that led here.
pub(super) fn error(error: &str, description: &str) -> Reply {
    let body = format!(
        "<h1>This app cannot be opened</h1><p class=\"error\" role=\"alert\">error={error}&amp;error_description={description}</p>\
         <p class=\"note\">The address that led here does not fit a connected app of this org.</p>",
        error = escape(error),
        description = escape(description),
    );
    page(400, "Error", &body)
}

/// Says that the browser is signed out.
pub(super) fn signed_out(org: &Org) -> Reply {
    let body = format!(
        "<h1>Signed out</h1><p>You are no longer signed in to {}.</p>",
        escape(&org.name)
    );
    page(200, "Signed out", &body)
}
