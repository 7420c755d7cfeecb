use std::{borrow::Cow, collections::HashSet};

use crate::{
    diag::{Span, did_you_mean},
    pipeline::{
        expr::{Scope, UnknownField, UnknownReason},
        model::Column,
        soql::Query,
    },
    record::FieldPath,
    spec::{Node, Segments},
};

/// The columns of a step's rows, as expressions may name them.
pub(super) struct Columns {
    /// So far; where they are derived, expressions add to them.
    pub(super) columns: Vec<Column>,
    /// The column that holds the whole JSON row.
    pub(super) whole_row: Option<usize>,
    /// Whether the source has an `each`, whose entry is then `item`.
    pub(super) item: bool,
    rows: Rows,
    vars: Vec<String>,
    here: Option<(String, Segments)>,
    query: Option<Span>,
    /// The columns of a CSV file, where they are known.
    header: Option<Vec<String>>,
}

/// What is known of a source's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// A query selects the fields; there are no others.
    Selected,
    /// What is used is read; whether it exists, the org says.
    Derived,
    /// JSON may hold anything, and the whole row is a value.
    Json,
    /// These are no source rows but what a step fills of its target.
    Filled,
    /// A CSV file has the columns of its header, which may not be known yet; the whole row is a value.
    Cells,
    /// No row is read here: only `vars` and `run` mean something.
    Nowhere,
    /// The source is faulty: nothing can be said about its fields.
    Unknown,
}

impl Columns {
    pub(super) fn new(rows: Rows, vars: Vec<String>) -> Self {
        Columns {
            columns: Vec::new(),
            whole_row: None,
            item: false,
            rows,
            vars,
            here: None,
            query: None,
            header: None,
        }
    }

    /// The columns of a CSV file; `header` where it could be read.
    pub(super) fn of_file(header: Option<Vec<String>>, vars: Vec<String>) -> Self {
        Columns {
            header,
            ..Columns::new(Rows::Cells, vars)
        }
    }

    /// The column `Id` of a file, which may or may not have one. `None`: it has none.
    pub(super) fn id_of_file(&mut self, span: Span) -> Option<usize> {
        let at = self.column(&FieldPath::new("Id"), span)?;
        self.columns[at].optional = self.header.is_none();
        Some(at)
    }

    /// The columns of a CSV file, where they are known.
    pub(super) fn header(&self) -> Option<&[String]> {
        self.header.as_deref()
    }

    fn in_header(&self, path: &FieldPath) -> bool {
        let Some(header) = &self.header else {
            return true;
        };
        header.iter().any(|name| name.eq_ignore_ascii_case(path.as_str()))
    }

    /// The columns of a query: what it selects, and `Id`.
    pub(super) fn selected(query: &Query, parts: &Segments, vars: Vec<String>) -> Self {
        let mut columns = Columns::new(Rows::Selected, vars);
        let mut seen = HashSet::new();
        for item in &query.select {
            let path = item.name();
            if seen.insert(path.clone()) {
                let span = parts.locate(item.range.clone());
                columns.columns.push(Column {
                    path,
                    span,
                    optional: false,
                });
            }
        }
        if !query.is_aggregated() && columns.position(&FieldPath::new("Id")).is_none() {
            let span = parts.locate(query.object_range.clone());
            columns.columns.push(Column {
                path: FieldPath::new("Id"),
                span,
                optional: false,
            });
        }
        columns.query = query.select.last().map(|item| parts.locate(item.range.clone()));
        columns
    }

