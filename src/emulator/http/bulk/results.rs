//! The result files of an ingest job.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use fastrand::Rng;

use super::{
    super::Org,
    Files, Job,
    columns::Columns,
    csv,
    csv::Span,
    load::{Batch, CHUNK},
};
use crate::{
    emulator::store::{is_java_double, java_double},
    record::Number,
};

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
        for row in order(batch.outcomes.len(), self.rng.as_mut()) {
            let out = match &batch.outcomes[row] {
                Ok(done) => {
                    csv::quote(&mut self.successful, &done.id);
                    self.successful.push(self.delimiter);
                    csv::quote(&mut self.successful, if done.created { "true" } else { "false" });
                    &mut self.successful
                }
                Err(refused) => {
                    csv::quote(&mut self.failed, &refused.id);
                    self.failed.push(self.delimiter);
                    csv::quote(&mut self.failed, &refused.error.bulk_cell());
                    &mut self.failed
                }
            };
            give_back(out, self.data, self.delimiter, columns, batch.rows.get(row));
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

/// The order of results is nobody's promise. Whole chunks are shuffled, and the rows in each, so that what lies close
/// together in memory is still there when it is asked for.
fn order(rows: usize, rng: Option<&mut Rng>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    let Some(rng) = rng else {
        return order;
    };
    let mut chunks: Vec<&mut [usize]> = order.chunks_mut(CHUNK).collect();
    rng.shuffle(&mut chunks);
    chunks
        .into_iter()
        .flat_map(|chunk| {
            rng.shuffle(chunk);
            chunk.iter().copied()
        })
        .collect()
}

/// Writes the cells of a row behind what is there, each in quotes. Those that came in quotes lie in the upload as they
/// are written here, and neighbours are copied in one piece.
fn give_back(out: &mut Vec<u8>, data: &str, delimiter: u8, columns: &Columns, cells: &[Span]) {
    let bytes = data.as_bytes();
    let mut piece = 0..0;
    for column in &columns.order {
        let cell = cells.get(*column);
        // Doubles are read and printed again, as Java prints them.
        let double = cell
            .filter(|_| columns.doubles[*column])
            .map(|cell| cell.text(data))
            .filter(|text| !is_java_double(text))
            .and_then(|text| Number::canonical(text.trim()).ok())
            .map(|number| java_double(number.as_str()));
        if double.is_none()
            && let Some(lies) = cell.and_then(Span::quoted)
        {
            if lies.start == piece.end + 1 && !piece.is_empty() {
                piece.end = lies.end;
                continue;
            }
            out.extend_from_slice(&bytes[piece]);
            out.push(delimiter);
            piece = lies;
            continue;
        }
        out.extend_from_slice(&bytes[std::mem::take(&mut piece)]);
        out.push(delimiter);
        match (double, cell) {
            (Some(double), _) => csv::quote(out, &double),
            (None, Some(cell)) => csv::quote(out, &cell.text(data)),
            (None, None) => csv::quote(out, ""),
        }
    }
    out.extend_from_slice(&bytes[piece]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::store::Target;

    #[test]
    fn an_order_holds_every_row_once() {
        let mut rng = Rng::with_seed(7);
        for rows in [0, 1, CHUNK, 10 * CHUNK + 3] {
            let mut found = order(rows, Some(&mut rng));
            let sorted = found.is_sorted();
            assert!(rows < 2 || !sorted);
            found.sort_unstable();
            assert!(found.into_iter().eq(0..rows));
        }
        assert!(order(500, None).is_sorted());
    }

    #[test]
    fn cells_are_given_back_in_quotes_and_in_their_order() {
        let data = "\"a\",\"b \"\"c\"\"\",1.50,d,\"2.0\",\"3\",\"e\"\n";
        let mut cells = Vec::new();
        csv::read(data, 0, b',', &mut cells);
        let mut columns = Columns {
            targets: vec![Target::Ignore; 8],
            key: None,
            doubles: [2, 4, 5].iter().fold(vec![false; 8], |mut all, at| {
                all[*at] = true;
                all
            }),
            order: (0..8).collect(),
        };
        for (order, expected) in [
            (
                vec![0, 1, 2, 3, 4, 5, 6, 7],
                r#";"a","b ""c""";"1.5";"d";"2.0";"3.0";"e";"""#,
            ),
            (vec![4, 6, 0, 1], r#";"2.0";"e";"a","b ""c""""#),
            (vec![1, 0], r#";"b ""c""";"a""#),
        ] {
            columns.order = order;
            let mut out = Vec::new();
            // Another delimiter than the upload's shows what was copied in one piece.
            give_back(&mut out, data, b';', &columns, &cells);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
