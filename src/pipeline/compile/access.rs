//! Which named credentials a pipeline uses, and whether its permission set lets it.

use std::{collections::BTreeMap, path::PathBuf};

use super::{Ctx, unknown};
use crate::{
    diag::{Finding, Span},
    pipeline::credentials::{Credentials, PermissionSet, Protocol, Refusal},
    spec::Node,
};

/// The credentials that a pipeline can name, and where they are declared.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) credentials: Credentials,
    named: BTreeMap<String, Span>,
    sets: BTreeMap<String, Span>,
    path: Option<PathBuf>,
    /// The credentials could not be read: nothing can be said about their names.
    faulty: bool,
}

impl Declared {
    pub(super) fn faulty() -> Self {
        Declared {
            faulty: true,
            ..Declared::default()
        }
    }

    pub(super) fn new(credentials: Credentials, node: &Node, path: PathBuf) -> Self {
        let spans = |key: &str| {
            let entries = node.get(key).map(Node::entries).unwrap_or_default();
            entries
                .iter()
                .map(|e| (e.key.text.clone(), e.key.span.clone()))
                .collect()
        };
        Declared {
            credentials,
            named: spans("named_credentials"),
            sets: spans("permission_sets"),
            path: Some(path),
            faulty: false,
        }
    }
}

/// A named credential that a pipeline uses.
pub(super) struct Use {
    pub(super) name: String,
    pub(super) span: Span,
}

/// Collects what a pipeline uses and judges it.
pub(super) struct Access<'a> {
    declared: &'a Declared,
    pipeline: &'a str,
    run_as: Option<(String, Span)>,
    used: Vec<(String, Span)>,
}

impl<'a> Access<'a> {
    pub(super) fn new(declared: &'a Declared, pipeline: &'a str, root: &Node) -> Self {
        let mut access = Access {
            declared,
            pipeline,
            run_as: root
                .get("run_as")
                .and_then(|n| Some((n.text()?.to_owned(), n.span.clone()))),
            used: Vec::new(),
        };
        for key in ["from", "to"] {
            if let Some(node) = root.get(key)
                && let Some(name) = node.text()
            {
                access.uses(name, &node.span);
            }
        }
        access
    }

    /// A named credential is used at this place.
    pub(super) fn uses(&mut self, name: &str, span: &Span) {
        self.used.push((name.to_owned(), span.clone()));
    }

    /// Reports what is not declared and what is not allowed, each once. Gives what is declared and used.
    pub(super) fn finish(self, ctx: &mut Ctx<'_>) -> Vec<Use> {
        if self.declared.faulty {
            return Vec::new();
        }
        self.judge(ctx);
        let declared = self
            .used
            .into_iter()
            .filter(|(name, _)| self.declared.named.contains_key(name));
        declared.map(|(name, span)| Use { name, span }).collect()
    }

    fn judge(&self, ctx: &mut Ctx<'_>) {
        let sets = &self.declared.credentials.permission_sets;
        let set_names: Vec<&str> = self.declared.sets.keys().map(String::as_str).collect();
        let mut judged = true;
        if let Some((name, span)) = &self.run_as
            && !self.declared.sets.contains_key(name)
        {
            judged = false;
            ctx.report(if set_names.is_empty() {
                Finding::error(
                    "unknown-permission-set",
                    span.clone(),
                    format!("unknown permission set `{name}`"),
                )
                .label("no permission set is declared")
                .help("leave `run_as` out: without permission sets every pipeline may use every principal")
            } else {
                unknown(
                    "unknown-permission-set",
                    "permission set",
                    name,
                    span.clone(),
                    set_names.clone(),
                )
            });
        }
        let mut said: Vec<Refusal> = Vec::new();
        for (name, span) in &self.used {
            if !self.declared.named.contains_key(name) {
                ctx.report(self.unknown_credential(name, span));
                continue;
            }
            let credentials = &self.declared.credentials;
            let Some(external) = credentials
                .named
                .get(name)
                .and_then(|named| credentials.external.get(&named.external_credential))
            else {
                continue;
            };
            if external.protocol == Protocol::None || external.principals.is_empty() || !judged {
                continue;
            }
            let run_as = self.run_as.as_ref().map(|(name, _)| name.as_str());
            let Err(refusal) = credentials.principal_for(external, self.pipeline, run_as) else {
                continue;
            };
            let whole = !matches!(refusal, Refusal::NoPrincipal { .. });
            if whole && said.contains(&refusal) {
                continue;
            }
            let finding = self.refused(&refusal, name, span, sets.keys().map(String::as_str).collect());
            ctx.report(finding);
            said.push(refusal);
        }
    }

    fn unknown_credential(&self, name: &str, span: &Span) -> Finding {
        let known: Vec<&str> = self.declared.named.keys().map(String::as_str).collect();
        match &self.declared.path {
            None => Finding::error(
                "unknown-credential",
                span.clone(),
                format!("unknown named credential `{name}`"),
            )
            .label("no credentials are declared")
            .help("declare it under `named_credentials:` in `credentials.yaml` in the project's folder"),
            Some(path) if known.is_empty() => Finding::error(
                "unknown-credential",
                span.clone(),
                format!("unknown named credential `{name}`"),
            )
            .label(format!("`{}` declares none", path.display())),
            Some(_) => unknown(
                "unknown-credential",
                "named credential",
                name,
                span.clone(),
                known,
            ),
        }
    }

    fn refused(&self, refusal: &Refusal, name: &str, span: &Span, sets: Vec<&str>) -> Finding {
        let place = match (refusal, &self.run_as) {
            (Refusal::PipelineNotCovered { .. }, Some((_, run_as))) => run_as.clone(),
            _ => span.clone(),
        };
        let finding = Finding::error("access-refused", place, refusal.to_string());
        let set_span = |set: &String| self.declared.sets.get(set).cloned().unwrap_or_default();
        match refusal {
            Refusal::NoRunAs => {
                let external = |name: &str| {
                    self.declared
                        .credentials
                        .named
                        .get(name)
                        .map(|n| &n.external_credential)
                };
                let opens = |set: &&PermissionSet, name: &str| {
                    set.covers(self.pipeline) && set.principals.iter().any(|(e, _)| Some(e) == external(name))
                };
                let all = || self.declared.credentials.permission_sets.values();
                let opening = all()
                    .find(|set| self.used.iter().all(|(name, _)| opens(set, name)))
                    .or_else(|| all().find(|set| opens(set, name)));
                let set = opening
                    .map(|set| set.name.as_str())
                    .or(sets.first().copied())
                    .unwrap_or("SET");
                finding
                    .label("needs a permission set")
                    .help(format!("add `run_as: {set}` to the pipeline"))
            }
            Refusal::PipelineNotCovered { set, pipeline } => finding
                .label(format!("not for `{pipeline}`"))
                .also(set_span(set), "its `pipelines` do not match")
                .help(format!(
                    "add `{pipeline}` to `pipelines` of `{set}`, or name another set"
                )),
            Refusal::NoPrincipal { set, external } => {
                let principals = self
                    .declared
                    .credentials
                    .external
                    .get(external)
                    .map(|e| &e.principals);
                let first = principals
                    .and_then(|p| p.first())
                    .map_or("PRINCIPAL", |p| p.name.as_str());
                finding
                    .label(format!("calls with `{external}`"))
                    .also(set_span(set), format!("opens no principal of `{external}`"))
                    .help(format!(
                        "add `{external}.{first}` to `principals` of `{set}`, or name another set"
                    ))
            }
            Refusal::Empty { .. } => finding,
        }
    }
}
