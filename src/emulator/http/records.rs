//! All records of an object as CSV, so that tests can compare exactly.

use bytes::Bytes;

use crate::emulator::{
    schema::Kind,
    store::{State, Store},
};

/// What is wanted of an object's records.
#[derive(Debug, Default)]
pub(crate) struct CsvWish {
    /// Fields in this order; empty for all that any record has a value in, in the order of the describe.
    pub(crate) fields: Vec<String>,
    /// Sorted by these fields, nulls first; else the oldest come first.
    pub(crate) order_by: Vec<String>,
    /// The recycle bin too, with a column `IsDeleted`.
    pub(crate) deleted: bool,
}

/// Pieces that together are the CSV: a header line, and a line for each record. Values are in canonical form, null is
/// an empty cell. An error says which name is wrong.
pub(crate) fn records_csv(store: &Store, object: &str, wish: &CsvWish) -> Result<Vec<Bytes>, String> {
    const PIECE: usize = 1 << 20;
    let object = store
        .schema
        .object(object)
        .ok_or_else(|| format!("there is no object `{object}`"))?;
    let spec = &store.schema.objects[object];
    let table = &store.tables[object];
    let find = |name: &String| {
        spec.field(name)
            .ok_or_else(|| format!("there is no field `{name}` of `{}`", spec.name))
    };
    let deleted_flag = spec.field("IsDeleted");
    let fields: Vec<usize> = if wish.fields.is_empty() {
        (0..spec.fields.len())
            .filter(|f| table.is_used(*f) || wish.deleted && Some(*f) == deleted_flag)
            .collect()
    } else {
        wish.fields.iter().map(find).collect::<Result<_, _>>()?
    };
    let cell = |row: u32, field: usize| match table.get(row, field) {
        _ if Some(field) == deleted_flag => {
            if table.state(row) == State::Deleted {
                "true"
            } else {
                "false"
            }
        }
        "" if spec.fields[field].kind == Kind::Boolean => "false",
        text => text,
    };
    let mut rows: Vec<u32> = (0..table.len())
        .filter(|row| match table.state(*row) {
            State::Live => true,
            State::Deleted => wish.deleted,
            State::Gone => false,
        })
        .collect();
    let order: Vec<usize> = wish.order_by.iter().map(find).collect::<Result<_, _>>()?;
    if !order.is_empty() {
        rows.sort_by(|a, b| {
            order
                .iter()
                .map(|field| compare(spec.fields[*field].kind, cell(*a, *field), cell(*b, *field)))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
    }
    let mut pieces = Vec::new();
    let mut out = Vec::with_capacity(PIECE);
    line(&mut out, fields.iter().map(|f| spec.fields[*f].name.as_str()));
    for row in rows {
        line(&mut out, fields.iter().map(|f| cell(row, *f)));
        if out.len() >= PIECE - PIECE / 8 {
            pieces.push(Bytes::from(std::mem::replace(
                &mut out,
                Vec::with_capacity(PIECE),
            )));
        }
    }
    pieces.push(Bytes::from(out));
    Ok(pieces)
}

fn compare(kind: Kind, a: &str, b: &str) -> std::cmp::Ordering {
    let numeric = kind.is_double() || kind == Kind::Int;
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) if numeric => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}

fn line<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = &'a str>) {
    for (n, cell) in cells.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            out.push(b'"');
            out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_quoted_where_they_must_be() {
        let mut out = Vec::new();
        line(&mut out, ["a", "b,c", "d\"e", "f\ng", ""].into_iter());
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "a,\"b,c\",\"d\"\"e\",\"f\ng\",\n"
        );
    }

    #[test]
    fn numbers_sort_as_numbers_and_nulls_come_first() {
        let mut cells = ["10", "9", "", "-2.5"];
        cells.sort_by(|a, b| compare(Kind::Currency, a, b));
        assert_eq!(cells, ["", "-2.5", "9", "10"]);
        cells.sort_by(|a, b| compare(Kind::Text, a, b));
        assert_eq!(cells, ["", "-2.5", "10", "9"]);
    }
}
