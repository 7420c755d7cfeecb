//! From what was typed to what it means, with every complaint on the way.
//!
//! [`load`] is the way in. A file each for what a pipeline is made of; [`steps`] goes through the steps,
//! [`mapping`] through what their fields get, [`scope`] knows what names mean there.

mod access;
mod checks;
mod credentials;
mod deletes;
mod environments;
mod expressions;
mod fields;
mod files;
mod filled;
mod foreign;
mod http;
mod mapping;
mod order;
mod pii;
mod policy;
mod scope;
mod source;
mod state;
mod steps;
mod target;
mod test_cases;
mod unused;
mod vars;

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

pub(crate) use pii::masked;
pub use vars::apply_vars;

use super::{
    Pipeline,
    credentials::ValueRef,
    model::{Policy, StatePlace},
};
use crate::{
    diag::{Files, Finding, Severity, Span, all_of, did_you_mean, sort},
    file::tidy,
    spec::{Document, FileKind, Loader, Node, Project},
};
use access::Declared;

/// What came of loading files.
#[derive(Debug)]
pub struct Loaded {
    /// The pipelines without a fault, in the order of their files.
    pub pipelines: Vec<Pipeline>,
    /// Every file that was read.
    pub files: Files,
    /// Everything that is wrong, or worth knowing, with all of them; in the reader's order.
    pub findings: Vec<Finding>,
}

impl Loaded {
    /// Whether a file is not valid.
    pub fn has_errors(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }
}

/// Reads and checks files: pipelines, project files, credentials, mappings. A folder stands for every `*.yaml` in it;
/// no path for the project's `pipelines/`, else this folder. `env` is the name after `--env`. Reads no environment
/// variable, asks no network, needs no secret.
pub fn load(paths: &[PathBuf], env: Option<&str>) -> Loaded {
    load_for(paths, env, Purpose::Use, Loader::default())
}

/// As [`load`], with a text for what one of the files holds.
pub fn load_instead(path: &Path, text: String, env: Option<&str>) -> Loaded {
    let mut loader = Loader::default();
    loader.stand_in(path, text);
    load_for(&[path.to_owned()], env, Purpose::Use, loader)
}

/// As [`load`], and where `env` names no environment, what can be said of all of them: their credentials are read too,
/// and whether they have what the pipelines name.
pub fn load_to_check(paths: &[PathBuf], env: Option<&str>) -> Loaded {
    load_for(paths, env, Purpose::Check, Loader::default())
}

/// Where the project of a folder keeps its state; `root` is its project file's, where there is one.
pub(crate) fn state_of(root: Option<&Node>, folder: &Path) -> StatePlace {
    state::place(root, folder)
}

/// What files are loaded for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A fault of an environment that is not asked for stops nobody.
    Use,
    /// All that is wrong is to be told.
    Check,
}

fn load_for(paths: &[PathBuf], env: Option<&str>, purpose: Purpose, mut loader: Loader) -> Loaded {
    let mut given = paths.to_vec();
    if given.is_empty() {
        let project = loader.project(Path::new("x.yaml"));
        let pipelines = tidy(&project.folder.join("pipelines"));
        given.push(if pipelines.is_dir() {
            pipelines
        } else {
            PathBuf::from(".")
        });
    }
    let mut seen = HashSet::new();
    let mut documents = Vec::new();
    let expanded: Vec<PathBuf> = given.iter().flat_map(|path| loader.expand(path)).collect();
    for path in expanded {
        let identity = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if seen.insert(identity)
            && let Some(document) = loader.document(&path)
        {
            documents.push(document);
        }
    }
    let folders = foreign::Folders::default();
    let mut environments = environments::Environments::new(env.is_none() && purpose == Purpose::Check);
    let mut pipelines = Vec::new();
    let mut used = Vec::new();
    for document in &documents {
        match document.kind {
            FileKind::Pipeline => {
                let mut compiled = compile_file(&mut loader, document, env, &folders, &mut environments);
                if let Some(pipeline) = &mut compiled.pipeline {
                    pipeline.digest = digest(&loader, &compiled.files, compiled.credentials);
                }
                used.push(std::mem::take(&mut compiled.files));
                pipelines.push(compiled.pipeline);
            }
            FileKind::Credentials => {
                let mut ctx = Ctx::new(&loader.files, &mut loader.findings);
                credentials::compile(&document.root, document.folder(), &mut ctx);
            }
            FileKind::Project => {
                let mut ctx = Ctx::new(&loader.files, &mut loader.findings);
                state::check(&document.root, &mut ctx);
                environments::files(&document.root, document.folder(), &mut ctx);
                vars::of_environments(&document.root, &mut ctx);
                environments.read(document, &mut loader);
            }
            FileKind::Mapping => {}
        }
    }
    loader.hide_secrets();
    let Loader {
        files, mut findings, ..
    } = loader;
    sort(&mut findings, &files);
    let wrong: HashSet<usize> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.primary.span.file)
        .collect();
    let pipelines = pipelines
        .into_iter()
        .zip(used)
        .filter(|(_, used)| !used.iter().any(|file| wrong.contains(file)))
        .filter_map(|(pipeline, _)| pipeline)
        .collect();
    Loaded {
        pipelines,
        files,
        findings,
    }
}

