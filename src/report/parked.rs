//! Parked rows: grouped by reason, and as CSV with the user's own columns.
//!
//! Both read state page by page, so that a million parked rows need no more memory than one page.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{ParkedFile, ParkedGroup};
use crate::{
    record::ParkReason,
    state::{ParkedRow, StateError, Store},
};

/// Rows a page.
const PAGE: usize = 1000;

/// Source ids that a group names.
const EXAMPLES: usize = 5;

/// Groups of one step; what comes after shares the last. Messages are not part of what makes a group, so that only
/// a step of very many codes and fields comes here.
const GROUPS: usize = 100;

/// Our columns, after the user's.
const COLUMNS: [&str; 6] = [
    "orgferry_code",
    "orgferry_message",
    "orgferry_field",
    "orgferry_help",
    "orgferry_source_id",
    "orgferry_target_id",
];

/// A step's parked rows, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepParked {
    /// The step.
    pub step: String,
    /// Columns of its source rows, in the source's order.
    pub columns: Vec<String>,
    /// By reason, the most frequent first.
    pub groups: Vec<ParkedGroup>,
    /// All of them.
    pub rows: u64,
}

/// Why a file of parked rows could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ParkedError {
    /// State did not give them.
    #[error(transparent)]
    State(#[from] StateError),
    /// The file did not take them.
    #[error("cannot write parked rows to `{path}`: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Counts a run's parked rows by step and reason.
///
/// # Errors
/// When state cannot be read.
pub fn survey(store: &dyn Store, run: &str) -> Result<Vec<StepParked>, StateError> {
    let mut steps: Vec<StepParked> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    each(store, run, None, |step, row, reason| {
        if steps.last().is_none_or(|last| last.step != step) {
            known.clear();
            steps.push(StepParked {
                step: step.to_owned(),
                columns: Vec::new(),
                groups: Vec::new(),
                rows: 0,
            });
        }
        if let Some(current) = steps.last_mut() {
            for (column, _) in &row.values {
                if !known.contains(column) {
                    known.insert(column.clone());
                    current.columns.push(column.clone());
                }
            }
            current.count(&row, reason);
        }
        Ok::<bool, StateError>(true)
    })?;
    for step in &mut steps {
        step.groups.sort_by_key(|group| std::cmp::Reverse(group.rows));
    }
    Ok(steps)
}

/// Writes `STEP.csv` for each step into the folder.
///
/// # Errors
/// When state cannot be read or a file cannot be written.
pub fn write_files(
    store: &dyn Store,
    run: &str,
    steps: &[StepParked],
    folder: &Path,
) -> Result<Vec<ParkedFile>, ParkedError> {
    let fail = |path: &Path| {
        let path = path.display().to_string();
        move |source: io::Error| ParkedError::Write { path, source }
    };
    if !steps.is_empty() {
        fs::create_dir_all(folder).map_err(fail(folder))?;
    }
    let mut taken = HashSet::new();
    let mut files = Vec::new();
    for step in steps {
        let path = folder.join(file_name(&step.step, &mut taken));
        let file = fs::File::create(&path).map_err(fail(&path))?;
        write_csv(store, run, step, io::BufWriter::new(file), &path)?;
        files.push(ParkedFile {
            step: step.step.clone(),
            path: path.display().to_string(),
            rows: step.rows,
        });
    }
    Ok(files)
}

/// Writes a step's parked rows as CSV: the source's columns, then ours. `path` is for messages.
///
/// # Errors
/// When state cannot be read or the writer does not take them.
pub fn write_csv(
    store: &dyn Store,
    run: &str,
    step: &StepParked,
    out: impl io::Write,
    path: &Path,
) -> Result<(), ParkedError> {
    let fail = |source: io::Error| ParkedError::Write {
        path: path.display().to_string(),
        source,
    };
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(header(&step.columns))
        .map_err(|e| fail(e.into()))?;
    each(store, run, Some(&step.step), |name, row, reason| {
        if name != step.step {
            return Ok(false);
        }
        let target = store
            .outcome(run, name, &row.source_id)?
            .and_then(|o| o.target_id);
        // Rows of one step have the same columns in the same order, but nothing here depends on it.
        let own = step.columns.iter().enumerate().map(|(at, column)| {
            let found = match row.values.get(at) {
                Some((name, value)) if name == column => value.as_deref(),
                _ => row
                    .values
                    .iter()
                    .find(|(name, _)| name == column)
                    .and_then(|(_, value)| value.as_deref()),
            };
            found.unwrap_or_default()
        });
        let ours = [
            reason.code.as_str(),
            &reason.message,
            reason.field.as_deref().unwrap_or_default(),
            &reason.help,
            &row.source_id,
            target.as_deref().unwrap_or_default(),
        ];
        csv.write_record(own.chain(ours)).map_err(|e| fail(e.into()))?;
        Ok::<bool, ParkedError>(true)
    })?;
    csv.flush().map_err(fail)
}

impl StepParked {
    fn count(&mut self, row: &ParkedRow, reason: ParkReason) {
        self.rows += 1;
        let full = self.groups.len() >= GROUPS;
        let last = self.groups.len().saturating_sub(1);
        let at = self
            .groups
            .iter()
            .position(|g| g.code == reason.code && g.field.as_deref() == reason.field.as_deref())
            .or(full.then_some(last));
        match at.and_then(|at| self.groups.get_mut(at)) {
            Some(group) => {
                group.rows += 1;
                if group.source_ids.len() < EXAMPLES {
                    group.source_ids.push(row.source_id.to_string());
                }
            }
            None => self.groups.push(ParkedGroup {
                code: reason.code.to_string(),
                field: reason.field.map(|field| field.to_string()),
                message: reason.message,
                source_ids: vec![row.source_id.to_string()],
                rows: 1,
                help: reason.help,
            }),
        }
    }
}

/// Calls `visit` with each parked row of a run, from the first of step `from` on, until it says false.
fn each<E: From<StateError>>(
    store: &dyn Store,
    run: &str,
    from: Option<&str>,
    mut visit: impl FnMut(&str, ParkedRow, ParkReason) -> Result<bool, E>,
) -> Result<(), E> {
    let mut after: Option<(String, String)> = from.map(|step| (step.to_owned(), String::new()));
    loop {
        let page = store.parked(
            run,
            after.as_ref().map(|(step, id)| (step.as_str(), id.as_str())),
            PAGE,
        )?;
        let Some((step, row, _)) = page.last() else {
            return Ok(());
        };
        after = Some((step.clone(), row.source_id.to_string()));
        let full = page.len() == PAGE;
        for (step, row, reason) in page {
            if !visit(&step, row, reason)? {
                return Ok(());
            }
        }
        if !full {
            return Ok(());
        }
    }
}

/// The user's columns as they are; ours give way where a name is taken.
fn header(columns: &[String]) -> Vec<String> {
    let mut header = columns.to_vec();
    for column in COLUMNS {
        let taken = |name: &str| columns.iter().any(|own| own.eq_ignore_ascii_case(name));
        let free = std::iter::once(column.to_owned())
            .chain((2..).map(|n| format!("{column}_{n}")))
            .find(|name| !taken(name));
        header.extend(free);
    }
    header
}

/// Steps whose names differ in case only would share a file on some systems.
fn file_name(step: &str, taken: &mut HashSet<String>) -> PathBuf {
    let mut stem = step.to_owned();
    let mut n = 1;
    while !taken.insert(stem.to_lowercase()) {
        n += 1;
        stem = format!("{step}-{n}");
    }
    PathBuf::from(format!("{stem}.csv"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{Outcome, RowResult},
        state::Sqlite,
    };

    type Parked<'a> = (
        &'a str,
        &'a str,
        &'a str,
        Option<&'a str>,
        &'a [(&'a str, Option<&'a str>)],
    );

    /// A store in which these rows are parked: step, id, code, field, values.
    fn store(rows: &[Parked<'_>]) -> Sqlite {
        let store = Sqlite::memory().unwrap();
        for (step, id, code, field, values) in rows {
            let run = store.begin_step("r", step).unwrap();
            let links = store.link_set("p", step, "a", "b").unwrap();
            let result = RowResult {
                source_id: (*id).into(),
                target_id: (*code == "STRING_TOO_LONG").then(|| "001T".into()),
                outcome: Outcome::Parked,
                reason: Some(ParkReason {
                    code: (*code).into(),
                    message: format!("row {id} does not fit"),
                    field: field.map(Into::into),
                    help: "make it fit".into(),
                }),
            };
            let row = ParkedRow {
                source_id: (*id).into(),
                values: values
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
                    .collect(),
            };
            store.record(run, links, &[result], &[row]).unwrap();
        }
        store
    }

    fn csv(store: &Sqlite) -> String {
        let mut out = Vec::new();
        for step in survey(store, "r").unwrap() {
            out.extend_from_slice(format!("--- {}.csv\n", step.step).as_bytes());
            write_csv(store, "r", &step, &mut out, Path::new("out")).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_users_columns_come_first() {
        let store = store(&[
            (
                "contacts",
                "0032",
                "required",
                Some("LastName"),
                &[
                    ("Id", Some("0032")),
                    ("LastName", None),
                    ("Notes", Some("a \"b\",\nc 🚢")),
                ],
            ),
            (
                "accounts",
                "0011",
                "STRING_TOO_LONG",
                Some("Name"),
                &[("Id", Some("0011")), ("Name", Some("Zoë GmbH"))],
            ),
            (
                "accounts",
                "0012",
                "when",
                None,
                &[("Name", Some("other order")), ("Id", Some("0012"))],
            ),
            ("accounts", "0013", "lost", None, &[]),
        ]);
        insta::assert_snapshot!(csv(&store));
    }

    #[test]
    fn our_columns_give_way() {
        for (columns, expected) in [
            (&["Id"][..], "orgferry_code"),
            (&["Orgferry_Code"], "orgferry_code_2"),
            (&["orgferry_code", "orgferry_code_2"], "orgferry_code_3"),
        ] {
            let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
            let header = header(&columns);
            assert_eq!(header.len(), columns.len() + 6);
            assert_eq!(header[columns.len()], expected);
        }
    }

    #[test]
    fn reasons_are_grouped_over_pages() {
        let ids: Vec<String> = (0..PAGE + 7).map(|n| format!("{n:05}")).collect();
        let rows: Vec<Parked<'_>> = ids
            .iter()
            .enumerate()
            .map(|(n, id)| {
                let code = if n % 2 == 0 { "required" } else { "type" };
                ("accounts", id.as_str(), code, Some("Name"), &[("Id", None)][..])
            })
            .collect();
        let store = store(&rows);
        let found = survey(&store, "r").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rows, 1007);
        assert_eq!(found[0].columns, ["Id"]);
        let groups: Vec<_> = found[0]
            .groups
            .iter()
            .map(|g| (g.code.as_str(), g.rows))
            .collect();
        assert_eq!(groups, [("required", 504), ("type", 503)]);
        assert_eq!(
            found[0].groups[1].source_ids,
            ["00001", "00003", "00005", "00007", "00009"]
        );
        assert_eq!(csv(&store).lines().count(), 1 + 1 + 1007);
        assert!(survey(&store, "another").unwrap().is_empty());
    }

    #[test]
    fn each_step_has_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&[
            ("Accounts", "1", "a", None, &[("Id", Some("1"))]),
            ("accounts", "2", "a", None, &[("Id", Some("2"))]),
        ]);
        let steps = survey(&store, "r").unwrap();
        let files = write_files(&store, "r", &steps, &dir.path().join("parked")).unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|f| Path::new(&f.path).file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["Accounts.csv", "accounts-2.csv"]);
        let text = fs::read_to_string(&files[1].path).unwrap();
        assert!(text.starts_with("Id,orgferry_code,"), "{text}");
        assert!(
            text.contains("\n2,a,row 2 does not fit,,make it fit,2,\n"),
            "{text}"
        );
        fs::write(dir.path().join("file"), "").unwrap();
        let error = write_files(&store, "r", &steps, &dir.path().join("file/parked")).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot write parked rows to `"),
            "{error}"
        );
    }
}
