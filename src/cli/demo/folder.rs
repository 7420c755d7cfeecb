use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{cli::Problem, cli::schema, record::id18};

/// The demo's folder. Laid out as a project of the user's own would be.
pub(super) struct DemoFolder {
    path: PathBuf,
}

/// Where the org files stand in the repository's own texts.
const HQ: &str = "http://127.0.0.1:8801";
const EMEA: &str = "http://127.0.0.1:8802";

const CREDENTIALS: &str = include_str!("../../../pipelines/credentials.yaml");

/// Path in the folder, and text, of what is written when it is not there. In the binary, so that an installed
/// orgferry has its demo with it.
const FILES: [(&str, &str); 5] = [
    (
        "orgs/hq.org.yaml",
        include_str!("../../../examples/demo/hq.org.yaml"),
    ),
    (
        "orgs/emea.org.yaml",
        include_str!("../../../examples/demo/emea.org.yaml"),
    ),
    (
        "pipelines/customers.yaml",
        include_str!("../../../pipelines/customers.yaml"),
    ),
    (
        "pipelines/guide-account-names.yaml",
        include_str!("../../../pipelines/guide-account-names.yaml"),
    ),
    (
        "refused/guide-refused.yaml",
        include_str!("../../../examples/guide-refused.yaml"),
    ),
];

impl DemoFolder {
    /// Writes what is missing.
    pub(super) fn prepare(path: &Path) -> Result<Self, Problem> {
        let folder = DemoFolder {
            path: path.to_owned(),
        };
        for (name, text) in FILES {
            // The schemas stand beside both folders here, as they do for pipelines in the repository.
            folder.put(
                name,
                &text.replace("$schema=../../schemas/", "$schema=../schemas/"),
                false,
            )?;
        }
        for (name, schema) in schema::all() {
            folder.put(&format!("schemas/{name}"), &format!("{schema:#}\n"), true)?;
        }
        Ok(folder)
    }

    /// Writes the credentials of the orgs where they are now.
    pub(super) fn write_credentials(&self, hq: &str, emea: &str) -> Result<(), Problem> {
        let text = CREDENTIALS
            .replace("$schema=../schemas/", "$schema=schemas/")
            .replace(HQ, hq)
            .replace(EMEA, emea);
        let text = format!("# Written anew by each `orgferry demo`, with the ports of its orgs.\n{text}");
        self.put("credentials.yaml", &text, true)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn orgs(&self) -> [PathBuf; 2] {
        ["orgs/hq.org.yaml", "orgs/emea.org.yaml"].map(|name| self.path.join(name))
    }

    /// A file by its place in the folder, `pipelines/customers.yaml`.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn put(&self, name: &str, text: &str, over: bool) -> Result<(), Problem> {
        let path = self.path.join(name);
        if path.exists() && !over {
            return Ok(());
        }
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, text)).map_err(|e| {
            Problem::new(format!("cannot write `{}`: {e}", path.display()))
                .help("choose a folder that can be written: `orgferry demo --dir DIR`")
        })
    }
}

/// An org id that no org had before.
pub(super) fn new_org_id() -> String {
    let tail: String = (0..12).map(|_| fastrand::alphanumeric()).collect();
    id18(&format!("00D{tail}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("demo");
        DemoFolder::prepare(&path).unwrap();
        fs::write(path.join("pipelines/customers.yaml"), "mine").unwrap();
        let folder = DemoFolder::prepare(&path).unwrap();
        assert_eq!(
            fs::read_to_string(folder.file("pipelines/customers.yaml")).unwrap(),
            "mine"
        );
        for org in folder.orgs() {
            let text = fs::read_to_string(org).unwrap();
            assert!(!text.contains("../../schemas"), "the schema is one folder up");
        }
    }

    #[test]
    fn credentials_point_at_the_orgs() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DemoFolder::prepare(dir.path()).unwrap();
        folder
            .write_credentials("http://127.0.0.1:4001", "http://127.0.0.1:4002")
            .unwrap();
        let text = fs::read_to_string(dir.path().join("credentials.yaml")).unwrap();
        assert!(text.contains("url: http://127.0.0.1:4001\n"), "{text}");
        assert!(text.contains("identity_provider_url: http://127.0.0.1:4002/services/oauth2/token"));
        assert!(!text.contains(":880"), "{text}");
    }

    #[test]
    fn org_ids_are_ids() {
        let id = new_org_id();
        assert_eq!(id.len(), 18);
        assert!(id.parse::<crate::record::Id>().is_ok(), "{id}");
        assert_ne!(id, new_org_id());
    }
}
