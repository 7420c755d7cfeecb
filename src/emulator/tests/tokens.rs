//! Tokens: how they are renewed, revoked, looked at, and how they end.

use super::{signing_in::*, *};

#[tokio::test]
async fn refresh_tokens_rotate_and_are_revoked() {
    let org = start().await;
    let base = "response_type=code&client_id=web&redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fcb&scope=api+refresh_token";
    let page = org
        .page(
            base,
            Some(&[("username", "ann@hq.example"), ("pw", "pass word")]),
            "",
        )
        .await;
    let page = org.page(base, Some(&[("allow", "1")]), &page.cookie).await;
    let code = code_of(&page.location);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "http://localhost:9/cb"),
    ];
    let (_, tokens) = org.token(&form, Some(("web", "s3"))).await;
    let first = tokens["refresh_token"].as_str().expect("a token").to_owned();
    let refresh = async |token: &str, client: (&str, &str)| {
        org.token(
            &[("grant_type", "refresh_token"), ("refresh_token", token)],
            Some(client),
        )
        .await
    };
    assert_eq!(
        refresh(&first, ("web", "no")).await,
        refusal("invalid_client", "invalid client credentials")
    );
    assert_eq!(
        refresh(&first, ("server", "s3")).await,
        refusal("invalid_grant", "expired access/refresh token")
    );
    let (status, body) = refresh(&first, ("web", "s3")).await;
    assert_eq!(status, 200);
    let second = body["refresh_token"].as_str().expect("a new token").to_owned();
    let access = body["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(org.plain("/services/oauth2/userinfo", &access).await.0, 200);
    // The old one is dead, and whoever uses it ends the new one too.
    assert_eq!(
        refresh(&first, ("web", "s3")).await,
        refusal("invalid_grant", "expired access/refresh token")
    );
    assert_eq!(
        refresh(&second, ("web", "s3")).await,
        refusal("invalid_grant", "expired access/refresh token")
    );
    assert_eq!(org.plain("/services/oauth2/userinfo", &access).await.0, 403);
}

#[tokio::test]
async fn tokens_are_revoked_and_looked_at() {
    let org = start().await;
    let form = [("grant_type", "client_credentials")];
    let (_, body) = org.token(&form, Some(("server", "s3"))).await;
    let token = body["access_token"].as_str().expect("a token").to_owned();
    let introspect = async |client: (&str, &str)| {
        let answer = org
            .client
            .post(format!("{}/services/oauth2/introspect", org.emulator.url()))
            .basic_auth(client.0, Some(client.1))
            .form(&[("token", token.as_str()), ("token_type_hint", "access_token")])
            .send()
            .await
            .expect("an answer");
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.expect("JSON"),
        )
    };
    let (status, seen) = introspect(("server", "s3")).await;
    assert_eq!(
        (status, &seen["active"], &seen["username"]),
        (200, &json!(true), &json!("ann@hq.example"))
    );
    let keys: Vec<&String> = seen.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "active",
            "scope",
            "client_id",
            "username",
            "sub",
            "token_type",
            "exp",
            "iat",
            "nbf"
        ]
    );
    assert_eq!(
        introspect(("signed", "s3")).await,
        (200, json!({"active": false}))
    );
    assert_eq!(introspect(("server", "no")).await.0, 401);
    let (status, script) = org
        .plain(
            &format!("/services/oauth2/revoke?token={token}&callback=done"),
            "",
        )
        .await;
    assert_eq!((status, script.as_str()), (200, "done({});"));
    assert_eq!(introspect(("server", "s3")).await.1, json!({"active": false}));
    let (status, text) = org
        .plain(&format!("/services/oauth2/revoke?token={token}"), "")
        .await;
    assert_eq!(
        (status, text.as_str()),
        (
            400,
            r#"{"error":"invalid_token","error_description":"invalid token"}"#
        )
    );
    let again = org
        .client
        .post(format!("{}/services/oauth2/revoke", org.emulator.url()))
        .form(&[("token", "fixed!token")])
        .send()
        .await
        .expect("an answer");
    assert_eq!(again.status(), 200);
    assert_eq!(again.text().await.expect("a body"), "");
    assert_eq!(org.ask("GET", "/limits", None).await.status(), 401);
}

