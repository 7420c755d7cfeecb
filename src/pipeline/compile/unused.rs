use super::{Ctx, deletes, expressions::Usage};
use crate::{diag::Finding, pipeline::model::Var, spec::Node};

/// Warns of vars and tables that the pipeline declares itself and never uses.
pub(super) fn report(root: &Node, vars: &[Var], usage: &Usage, ctx: &mut Ctx<'_>) {
    // What faulty steps use is not known.
    if root.get("steps").is_none_or(Node::has_broken_part) {
        return;
    }
    if let Some(deletes) = deletes::said(root).filter(|said| said.text() != Some("ignore"))
        && !usage.deletes
    {
        ctx.report(
            Finding::warning(
                "deletes-not-followed",
                deletes.span.clone(),
                "no step of this pipeline follows deletions",
            )
            .label("only steps with a `cursor` do")
            .help(
                "add `cursor: SystemModstamp` to the sources whose deletions count, or leave `deletes` out",
            ),
        );
    }
    let file = root.span.file;
    let own = |section: &str| root.get(section).map(Node::entries).unwrap_or_default();
    for entry in own("vars") {
        let name = &entry.key.text;
        if vars.iter().any(|var| var.name == *name) && !usage.vars.contains(name) {
            ctx.report(
                Finding::warning(
                    "unused-var",
                    entry.key.span.clone(),
                    format!("nothing uses the var `{name}`"),
                )
                .label("never read")
                .help(format!(
                    "read it by `:{name}` in a query or `vars.{name}` in an expression, or remove it"
                )),
            );
        }
    }
    for entry in own("tables").iter().filter(|entry| entry.key.span.file == file) {
        let name = &entry.key.text;
        if !usage.tables.contains(name) {
            ctx.report(
                Finding::warning(
                    "unused-table",
                    entry.key.span.clone(),
                    format!("nothing uses the table `{name}`"),
                )
                .label("never read")
                .help(format!(
                    "use it by `{{ table: {name}, of: FIELD }}`, or remove it"
                )),
            );
        }
    }
}
