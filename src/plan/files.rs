//! Files on either side of a step: their paths with the vars of the run, what is in them, and what is written.

use std::collections::BTreeMap;

use super::{NullRule, RowsFile, Schemas, TargetField, column_value, fields::shape};
use crate::{
    diag::{Finding, did_you_mean},
    file::{FileError, Place, Survey, survey, tidy},
    pipeline::{
        Pipeline,
        expr::{Context, RunInfo, Vars},
        model::{self, Copy, FilePath, MapValue, Only, Source, Step},
    },
    record::FieldPath,
    salesforce::SObjectDescribe,
    transform::{MappedField, Shape, ShapeKind},
};

/// A file, its path with the vars of the run.
///
/// # Errors
/// Why no path comes of it.
pub(super) fn settle(file: &model::RowsFile, vars: &Vars, run: &RunInfo) -> Result<RowsFile, Box<Finding>> {
    let bad = |message: String| {
        Box::new(
            Finding::error("bad-var", file.span.clone(), message)
                .label("no path comes of this")
                .help("give another value with `--var NAME=VALUE`, or mend the default under `vars`"),
        )
    };
    let place = match &file.path {
        FilePath::Standard => Place::Standard,
        FilePath::Path {
            folder,
            template,
            text,
        } => {
            let text = match template {
                None => text.clone(),
                Some(template) => {
                    let context = Context {
                        row: &[],
                        vars,
                        run,
                        item: None,
                        item_number: 0,
                    };
                    let value = template.eval(&context).map_err(|error| bad(error.to_string()))?;
                    let text = value.as_text().unwrap_or_default();
                    if text.is_empty() {
                        return Err(bad("the path of the file is empty".into()));
                    }
                    text.to_owned()
                }
            };
            Place::Path(tidy(&folder.join(text)))
        }
    };
    Ok(RowsFile {
        place,
        format: file.format,
    })
}

/// Reads every file that the pipeline reads, for faults, columns and rows, before anything is done. Standard input
/// is read once, and a file that a step of the pipeline writes is not there yet: of those nothing is known before.
///
/// # Errors
/// The first file that cannot be read to its end.
pub fn survey_files(
    pipeline: &Pipeline,
    vars: &Vars,
    run: &RunInfo,
) -> Result<BTreeMap<usize, Survey>, FileError> {
    let settled = |file: &model::RowsFile| settle(file, vars, run).ok();
    let written: Vec<RowsFile> = pipeline
        .steps
        .iter()
        .filter_map(|step| settled(step.target.file.as_ref()?))
        .collect();
    let mut known: Vec<(RowsFile, Survey)> = Vec::new();
    let mut surveys = BTreeMap::new();
    for (index, step) in pipeline.steps.iter().enumerate() {
        let Source::File(file) = &step.source else {
            continue;
        };
        let Some(file) = settled(file) else { continue };
        if file.place == Place::Standard || written.iter().any(|other| other.place == file.place) {
            continue;
        }
        let found = match known.iter().find(|(other, _)| *other == file) {
            Some((_, found)) => found.clone(),
            None => {
                let found = survey(&file.place, &file.format)?;
                known.push((file, found.clone()));
                found
            }
        };
        surveys.insert(index, found);
    }
    Ok(surveys)
}

/// Complains about columns that the step reads and its CSV file does not have.
pub(super) fn check_columns(step: &Step, index: usize, schemas: &Schemas, findings: &mut Vec<Finding>) {
    let Source::File(file) = &step.source else { return };
    let (Some(survey), crate::file::Format::Csv { .. }) = (schemas.file(index), file.format) else {
        return;
    };
    for (at, column) in step.columns.iter().enumerate() {
        let there = survey
            .columns
            .iter()
            .any(|name| name.eq_ignore_ascii_case(column.path.as_str()));
        if there || column.optional || step.whole_row == Some(at) {
            continue;
        }
        let finding = Finding::error(
            "unknown-source-field",
            column.span.clone(),
            format!("`{}` has no column `{}`", file.path.shown(), column.path),
        )
        .label("not in the header line");
        let known = survey.columns.iter().map(String::as_str);
        findings.push(match did_you_mean(column.path.as_str(), known) {
            Some(close) => finding.help(format!("did you mean `{close}`?")),
            None => finding.help(format!("its columns: {}", survey.columns.join(", "))),
        });
    }
}

/// What a file target writes: a column for each line of `copy` and `map`, values as they are.
pub(super) fn fields(
    step: &Step,
    index: usize,
    schemas: &Schemas,
    source: Option<&SObjectDescribe>,
    columns: &mut Vec<FieldPath>,
    findings: &mut Vec<Finding>,
) -> Vec<(MappedField, TargetField)> {
    let mut written: Vec<(FieldPath, MapValue)> = Vec::new();
    match &step.copy {
        Copy::Nothing => {}
        Copy::Fields(copied) => {
            written.extend(
                copied
                    .iter()
                    .map(|c| (FieldPath::from(c.field.as_str()), column_value(c.column))),
            );
        }
        Copy::All { except, span } => {
            let all: Option<Vec<FieldPath>> = match (&step.source, source) {
                // Compounds are their parts, and bodies are files of their own.
                (Source::Object { .. }, Some(source)) => Some(
                    source
                        .fields
                        .iter()
                        .filter(|field| shape(field).is_some())
                        .map(|field| FieldPath::from(field.name.as_str()))
                        .collect(),
                ),
                (Source::File(_), _) => schemas.file(index).map(|survey| {
                    survey
                        .columns
                        .iter()
                        .map(|name| FieldPath::from(name.as_str()))
                        .collect()
                }),
                _ => Some(step.columns.iter().map(|column| column.path.clone()).collect()),
            };
            let Some(all) = all else {
                findings.push(unknown_columns(span));
                return Vec::new();
            };
            for path in all {
                let left_out = except
                    .iter()
                    .any(|(name, _)| name.eq_ignore_ascii_case(path.as_str()))
                    || step.map.iter().any(|line| line.field == path);
                if left_out {
                    continue;
                }
                let column = columns
                    .iter()
                    .position(|known| *known == path)
                    .unwrap_or_else(|| {
                        columns.push(path.clone());
                        columns.len() - 1
                    });
                written.push((path, column_value(column)));
            }
        }
    }
    written.extend(
        step.map
            .iter()
            .map(|line| (line.field.clone(), named(&line.value.on(Only::Create)))),
    );
    written
        .into_iter()
        .map(|(name, value)| {
            let target = TargetField {
                name: name.as_str().to_owned(),
                parent: None,
                shape: Shape {
                    kind: ShapeKind::Text,
                    scale: 0,
                },
                createable: true,
                updateable: true,
                null: NullRule::Clears,
                body: false,
            };
            let mapped = MappedField {
                name,
                value,
                shape: None,
                looping: false,
                partial: false,
            };
            (mapped, target)
        })
        .collect()
}

/// `copy: all` of a file that nobody has read yet.
pub(super) fn unknown_columns(span: &crate::diag::Span) -> Finding {
    Finding::error(
        "wrong-type",
        span.clone(),
        "`copy: all` needs a source with known fields",
    )
    .label("a step of this pipeline writes that file first")
    .help("name the fields: `copy: [Name, Phone]`")
}

/// In a file a record type is its name.
fn named(value: &MapValue) -> MapValue {
    value.changed(&|value| match value {
        MapValue::RecordType { of, .. } => Some(named(of)),
        _ => None,
    })
}
