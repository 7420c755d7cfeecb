//! A credentials file, or `credentials:` in a pipeline, to the credentials that it declares.

use std::{collections::BTreeMap, path::Path};

use url::{Host, Url};

use super::{Ctx, unknown};
use crate::{
    diag::{Finding, Span, all_of, did_you_mean},
    pipeline::credentials::{
        Credentials, ExternalCredential, Flow, HeaderValue, NamedCredential, OAuth2, PermissionSet,
        Principal, Protocol, ValueRef, Writes,
    },
    spec::{Entry, Node, Plain},
};

/// Compiles the three keys. `folder` is where paths in `{ file: PATH }` start.
pub(super) fn compile(root: &Node, folder: &Path, ctx: &mut Ctx<'_>) -> Credentials {
    let section = |key: &str| root.get(key).map(Node::entries).unwrap_or_default();
    let (external, named) = (section("external_credentials"), section("named_credentials"));
    let mut credentials = Credentials::default();
    for entry in external {
        check_secrets(entry, named, ctx);
        if let Some(compiled) = external_credential(entry, folder, ctx) {
            credentials.external.insert(entry.key.text.clone(), compiled);
        }
    }
    for entry in named {
        if let Some(compiled) = named_credential(entry, external, folder, ctx) {
            credentials.named.insert(entry.key.text.clone(), compiled);
        }
    }
    for entry in section("permission_sets") {
        if let Some(compiled) = permission_set(entry, external, ctx) {
            credentials
                .permission_sets
                .insert(entry.key.text.clone(), compiled);
        }
    }
    credentials
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.get(key).and_then(Node::text)
}

fn flag(node: &Node, key: &str, default: bool) -> bool {
    match node
        .get(key)
        .and_then(Node::scalar)
        .map(crate::spec::Scalar::plain)
    {
        Some(Plain::Bool(flag)) => flag,
        _ => default,
    }
}

fn external_credential(entry: &Entry, folder: &Path, ctx: &mut Ctx<'_>) -> Option<ExternalCredential> {
    let node = &entry.value;
    let name = &entry.key.text;
    let word = text(node, "protocol")?;
    if word != "oauth2" {
        for key in [
            "flow",
            "identity_provider_url",
            "pass_client_credentials_in_body",
            "scope",
        ] {
            if let Some(found) = node.entry(key) {
                ctx.report(
                    Finding::error(
                        "unused-key",
                        found.key.span.clone(),
                        format!("`{key}` means nothing with `protocol: {word}`"),
                    )
                    .label("belongs to `protocol: oauth2`")
                    .help("leave it out, or write `protocol: oauth2`"),
                );
            }
        }
    }
    if let Some(url) = node.get("identity_provider_url") {
        check_url(url, ctx);
    }
    let protocol = match word {
        "oauth2" => Protocol::OAuth2(oauth2(entry, ctx)?),
        "basic" => Protocol::Basic,
        "custom" => Protocol::Custom,
        _ => Protocol::None,
    };
    let mut principals: Vec<Principal> = Vec::new();
    let entries = node.get("principals").map(Node::entries).unwrap_or_default();
    if entries.is_empty()
        && protocol != Protocol::None
        && !node.get("principals").is_some_and(Node::is_broken)
    {
        ctx.report(
            Finding::error(
                "missing-key",
                entry.key.span.clone(),
                format!("external credential `{name}` has no principal"),
            )
            .label("nobody to sign in as")
            .help(format!(
                "add `principals: {{ EC_Principal: {{ {} }} }}`",
                example(&protocol)
            )),
        );
    }
    for principal in entries {
        check_parameters(principal, &protocol, ctx);
        principals.push(Principal {
            name: principal.key.text.clone(),
            sequence: text(&principal.value, "sequence")
                .and_then(|t| t.parse().ok())
                .unwrap_or(1),
            parameters: parameters(principal)
                .filter_map(|entry| Some((entry.key.text.clone(), value_ref(&entry.value, folder)?)))
                .collect(),
        });
    }
    principals.sort_by_key(|principal| principal.sequence);
    Some(ExternalCredential {
        name: name.clone(),
        label: text(node, "label").map(str::to_owned),
        protocol,
        principals,
    })
}

