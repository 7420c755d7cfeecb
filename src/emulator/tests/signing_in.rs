//! Signing in by every road.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::redirect::Policy;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

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

pub(super) fn refusal(error: &str, description: &str) -> (u16, Value) {
    (400, json!({"error": error, "error_description": description}))
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    i64::try_from(since.as_secs()).expect("seconds")
}

pub(super) fn key() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(include_bytes!("../http/auth/org_key.pk8")).expect("a key")
}

pub(super) fn jwt(claims: &Value) -> String {
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
    pub(super) async fn by_jwt(&self, claims: Value) -> (u16, Value) {
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
    pub(super) async fn page(&self, query: &str, form: Option<&[(&str, &str)]>, cookie: &str) -> Page {
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

    pub(super) async fn plain(&self, path: &str, token: &str) -> (u16, String) {
        let mut request = self.client.get(format!("{}{path}", self.emulator.url()));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }
}

pub(super) struct Page {
    pub(super) status: u16,
    pub(super) location: String,
    pub(super) cookie: String,
    pub(super) text: String,
}

pub(super) fn code_of(location: &str) -> String {
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
