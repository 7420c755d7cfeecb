//! The result files of an ingest job.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use fastrand::Rng;

use super::{super::Org, Files, Job, csv, csv::Span, load::Batch};
use crate::{emulator::store::java_double, record::Number};

/// The result files, as far as batches are done.
pub(super) struct Results<'a> {
    data: &'a str,
    delimiter: u8,
    newline: &'static [u8],
    header: Vec<Span>,
    /// Without it rows come in the order of the upload.
    rng: Option<Rng>,
    successful: Vec<u8>,
    failed: Vec<u8>,
}

impl<'a> Results<'a> {
    pub(super) fn new(org: &Org, job: &Job, data: &'a str) -> Self {
        let mut header = Vec::new();
        csv::read(data, 0, job.delimiter(), &mut header);
        let mut hasher = DefaultHasher::new();
        (org.seed, &job.id).hash(&mut hasher);
        Results {
            data,
            delimiter: job.delimiter(),
            newline: job.newline().as_bytes(),
            header,
            rng: org.bulk.shuffle.then(|| Rng::with_seed(hasher.finish())),
            successful: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// The header cells are given back as they came, quoted or not.
    fn head(&self, second: &str, order: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        csv::quote(&mut out, "sf__Id");
        out.push(self.delimiter);
        csv::quote(&mut out, second);
        for at in order {
            out.push(self.delimiter);
            out.extend_from_slice(self.header[*at].raw(self.data).as_bytes());
        }
        out.extend_from_slice(self.newline);
        out
    }

    /// Adds the rows of a batch.
    pub(super) fn add(&mut self, batch: Batch<'_>) {
        let columns = batch.columns;
        if self.successful.is_empty() {
            self.successful = self.head("sf__Created", &columns.order);
            self.failed = self.head("sf__Error", &columns.order);
            // About the size of what will come.
            self.successful.reserve(self.data.len() + self.data.len() / 4);
        }
        let mut order: Vec<usize> = (0..batch.outcomes.len()).collect();
        // The order of results is nobody's promise.
        if let Some(rng) = &mut self.rng {
            rng.shuffle(&mut order);
        }
        for row in order {
            let out = match &batch.outcomes[row] {
                Ok(done) => {
                    csv::quote(&mut self.successful, &done.id);
                    self.successful.push(self.delimiter);
                    csv::quote(&mut self.successful, if done.created { "true" } else { "false" });
                    &mut self.successful
                }
                Err((id, error)) => {
                    csv::quote(&mut self.failed, id);
                    self.failed.push(self.delimiter);
                    csv::quote(&mut self.failed, &error.bulk_cell());
                    &mut self.failed
                }
            };
            let cells = batch.rows.get(row);
            for column in &columns.order {
                out.push(self.delimiter);
                let Some(cell) = cells.get(*column) else {
                    csv::quote(out, "");
                    continue;
                };
                let text = cell.text(self.data);
                // Doubles are read and printed again, as Java prints them.
                let double = columns.doubles[*column]
                    .then(|| Number::canonical(text.trim()).ok())
                    .flatten();
                match double {
                    Some(number) => csv::quote(out, &java_double(number.as_str())),
                    None => csv::quote(out, &text),
                }
            }
            out.extend_from_slice(self.newline);
        }
    }

    /// The files, when the rows from `rest` on were not worked on.
    pub(super) fn files(self, rest: usize) -> Files {
        let header: Vec<&str> = self.header.iter().map(|c| c.raw(self.data)).collect();
        let mut unprocessed = header.join(&char::from(self.delimiter).to_string()).into_bytes();
        unprocessed.extend_from_slice(self.newline);
        unprocessed.extend_from_slice(self.data.as_bytes().get(rest..).unwrap_or_default());
        Files::Ingest {
            successful: Bytes::from(self.successful),
            failed: Bytes::from(self.failed),
            unprocessed: Bytes::from(unprocessed),
        }
    }
}
