//! The login page: authorization codes, and what they are bound to.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::{signing_in::*, *};

#[tokio::test]
async fn a_person_signs_in_on_the_page_and_allows_the_app() {
    let org = start().await;
    let base = "response_type=code&client_id=web&redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fcb";
    let query = format!(
        "{base}&state=a%20b%26c&scope=api%20refresh_token%20openid&nonce=n1&login_hint=ann%40hq.example"
    );
    let page = org.page(&query, None, "").await;
    assert_eq!(page.status, 200);
    for words in [
        "id=\"username\"",
        "value=\"ann@hq.example\"",
        "name=\"pw\"",
        "Web &amp; more",
        "&lt;hq&gt;",
    ] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    for (user, password) in [
        ("ann@hq.example", "wrong"),
        ("gone@hq.example", "x"),
        ("shut@hq.example", "x"),
        ("no", "x"),
    ] {
        let page = org
            .page(&query, Some(&[("username", user), ("pw", password)]), "")
            .await;
        assert!(
            page.status == 200 && page.text.contains("Please check your username"),
            "{user}"
        );
        assert!(page.cookie.is_empty());
    }
    let page = org
        .page(
            &query,
            Some(&[("username", "ann@hq.example"), ("pw", "pass word")]),
            "",
        )
        .await;
    assert!(
        page.text.contains("Manage user data via APIs (api)"),
        "{}",
        page.text
    );
    assert!(page.text.contains("ann@hq.example") && page.text.contains("oaapprove"));
    let cookie = page.cookie;
    assert!(cookie.starts_with("sid=00D"), "{cookie}");
    let page = org.page(&query, Some(&[("deny", "1")]), &cookie).await;
    assert_eq!(
        (page.status, page.location.as_str()),
        (
            302,
            "http://localhost:9/cb?error=access_denied&error_description=end-user+denied+authorization&state=a+b%26c"
        )
    );
    let page = org.page(&query, Some(&[("allow", "1")]), &cookie).await;
    assert!(
        page.status == 302 && page.location.contains("%3D%3D&state=a+b%26c"),
        "{}",
        page.location
    );
    let code = code_of(&page.location);
    let form = |code: &str| {
        [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("client_id", "web".to_owned()),
            ("client_secret", "s3".to_owned()),
            ("redirect_uri", "http://localhost:9/cb".to_owned()),
        ]
    };
    let exchange = async |form: &[(&str, String)]| {
        let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
        org.token(&form, None).await
    };
    let mut elsewhere = form(&code);
    elsewhere[4].1 = "http://localhost:9/other".to_owned();
    assert_eq!(
        exchange(&elsewhere).await,
        refusal("redirect_uri_mismatch", "redirect_uri must match configuration")
    );
    assert_eq!(
        exchange(&form("aPrxnothing")).await,
        refusal("invalid_grant", "invalid authorization code")
    );
    let (status, tokens) = exchange(&form(&code)).await;
    assert_eq!(
        (status, &tokens["scope"]),
        (200, &json!("api refresh_token openid")),
        "{tokens}"
    );
    assert!(
        tokens["refresh_token"]
            .as_str()
            .is_some_and(|t| t.starts_with("5Aep861"))
    );
    assert_eq!(
        exchange(&form(&code)).await,
        refusal("invalid_grant", "expired authorization code")
    );
    id_token_is_signed(&org, &tokens).await;
    // Once allowed, the page sends the browser back at once, also without asking who it is.
    let again = org.page(&format!("{base}&prompt=none"), None, &cookie).await;
    assert!(again.location.contains("?code="), "{}", again.location);
    let consent = org.page(&format!("{base}&prompt=consent"), None, &cookie).await;
    assert!(consent.status == 200 && consent.text.contains("oaapprove"));
    let login = org.page(&format!("{base}&prompt=login"), None, &cookie).await;
    assert!(login.text.contains("id=\"username\""));
    let none = org.page(&format!("{base}&prompt=none"), None, "").await;
    assert!(
        none.location.contains("error=login_required"),
        "{}",
        none.location
    );
    let (status, text) = org.plain("/secur/logout.jsp", "").await;
    assert!(status == 200 && text.contains("Signed out"));
}

