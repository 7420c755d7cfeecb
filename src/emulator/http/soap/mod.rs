//! The SOAP API in the subset that clients of today still call: sessions, queries, writes, and the recycle bin.
//!
//! Data calls are handed on to the resources of the REST API that do the same, so that both keep the same rules; their
//! answers are written as XML. What is missing is refused with a fault that names it.

mod calls;
mod text;

use std::sync::Arc;

use axum::http::HeaderValue;
use bytes::Bytes;

use super::{
    Api, Call, Org, Reply, auth,
    reply::lacks,
    supported,
    xml::{Element, HEAD, tag},
};
use crate::emulator::{faults::lock, soql::NOT_EMULATED};

/// Why a call is refused: the code and its text.
struct Fault {
    code: String,
    message: String,
}

impl Fault {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Fault {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    fn not_emulated(what: &str) -> Self {
        Fault::new(NOT_EMULATED, lacks(what))
    }
}

/// The API of a path, with the namespaces of its documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Partner,
    Enterprise,
    Metadata,
}

impl Kind {
    fn of(segment: &str) -> Option<Self> {
        match segment {
            "u" => Some(Kind::Partner),
            "c" => Some(Kind::Enterprise),
            "m" => Some(Kind::Metadata),
            _ => None,
        }
    }

    fn space(self) -> &'static str {
        match self {
            Kind::Partner => "urn:partner.soap.sforce.com",
            Kind::Enterprise => "urn:enterprise.soap.sforce.com",
            Kind::Metadata => "http://soap.sforce.com/2006/04/metadata",
        }
    }

    fn records(self) -> &'static str {
        match self {
            Kind::Partner => "urn:sobject.partner.soap.sforce.com",
            Kind::Enterprise => "urn:sobject.enterprise.soap.sforce.com",
            Kind::Metadata => "http://soap.sforce.com/2006/04/metadata",
        }
    }

    fn faults(self) -> &'static str {
        match self {
            Kind::Partner => "urn:fault.partner.soap.sforce.com",
            Kind::Enterprise => "urn:fault.enterprise.soap.sforce.com",
            Kind::Metadata => "http://soap.sforce.com/2006/04/metadata",
        }
    }
}

const ENVELOPE: &str = "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                        xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// Everything below `/services/Soap`.
pub(super) fn route(org: &Arc<Org>, call: &Call, rest: &[&str]) -> Reply {
    let [kind, rest @ ..] = rest else {
        return Reply::missing();
    };
    let Some(kind) = Kind::of(kind) else {
        return Reply::not_emulated(&format!("SOAP service {kind} (Apex classes and Apex API)"));
    };
    if call.method != "POST" {
        return Reply::not_allowed(call.method.as_str(), "POST");
    }
    match answer(org, call, kind, rest) {
        Ok(reply) => reply,
        Err(fault) => refuse(kind, &fault),
    }
}

fn refuse(kind: Kind, fault: &Fault) -> Reply {
    let name = match fault.code.as_str() {
        "INVALID_LOGIN" | "LOGIN_MUST_USE_SECURITY_TOKEN" => "LoginFault",
        "MALFORMED_QUERY" => "MalformedQueryFault",
        "INVALID_FIELD" => "InvalidFieldFault",
        "INVALID_TYPE" => "InvalidSObjectFault",
        "INVALID_QUERY_LOCATOR" => "InvalidQueryLocatorFault",
        _ => "UnexpectedErrorFault",
    };
    let mut out = format!(
        "{HEAD}<soapenv:Envelope {ENVELOPE} xmlns:sf=\"{}\"><soapenv:Body><soapenv:Fault>",
        kind.faults()
    );
    tag(&mut out, "faultcode", &format!("sf:{}", fault.code));
    tag(
        &mut out,
        "faultstring",
        &format!("{}: {}", fault.code, fault.message),
    );
    out.push_str(&format!("<detail><sf:{name} xsi:type=\"sf:{name}\">"));
    tag(&mut out, "sf:exceptionCode", &fault.code);
    tag(&mut out, "sf:exceptionMessage", &fault.message);
    out.push_str(&format!(
        "</sf:{name}></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    ));
    Reply::bytes(500, "text/xml;charset=utf-8", Bytes::from(out))
}

fn answer(org: &Arc<Org>, call: &Call, kind: Kind, rest: &[&str]) -> Result<Reply, Fault> {
    let text = String::from_utf8_lossy(&call.body);
    let root = Element::parse(&text).map_err(|e| Fault::new("soapenv:Client", e))?;
    let operation = root
        .child("Body")
        .and_then(|body| body.children.first())
        .ok_or_else(|| Fault::new("soapenv:Client", "No operation available for request"))?;
    let version = rest.first().copied().unwrap_or("31.0");
    let number = supported(org, &format!("v{version}")).map_err(|_| {
        Fault::new(
            "UNSUPPORTED_API_VERSION",
            format!("Invalid Api version specified on URL: {version}"),
        )
    })?;
    if operation.name == "login" {
        return calls::login(org, operation, kind == Kind::Partner, number)
            .map(|inner| envelope(kind, "login", &inner));
    }
    let token = root
        .child("Header")
        .and_then(|header| header.child("SessionHeader"))
        .and_then(|session| session.text_of("sessionId"))
        .map(str::trim)
        .unwrap_or_default();
    let invalid = || {
        Fault::new(
            "INVALID_SESSION_ID",
            "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session hash",
        )
    };
    let mut signed = call.clone();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| invalid())?;
    signed.headers.insert("authorization", value);
    // Headers of the envelope that have a twin among those of HTTP.
    for (element, key, header) in [
        ("QueryOptions", "batchSize", "sforce-query-options"),
        ("DuplicateRuleHeader", "allowSave", "sforce-duplicate-rule-header"),
    ] {
        let value = root
            .child("Header")
            .and_then(|h| h.child(element))
            .and_then(|e| e.text_of(key));
        if let Some(value) = value.and_then(|v| HeaderValue::from_str(&format!("{key}={}", v.trim())).ok()) {
            signed.headers.insert(header, value);
        }
    }
    let session = auth::session(org, &signed).map_err(|_| invalid())?;
    let app = org.app_name(session.client_id.as_deref());
    if let Err(refusal) = org.count_call(app) {
        return Err(Fault::new("REQUEST_LIMIT_EXCEEDED", refusal.words().2));
    }
    let api = Api {
        org,
        call: &signed,
        version: number,
        session,
        transaction: None,
    };
    if operation.name == "logout" {
        lock(&org.tokens).remove(token);
        return Ok(envelope(kind, "logout", ""));
    }
    let all_or_none = root
        .child("Header")
        .and_then(|h| h.child("AllOrNoneHeader"))
        .and_then(|e| e.text_of("allOrNone"))
        .is_some_and(|v| matches!(v.trim(), "true" | "1"));
    let inner = match kind {
        Kind::Metadata => calls::metadata(operation)?,
        Kind::Partner | Kind::Enterprise => calls::data(&api, operation, kind == Kind::Partner, all_or_none)?,
    };
    Ok(envelope(kind, &operation.name, &inner))
}

fn envelope(kind: Kind, operation: &str, inner: &str) -> Reply {
    let out = format!(
        "{HEAD}<soapenv:Envelope {ENVELOPE} xmlns=\"{}\" xmlns:sf=\"{}\"><soapenv:Body>\
         <{operation}Response>{inner}</{operation}Response></soapenv:Body></soapenv:Envelope>",
        kind.space(),
        kind.records()
    );
    Reply::bytes(200, "text/xml;charset=utf-8", Bytes::from(out))
}
