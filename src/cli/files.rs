use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::{Context, Problem, project};
use crate::{
    diag::{self, Colour, Files, Finding},
    pipeline::{
        self, Loaded, Pipeline,
        expr::Vars,
        model::{StatePlace, VarDefault},
    },
    spec::Loader,
};

/// One pipeline without errors.
pub(super) struct LoadedOne {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) files: Files,
}

/// Loads files and folders; of nothing, those of the project.
pub(super) fn load(context: &Context, paths: &[PathBuf], env: Option<&str>) -> Result<Loaded, Problem> {
    Ok(pipeline::load(&given(context, paths)?, env))
}

/// As [`load`], to tell all that is wrong: of the environments too that `env` does not name.
pub(super) fn load_to_check(
    context: &Context,
    paths: &[PathBuf],
    env: Option<&str>,
) -> Result<Loaded, Problem> {
    Ok(pipeline::load_to_check(&given(context, paths)?, env))
}

fn given(context: &Context, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Problem> {
    match paths {
        [] => of_project(context),
        paths => Ok(paths.to_vec()),
    }
}

/// Loads the pipeline of a run. Its warnings and errors go to standard error.
///
/// # Errors
/// The inner one is the exit code when the files have errors: 3 when permission sets refuse access and nothing else is
/// wrong, 2 otherwise.
pub(super) fn load_one(
    context: &Context,
    path: &Path,
    env: Option<&str>,
) -> Result<Result<LoadedOne, u8>, Problem> {
    let mut loaded = pipeline::load(&[path.to_owned()], env);
    tell(context, &loaded.findings, &loaded.files);
    if loaded.has_errors() {
        let summary = diag::summary(&loaded.findings, loaded.files.len());
        context.terminal.say(&format!("{summary}; nothing was sent\n"));
        let refused = loaded
            .findings
            .iter()
            .filter(|finding| finding.severity == diag::Severity::Error)
            .all(|finding| finding.code == "access-refused");
        return Ok(Err(if refused { 3 } else { 2 }));
    }
    if loaded.pipelines.len() > 1 {
        return Err(
            Problem::usage(format!("`{}` holds several pipelines", path.display()))
                .help("name one file: each run has one pipeline"),
        );
    }
    match loaded.pipelines.pop() {
        Some(pipeline) => Ok(Ok(LoadedOne {
            pipeline: Arc::new(pipeline),
            files: loaded.files,
        })),
        None => Err(Problem::usage(format!("`{}` is no pipeline", path.display()))
            .help("a pipeline has `steps`; credentials and mappings are checked by `orgferry validate`")),
    }
}

/// Shows findings on standard error; as log lines when a program listens.
pub(super) fn tell(context: &Context, findings: &[Finding], files: &Files) {
    if context.terminal.json() {
        for finding in findings {
            tracing::warn!(
                target: "orgferry::run",
                code = finding.code,
                finding = finding.message,
                place = files.address(&finding.primary.span),
                help = finding.help.join("\n"),
                "finding"
            );
        }
    } else if !findings.is_empty() {
        context
            .terminal
            .complain(&diag::render_text(findings, files, Colour::On));
    }
}

/// The files that make up the project around the working folder.
pub(super) fn of_project(context: &Context) -> Result<Vec<PathBuf>, Problem> {
    let folder = project::find(context, None)?;
    let folder = super::conduct::shown(context, &folder);
    let mut found: Vec<PathBuf> = ["orgferry.yaml", "credentials.yaml", "pipelines", "mappings"]
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.exists())
        .collect();
    if !found.iter().any(|path| path.is_dir()) {
        // Pipelines beside their credentials, as a small project has them.
        found = vec![if folder.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            folder.clone()
        }];
        if !has_yaml(&found[0]) {
            return Err(
                Problem::usage(format!("there is no file to check in `{}`", found[0].display()))
                    .help("name files, as in `orgferry validate pipelines/customers.yaml`"),
            );
        }
    }
    Ok(found)
}

fn has_yaml(folder: &Path) -> bool {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|e| e == "yaml" || e == "yml")
        })
    })
}

/// Where a project keeps its state.
pub(super) fn state_of(folder: &Path) -> Result<StatePlace, Problem> {
    let mut loader = Loader::default();
    let found = loader.project(&folder.join("pipeline.yaml"));
    let own = found.file.filter(|_| found.folder == folder);
    if own.is_none() && folder.join("orgferry.yaml").is_file() {
        return Err(Problem::usage(
            "orgferry.yaml cannot be read, so that it is not known where the state is",
        )
        .help("`orgferry validate` shows what is wrong with it"));
    }
    Ok(pipeline::state_of(own.as_ref().map(|file| &file.root), folder))
}

/// The vars of a run.
pub(super) fn vars(
    context: &Context,
    loaded: &LoadedOne,
    given: &[(String, String)],
) -> Result<Vars, Problem> {
    let environment = |name: &str| context.environment.get(name).map(str::to_owned);
    pipeline::apply_vars(&loaded.pipeline, given, &environment).map_err(|errors| {
        Problem::usage(errors.join("\n       ")).help(format!(
            "vars stand under `vars` in `{}`",
            loaded.pipeline.file.display()
        ))
    })
}

/// A digest of what a run carries rows by: the texts of its files, and the values of its vars.
pub(super) fn fingerprint(pipeline: &Pipeline, vars: &Vars) -> String {
    let mut digest = Sha256::new();
    digest.update(&pipeline.digest);
    for (name, value) in vars {
        digest.update(format!("\n{name}={}", value.to_json()));
    }
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands in the file: vars that only a run can know have no value.
pub(super) fn declared(pipeline: &Pipeline) -> Vars {
    pipeline
        .vars
        .iter()
        .map(|var| match &var.default {
            VarDefault::Value(value) => (var.name.clone(), value.clone()),
            VarDefault::Env(_) | VarDefault::Required => (var.name.clone(), crate::record::Value::Null),
        })
        .collect()
}