fn oauth2(entry: &Entry, ctx: &mut Ctx<'_>) -> Option<OAuth2> {
    let node = &entry.value;
    let flow = match text(node, "flow") {
        Some("client_credentials") => Flow::ClientCredentials,
        Some("access_token") => Flow::AccessToken,
        _ => {
            if node.get("flow").is_none() {
                let place = node.entry("protocol").map_or(&entry.key.span, |e| &e.value.span);
                ctx.report(
                    Finding::error("missing-key", place.clone(), "`protocol: oauth2` needs a `flow`")
                        .label("how is a token come by?")
                        .help("add `flow: client_credentials`"),
                );
            }
            return None;
        }
    };
    if flow == Flow::ClientCredentials && node.get("identity_provider_url").is_none() {
        let place = node.entry("flow").map_or(&entry.key.span, |e| &e.value.span);
        ctx.report(
            Finding::error(
                "missing-key",
                place.clone(),
                "`flow: client_credentials` needs `identity_provider_url`",
            )
            .label("where is the token asked for?")
            .help("add `identity_provider_url: https://MYDOMAIN.my.salesforce.com/services/oauth2/token`"),
        );
    }
    Some(OAuth2 {
        flow,
        identity_provider_url: text(node, "identity_provider_url").map(str::to_owned),
        pass_client_credentials_in_body: flag(node, "pass_client_credentials_in_body", true),
        scope: text(node, "scope").map(str::to_owned),
    })
}

fn parameters(principal: &Entry) -> impl Iterator<Item = &Entry> {
    principal
        .value
        .entries()
        .iter()
        .filter(|entry| entry.key.text != "sequence")
}

/// What a principal of the protocol has to have.
fn needed(protocol: &Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::OAuth2(OAuth2 {
            flow: Flow::ClientCredentials,
            ..
        }) => &["client_id", "client_secret"],
        Protocol::OAuth2(OAuth2 {
            flow: Flow::AccessToken,
            ..
        }) => &["access_token"],
        Protocol::Basic => &["username", "password"],
        Protocol::Custom | Protocol::None => &[],
    }
}

fn example(protocol: &Protocol) -> String {
    let keys = match needed(protocol) {
        [] => &["api_key"],
        keys => keys,
    };
    let keys: Vec<String> = keys
        .iter()
        .map(|key| format!("{key}: {{ env: {} }}", key.to_uppercase()))
        .collect();
    keys.join(", ")
}

fn check_parameters(principal: &Entry, protocol: &Protocol, ctx: &mut Ctx<'_>) {
    if principal.value.is_broken() {
        return;
    }
    let needed = needed(protocol);
    let misspelt: Vec<&str> = parameters(principal)
        .filter_map(|entry| did_you_mean(&entry.key.text, needed.iter().copied()))
        .filter(|near| principal.value.get(near).is_none())
        .collect();
    for key in needed {
        if principal.value.get(key).is_none() && !misspelt.contains(key) {
            ctx.report(
                Finding::error(
                    "missing-key",
                    principal.key.span.clone(),
                    format!("principal `{}` needs `{key}`", principal.key.text),
                )
                .label(format!("`{key}` is missing"))
                .help(format!("add `{key}: {{ env: {} }}`", key.to_uppercase())),
            );
        }
    }
    if *protocol == Protocol::Custom {
        return;
    }
    for entry in parameters(principal).filter(|entry| !needed.contains(&entry.key.text.as_str())) {
        let name = &entry.key.text;
        let finding = Finding::error(
            "unknown-key",
            entry.key.span.clone(),
            format!("unknown parameter `{name}`"),
        )
        .label("the protocol has no use for it");
        ctx.report(match did_you_mean(name, needed.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None if needed.is_empty() => finding.help("leave it out: `protocol: none` sends nothing"),
            None => finding.help(format!(
                "its parameters are {}",
                all_of(needed.iter().copied().chain(["sequence"]))
            )),
        });
    }
}

