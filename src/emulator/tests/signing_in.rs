//! Signing in by every road.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::redirect::Policy;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};

use super::*;

const APPS: &str = r#"
version: 1
name: "<hq>"
login_hosts: [localhost]
connected_apps:
  - { name: Server, client_id: server, client_secret: s3, run_as: ann@hq.example, scopes: [api, id] }
  - { name: Signed, client_id: signed, client_secret: s3, certificate: src/emulator/tests/app.crt, approved: [ann@hq.example], scopes: [api, refresh_token] }
  - { name: Strict, client_id: strict, client_secret: s3, certificate: src/emulator/tests/app.crt, admin_approved_users_only: true, approved: [Loaders], run_as: bob@hq.example }
  - name: "Web & more"
    client_id: web
    client_secret: s3
    callback_urls: ["http://localhost:9/cb", "http://localhost:9/cb?x=1"]
    scopes: [api, web, refresh_token, openid]
    refresh_token_rotation: true
  - { name: Public, client_id: public, require_secret: false, require_pkce: true, callback_urls: ["http://localhost:9/cb"], scopes: [api, refresh_token], auto_approve: ann@hq.example }
  - { name: Old, client_id: old, client_secret: s3, flows: [username_password], scopes: [api] }
  - { name: Chat, client_id: chat, client_secret: s3, run_as: ann@hq.example, scopes: [chatter_api] }
  - { name: Brief, client_id: brief, client_secret: s3, run_as: ann@hq.example, token_lifetime: 60s }
access_tokens:
  - { token: "fixed!token" }
  - { token: "bob!token", user: bob@hq.example }
  - { token: "cleo!token", user: cleo@hq.example }
  - { token: "dan!token", user: dan@hq.example }
users:
  - { username: ann@hq.example, name: Ann Lee, password: "pass word", fields: { TimeZoneSidKey: America/Los_Angeles } }
  - { username: bob@hq.example, name: Bob Ray, password: pass, security_token: word, profile: Loader, permission_sets: [Loaders] }
  - { username: cleo@hq.example, name: Cleo Poe, profile: Read Only }
  - { username: dan@hq.example, name: Dan Roe, profile: Minimum Access - Salesforce }
  - { username: gone@hq.example, name: Old Hand, is_active: false, password: x }
  - { username: shut@hq.example, name: Shut Out, locked: true, password: x }
audit_fields: true
profiles:
  - name: Loader
    object_permissions: { Account: [create, edit], Contact: [read], Invoice__c: [delete, create] }
    field_permissions: { Account: { Secret__c: hidden, Rating: read } }
permission_sets:
  - name: Loaders
    field_permissions: { Account: { Site: edit } }
sobjects:
  Account:
    fields:
      Secret__c: { type: Text(40) }
      Key__c: { type: Text(40), external_id: true }
  Invoice__c:
    sharing: private
    fields:
      Account__c: { type: Lookup(Account) }
records:
  - { object: Account, rows: [{ Name: Acme, Secret__c: "42", Rating: Hot, Key__c: K }] }
  - { object: Invoice__c, rows: [{ Name: Mine }] }
"#;

pub(super) async fn start() -> Org {
    let file = OrgFile::parse(APPS, ".").expect("the org file");
    let emulator = Emulator::start(file, 0).await.expect("the org");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .redirect(Policy::none())
        .build()
        .expect("a client");
    Org {
        emulator,
        client,
        token: "fixed!token".to_owned(),
    }
}

fn refusal(error: &str, description: &str) -> (u16, Value) {
    (400, json!({"error": error, "error_description": description}))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    i64::try_from(since.as_secs()).expect("seconds")
}

fn key() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(include_bytes!("../http/auth/org_key.pk8")).expect("a key")
}

fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "RS256"})), part(claims));
    let key = key();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &ring::rand::SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

impl Org {
    async fn by_jwt(&self, claims: Value) -> (u16, Value) {
        let assertion = jwt(&claims);
        self.token(
            &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", &assertion),
            ],
            None,
        )
        .await
    }

    /// The authorization page: status, where it leads, cookie, and the text.
    async fn page(&self, query: &str, form: Option<&[(&str, &str)]>, cookie: &str) -> Page {
        let url = format!("{}/services/oauth2/authorize?{query}", self.emulator.url());
        let mut request = match form {
            None => self.client.get(url),
            Some(form) => self.client.post(url).form(form),
        };
        if !cookie.is_empty() {
            request = request.header("Cookie", format!("other=1; {cookie}"));
        }
        let answer = request.send().await.expect("an answer");
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .map(|v| v.to_str().expect("text").to_owned())
                .unwrap_or_default()
        };
        let (location, cookie) = (header("location"), header("set-cookie"));
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Page {
            status: answer.status().as_u16(),
            location,
            cookie,
            text: answer.text().await.expect("a page"),
        }
    }

    async fn plain(&self, path: &str, token: &str) -> (u16, String) {
        let mut request = self.client.get(format!("{}{path}", self.emulator.url()));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }
}

