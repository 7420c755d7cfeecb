use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, pem::PemObject};

use super::{
    super::{Call, Org, Reply},
    get, refuse,
};
use crate::emulator::file::{ConnectedApp, Flow, OrgFile, OrgFileError, Span};

/// Where the Salesforce CLI waits for its browser login.
const CLI_CALLBACK: &str = "http://localhost:1717/OauthRedirect";

/// The apps of a file, and the one of the Salesforce CLI, which every org knows.
pub(super) fn apps(file: &OrgFile) -> Vec<ConnectedApp> {
    let mut apps = file.connected_apps.clone();
    if !apps.iter().any(|app| app.client_id == "PlatformCLI") {
        apps.push(ConnectedApp {
            name: "Salesforce CLI".to_owned(),
            client_id: "PlatformCLI".to_owned(),
            client_secret: String::new(),
            flows: vec![Flow::AuthorizationCode],
            run_as: None,
            callback_urls: vec![CLI_CALLBACK.to_owned()],
            certificate: None,
            require_secret: false,
            require_pkce: false,
            token_lifetime: Span::from_millis(2 * 60 * 60 * 1_000),
            scopes: ["refresh_token", "api", "web"].map(str::to_owned).to_vec(),
            refresh_token_rotation: false,
            refresh_token_lifetime: None,
            admin_approved_users_only: false,
            approved: Vec::new(),
            auto_approve: None,
            introspect_all_tokens: false,
        });
    }
    apps
}

/// The key that checks an app's assertions.
#[derive(Debug)]
pub(super) enum Key {
    Certificate(CertificateDer<'static>),
    Public(SubjectPublicKeyInfoDer<'static>),
}

impl Key {
    /// Reads the `certificate` of an app: PEM text, or a file.
    pub(super) fn of(file: &OrgFile, app: &ConnectedApp) -> Result<Option<Key>, OrgFileError> {
        let Some(text) = &app.certificate else {
            return Ok(None);
        };
        let place = format!("connected_apps.{}.certificate", app.name);
        let pem = if text.contains("-----BEGIN") {
            text.clone()
        } else {
            let path = file.base_dir.join(text.trim());
            std::fs::read_to_string(&path)
                .map_err(|error| file.meaning(&place, format!("cannot read `{}`: {error}", path.display())))?
        };
        let key = if pem.contains("BEGIN PUBLIC KEY") {
            SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map(Key::Public)
        } else {
            CertificateDer::from_pem_slice(pem.as_bytes()).map(Key::Certificate)
        };
        let key =
            key.map_err(|_| file.meaning(&place, "neither a certificate nor a public key in PEM form"))?;
        if !key.is_rsa() {
            return Err(file.meaning(place, "no X.509 certificate or public key that can be used"));
        }
        Ok(Some(key))
    }

    fn is_rsa(&self) -> bool {
        // A wrong signature by the right kind of key says so; other failures mean that the key is of no use.
        matches!(
            self.check(b"", &[0; 256]),
            Err(webpki::Error::InvalidSignatureForPublicKey)
        )
    }

    fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), webpki::Error> {
        let algorithm = webpki::ring::RSA_PKCS1_2048_8192_SHA256;
        match self {
            Key::Certificate(der) => {
                webpki::EndEntityCert::try_from(der)?.verify_signature(algorithm, message, signature)
            }
            Key::Public(der) => {
                webpki::RawPublicKeyEntity::try_from(der)?.verify_signature(algorithm, message, signature)
            }
        }
    }

    /// Whether an RS256 signature is the key's.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.check(message, signature).is_ok()
    }
}

/// Key and secret, from a Basic header or from the parameters.
pub(super) fn credentials(call: &Call, form: &[(String, String)]) -> (String, String) {
    if let Some(basic) = call
        .header("authorization")
        .and_then(|h| h.strip_prefix("Basic "))
        && let Ok(bytes) = STANDARD.decode(basic.trim())
        && let Ok(pair) = String::from_utf8(bytes)
        && let Some((id, secret)) = pair.split_once(':')
    {
        return (id.to_owned(), secret.to_owned());
    }
    let text = |name| get(form, name).unwrap_or_default().to_owned();
    (text("client_id"), text("client_secret"))
}

/// The app with a consumer key.
pub(super) fn app<'a>(org: &'a Org, id: &str) -> Result<&'a ConnectedApp, Reply> {
    org.apps
        .iter()
        .find(|app| app.client_id == id)
        .ok_or_else(|| refuse("invalid_client_id", "client identifier invalid"))
}

/// The app that a request is made by, once it has shown its secret.
pub(super) fn proven<'a>(
    org: &'a Org,
    call: &Call,
    form: &[(String, String)],
) -> Result<&'a ConnectedApp, Reply> {
    let (id, secret) = credentials(call, form);
    let app = app(org, &id)?;
    if app.client_secret != secret {
        return Err(refuse("invalid_client", "invalid client credentials"));
    }
    Ok(app)
}

/// The same for flows in which some apps need not show their secret; a wrong one is wrong for all.
pub(super) fn named<'a>(
    org: &'a Org,
    call: &Call,
    form: &[(String, String)],
) -> Result<&'a ConnectedApp, Reply> {
    let (id, secret) = credentials(call, form);
    let app = app(org, &id)?;
    let open = secret.is_empty() && !app.require_secret;
    if !open && app.client_secret != secret {
        return Err(refuse("invalid_client", "invalid client credentials"));
    }
    Ok(app)
}