/// Where complaints go.
pub(super) struct Ctx<'a> {
    files: &'a Files,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Ctx<'a> {
    fn new(files: &'a Files, findings: &'a mut Vec<Finding>) -> Self {
        Ctx { files, findings }
    }

    fn report(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn head(&self, node: &Node) -> Span {
        node.head(self.files)
    }
}

/// A complaint about a name that is not declared.
fn unknown<'a>(
    code: crate::diag::Code,
    what: &str,
    name: &str,
    span: Span,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Finding {
    let finding = Finding::error(code, span, format!("unknown {what} `{name}`")).label("not declared");
    match did_you_mean(name, known.clone()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => {
            let known: Vec<&str> = known.into_iter().collect();
            if known.is_empty() {
                finding
            } else {
                finding.help(format!("declared: {}", all_of(known)))
            }
        }
    }
}

struct Compiled {
    pipeline: Option<Pipeline>,
    /// The files that it is made of.
    files: Vec<usize>,
    /// Of those, the one that holds nothing but credentials, where there is one.
    credentials: Option<usize>,
}

fn compile_file(
    loader: &mut Loader,
    document: &Document,
    env: Option<&str>,
    folders: &foreign::Folders,
    environments: &mut environments::Environments,
) -> Compiled {
    let project = loader.project(&document.path);
    let overlay = overlay(loader, document, &project, env);
    let mut files = vec![document.file];
    files.extend(project.file.as_ref().map(|file| file.file));
    let credentials = credentials_of(loader, document, &project, overlay.as_ref());
    let secret = credentials
        .document()
        .map(|found| found.file)
        .filter(|file| *file != document.file);
    files.extend(secret.or(credentials.document().map(|found| found.file)));
    // An included mapping or table is part of the pipeline too.
    document.root.files(&mut files);
    if let Some(file) = &project.file {
        file.root.files(&mut files);
    }

    let unreadable = matches!(credentials, Found::Faulty);
    let before = loader.findings.len();
    let mut ctx = Ctx::new(&loader.files, &mut loader.findings);
    if let Some(file) = &project.file {
        environments::files(&file.root, &project.folder, &mut ctx);
        vars::of_environments(&file.root, &mut ctx);
    }
    let declared = match credentials {
        Found::Nothing => Declared::default(),
        Found::Faulty => Declared::faulty(),
        Found::Here(document, node) => {
            let compiled = credentials::compile(&node, document.folder(), &mut ctx);
            Declared::new(compiled, &node, document.path.clone())
        }
    };
    let (pipeline, used) = compile(document, &project, overlay.as_ref(), declared, folders, &mut ctx);
    if let Some(file) = &project.file {
        environments.compare(file, &used, loader);
    }
    if project.broken {
        // What the project file declares is not known: that a name is declared nowhere is nothing that can be said.
        let mut at = 0;
        loader.findings.retain(|finding| {
            at += 1;
            at <= before
                || !matches!(
                    finding.code,
                    "unknown-credential" | "unknown-var" | "unknown-table"
                )
        });
        return Compiled {
            pipeline: None,
            files,
            credentials: secret,
        };
    }
    Compiled {
        pipeline: pipeline.filter(|_| !unreadable),
        files,
        credentials: secret,
    }
}

/// A digest of files' texts. Credentials may change without the rows becoming others: who the orgs are is seen when
/// they are signed in to.
fn digest(loader: &Loader, files: &[usize], credentials: Option<usize>) -> String {
    let files: BTreeSet<usize> = files.iter().copied().collect();
    let mut digest = Sha256::new();
    for file in files.into_iter().filter(|file| Some(*file) != credentials) {
        let text = loader.files.text(file);
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What `--env NAME` changes.
fn overlay(loader: &mut Loader, document: &Document, project: &Project, env: Option<&str>) -> Option<Node> {
    let name = env?;
    let environments = project
        .file
        .as_ref()
        .and_then(|file| file.root.entry("environments"));
    let found = environments.and_then(|entry| entry.value.get(name));
    if found.is_none() {
        let finding = match environments {
            Some(entry) => unknown(
                "unknown-environment",
                "environment",
                name,
                entry.key.span.clone(),
                entry.value.entries().iter().map(|e| e.key.text.as_str()).collect::<Vec<_>>(),
            )
            .label(format!("`--env {name}` is none of these")),
            None => Finding::error(
                "unknown-environment",
                Span::new(document.file, 0..0),
                format!("`--env {name}` names no environment"),
            )
            .help(format!("declare it in `orgferry.yaml`: environments: {{ {name}: {{ credentials: credentials.{name}.yaml }} }}")),
        };
        loader.findings.push(finding);
    }
    found.cloned()
}

/// The credentials of a pipeline.
enum Found {
    /// None are declared.
    Nothing,
    /// They cannot be read, which was complained about.
    Faulty,
    /// The node with the three keys, and the document that it stands in.
    Here(Box<Document>, Node),
}

impl Found {
    fn document(&self) -> Option<&Document> {
        match self {
            Found::Here(document, _) => Some(document),
            Found::Nothing | Found::Faulty => None,
        }
    }
}

fn credentials_of(
    loader: &mut Loader,
    document: &Document,
    project: &Project,
    overlay: Option<&Node>,
) -> Found {
    let mut open = |path: &Path, from: &Span| match loader.named(&tidy(path), FileKind::Credentials, from) {
        Some(document) if !document.root.is_broken() => {
            let node = document.root.clone();
            Found::Here(Box::new(document), node)
        }
        _ => Found::Faulty,
    };
    let named = |node: Option<&Node>| {
        let node = node?.get("credentials")?;
        Some((node.text()?.to_owned(), node.span.clone()))
    };
    if let Some((path, span)) = named(overlay) {
        return open(&project.folder.join(path), &span);
    }
    if let Some(node) = document.root.get("credentials") {
        return match node.text() {
            Some(path) => open(&document.folder().join(path), &node.span),
            None if node.is_broken() => Found::Faulty,
            None => Found::Here(Box::new(document.clone()), node.clone()),
        };
    }
    if let Some((path, span)) = named(project.file.as_ref().map(|file| &file.root)) {
        return open(&project.folder.join(path), &span);
    }
    let usual = project.folder.join("credentials.yaml");
    if usual.is_file() {
        open(&usual, &Span::new(document.file, 0..0))
    } else {
        Found::Nothing
    }
}

fn compile(
    document: &Document,
    project: &Project,
    overlay: Option<&Node>,
    declared: Declared,
    folders: &foreign::Folders,
    ctx: &mut Ctx<'_>,
) -> (Option<Pipeline>, Vec<access::Use>) {
    let root = &document.root;
    if root.is_broken() {
        return (None, Vec::new());
    }
    let text = |key: &str| root.get(key).and_then(Node::text).map(str::to_owned);
    let name = text("name").unwrap_or_else(|| {
        document
            .path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default()
    });
    let project_root = project.file.as_ref().map(|file| &file.root);
    let mut policy = Policy::default();
    let levels = [project_root, Some(root), overlay];
    for level in levels.into_iter().flatten() {
        policy::overlay(&mut policy, level.get("policy"));
    }
    let deletes = levels
        .iter()
        .rev()
        .flatten()
        .find_map(|level| deletes::said(level));
    let vars = vars::declared(&levels, ctx);
    let tables = mapping::Tables::new(&levels);
    let marks = pii::Marks::new(&levels);

    let mut access = access::Access::new(&declared, &name, root);
    let mut others = foreign::Others::new(folders, document, &project.folder, &name);
    let mut steps = steps::Steps::new(
        root,
        &vars,
        &tables,
        &mut access,
        &mut others,
        &marks,
        (policy, deletes),
    );
    let compiled = steps.compile(ctx);
    let usage = steps.into_usage();
    let foreign = std::mem::take(&mut others.named);
    let used = access.finish(ctx);
    let mask_key = mask_key(document, project, usage.mask.as_ref(), ctx);
    if compiled.is_some() {
        unused::report(root, &vars, &usage, ctx);
    }

    if let Some(root) = project_root {
        state::check(root, ctx);
    }
    let whole = compiled.zip(mask_key);
    let pipeline = whole.map(|(steps, mask_key)| Pipeline {
        name,
        description: text("description"),
        file: document.path.clone(),
        digest: String::new(),
        project: project.folder.clone(),
        state: state::place(project_root, &project.folder),
        from: text("from"),
        to: text("to"),
        run_as: text("run_as"),
        credentials: Arc::new(declared.credentials),
        vars,
        steps,
        foreign,
        mask_key,
        personal: marks.all(),
    });
    (pipeline, used)
}

/// Where the key of `mask` comes from: `None` outside when it is complained about. `masks` is where it is needed first.
fn mask_key(
    document: &Document,
    project: &Project,
    masks: Option<&Span>,
    ctx: &mut Ctx<'_>,
) -> Option<Option<ValueRef>> {
    let own = document
        .root
        .entry("mask_key")
        .map(|entry| (entry, document.folder()));
    let shared = || {
        let file = project.file.as_ref()?;
        Some((file.root.entry("mask_key")?, project.folder.as_path()))
    };
    let Some((entry, folder)) = own.or_else(shared) else {
        let Some(span) = masks else { return Some(None) };
        ctx.report(
            Finding::error(
                "missing-key",
                span.clone(),
                "`mask` needs the project's key, and there is none",
            )
            .label("without a key anybody could find out what was masked")
            .help("add to `orgferry.yaml`, or to this pipeline: `mask_key: { env: ORGFERRY_MASK_KEY }`"),
        );
        return None;
    };
    if entry.value.is_broken() {
        return None;
    }
    if entry.value.text().is_some() {
        ctx.report(credentials::secret(
            &entry.value.span,
            "mask_key",
            "{ env: ORGFERRY_MASK_KEY }",
        ));
        return None;
    }
    credentials::value_ref(&entry.value, folder).map(Some)
}