    /// The target fields that a step fills.
    pub(super) fn filled<'f>(fields: impl Iterator<Item = (&'f str, &'f Span)>, vars: Vec<String>) -> Self {
        let mut columns = Columns::new(Rows::Filled, vars);
        for (name, span) in fields {
            let path = FieldPath::new(name);
            if columns.position(&path).is_none() {
                let span = span.clone();
                columns.columns.push(Column {
                    path,
                    span,
                    optional: false,
                });
            }
        }
        columns
    }

    pub(super) fn rows(&self) -> Rows {
        self.rows
    }

    /// The end of the select list, for complaints about fields that are not in it.
    pub(super) fn select_list(&self) -> Option<&Span> {
        self.query.as_ref()
    }

    /// Expressions come from this scalar now.
    pub(super) fn stand_at(&mut self, node: &Node, parts: Segments) {
        self.here = node.text().map(|text| (text.to_owned(), parts));
    }

    pub(super) fn position(&self, path: &FieldPath) -> Option<usize> {
        self.columns.iter().position(|column| column.path == *path)
    }

    /// The column of a field; added where columns are derived.
    pub(super) fn column(&mut self, path: &FieldPath, span: Span) -> Option<usize> {
        if let Some(at) = self.position(path) {
            // Now somebody needs it.
            if std::mem::take(&mut self.columns[at].optional) {
                self.columns[at].span = span;
            }
            return Some(at);
        }
        if matches!(self.rows, Rows::Selected | Rows::Filled | Rows::Nowhere) || !self.in_header(path) {
            return None;
        }
        self.columns.push(Column {
            path: path.clone(),
            span,
            optional: false,
        });
        Some(self.columns.len() - 1)
    }

    /// The column of a field that is read whatever a query selects.
    pub(super) fn read(&mut self, path: &FieldPath, span: Span) -> usize {
        self.position(path).unwrap_or_else(|| {
            self.columns.push(Column {
                path: path.clone(),
                span,
                optional: false,
            });
            self.columns.len() - 1
        })
    }

    /// The selected field that a wrong name was probably meant to be.
    pub(super) fn suggestion(&self, path: &FieldPath) -> Option<String> {
        if let Some(header) = &self.header {
            return did_you_mean(path.as_str(), header.iter().map(String::as_str)).map(str::to_owned);
        }
        did_you_mean(
            path.as_str(),
            self.columns.iter().map(|column| column.path.as_str()),
        )
        .map(str::to_owned)
    }

    /// `vras.region` and `rnu.pipeline` are no paths of a source: they are misspelt.
    fn slip(&self, path: &FieldPath) -> Option<String> {
        let (head, name) = path.as_str().split_once('.')?;
        const OF_RUN: [&str; 6] = ["id", "pipeline", "env", "started_at", "from", "to"];
        let close = |word: &str| strsim::damerau_levenshtein(head, word) == 1;
        let meant = (close("vars") && self.vars.iter().any(|var| var == name))
            .then_some("vars")
            .or_else(|| (close("run") && OF_RUN.contains(&name) && name != "id").then_some("run"))?;
        Some(format!("{meant}.{name}"))
    }

    /// Where the expression that is being compiled names a field.
    fn place(&self, path: &FieldPath) -> Span {
        let Some((text, parts)) = &self.here else {
            return Span::default();
        };
        let lower = text.to_ascii_lowercase();
        let name = path.as_str().to_ascii_lowercase();
        let word = |at: usize| {
            let letter = |c: char| c.is_alphanumeric() || c == '_';
            !lower[..at].ends_with(letter) && !lower[at + name.len()..].starts_with(letter)
        };
        let found = lower.match_indices(&name).map(|(at, _)| at).find(|at| word(*at));
        parts.locate(found.map_or(0..text.len(), |at| at..at + name.len()))
    }
}

impl Scope for Columns {
    fn field(&mut self, path: &FieldPath) -> Result<usize, UnknownField> {
        let span = self.place(path);
        if let Some(meant) = self.slip(path) {
            return Err(UnknownField {
                reason: UnknownReason::NoSuchField,
                suggestion: Some(meant),
            });
        }
        self.column(path, span).ok_or_else(|| UnknownField {
            reason: match self.rows {
                Rows::Filled => UnknownReason::NotFilled,
                Rows::Nowhere => UnknownReason::NoRow,
                Rows::Cells => UnknownReason::NoSuchColumn,
                _ => UnknownReason::NotSelected,
            },
            suggestion: self.suggestion(path),
        })
    }

    fn whole_row(&mut self) -> Result<usize, UnknownField> {
        if !matches!(self.rows, Rows::Json | Rows::Cells | Rows::Unknown) {
            return Err(UnknownField {
                reason: UnknownReason::NoWholeRow,
                suggestion: None,
            });
        }
        if let Some(at) = self.whole_row {
            return Ok(at);
        }
        let path = FieldPath::new("row");
        let span = self.place(&path);
        self.columns.push(Column {
            path,
            span,
            optional: false,
        });
        self.whole_row = Some(self.columns.len() - 1);
        Ok(self.columns.len() - 1)
    }

    fn var_names(&self) -> Cow<'_, [String]> {
        Cow::Borrowed(&self.vars)
    }

    fn has_item(&self) -> bool {
        self.item
    }
}
