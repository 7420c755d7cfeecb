use secrecy::SecretString;

use super::{AuthError, Environment};
use crate::pipeline::credentials::ValueRef;

/// Fetches a value from where the credential says it is. `what` names its place for errors:
/// "`client_secret` of principal `Admin` of external credential `EC_Org1`".
///
/// # Errors
/// When the variable is not set or the file cannot be read. Neither error holds a value.
pub fn resolve(
    reference: &ValueRef,
    environment: &Environment,
    what: &str,
) -> Result<SecretString, AuthError> {
    let text = match reference {
        ValueRef::Text(text) => text.clone(),
        ValueRef::Env(name) => environment
            .get(name)
            .ok_or_else(|| AuthError::NoVariable {
                variable: name.clone(),
                empty: environment.is_set(name),
                what: what.to_owned(),
                similar: similar(name, environment),
            })?
            .to_owned(),
        ValueRef::File(path) => {
            let no_file = |detail: String| AuthError::NoFile {
                path: path.clone(),
                what: what.to_owned(),
                detail,
            };
            let read = std::fs::read_to_string(path).map_err(|error| no_file(error.to_string()))?;
            // An editor's line break at the end is not part of the secret; other white space may be.
            let value = read.strip_suffix('\n').unwrap_or(&read);
            let value = value.strip_suffix('\r').unwrap_or(value);
            if value.is_empty() {
                return Err(no_file("it is empty".into()));
            }
            value.to_owned()
        }
    };
    Ok(SecretString::from(text))
}

/// The variable that was meant, perhaps.
fn similar(name: &str, environment: &Environment) -> Option<String> {
    environment
        .names()
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(score, _)| *score > 0.9)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other.to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn values_come_from_text_environment_and_files() {
        let environment = Environment::from_iter([("KEY", "from env"), ("NOTHING", "")]);
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            ValueRef::File(path)
        };
        for (reference, expected) in [
            (ValueRef::Text("plain".into()), "plain"),
            (ValueRef::Env("KEY".into()), "from env"),
            (file("a", "s3cret\n"), "s3cret"),
            (file("b", "s3cret\r\n"), "s3cret"),
            (file("c", " two \nlines\n\n"), " two \nlines\n"),
        ] {
            let value = resolve(&reference, &environment, "`x`").unwrap();
            assert_eq!(value.expose_secret(), expected);
            assert!(!format!("{value:?}").contains(expected));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let environment = Environment::from_iter([("ORG1_CLIENT_SECRET", "hush"), ("NOTHING", "")]);
        let what = "`client_secret` of principal `P`";
        for (reference, expected) in [
            (
                ValueRef::Env("ORG1_CLIENT_SECRT".into()),
                "environment variable `ORG1_CLIENT_SECRT` is not set; it holds `client_secret` of principal `P`",
            ),
            (
                ValueRef::Env("NOTHING".into()),
                "environment variable `NOTHING` is empty; it holds `client_secret` of principal `P`",
            ),
            (
                ValueRef::File("/nowhere/at/all".into()),
                "file `/nowhere/at/all` cannot be read; it holds `client_secret` of principal `P`: \
                 No such file or directory (os error 2)",
            ),
        ] {
            let error = resolve(&reference, &environment, what).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(!format!("{error:?} {environment:?}").contains("hush"));
        }
        let typo = resolve(&ValueRef::Env("ORG1_CLIENT_SECRT".into()), &environment, what).unwrap_err();
        assert_eq!(typo.help().unwrap(), "did you mean `ORG1_CLIENT_SECRET`?");
    }
}