#[tokio::test]
async fn tokens_end_by_being_idle_and_reach_as_far_as_their_scope() {
    let mut org = start().await;
    let form = [("grant_type", "client_credentials")];
    let (_, body) = org.token(&form, Some(("brief", "s3"))).await;
    org.token = body["access_token"].as_str().expect("a token").to_owned();
    for (pause, status) in [(40, 200), (50, 200), (59, 200), (61, 401)] {
        org.emulator.org.clock.advance(Duration::from_secs(pause));
        assert_eq!(org.ask("GET", "/limits", None).await.status(), status, "{pause}");
    }
    let (_, body) = org.token(&form, Some(("chat", "s3"))).await;
    org.token = body["access_token"].as_str().expect("a token").to_owned();
    let (status, body) = org.json("GET", "/limits", None).await;
    assert_eq!(
        (status, body),
        (
            401,
            json!([{"message": "This session is not valid for use with the REST API", "errorCode": "INVALID_SESSION_ID"}])
        )
    );
    assert_eq!(
        org.plain("/services/oauth2/userinfo", &org.token).await,
        (403, "Bad_OAuth_Token".to_owned())
    );
    org.token = "dan!token".to_owned();
    let (status, body) = org.json("GET", "/sobjects", None).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (403, &json!("API_DISABLED_FOR_ORG"))
    );
}

#[tokio::test]
async fn a_token_says_whose_it_is() {
    let org = start().await;
    let (_, body) = org
        .token(&[("grant_type", "client_credentials")], Some(("server", "s3")))
        .await;
    let id = body["id"]
        .as_str()
        .expect("a URL")
        .replace(&org.emulator.url(), "");
    let (status, text) = org
        .plain(&id, body["access_token"].as_str().expect("a token"))
        .await;
    assert_eq!(status, 200);
    let who: Value = serde_json::from_str(&text).expect("JSON");
    let keys: Vec<&str> = who
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "id",
            "asserted_user",
            "user_id",
            "organization_id",
            "username",
            "nick_name",
            "display_name",
            "email",
            "email_verified",
            "first_name",
            "last_name",
            "timezone",
            "photos",
            "addr_street",
            "addr_city",
            "addr_state",
            "addr_country",
            "addr_zip",
            "mobile_phone",
            "mobile_phone_verified",
            "is_lightning_login_user",
            "status",
            "urls",
            "active",
            "user_type",
            "language",
            "locale",
            "utcOffset",
            "last_modified_date",
            "is_app_installed"
        ]
    );
    assert_eq!(who["utcOffset"], json!(-28_800_000));
    assert_eq!(who["urls"].as_object().expect("an object").len(), 17);
    assert!(
        who["urls"]["rest"]
            .as_str()
            .is_some_and(|u| u.ends_with("/services/data/v{version}/"))
    );
    let (_, text) = org.plain(&format!("{id}?version=latest"), "fixed!token").await;
    assert!(text.contains("/services/data/v68.0/sobjects/"), "{text}");
    let (org_id, user) = id["/id/".len()..].split_once('/').expect("two Ids");
    for (path, token, answer) in [
        (id.clone(), "", (403, "Missing_OAuth_Token")),
        (id.clone(), "what", (403, "Bad_OAuth_Token")),
        (
            format!("/id/00D000000000001AAA/{user}"),
            "fixed!token",
            (403, "Wrong_Org"),
        ),
        (
            format!("/id/{org_id}/005000000000000AAA"),
            "fixed!token",
            (404, "Bad_Id"),
        ),
    ] {
        let (status, text) = org.plain(&path, token).await;
        assert_eq!((status, text.as_str()), answer, "{path}");
    }
    assert_eq!(
        org.plain(&format!("/id/{}/{}", &org_id[..15], &user[..15]), "fixed!token")
            .await
            .0,
        200
    );
    let (_, text) = org.plain("/services/oauth2/userinfo", "fixed!token").await;
    let info: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&info["sub"], &info["given_name"]), (&body["id"], &json!("Ann")));
    assert!(info["photos"]["thumbnail"].is_string() && info["address"].is_object());
}

#[tokio::test]
async fn a_token_opens_a_browser_session_once() {
    let org = start().await;
    let answer = org
        .client
        .post(format!("{}/services/oauth2/singleaccess", org.emulator.url()))
        .bearer_auth("fixed!token")
        .send()
        .await
        .expect("an answer");
    let body: Value = answer.json().await.expect("JSON");
    let door = body["frontdoor_uri"].as_str().expect("a URL").to_owned();
    for (url, location, cookie) in [
        (format!("{door}&startURL=/001"), "/001", true),
        (door.clone(), "/?ec=302", false),
        (
            format!(
                "{}/secur/frontdoor.jsp?sid=fixed!token&retURL=//evil",
                org.emulator.url()
            ),
            "/",
            true,
        ),
        (
            format!("{}/secur/frontdoor.jsp?sid=what", org.emulator.url()),
            "/?ec=302",
            false,
        ),
    ] {
        let answer = org.client.get(&url).send().await.expect("an answer");
        assert_eq!(answer.headers()["location"], location, "{url}");
        assert_eq!(answer.headers().contains_key("set-cookie"), cookie, "{url}");
    }
    assert!(!format!("{:?}", org.emulator.request_log()).contains("fixed!token"));
}
