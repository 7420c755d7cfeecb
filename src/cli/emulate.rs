use std::path::{Path, PathBuf};

use owo_colors::OwoColorize;

use super::{Context, Problem, interrupt::Interrupt};
use crate::emulator::{Emulator, EmulatorError, OrgFile, OrgFileError, StateError};

/// Serve virtual orgs on this machine that speak Salesforce's API
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry emulate hq.org.yaml emea.org.yaml\n  \
    orgferry emulate --port 8801 *.org.yaml > credentials.yaml\n\n\
  orgferry emulate hq.org.yaml --port 8801 --state hq.state\n\n\
Any Salesforce client can use the orgs: point it at an org's URL, and bring the token or the app that standard error \
tells. The URL in a browser shows objects, records and requests; `URL/emulator` lists what tests can ask of an org: \
faults, clock, CSV, snapshots, reset. Standard output gets a credentials.yaml that points at the orgs.\n\n\
Without --state, records live in memory and are gone with the process. With it they are written when they have rested \
for a second, at least every ten seconds, and at the end: whoever kills the process loses ten seconds at most. Bulk 2.0 \
jobs are kept with them, and go on; tokens, limits and the request log are not. Ctrl-C ends it.")]
pub(super) struct Args {
    /// Org files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Port on 127.0.0.1 of the first org, the next ones counting up [default: as the files say, else any]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// File that keeps an org's records and Bulk jobs between two runs; one for each org, in their order
    #[arg(long, value_name = "FILE")]
    state: Vec<PathBuf>,
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    if !args.state.is_empty() && args.state.len() != args.files.len() {
        return Err(Problem::usage(format!(
            "`--state` is given {} times, for {} orgs",
            args.state.len(),
            args.files.len()
        ))
        .help("give one `--state` for each org, in the order of the org files"));
    }
    let end = match args.state.is_empty() {
        true => "the orgs end, and their records with them\n",
        false => "the orgs end, and their records are written\n",
    };
    let interrupt = Interrupt::listen(&context.terminal, end)?;
    let mut orgs = Vec::new();
    for (at, path) in args.files.iter().enumerate() {
        let mut file = load(path)?;
        if let Some(first) = args.port {
            let port = u16::try_from(at).ok().and_then(|at| first.checked_add(at));
            file.port = Some(port.ok_or_else(|| {
                Problem::usage(format!(
                    "there is no port for `{}`: ports end at 65535",
                    path.display()
                ))
                .help("choose a lower `--port`")
            })?);
        }
        let org = start(file, args.state.get(at).map(PathBuf::as_path)).await?;
        context.terminal.say(&org.told());
        orgs.push(org);
    }
    context.terminal.print(&credentials(&orgs))?;
    context.terminal.say("\nCtrl-C ends the orgs.\n");
    interrupt.wait().await;
    for org in orgs {
        let name = org.name;
        org.emulator
            .stop()
            .await
            .map_err(|e| Problem::new(format!("org `{name}`: {e}")))?;
    }
    // Being asked to end is how this command ends well.
    Ok(0)
}

/// Reads an org file.
pub(super) fn load(path: &Path) -> Result<OrgFile, Problem> {
    OrgFile::load(path).map_err(|error| wrong_file(&error))
}

fn wrong_file(error: &OrgFileError) -> Problem {
    let problem = Problem::usage(error.to_string());
    match error {
        OrgFileError::Read { .. } => problem,
        _ => problem.help("`orgferry schema` prints what an org file may hold, under `org.schema.json`"),
    }
}

/// Starts an org on its port.
pub(super) async fn start(file: OrgFile, state: Option<&Path>) -> Result<ServedOrg, Problem> {
    let name = file.name.clone();
    let apps = file
        .connected_apps
        .iter()
        .map(|app| (app.client_id.clone(), app.client_secret.clone()))
        .collect();
    let token = file.access_tokens.first().map(|t| t.token.clone());
    let started = match state {
        Some(state) => Emulator::start_kept(file, 0, state).await,
        None => Emulator::start(file, 0).await,
    };
    let emulator = started.map_err(|e| match e {
        EmulatorError::File(error) => wrong_file(&error),
        EmulatorError::Listen { .. } => Problem::new(format!("org `{name}`: {e}")).help(
            "choose other ports with `--port`, or leave `port` out of the file: then any free one is taken",
        ),
        EmulatorError::State(
            error @ (StateError::Unfit { .. } | StateError::Foreign(_) | StateError::Damaged(_)),
        ) => Problem::usage(format!("org `{name}`: {error}"))
            .help("take another `--state` file, or remove this one: the org is then made from its org file"),
        EmulatorError::State(error) => Problem::new(format!("org `{name}`: {error}")),
        EmulatorError::Interrupted => Problem::new(format!("org `{name}`: {e}")),
    })?;
    let token = token.unwrap_or_else(|| emulator.access_token());
    Ok(ServedOrg {
        name,
        apps,
        token,
        emulator,
    })
}

