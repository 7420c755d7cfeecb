//! The address of a PostgreSQL database, as one line of text that may hold a password.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::config::{Config, SslMode};
use url::Url;

use super::ServerError;

/// How long a connection may take to come about, where the address does not say.
const CONNECT: Duration = Duration::from_secs(10);

/// Where the database is, and who we are there.
pub(super) struct Address {
    /// `host/database`: what messages say of it.
    pub(super) shown: String,
    pub(super) user: String,
    pub(super) tls: Tls,
    host: String,
    port: u16,
    database: String,
    password: Option<SecretString>,
    connect: Duration,
}

/// Whether what is sent can be read on the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// It can: the server is this machine, or the address says so.
    Off,
    /// It cannot, and the server has shown a certificate for its name: of these authorities, or of the public ones.
    Verified { authorities: Option<PathBuf> },
}

impl Address {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=MODE`. No error holds what the text holds: a sign
    /// in the wrong place may have made a host's name of a piece of the password.
    pub(super) fn parse(text: &SecretString) -> Result<Self, ServerError> {
        let wrong = |detail: &str| ServerError::Address {
            detail: detail.to_owned(),
        };
        let text = text.expose_secret().trim();
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(wrong("it does not begin with `postgres://`"));
        }
        if url.fragment().is_some() {
            return Err(wrong("it has a `#`"));
        }
        let plain = |text: &str, what: &str| match percent_encoding::percent_decode_str(text).decode_utf8() {
            Ok(text) if !text.contains('\0') => Ok(text.into_owned()),
            _ => Err(wrong(&format!("{what} is no text"))),
        };
        let mut host = plain(url.host_str().unwrap_or_default(), "the host")?;
        let mut port = url.port();
        let mut user = plain(url.username(), "the user")?;
        let mut password = match url.password() {
            Some(password) => Some(SecretString::from(plain(password, "the password")?)),
            None => None,
        };
        let database = plain(url.path().trim_start_matches('/'), "the database's name")?;
        if database.contains(['/', '@', ':']) {
            return Err(wrong("the database's name has a `/`, `@` or `:`"));
        }
        let (mut mode, mut authorities, mut connect) = (None, None, CONNECT);
        for (key, value) in url.query_pairs() {
            match &*key {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => authorities = Some(PathBuf::from(&*value)),
                "host" => host = value.into_owned(),
                "port" => port = Some(value.parse().map_err(|_| wrong("its `port` is no port"))?),
                "user" => user = value.into_owned(),
                "password" => password = Some(SecretString::from(value.into_owned())),
                "connect_timeout" => {
                    let seconds: u64 = value
                        .parse()
                        .map_err(|_| wrong("its `connect_timeout` is no number of seconds"))?;
                    connect = Duration::from_secs(seconds.max(1));
                }
                "application_name" => {}
                other => {
                    let known =
                        other.len() <= 30 && other.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                    return Err(match known {
                        true => wrong(&format!("orgferry does not know its parameter `{other}`")),
                        false => wrong("what stands behind its `?` is no list of parameters"),
                    });
                }
            }
        }
        if host.contains(',') {
            return Err(wrong("it names several hosts"));
        }
        let host = match host.trim_start_matches('[').trim_end_matches(']') {
            "" => "localhost".to_owned(),
            host => host.to_owned(),
        };
        if user.is_empty() {
            return Err(wrong("it names no user"));
        }
        if database.is_empty() {
            return Err(wrong("it names no database"));
        }
        let tls = match mode.as_deref() {
            None if is_local(&host) && authorities.is_none() => Tls::Off,
            Some("disable") => Tls::Off,
            None | Some("require" | "verify-ca" | "verify-full") => Tls::Verified { authorities },
            Some("allow" | "prefer") => {
                return Err(wrong(
                    "`sslmode=prefer` and `allow` leave it to the server whether the password can be read on the way",
                ));
            }
            Some(_) => {
                return Err(wrong(
                    "its `sslmode` is none of `disable`, `require` and `verify-full`",
                ));
            }
        };
        Ok(Address {
            shown: format!("{host}/{database}"),
            user,
            tls,
            port: port.unwrap_or(5432),
            host,
            database,
            password,
            connect,
        })
    }

    /// For the driver.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .dbname(&self.database)
            .application_name("orgferry")
            .connect_timeout(self.connect)
            .keepalives_idle(Duration::from_secs(30))
            .ssl_mode(match self.tls {
                Tls::Off => SslMode::Disable,
                Tls::Verified { .. } => SslMode::Require,
            });
        if let Some(password) = &self.password {
            config.password(password.expose_secret());
        }
        config
    }
}