/// A secret as text is an error, unless every named credential that uses it calls this machine.
fn check_secrets(entry: &Entry, named: &[Entry], ctx: &mut Ctx<'_>) {
    let mut users = named
        .iter()
        .filter(|user| text(&user.value, "external_credential") == Some(entry.key.text.as_str()))
        .peekable();
    let local = |address: Option<&str>| {
        address
            .and_then(|a| Url::parse(a).ok())
            .is_some_and(|url| is_loopback(&url))
    };
    let loopback = users.peek().is_some()
        && users.all(|user| local(text(&user.value, "url")))
        && entry
            .value
            .get("identity_provider_url")
            .is_none_or(|url| local(url.text()));
    if loopback {
        return;
    }
    let custom = text(&entry.value, "protocol") == Some("custom");
    const SECRETS: [&str; 5] = [
        "client_secret",
        "access_token",
        "password",
        "private_key",
        "refresh_token",
    ];
    for principal in entry
        .value
        .get("principals")
        .map(Node::entries)
        .unwrap_or_default()
    {
        for parameter in parameters(principal) {
            let name = parameter.key.text.as_str();
            if parameter.value.scalar().is_some() && (custom || SECRETS.contains(&name)) {
                ctx.report(secret(
                    &parameter.value.span,
                    name,
                    &format!("{name}: {{ env: {} }}", name.to_uppercase()),
                ));
            }
        }
    }
}

pub(super) fn secret(span: &Span, name: &str, instead: &str) -> Finding {
    Finding::error(
        "secret-in-file",
        span.clone(),
        format!("the secret `{name}` stands in the file"),
    )
    .label("whoever can read the file has it")
    .help(format!(
        "write `{instead}`, or `{{ file: PATH }}`, and change the secret if the file was shared"
    ))
}

pub(super) fn value_ref(node: &Node, folder: &Path) -> Option<ValueRef> {
    if let Some(text) = node.text() {
        return Some(ValueRef::Text(text.to_owned()));
    }
    if let Some(name) = text(node, "env") {
        return Some(ValueRef::Env(name.to_owned()));
    }
    let path = folder.join(text(node, "file")?);
    Some(ValueRef::File(std::path::absolute(&path).unwrap_or(path)))
}

fn named_credential(
    entry: &Entry,
    external: &[Entry],
    folder: &Path,
    ctx: &mut Ctx<'_>,
) -> Option<NamedCredential> {
    let node = &entry.value;
    let url = node.get("url").and_then(|url| check_url(url, ctx));
    let name = node.get("external_credential").and_then(Node::text);
    let external_entry = name.and_then(|name| external.iter().find(|e| e.key.text == name));
    if let (Some(name), None, Some(at)) = (name, external_entry, node.get("external_credential")) {
        let known: Vec<&str> = external.iter().map(|e| e.key.text.as_str()).collect();
        ctx.report(unknown(
            "unknown-credential",
            "external credential",
            name,
            at.span.clone(),
            known,
        ));
    }
    let mut headers = BTreeMap::new();
    for header in node.get("headers").map(Node::entries).unwrap_or_default() {
        if let Some(value) = header_value(header, url.as_ref(), external_entry, folder, ctx) {
            headers.insert(header.key.text.clone(), value);
        }
    }
    Some(NamedCredential {
        name: entry.key.text.clone(),
        label: text(node, "label").map(str::to_owned),
        url: text(node, "url")?.trim_end_matches('/').to_owned(),
        external_credential: name?.to_owned(),
        api_version: text(node, "api_version").map(str::to_owned),
        headers,
        generate_authorization_header: flag(node, "generate_authorization_header", true),
        writes: match text(node, "writes") {
            Some("allow") => Writes::Allow,
            Some("refuse") => Writes::Refuse,
            _ => Writes::Auto,
        },
    })
}

fn header_value(
    header: &Entry,
    url: Option<&Url>,
    external: Option<&Entry>,
    folder: &Path,
    ctx: &mut Ctx<'_>,
) -> Option<HeaderValue> {
    let name = header.key.text.to_lowercase();
    if let Some(parameter) = header.value.get("parameter") {
        let wanted = parameter.text()?;
        let principals = external
            .and_then(|e| e.value.get("principals"))
            .map(Node::entries)
            .unwrap_or_default();
        for principal in principals
            .iter()
            .filter(|p| !p.value.is_broken() && p.value.get(wanted).is_none())
        {
            let known: Vec<&str> = parameters(principal).map(|e| e.key.text.as_str()).collect();
            ctx.report(
                unknown(
                    "unknown-parameter",
                    "parameter",
                    wanted,
                    parameter.span.clone(),
                    known,
                )
                .label("no principal's parameter")
                .also(principal.key.span.clone(), "this principal has none of that name"),
            );
        }
        return Some(HeaderValue::Parameter(wanted.to_owned()));
    }
    let value = value_ref(&header.value, folder)?;
    let telling = [
        "authorization",
        "token",
        "secret",
        "api-key",
        "apikey",
        "password",
    ];
    if let ValueRef::Text(text) = value {
        if telling.iter().any(|word| name.contains(word)) && !url.is_some_and(is_loopback) {
            let key = &header.key.text;
            ctx.report(secret(
                &header.value.span,
                key,
                &format!("{key}: {{ parameter: NAME }}"),
            ));
        }
        return Some(HeaderValue::Text(text));
    }
    Some(HeaderValue::Reference(value))
}