async fn id_token_is_signed(org: &Org, tokens: &Value) {
    let (_, config) = org.plain("/.well-known/openid-configuration", "").await;
    let config: Value = serde_json::from_str(&config).expect("JSON");
    let at = config["jwks_uri"]
        .as_str()
        .expect("a URL")
        .replace(&org.emulator.url(), "");
    let (_, keys) = org.plain(&at, "").await;
    let keys: Value = serde_json::from_str(&keys).expect("JSON");
    assert_eq!(keys["keys"][0]["e"], "AQAB");
    let token = tokens["id_token"].as_str().expect("an ID token");
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    UnparsedPublicKey::new(
        &RSA_PKCS1_2048_8192_SHA256,
        ring::signature::KeyPair::public_key(&key()),
    )
    .verify(
        signed.as_bytes(),
        &URL_SAFE_NO_PAD.decode(signature).expect("base64"),
    )
    .expect("a true signature");
    let claims = signed.split_once('.').expect("two parts").1;
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON");
    assert_eq!((&claims["nonce"], &claims["aud"]), (&json!("n1"), &json!("web")));
    assert_eq!(claims["sub"], tokens["id"]);
}

#[tokio::test]
async fn links_that_lead_nowhere_say_so() {
    let org = start().await;
    for (query, words) in [
        ("client_id=what", "error=invalid_client_id"),
        (
            "response_type=code&client_id=web&redirect_uri=http://localhost:9/cb/",
            "error=redirect_uri_mismatch",
        ),
        (
            "response_type=code&client_id=server&redirect_uri=http://localhost:9/cb",
            "error=redirect_uri_mismatch",
        ),
    ] {
        let page = org.page(query, None, "").await;
        assert!(page.status == 400 && page.text.contains(words), "{}", page.text);
        assert!(page.location.is_empty());
    }
    let base = "redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fcb%3Fx%3D1&client_id=web";
    for (query, words) in [
        ("response_type=token", "cb?x=1&error=unsupported_response_type"),
        ("response_type=code&scope=api+full", "&error=invalid_scope"),
        (
            "response_type=code&code_challenge=x&code_challenge_method=plain",
            "&error=invalid_request",
        ),
    ] {
        let page = org.page(&format!("{base}&{query}"), None, "").await;
        assert!(
            page.status == 302 && page.location.contains(words),
            "{}",
            page.location
        );
    }
    let page = org
        .page(
            "response_type=code&client_id=public&redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fcb",
            None,
            "",
        )
        .await;
    assert!(
        page.location.contains("missing+required+code+challenge"),
        "{}",
        page.location
    );
}

#[tokio::test]
async fn codes_are_bound_to_their_verifier() {
    let org = start().await;
    let query = "response_type=code&client_id=public&redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fcb&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let ask = async |verifier: Option<&str>| {
        let code = code_of(&org.page(query, None, "").await.location);
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("client_id", "public"),
            ("redirect_uri", "http://localhost:9/cb"),
            ("code", code.as_str()),
        ];
        form.extend(verifier.map(|v| ("code_verifier", v)));
        org.token(&form, None).await
    };
    let (status, body) = ask(Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        ask(Some("another")).await,
        refusal("invalid_grant", "invalid code verifier")
    );
    assert_eq!(
        ask(None).await,
        refusal("invalid_request", "missing required code verifier")
    );
    // A public client refreshes without a secret, again and again, as nothing rotates.
    let old = body["refresh_token"].as_str().expect("a refresh token");
    for _ in 0..2 {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "public"),
            ("refresh_token", old),
        ];
        let (status, body) = org.token(&form, None).await;
        assert!(status == 200 && body.get("refresh_token").is_none(), "{body}");
    }
}

#[tokio::test]
async fn codes_grow_old() {
    let org = start().await;
    let query =
        "response_type=code&client_id=public&redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fcb&code_challenge=x";
    let code = code_of(&org.page(query, None, "").await.location);
    org.emulator.org.clock.advance(Duration::from_secs(16 * 60));
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "public"),
        ("redirect_uri", "http://localhost:9/cb"),
        ("code", code.as_str()),
    ];
    assert_eq!(
        org.token(&form, None).await,
        refusal("invalid_grant", "expired authorization code")
    );
}
