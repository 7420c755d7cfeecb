//! Whether two CSV answers have the same rows.

use super::compare::{Comparison, id_like};

impl Comparison<'_> {
    /// The columns in their order; the rows in any.
    pub(super) fn csv(&mut self, recorded: &str, ours: &str) {
        let rows = |text: &str| -> Vec<Vec<String>> {
            csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes())
                .records()
                .map(|r| r.expect("CSV").iter().map(str::to_owned).collect())
                .collect()
        };
        let (mut recorded, mut ours) = (rows(recorded), rows(ours));
        if recorded.first() != ours.first() {
            let words = format!("recorded {:?}, ours {:?}", recorded.first(), ours.first());
            return self.note("csv.columns", words);
        }
        if recorded.len() != ours.len() {
            let words = format!("recorded {}, ours {}", recorded.len(), ours.len());
            return self.note("csv.rows", words);
        }
        // An org promises no order; Ids say nothing about it.
        let by_values =
            |row: &Vec<String>| -> Vec<String> { row.iter().filter(|v| !id_like(v)).cloned().collect() };
        recorded[1..].sort_by_key(by_values);
        ours[1..].sort_by_key(by_values);
        let columns = recorded[0].clone();
        for (row, (recorded, ours)) in recorded.iter().zip(&ours).enumerate().skip(1) {
            for (column, (recorded, ours)) in columns.iter().zip(recorded.iter().zip(ours)) {
                let same = if column == "sf__Error" && !self.how.texts {
                    // `CODE:message:fields --`: the code, and the fields at the end.
                    let parts = |v: &str| -> (String, String) {
                        let code = v.split(':').next().unwrap_or_default();
                        (
                            code.to_owned(),
                            v.rsplit(':').next().unwrap_or_default().to_owned(),
                        )
                    };
                    parts(recorded) == parts(ours)
                } else {
                    self.same_text(recorded, ours)
                };
                if !same {
                    let words = format!("recorded `{recorded}`, ours `{ours}`");
                    self.note(&format!("csv[{row}].{column}"), words);
                }
            }
        }
    }
}
