//! The `environments:` of a project file: what can be said of those that nobody runs in today.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use super::{Ctx, access::Use, credentials};
use crate::{
    diag::{Finding, Span, all_of},
    file::tidy,
    spec::{Document, FileKind, Loader, Node},
};

/// The credentials files of environments are there.
pub(super) fn files(root: &Node, folder: &Path, ctx: &mut Ctx<'_>) {
    for entry in root.get("environments").map(Node::entries).unwrap_or_default() {
        let Some(node) = entry.value.get("credentials") else {
            continue;
        };
        let Some(path) = node.text() else {
            continue;
        };
        let full = tidy(&folder.join(path));
        if !full.is_file() {
            ctx.report(
                Finding::error(
                    "unreadable-file",
                    node.span.clone(),
                    format!(
                        "the environment `{}` has no credentials: there is no `{}`",
                        entry.key.text,
                        full.display()
                    ),
                )
                .label("named here")
                .help("paths in a file start at that file's folder"),
            );
        }
    }
}

/// Compares what pipelines use with what each environment has.
pub(super) struct Environments {
    wanted: bool,
    /// By the number of the project file.
    known: HashMap<usize, Vec<Environment>>,
    told: HashSet<(Span, String)>,
}

/// An environment with credentials of its own.
struct Environment {
    name: String,
    /// Where it names its credentials.
    span: Span,
    /// As the file writes it.
    path: String,
    named: Vec<String>,
}

impl Environments {
    /// `wanted`: whether anything is to be read and said at all.
    pub(super) fn new(wanted: bool) -> Self {
        Environments {
            wanted,
            known: HashMap::new(),
            told: HashSet::new(),
        }
    }

    /// Reads the credentials of a project's environments, once, and tells what is wrong with them.
    pub(super) fn read(&mut self, project: &Document, loader: &mut Loader) {
        if !self.wanted || self.known.contains_key(&project.file) {
            return;
        }
        let mut known = Vec::new();
        let mut compiled = HashSet::new();
        for entry in project
            .root
            .get("environments")
            .map(Node::entries)
            .unwrap_or_default()
        {
            let Some(node) = entry.value.get("credentials") else {
                continue;
            };
            let Some(text) = node.text() else { continue };
            let full = tidy(&project.folder().join(text));
            if !full.is_file() {
                // `files` has told so.
                continue;
            }
            let Some(document) = loader.named(&full, FileKind::Credentials, &node.span) else {
                continue;
            };
            if document.root.is_broken() {
                continue;
            }
            if compiled.insert(document.file) {
                let mut ctx = Ctx::new(&loader.files, &mut loader.findings);
                credentials::compile(&document.root, document.folder(), &mut ctx);
            }
            let named = document.root.get("named_credentials").map(Node::entries);
            known.push(Environment {
                name: entry.key.text.clone(),
                span: node.span.clone(),
                path: text.to_owned(),
                named: named
                    .unwrap_or_default()
                    .iter()
                    .map(|entry| entry.key.text.clone())
                    .collect(),
            });
        }
        self.known.insert(project.file, known);
    }

    /// A warning for each credential that a pipeline uses and an environment lacks, each once.
    pub(super) fn compare(&mut self, project: &Document, used: &[Use], loader: &mut Loader) {
        self.read(project, loader);
        for environment in self.known.get(&project.file).into_iter().flatten() {
            for Use { name, span } in used {
                if environment.named.contains(name)
                    || !self.told.insert((environment.span.clone(), name.clone()))
                {
                    continue;
                }
                let has = match environment.named.as_slice() {
                    [] => "declares no named credential".to_owned(),
                    named => format!("declares {}", all_of(named.iter().map(String::as_str))),
                };
                loader.findings.push(
                    Finding::warning(
                        "unknown-credential",
                        environment.span.clone(),
                        format!(
                            "the environment `{}` has no named credential `{name}`",
                            environment.name
                        ),
                    )
                    .label(has)
                    .also(span.clone(), "used here")
                    .help(format!(
                        "declare `{name}` in `{}`; without it this pipeline cannot run with `--env {}`",
                        environment.path, environment.name
                    )),
                );
            }
        }
    }
}