/// `https://`, or `http://` on loopback.
fn check_url(node: &Node, ctx: &mut Ctx<'_>) -> Option<Url> {
    let text = node.text()?;
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            ctx.report(
                Finding::error("wrong-url", node.span.clone(), format!("`{text}` is no address"))
                    .label(error.to_string())
                    .help("an address is `https://` and a host: `https://MYDOMAIN.my.salesforce.com`"),
            );
            return None;
        }
    };
    if let Some(at) = text.find(['?', '#']) {
        ctx.report(
            Finding::error(
                "wrong-url",
                node.part(at..text.len(), ctx.files),
                format!("nothing can follow `{}` here", &text[at..=at]),
            )
            .label("requests put their own path behind the address")
            .help(format!("write `{}`", &text[..at])),
        );
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        ctx.report(
            Finding::error(
                "insecure-url",
                node.span.clone(),
                "`http://` would send secrets in the clear",
            )
            .label("only for hosts on this machine")
            .help(format!("write `https://{}`", text.trim_start_matches("http://"))),
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        ctx.report(
            Finding::error(
                "secret-in-file",
                node.span.clone(),
                "the address holds a user or a password",
            )
            .label("whoever can read the file has it")
            .help("use `protocol: basic` with a principal"),
        );
    }
    Some(url)
}

/// Whether an address is on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

fn permission_set(entry: &Entry, external: &[Entry], ctx: &mut Ctx<'_>) -> Option<PermissionSet> {
    if entry.value.is_broken() {
        return None;
    }
    let mut principals = Vec::new();
    let all: Vec<(String, String)> = external
        .iter()
        .flat_map(|e| {
            let names = e.value.get("principals").map(Node::entries).unwrap_or_default();
            names.iter().map(|p| (e.key.text.clone(), p.key.text.clone()))
        })
        .collect();
    let spelled: Vec<String> = all.iter().map(|(e, p)| format!("{e}.{p}")).collect();
    for node in entry.value.get("principals").map(Node::items).unwrap_or_default() {
        let Some(text) = node.text() else { continue };
        match all.iter().zip(&spelled).find(|(_, spelled)| *spelled == text) {
            Some((pair, _)) => principals.push(pair.clone()),
            None => {
                let known: Vec<&str> = spelled.iter().map(String::as_str).collect();
                let finding = unknown("unknown-principal", "principal", text, node.span.clone(), known);
                ctx.report(if text.contains('.') {
                    finding
                } else {
                    finding.label("expected EXTERNAL_CREDENTIAL.PRINCIPAL")
                });
            }
        }
    }
    let mut pipelines = Vec::new();
    for node in entry.value.get("pipelines").map(Node::items).unwrap_or_default() {
        let Some(text) = node.text() else { continue };
        match globset::Glob::new(text) {
            Ok(_) => pipelines.push(text.to_owned()),
            Err(error) => ctx.report(
                Finding::error(
                    "wrong-glob",
                    node.span.clone(),
                    format!("`{text}` is no glob: {}", error.kind()),
                )
                .label("expected a pipeline's name, `*` for any letters")
                .help("`[ab]` is one of these letters, `{a,b}` one of these words: close what is opened"),
            ),
        }
    }
    Some(PermissionSet {
        name: entry.key.text.clone(),
        principals,
        pipelines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_and_nothing_that_looks_like_it() {
        for (address, expected) in [
            ("http://127.0.0.1:8080", true),
            ("http://127.9.9.9", true),
            ("http://localhost", true),
            ("http://hq.localhost:1", true),
            ("http://[::1]:1", true),
            ("http://127.0.0.1.example.com", false),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
            ("https://example.com", false),
        ] {
            assert_eq!(
                is_loopback(&Url::parse(address).expect(address)),
                expected,
                "{address}"
            );
        }
    }
}