/// An org that is being served.
pub(super) struct ServedOrg {
    name: String,
    /// Client ids and secrets.
    apps: Vec<(String, String)>,
    /// An access token that works at once.
    token: String,
    emulator: Emulator,
}

impl ServedOrg {
    pub(super) fn url(&self) -> String {
        self.emulator.url()
    }

    /// Where it is and who may come in.
    pub(super) fn told(&self) -> String {
        let url = self.url();
        format!(
            "{}  {}\n{}",
            self.name.bold(),
            url.cyan(),
            ways_in(&url, &self.apps, &self.token, self.emulator.newest_version())
        )
    }
}

/// How to come in with any client, and a line to try.
fn ways_in(url: &str, apps: &[(String, String)], token: &str, version: u32) -> String {
    let mut text = String::new();
    for (id, secret) in apps {
        text.push_str(&format!("    app    client id {id}, secret {secret}\n"));
    }
    text.push_str(&format!(
        "    token  {token}\n    try    curl -H 'Authorization: Bearer {token}' {url}/services/data/v{version}.0/limits\n    \
         look   {url}/ in a browser; {url}/emulator lists what tests can ask for\n"
    ));
    text
}

/// A credentials file that points at the orgs.
fn credentials(orgs: &[ServedOrg]) -> String {
    let urls: Vec<String> = orgs.iter().map(ServedOrg::url).collect();
    let entries: Vec<Entry<'_>> = orgs
        .iter()
        .zip(&urls)
        .map(|(org, url)| Entry {
            name: &org.name,
            url,
            app: org
                .apps
                .first()
                .map(|(id, secret)| (id.as_str(), secret.as_str())),
        })
        .collect();
    credentials_yaml(&entries)
}

/// What a credentials file says of one org.
struct Entry<'a> {
    name: &'a str,
    url: &'a str,
    /// Client id and secret.
    app: Option<(&'a str, &'a str)>,
}

fn credentials_yaml(orgs: &[Entry<'_>]) -> String {
    let mut external = String::new();
    let mut named = String::new();
    for Entry { name, url, app } in orgs {
        let ec = scalar(&format!("EC_{name}"));
        match app {
            Some((id, secret)) => external.push_str(&format!(
                "  {ec}:\n    protocol: oauth2\n    flow: client_credentials\n    \
                 identity_provider_url: {url}/services/oauth2/token\n    principals:\n      Integration:\n        \
                 sequence: 1\n        client_id: {}\n        client_secret: {}\n",
                scalar(id),
                scalar(secret)
            )),
            // An org without an app lets nobody in by OAuth; its file may still hold tokens.
            None => external.push_str(&format!(
                "  {ec}:\n    protocol: none\n    principals:\n      Anyone:\n        sequence: 1\n"
            )),
        }
        named.push_str(&format!(
            "  {}:\n    url: {url}\n    external_credential: {ec}\n",
            scalar(name)
        ));
    }
    format!("version: 1\nexternal_credentials:\n{external}named_credentials:\n{named}")
}

/// A text as YAML reads it back: bare where nothing can be mistaken, else quoted as in JSON, which YAML knows too.
fn scalar(text: &str) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if word {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_ready_to_use() {
        let text = credentials_yaml(&[
            Entry {
                name: "hq",
                url: "http://127.0.0.1:8801",
                app: Some(("hq-app", "s3cret: \"x\"")),
            },
            Entry {
                name: "off",
                url: "http://127.0.0.1:8802",
                app: None,
            },
        ]);
        insta::assert_snapshot!(text);
        let read: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
        let principal = &read["external_credentials"]["EC_hq"]["principals"]["Integration"];
        assert_eq!(principal["client_secret"], "s3cret: \"x\"");
        assert_eq!(read["named_credentials"]["off"]["external_credential"], "EC_off");
    }

    #[test]
    fn a_client_is_told_how_to_come_in() {
        let apps = [("hq-app".to_owned(), "s3cret".to_owned())];
        insta::assert_snapshot!(ways_in("http://127.0.0.1:8801", &apps, "00D!abc", 68), @r"
            app    client id hq-app, secret s3cret
            token  00D!abc
            try    curl -H 'Authorization: Bearer 00D!abc' http://127.0.0.1:8801/services/data/v68.0/limits
            look   http://127.0.0.1:8801/ in a browser; http://127.0.0.1:8801/emulator lists what tests can ask for
        ");
    }

    #[test]
    fn only_plain_words_go_bare() {
        for (text, expected) in [
            ("hq-app", "hq-app"),
            ("EC_1", "EC_1"),
            ("no", "\"no\""),
            ("12", "\"12\""),
            ("3MVG9.x", "\"3MVG9.x\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), expected);
        }
    }
}