/// This machine: its loopback addresses, and the folder of a socket file.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.starts_with('/') || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, ServerError> {
        Address::parse(&SecretString::from(text))
    }

    #[test]
    fn addresses_are_read_as_the_database_s_own_tools_read_them() {
        for (text, shown, user, password, port) in [
            ("postgres://u@h/d", "h/d", "u", None, 5432),
            (
                "postgresql://u:p%40s%2Fs@db.example.com:6000/d",
                "db.example.com/d",
                "u",
                Some("p@s/s"),
                6000,
            ),
            ("postgres://u:p@[::1]:1/d", "::1/d", "u", Some("p"), 1),
            (
                "postgres:///d?host=/run/postgresql&user=u&port=7",
                "/run/postgresql/d",
                "u",
                None,
                7,
            ),
            (
                "postgres://u@%2Frun%2Fpostgresql/d",
                "/run/postgresql/d",
                "u",
                None,
                5432,
            ),
            (
                " postgres://u@h/d?password=x&application_name=y\n",
                "h/d",
                "u",
                Some("x"),
                5432,
            ),
        ] {
            let address = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(address.shown, shown, "{text}");
            assert_eq!(address.user, user, "{text}");
            let found = address.password.as_ref().map(|p| p.expose_secret());
            assert_eq!(found, password, "{text}");
            assert_eq!(address.port, port, "{text}");
            let _ = address.config();
        }
    }

    #[test]
    fn nothing_goes_in_the_clear_to_another_machine_unless_it_is_said() {
        let verified = |authorities: Option<&str>| Tls::Verified {
            authorities: authorities.map(PathBuf::from),
        };
        for (text, tls) in [
            ("postgres://u@localhost/d", Tls::Off),
            ("postgres://u@127.0.0.7/d", Tls::Off),
            ("postgres://u@[::1]/d", Tls::Off),
            ("postgres:///d?user=u&host=/run", Tls::Off),
            ("postgres://u@localhost.example.com/d", verified(None)),
            ("postgres://u@10.0.0.1/d", verified(None)),
            ("postgres://u@10.0.0.1/d?sslmode=disable", Tls::Off),
            ("postgres://u@localhost/d?sslmode=require", verified(None)),
            (
                "postgres://u@h/d?sslmode=verify-full&sslrootcert=/ca.pem",
                verified(Some("/ca.pem")),
            ),
            (
                "postgres://u@localhost/d?sslrootcert=/ca.pem",
                verified(Some("/ca.pem")),
            ),
        ] {
            assert_eq!(parse(text).map(|a| a.tls).ok(), Some(tls), "{text}");
        }
    }

    #[test]
    fn a_wrong_address_is_told_without_what_it_holds() {
        for text in [
            "hunter2",
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2/x@h/d",
            "postgres://u:1hunter2#x@h/d",
            "postgres://u:12#hunter2@h/d",
            "postgres://u:12/hunter2@h/d",
            "postgres://u:12?hunter2@h/d",
            "postgres://u:hunter2@h",
            "postgres://:hunter2@h/d",
            "postgres://u:hunter2@h/d?sslmode=hunter2",
            "postgres://u:hunter2@h/d?sslmode=prefer",
            "postgres://u:hunter2@h/d?connect_timeout=hunter2",
            "postgres://u:hunter2@h/d?nonsense=hunter2",
            "postgres://u:hunter2@h,i/d",
            "postgres://u:hunter2%ff@h/d",
            "postgres://u:hunter2@h:99999/d",
        ] {
            let Err(error) = parse(text) else {
                panic!("{text} passes")
            };
            assert!(!error.to_string().contains("hunter2"), "{text}: {error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{text}: {error:?}");
            assert!(!error.help().unwrap_or_default().is_empty());
        }
    }
}
