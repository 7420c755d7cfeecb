use std::sync::Arc;

use super::{FieldPath, Value};

/// Rows with the same columns, on their way together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What stands where in each row.
    pub columns: Arc<[FieldPath]>,
    /// The rows; each has one value a column.
    pub rows: Vec<Row>,
}

/// One value a column.
pub type Row = Box<[Value]>;
