//! Steps of other files that refs name: `PIPELINE/STEP`.

use std::{
    cell::RefCell,
    collections::HashMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{Ctx, steps};
use crate::{
    diag::{Finding, all_of, did_you_mean},
    pipeline::model::{ForeignSource, ForeignStep},
    spec::{Document, Entry, FileKind, Loader, Node},
};

/// The pipelines of each folder that was asked for, read once. What is wrong with them is told when they themselves
/// are validated.
#[derive(Default)]
pub(super) struct Folders {
    read: RefCell<HashMap<PathBuf, Rc<Vec<Document>>>>,
}

impl Folders {
    fn pipelines(&self, folder: &Path) -> Rc<Vec<Document>> {
        if let Some(known) = self.read.borrow().get(folder) {
            return Rc::clone(known);
        }
        let mut found = Vec::new();
        if folder.is_dir() {
            let mut loader = Loader::default();
            for path in loader.expand(folder) {
                found.extend(loader.document(&path).filter(|d| d.kind == FileKind::Pipeline));
            }
        }
        let found = Rc::new(found);
        self.read
            .borrow_mut()
            .insert(folder.to_owned(), Rc::clone(&found));
        found
    }
}

/// The other pipelines of a project, as one of its pipelines sees them.
pub(super) struct Others<'a> {
    folders: &'a Folders,
    /// Where they may be: beside the pipeline, and in the project's `pipelines`.
    places: Vec<PathBuf>,
    own: String,
    /// Those that refs have named so far.
    pub(super) named: Vec<ForeignStep>,
}

/// What a name with a `/` comes to.
pub(super) enum Named<'n> {
    /// A step of this file after all.
    Own(&'n str),
    /// An index into [`Others::named`].
    Foreign(usize),
}

impl<'a> Others<'a> {
    pub(super) fn new(folders: &'a Folders, document: &Document, project: &Path, own: &str) -> Self {
        let mut places = vec![document.folder().to_owned()];
        let usual = project.join("pipelines");
        if usual != places[0] {
            places.push(usual);
        }
        Others {
            folders,
            places,
            own: own.to_owned(),
            named: Vec::new(),
        }
    }

    /// The step that `PIPELINE/STEP` names, or a complaint.
    pub(super) fn step<'n>(&mut self, node: &Node, name: &'n str, ctx: &mut Ctx<'_>) -> Option<Named<'n>> {
        let (pipeline, step) = name.split_once('/')?;
        if pipeline == self.own {
            return Some(Named::Own(step));
        }
        let known = |other: &ForeignStep| other.pipeline == pipeline && other.step == step;
        if let Some(at) = self.named.iter().position(known) {
            return Some(Named::Foreign(at));
        }
        let documents: Vec<_> = self
            .places
            .iter()
            .map(|place| self.folders.pipelines(place))
            .collect();
        let documents: Vec<(String, &Document)> = documents
            .iter()
            .flat_map(|folder| folder.iter())
            .map(|document| (name_of(document), document))
            .collect();
        let Some((_, document)) = documents.iter().find(|(found, _)| found == pipeline) else {
            let names = || {
                documents
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .filter(|n| *n != self.own)
            };
            let finding = Finding::error(
                "unknown-pipeline",
                node.part(0..pipeline.len(), ctx.files),
                format!("unknown pipeline `{pipeline}`"),
            )
            .label("no pipeline of this project");
            ctx.report(match did_you_mean(pipeline, names()) {
                Some(near) => finding.help(format!("did you mean `{near}/{step}`?")),
                None if names().next().is_none() => finding.help(
                    "other pipelines are looked for beside this file, and in `pipelines/` of the project",
                ),
                None => finding.help(format!("the project's other pipelines: {}", all_of(names()))),
            });
            return None;
        };
        let steps = document.root.get("steps").map(Node::entries).unwrap_or_default();
        let Some(entry) = steps.iter().find(|entry| entry.key.text == step) else {
            let names = || steps.iter().map(|entry| entry.key.text.as_str());
            let finding = Finding::error(
                "unknown-step",
                node.part(pipeline.len() + 1..name.len(), ctx.files),
                format!("pipeline `{pipeline}` has no step `{step}`"),
            )
            .label("no step of that file");
            ctx.report(match did_you_mean(step, names()) {
                Some(near) => finding.help(format!("did you mean `{pipeline}/{near}`?")),
                None => finding.help(format!("its steps: {}", all_of(names()))),
            });
            return None;
        };
        let info = steps::info(entry, steps);
        if !info.has_row_id {
            ctx.report(
                Finding::error(
                    "missing-key",
                    node.span.clone(),
                    format!("rows of `{name}` cannot be referred to"),
                )
                .label("its source has neither `id` nor a key")
                .help("add to that source what tells its rows apart: `id: FIELD`"),
            );
            return None;
        }
        let (Some(object), false) = (info.object.clone(), info.to_file) else {
            ctx.report(
                Finding::error(
                    "wrong-step",
                    node.span.clone(),
                    format!("`{name}` writes no records"),
                )
                .label("nothing in the target to refer to")
                .help("name a step whose target is an object"),
            );
            return None;
        };
        let source = source(entry, steps, &document.root)?;
        self.named.push(ForeignStep {
            pipeline: pipeline.to_owned(),
            step: step.to_owned(),
            object,
            source,
            found_by: found_by(entry),
            span: node.span.clone(),
        });
        Some(Named::Foreign(self.named.len() - 1))
    }
}

fn name_of(document: &Document) -> String {
    match document.root.get("name").and_then(Node::text) {
        Some(name) => name.to_owned(),
        None => document
            .path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default(),
    }
}

/// What a step reads, as state names it.
fn source(step: &Entry, steps: &[Entry], root: &Node) -> Option<ForeignSource> {
    let entry = steps::source_of(step, steps)?;
    let node = &entry.value;
    if let Some(http) = node.get("http") {
        let address = http.get("get").or_else(|| http.get("post"))?.text()?;
        let credential = address.strip_prefix("callout:")?.split('/').next()?;
        return Some(ForeignSource::Callout(credential.to_owned()));
    }
    for file in ["csv", "jsonl"] {
        if let Some(file) = node.get(file) {
            let path = file.text().or_else(|| file.get("path").and_then(Node::text))?;
            return Some(ForeignSource::File(path.to_owned()));
        }
    }
    let connection = node.get("connection").or_else(|| root.get("from"))?;
    Some(ForeignSource::Org(connection.text()?.to_owned()))
}

/// The target's key, where it is filled with the row id alone.
fn found_by(step: &Entry) -> Option<String> {
    let node = &step.value;
    let source = node.get("source")?;
    if source.get("each").is_some() {
        return None;
    }
    let id = source.get("id").map_or(Some("Id"), Node::text)?;
    let key = node.get("target")?.get("key")?.text()?;
    let filled = node
        .get("map")?
        .entries()
        .iter()
        .find(|entry| entry.key.text.eq_ignore_ascii_case(key))?;
    let same = filled.value.text()?.trim().eq_ignore_ascii_case(id.trim());
    (same && !key.eq_ignore_ascii_case("Id")).then(|| key.to_owned())
}