struct Page {
    status: u16,
    location: String,
    cookie: String,
    text: String,
}

fn code_of(location: &str) -> String {
    let url = url::Url::parse(location).expect("a URL");
    url.query_pairs()
        .find(|(name, _)| name == "code")
        .map(|(_, code)| code.into_owned())
        .unwrap_or_else(|| panic!("no code in {location}"))
}

#[tokio::test]
async fn servers_sign_in_by_their_secret_on_the_orgs_own_host_only() {
    let org = start().await;
    let form = [("grant_type", "client_credentials")];
    let (status, body) = org.token(&form, Some(("server", "s3"))).await;
    assert_eq!((status, &body["scope"]), (200, &json!("api id")));
    assert!(body.get("refresh_token").is_none());
    let (status, body) = org.token(&form, Some(("strict", "s3"))).await;
    assert_eq!(status, 200, "{body}");
    let elsewhere = org
        .client
        .post(format!("{}/services/oauth2/token", org.emulator.url()))
        .header("Host", "localhost:1234")
        .basic_auth("server", Some("s3"))
        .form(&form)
        .send()
        .await
        .expect("an answer");
    let body: Value = elsewhere.json().await.expect("JSON");
    assert_eq!(body["error_description"], "request not supported on this domain");
    for (grant, error) in [
        (
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "unsupported_grant_type",
        ),
        ("device", "unsupported_grant_type"),
        ("", "unsupported_grant_type"),
    ] {
        let (status, body) = org.token(&[("grant_type", grant)], None).await;
        assert_eq!((status, &body["error"]), (400, &json!(error)), "{grant}");
    }
    let (status, text) = org.plain("/services/oauth2/token", "").await;
    assert!(status == 400 && text.contains("must use HTTP POST"), "{text}");
}

#[tokio::test]
async fn assertions_are_checked() {
    let org = start().await;
    let claims =
        |iss: &str, sub: &str, aud: &str, exp: Value| json!({"iss": iss, "sub": sub, "aud": aud, "exp": exp});
    let (soon, login) = (now() + 180, "https://login.salesforce.com");
    let own = org.emulator.url();
    for (aud, exp) in [
        (login, json!(soon)),
        ("https://test.salesforce.com/", json!(soon.to_string())),
        (own.as_str(), json!(soon * 1000)),
        ("http://localhost:7", json!(soon)),
    ] {
        let (status, body) = org.by_jwt(claims("signed", "ann@hq.example", aud, exp)).await;
        assert_eq!((status, &body["scope"]), (200, &json!("api")), "{body}");
        assert!(body.get("refresh_token").is_none());
    }
    let (status, body) = org
        .by_jwt(claims("strict", "bob@hq.example", login, json!(soon)))
        .await;
    assert_eq!(status, 200, "{body}");
    for (iss, sub, aud, exp, error, description) in [
        (
            "what",
            "ann@hq.example",
            login,
            soon,
            "invalid_client_id",
            "client identifier invalid",
        ),
        (
            "server",
            "ann@hq.example",
            login,
            soon,
            "invalid_grant",
            "invalid assertion",
        ),
        (
            "signed",
            "ann@hq.example",
            "https://example.com",
            soon,
            "invalid_grant",
            "audience is invalid",
        ),
        (
            "signed",
            "ann@hq.example",
            login,
            soon - 400,
            "invalid_grant",
            "expired authorization code",
        ),
        (
            "signed",
            "bob@hq.example",
            login,
            soon,
            "invalid_grant",
            "user hasn't approved this consumer",
        ),
        (
            "signed",
            "nobody@hq.example",
            login,
            soon,
            "invalid_grant",
            "user hasn't approved this consumer",
        ),
        (
            "strict",
            "ann@hq.example",
            login,
            soon,
            "invalid_app_access",
            "user is not admin approved to access this app",
        ),
        (
            "strict",
            "gone@hq.example",
            login,
            soon,
            "invalid_grant",
            "inactive user",
        ),
    ] {
        let answer = org.by_jwt(claims(iss, sub, aud, json!(exp))).await;
        assert_eq!(answer, refusal(error, description), "{iss} {sub}");
    }
    let good = jwt(&claims("signed", "ann@hq.example", login, json!(soon)));
    let other = jwt(&claims("signed", "bob@hq.example", login, json!(soon)));
    let (head, signature) = good.rsplit_once('.').expect("three parts");
    let (other, _) = other.rsplit_once('.').expect("three parts");
    for bad in [
        format!("{other}.{signature}"),
        format!("{head}.{}", URL_SAFE_NO_PAD.encode([1; 256])),
        "a.b".to_owned(),
        String::new(),
    ] {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &bad),
        ];
        assert_eq!(
            org.token(&form, None).await,
            refusal("invalid_grant", "invalid assertion"),
            "{bad}"
        );
    }
}

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
async fn passwords_need_the_token_behind_them_and_run_out() {
    let org = start().await;
    let ask = async |client: &str, user: &str, password: &str| {
        let form = [
            ("grant_type", "password"),
            ("client_id", client),
            ("client_secret", "s3"),
            ("username", user),
            ("password", password),
        ];
        org.token(&form, None).await
    };
    let (status, body) = ask("old", "bob@hq.example", "password").await;
    assert_eq!(status, 200, "{body}");
    let mut keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "access_token",
            "id",
            "instance_url",
            "issued_at",
            "signature",
            "token_type"
        ]
    );
    assert_eq!(ask("old", "ann@hq.example", "pass word").await.0, 200);
    assert_eq!(
        ask("server", "ann@hq.example", "pass word").await,
        refusal("unsupported_grant_type", "grant type not supported")
    );
    let failed = refusal("invalid_grant", "authentication failure");
    assert_eq!(ask("old", "bob@hq.example", "pass").await, failed);
    for _ in 0..10 {
        assert_eq!(ask("old", "bob@hq.example", "wrong").await, failed);
    }
    assert_eq!(
        ask("old", "bob@hq.example", "password").await,
        failed,
        "locked out"
    );
}

