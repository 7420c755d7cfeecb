//! Who a token belongs to: userinfo, the identity URL, and ID tokens with their keys.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    super::{Call, Org, Reply},
    session::{Session, bearer, live},
};
use crate::emulator::file::ConnectedApp;

/// Signs the ID tokens of every emulated org. It protects nothing, and so it is no secret.
static KEY: LazyLock<Option<RsaKeyPair>> =
    LazyLock::new(|| RsaKeyPair::from_pkcs8(include_bytes!("org_key.pk8")).ok());

const KEY_ID: &str = "262";

/// Scopes that say who the user is.
const IDENTITY_SCOPES: [&str; 7] = ["api", "id", "profile", "email", "address", "phone", "openid"];

/// A field of a user; empty for null.
pub(super) fn user_text(org: &Org, user: &str, field: &str) -> String {
    let store = org.read();
    match store.row(store.user, user) {
        Some(row) => store.text(store.user, row, field).to_owned(),
        None => String::new(),
    }
}

/// These endpoints refuse in plain text, and with 403.
fn caller(org: &Org, call: &Call) -> Result<Session, Reply> {
    let token = bearer(&call.headers)
        .or_else(|| call.param("oauth_token"))
        .or_else(|| call.param("access_token"));
    let token = token.ok_or_else(|| Reply::plain(403, "Missing_OAuth_Token"))?;
    live(org, token)
        .filter(|session| session.has_scope(&IDENTITY_SCOPES))
        .ok_or_else(|| Reply::plain(403, "Bad_OAuth_Token"))
}

/// The addresses of the org's APIs, with the text `{version}` in them.
fn urls(org: &Org, user: &str) -> Value {
    let url = &org.url;
    let base = format!("{url}/services/data/v{{version}}/");
    let soap = |kind: &str| format!("{url}/services/Soap/{kind}/{{version}}/{}", &org.org_id[..15]);
    json!({
        "enterprise": soap("c"),
        "metadata": soap("m"),
        "partner": soap("u"),
        "rest": base,
        "sobjects": format!("{base}sobjects/"),
        "search": format!("{base}search/"),
        "query": format!("{base}query/"),
        "recent": format!("{base}recent/"),
        "tooling_soap": soap("T"),
        "tooling_rest": format!("{base}tooling/"),
        "profile": format!("{url}/{user}"),
        "feeds": format!("{base}chatter/feeds"),
        "groups": format!("{base}chatter/groups"),
        "users": format!("{base}chatter/users"),
        "feed_items": format!("{base}chatter/feed-items"),
        "feed_elements": format!("{base}chatter/feed-elements"),
        "custom_domain": url,
    })
}

/// Milliseconds between a user's standard time and UTC.
fn utc_offset(org: &Org, zone: &str) -> i64 {
    let Ok(zone) = jiff::tz::TimeZone::get(zone) else {
        return 0;
    };
    // Summer time goes ahead of standard time, in either half of the year.
    let now = org.time();
    let seconds = [0, 4_380].into_iter().map(|hours| {
        let then = now
            .checked_add(jiff::SignedDuration::from_hours(hours))
            .unwrap_or(now);
        i64::from(zone.to_offset(then).seconds())
    });
    seconds.min().unwrap_or(0) * 1_000
}

fn or_null(text: String) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        Value::String(text)
    }
}

fn nickname(org: &Org, user: &str) -> String {
    let nickname = user_text(org, user, "CommunityNickname");
    if nickname.is_empty() {
        user_text(org, user, "Alias")
    } else {
        nickname
    }
}

fn photo(org: &Org, user: &str, size: char) -> String {
    format!("{}/profilephoto/{}/{size}", org.url, &user[..15])
}

/// `/services/oauth2/userinfo`.
pub(super) fn userinfo(org: &Org, call: &Call) -> Reply {
    let session = match caller(org, call) {
        Ok(session) => session,
        Err(reply) => return reply,
    };
    let user = session.user.as_str();
    let get = |field: &str| user_text(org, user, field);
    let mut address = serde_json::Map::new();
    for (key, field) in [
        ("street_address", "Street"),
        ("locality", "City"),
        ("region", "State"),
        ("postal_code", "PostalCode"),
        ("country", "Country"),
    ] {
        let text = get(field);
        if !text.is_empty() {
            address.insert(key.to_owned(), text.into());
        }
    }
    Reply::json(
        200,
        &json!({
            "sub": org.identity_url(user),
            "user_id": user,
            "organization_id": org.org_id,
            "preferred_username": get("Username"),
            "nickname": nickname(org, user),
            "name": get("Name"),
            "email": get("Email"),
            "email_verified": true,
            "given_name": or_null(get("FirstName")),
            "family_name": get("LastName"),
            "zoneinfo": get("TimeZoneSidKey"),
            "photos": {"picture": photo(org, user, 'F'), "thumbnail": photo(org, user, 'T')},
            "profile": format!("{}/{user}", org.url),
            "picture": photo(org, user, 'F'),
            "address": address,
            "is_salesforce_integration_user": false,
            "urls": urls(org, user),
            "active": get("IsActive") == "true",
            "user_type": "STANDARD",
            "language": get("LanguageLocaleKey"),
            "locale": get("LocaleSidKey"),
            "utcOffset": utc_offset(org, &get("TimeZoneSidKey")),
            "updated_at": get("SystemModstamp").replace(".000Z", "Z"),
        }),
    )
}

