//! Schema locks on disk: `schemas/orgs/ORG.lock.json` in the project folder, with `--env NAME` first
//! `ORG.NAME.lock.json`.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Context, Problem, conduct::shown};
use crate::{
    engine,
    pipeline::{Pipeline, model::Copy},
    plan::{Lock, Schemas},
};

/// Where the lock of a named credential is written.
pub(super) fn path(project: &Path, connection: &str, env: Option<&str>) -> PathBuf {
    let name = match env {
        Some(env) => format!("{connection}.{env}.lock.json"),
        None => format!("{connection}.lock.json"),
    };
    project.join("schemas").join("orgs").join(name)
}

/// A lock file, where there is one.
pub(super) fn read(context: &Context, path: &Path) -> Result<Option<(Lock, String)>, Problem> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Problem::new(format!(
                "cannot read `{}`: {error}",
                shown(context, path).display()
            )));
        }
    };
    match Lock::parse(&text) {
        Ok(lock) => Ok(Some((lock, text))),
        Err(error) => Err(
            Problem::usage(format!("`{}`: {error}", shown(context, path).display()))
                .help("delete it, and write it anew: `orgferry schema lock`"),
        ),
    }
}

/// The locks of the projects whose pipelines are looked at, each read once.
pub(super) struct Locks<'a> {
    context: &'a Context,
    env: Option<&'a str>,
    projects: HashMap<PathBuf, Project>,
}

#[derive(Default)]
struct Project {
    asked: BTreeSet<String>,
    schemas: Arc<Schemas>,
}

impl<'a> Locks<'a> {
    pub(super) fn new(context: &'a Context, env: Option<&'a str>) -> Self {
        Locks {
            context,
            env,
            projects: HashMap::new(),
        }
    }

    /// What the locks say of the orgs of a pipeline; nothing of an org without one.
    pub(super) fn of(&mut self, pipeline: &Pipeline) -> Result<Arc<Schemas>, Problem> {
        let project = self.projects.entry(pipeline.project.clone()).or_default();
        for connection in engine::orgs_of(pipeline) {
            if !project.asked.insert(connection.clone()) {
                continue;
            }
            let own = match self.env {
                Some(env) => read(self.context, &path(&pipeline.project, &connection, Some(env)))?,
                None => None,
            };
            let found = match own {
                Some(found) => Some(found),
                None => read(self.context, &path(&pipeline.project, &connection, None))?,
            };
            if let Some((lock, _)) = found {
                Arc::make_mut(&mut project.schemas).add_lock(&connection, &lock);
            }
        }
        Ok(Arc::clone(&project.schemas))
    }
}

/// Whether there is a lock of one of a pipeline's orgs at least.
pub(super) fn any(pipeline: &Pipeline, schemas: &Schemas) -> bool {
    engine::orgs_of(pipeline)
        .iter()
        .any(|connection| schemas.is_locked(connection))
}

/// How many fields of a pipeline nothing is known of, for want of a lock.
pub(super) fn unchecked(pipeline: &Pipeline, schemas: &Schemas) -> usize {
    let mut fields = BTreeSet::new();
    for step in &pipeline.steps {
        if let Some(object) = step.source.object()
            && !schemas.is_locked(&step.source_connection)
        {
            let columns = step.columns.iter().map(|column| column.path.as_str());
            let filters = step.filters.iter().map(|filter| filter.path.as_str());
            for path in columns.chain(filters) {
                fields.insert((&step.source_connection, object, path));
            }
        }
        if !step.target.object.is_empty() && !schemas.is_locked(&step.target.connection) {
            let object = step.target.object.as_str();
            for line in &step.map {
                fields.insert((&step.target.connection, object, line.field.as_str()));
            }
            if let Copy::Fields(copied) = &step.copy {
                for copied in copied {
                    fields.insert((&step.target.connection, object, copied.field.as_str()));
                }
            }
        }
    }
    fields.len()
}
