//! Files of rows in `source` and `target`.

use std::{collections::HashMap, path::PathBuf};

use super::{
    Ctx, expressions,
    scope::{Columns, Rows},
    steps::{Frame, source_of},
};
use crate::{
    diag::{Finding, Span, did_you_mean},
    file::{self, Encoding, FileError, Format, Place, tidy},
    pipeline::{
        expr::is_template,
        model::{FilePath, RowsFile},
    },
    spec::{Entry, Node, ORG_KEYS, delimiter},
};

/// The keys that name a file.
const KEYS: [&str; 2] = ["csv", "jsonl"];

/// Names of encodings that people use, for suggestions.
const ENCODINGS: [&str; 12] = [
    "utf-8",
    "utf-8-bom",
    "utf-16",
    "utf-16be",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "iso-8859-1",
    "iso-8859-15",
    "macintosh",
    "shift_jis",
    "gb18030",
];

/// The file that a source or target names, with its key.
pub(super) fn named(node: &Node) -> Option<(&'static str, &Entry)> {
    KEYS.iter().find_map(|key| Some((*key, node.entry(key)?)))
}

/// Compiles `csv: ...` or `jsonl: ...`.
pub(super) fn compile(
    key: &str,
    node: &Node,
    frame: &mut Frame<'_, '_>,
    ctx: &mut Ctx<'_>,
) -> Option<RowsFile> {
    let path = node.get("path").unwrap_or(node);
    let text = path.text()?;
    let mut whole = true;
    let format = match key {
        "jsonl" => Format::JsonLines,
        _ => Format::Csv {
            delimiter: node
                .get("delimiter")
                .and_then(Node::text)
                .and_then(delimiter)
                .unwrap_or(b','),
            encoding: match node.get("encoding") {
                None => Encoding::Utf8,
                Some(name) => {
                    let found = Encoding::named(name.text()?);
                    if found.is_none() {
                        ctx.report(unknown_encoding(name.text()?, name.span.clone()));
                        whole = false;
                    }
                    found.unwrap_or(Encoding::Utf8)
                }
            },
        },
    };
    let file = RowsFile {
        path: match text {
            "-" => FilePath::Standard,
            _ => FilePath::Path {
                folder: folder(path, ctx),
                template: match is_template(text) {
                    // A file of that name would be written, and nobody would look for it.
                    false if text.contains("}}") => {
                        ctx.report(
                            Finding::error("template-syntax", path.span.clone(), "`}}` closes nothing")
                                .label("no `{{` before it")
                                .help("an expression stands between `{{` and `}}`: out/{{ vars.day }}.csv"),
                        );
                        return None;
                    }
                    false => None,
                    true => {
                        let mut nowhere = Columns::new(Rows::Nowhere, frame.var_names());
                        Some(expressions::expression(
                            path,
                            &mut nowhere,
                            &mut frame.usage,
                            ctx,
                        )?)
                    }
                },
                text: text.to_owned(),
            },
        },
        format,
        span: path.span.clone(),
    };
    whole.then_some(file)
}

/// The columns of a CSV file, where they can be known offline: its path is a plain text, it is there, and no step of
/// the pipeline writes it. `Err`: its header was complained about.
pub(super) fn header(
    file: &RowsFile,
    frame: &Frame<'_, '_>,
    ctx: &mut Ctx<'_>,
) -> Result<Option<Vec<String>>, ()> {
    let (
        FilePath::Path {
            folder,
            template: None,
            text,
        },
        Format::Csv { .. },
    ) = (&file.path, &file.format)
    else {
        return Ok(None);
    };
    let path = tidy(&folder.join(text));
    if !path.exists() || frame.written.contains(&path) {
        return Ok(None);
    }
    match file::header(&Place::Path(path), &file.format) {
        Ok(header) => Ok(Some(header)),
        Err(error) => {
            let finding =
                Finding::error("bad-file", file.span.clone(), error.to_string()).label(match error {
                    FileError::Broken { .. } => "its header line is no header",
                    _ => "named here",
                });
            ctx.report(finding.help(error.help()));
            Err(())
        }
    }
}

/// Where the paths of the file that holds this node start.
pub(super) fn folder(node: &Node, ctx: &Ctx<'_>) -> PathBuf {
    match ctx.files.path(node.span.file).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The paths that the steps of a pipeline write, as far as they are plain texts. What two steps would write, and what
/// cannot be shared, is complained about.
pub(super) fn written(steps: &[Entry], ctx: &mut Ctx<'_>) -> Vec<PathBuf> {
    let mut first: HashMap<PathBuf, (String, Span)> = HashMap::new();
    let mut standard: HashMap<&str, (String, Span)> = HashMap::new();
    for step in steps {
        for (side, stream) in [("source", "standard input"), ("target", "standard output")] {
            let own = step.value.get(side);
            let node = match side {
                "source" => source_of(step, steps).map(|entry| &entry.value),
                _ => own,
            };
            let Some((_, entry)) = node.and_then(named) else {
                continue;
            };
            let path = entry.value.get("path").unwrap_or(&entry.value);
            let Some(text) = path.text() else { continue };
            let same_as = own.and_then(|own| own.get("same_as"));
            let place = same_as.unwrap_or(path).span.clone();
            let here = (step.key.text.clone(), place.clone());
            if text == "-" {
                if let Some((name, span)) = standard.get(side) {
                    let verb = if side == "source" { "read" } else { "write" };
                    ctx.report(
                        Finding::error("file-twice", place, format!("two steps cannot {verb} {stream}"))
                            .label("the second")
                            .also(span.clone(), format!("step `{name}` has it"))
                            .help("give one of them a file: `csv: PATH`"),
                    );
                } else {
                    standard.insert(side, here);
                }
            } else if side == "target" {
                let full = tidy(&folder(path, ctx).join(text));
                match first.get(&full) {
                    Some((name, span)) => ctx.report(
                        Finding::error(
                            "file-twice",
                            path.span.clone(),
                            format!("step `{name}` writes `{text}` too"),
                        )
                        .label("one would replace the other")
                        .also(span.clone(), "the first")
                        .help("give each step a file of its own"),
                    ),
                    None => {
                        first.insert(full, here);
                    }
                }
            }
        }
    }
    first
        .into_keys()
        .filter(|path| !is_template(&path.to_string_lossy()))
        .collect()
}

fn unknown_encoding(name: &str, span: Span) -> Finding {
    let finding = Finding::error("unknown-encoding", span, format!("there is no encoding `{name}`"))
        .label("unknown encoding");
    match did_you_mean(name, ENCODINGS) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => {
            finding.help("those of the web are known: `utf-8`, `utf-16`, `windows-1252`, `iso-8859-15`, ...")
        }
    }
}

/// Complains about keys that mean nothing beside a file. True: there is none.
pub(super) fn alone(side: &str, node: &Node, key: &str, ctx: &mut Ctx<'_>) -> bool {
    let mut good = true;
    for entry in node.entries() {
        let name = entry.key.text.as_str();
        let useless = match side {
            "target" => ORG_KEYS.contains(&name),
            _ => matches!(name, "connection" | "cursor"),
        };
        if useless {
            good = false;
            ctx.report(
                Finding::error(
                    "conflicting-keys",
                    entry.key.span.clone(),
                    format!("`{name}` means nothing beside `{key}`"),
                )
                .label(match name {
                    "key" => "a file is written anew, row by row",
                    _ => "a file is no org",
                })
                .help("leave it out"),
            );
        }
    }
    good
}