/// The identity URL, `/id/00D.../005...`.
pub(in super::super) fn identity(org: &Org, call: &Call, org_id: &str, user: &str) -> Reply {
    if let Err(reply) = caller(org, call) {
        return reply;
    }
    if crate::record::id18(org_id).as_str() != org.org_id {
        return Reply::plain(403, "Wrong_Org");
    }
    if let Some(format) = call.param("format").filter(|format| *format != "json") {
        return Reply::not_emulated(&format!("identity document in the format {format}"));
    }
    let id = crate::record::id18(user);
    let user = id.as_str();
    let known = {
        let store = org.read();
        store.live_row(store.user, user).is_some()
    };
    if !known {
        return Reply::plain(404, "Bad_Id");
    }
    let get = |field: &str| user_text(org, user, field);
    let document = json!({
        "id": org.identity_url(user),
        "asserted_user": true,
        "user_id": user,
        "organization_id": org.org_id,
        "username": get("Username"),
        "nick_name": nickname(org, user),
        "display_name": get("Name"),
        "email": get("Email"),
        "email_verified": true,
        "first_name": or_null(get("FirstName")),
        "last_name": get("LastName"),
        "timezone": get("TimeZoneSidKey"),
        "photos": {"picture": photo(org, user, 'F'), "thumbnail": photo(org, user, 'T')},
        "addr_street": or_null(get("Street")),
        "addr_city": or_null(get("City")),
        "addr_state": or_null(get("State")),
        "addr_country": or_null(get("Country")),
        "addr_zip": or_null(get("PostalCode")),
        "mobile_phone": or_null(get("MobilePhone")),
        "mobile_phone_verified": false,
        "is_lightning_login_user": false,
        "status": {"created_date": null, "body": null},
        "urls": urls(org, user),
        "active": get("IsActive") == "true",
        "user_type": "STANDARD",
        "language": get("LanguageLocaleKey"),
        "locale": get("LocaleSidKey"),
        "utcOffset": utc_offset(org, &get("TimeZoneSidKey")),
        "last_modified_date": get("LastModifiedDate").replace(".000Z", "Z"),
        "is_app_installed": true,
    });
    // With a version the addresses are ready for use.
    let mut text = document.to_string();
    match call.param("version") {
        Some("latest") => text = text.replace("{version}", &format!("{}.0", org.versions.to)),
        Some(version) if version.parse::<f64>().is_ok() => text = text.replace("{version}", version),
        _ => {}
    }
    Reply::text(200, text)
}

/// A signed statement about who signed in.
pub(super) fn id_token(
    org: &Org,
    app: &ConnectedApp,
    user: &str,
    token: &str,
    nonce: Option<&str>,
) -> String {
    let Some(key) = KEY.as_ref() else {
        return String::new();
    };
    let now = org.time().as_second();
    let head = json!({"kid": KEY_ID, "typ": "JWT", "alg": "RS256"});
    let mut claims = json!({
        "at_hash": URL_SAFE_NO_PAD.encode(&Sha256::digest(token.as_bytes())[..16]),
        "sub": org.identity_url(user),
        "aud": app.client_id,
        "iss": org.url,
        "exp": now + 120,
        "iat": now,
    });
    if let (Some(nonce), Some(map)) = (nonce, claims.as_object_mut()) {
        map.insert("nonce".to_owned(), nonce.into());
    }
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(head.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut signature = vec![0; key.public().modulus_len()];
    match key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    ) {
        Ok(()) => format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)),
        Err(_) => String::new(),
    }
}

/// `/id/keys`: the public half of the key that signs ID tokens.
pub(in super::super) fn keys() -> Reply {
    let list: Vec<Value> = KEY
        .iter()
        .map(|key| {
            let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
            json!({
                "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
                "n": URL_SAFE_NO_PAD.encode(parts.n), "e": URL_SAFE_NO_PAD.encode(parts.e),
            })
        })
        .collect();
    Reply::json(200, &json!({"keys": list}))
}

/// `/.well-known/openid-configuration`.
pub(in super::super) fn open_id_configuration(org: &Org) -> Reply {
    let url = &org.url;
    let oauth = |name: &str| format!("{url}/services/oauth2/{name}");
    Reply::json(
        200,
        &json!({
            "issuer": url,
            "authorization_endpoint": oauth("authorize"),
            "token_endpoint": oauth("token"),
            "revocation_endpoint": oauth("revoke"),
            "introspection_endpoint": oauth("introspect"),
            "userinfo_endpoint": oauth("userinfo"),
            "jwks_uri": format!("{url}/id/keys"),
            "scopes_supported": [
                "id", "api", "web", "full", "chatter_api", "visualforce", "refresh_token", "openid", "profile",
                "email", "address", "phone", "offline_access",
            ],
            "response_types_supported": ["code"],
            "grant_types_supported": [
                "authorization_code", "refresh_token", "client_credentials",
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
            ],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "display_values_supported": ["page", "popup", "touch"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
        }),
    )
}
