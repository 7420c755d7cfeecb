use url::{Host, Url};

/// A URL that may not be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not spoken to: only https leaves this machine, http is for loopback hosts")]
pub struct InsecureUrl(pub String);

/// Whether the URL's host is this machine: `localhost`, `127.0.0.0/8` or `::1`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost")
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Lets https pass, and http to this machine.
///
/// # Errors
/// [`InsecureUrl`], which names scheme and host only.
pub fn require_secure(url: &Url) -> Result<(), InsecureUrl> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        _ => Err(InsecureUrl(origin_text(url))),
    }
}

/// Whether two URLs lead to one server: scheme, host and port.
pub fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

/// `https://host:port`, without user, path or query.
pub(crate) fn origin_text(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_goes_without_tls() {
        for (url, secure, loopback) in [
            ("https://acme.my.salesforce.com", true, false),
            ("http://acme.my.salesforce.com", false, false),
            ("http://localhost:8080", true, true),
            ("http://127.0.0.1:1", true, true),
            ("http://127.9.9.9", true, true),
            ("http://[::1]:99/x", true, true),
            ("http://localhost.evil.example", false, false),
            ("http://127.0.0.1.evil.example", false, false),
            ("http://192.168.0.1", false, false),
            ("ftp://localhost", false, true),
        ] {
            let parsed = Url::parse(url).unwrap();
            assert_eq!(require_secure(&parsed).is_ok(), secure, "{url}");
            assert_eq!(is_loopback(&parsed), loopback, "{url}");
        }
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        for (a, b, same) in [
            ("https://a.example/x", "https://A.example:443/y", true),
            ("https://a.example", "http://a.example", false),
            ("https://a.example", "https://b.example", false),
            ("http://localhost:1", "http://localhost:2", false),
        ] {
            assert_eq!(
                same_origin(&Url::parse(a).unwrap(), &Url::parse(b).unwrap()),
                same,
                "{a} {b}"
            );
        }
    }
}