#[tokio::test]
async fn logins_have_a_rate() {
    let org = start().await;
    let inner = &org.emulator.org;
    let user = inner.user("ann@hq.example").expect("Ann");
    inner.logins.wear_out(&user, inner.time());
    let form = [("grant_type", "client_credentials")];
    assert_eq!(
        org.token(&form, Some(("server", "s3"))).await,
        refusal("rate_limit_exceeded", "login rate exceeded")
    );
    org.emulator.org.clock.advance(Duration::from_secs(3_601));
    assert_eq!(org.token(&form, Some(("server", "s3"))).await.0, 200);
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

#[tokio::test]
async fn soap_signs_in_with_a_password_up_to_version_64() {
    let org = start().await;
    let ask = async |version: u32, user: &str, password: &str| {
        let body = format!(
            "<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"><env:Body>\
             <n1:login xmlns:n1=\"urn:partner.soap.sforce.com\"><n1:username>{user}</n1:username>\
             <n1:password>{password}</n1:password></n1:login></env:Body></env:Envelope>"
        );
        let answer = org
            .client
            .post(format!("{}/services/Soap/u/{version}.0", org.emulator.url()))
            .header("Content-Type", "text/xml; charset=UTF-8")
            .header("SOAPAction", "login")
            .body(body)
            .send()
            .await
            .expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("XML"))
    };
    let (status, text) = ask(59, "bob@hq.example", "password").await;
    assert_eq!(status, 200, "{text}");
    let inside = |name: &str| {
        let after = text.split_once(&format!("<{name}>")).expect(name).1;
        after.split_once('<').expect(name).0.to_owned()
    };
    assert!(inside("serverUrl").starts_with(&format!("{}/services/Soap/u/59.0/00D", org.emulator.url())));
    assert_eq!(inside("userName"), "bob@hq.example");
    assert_eq!(
        org.plain("/services/oauth2/userinfo", &inside("sessionId"))
            .await
            .0,
        200
    );
    for (version, user, password, code) in [
        (59, "bob@hq.example", "wrong", "INVALID_LOGIN"),
        (59, "bob@hq.example", "pass", "LOGIN_MUST_USE_SECURITY_TOKEN"),
        (59, "nobody", "x", "INVALID_LOGIN"),
        (65, "bob@hq.example", "password", "UNSUPPORTED_API_VERSION"),
    ] {
        let (status, text) = ask(version, user, password).await;
        assert!(status == 500 && text.contains(code), "{text}");
    }
}
