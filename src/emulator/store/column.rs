use super::Cell;

/// The cells of a field, row after row, in blocks.
///
/// A block whose cells are all equal is kept as one: owners, audit fields and checkboxes of rows that were loaded
/// together take no room that way. Blocks never move, so that a growing table is not copied again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    /// All but the last have [`BLOCK`] cells.
    blocks: Vec<Block>,
    len: usize,
}

#[derive(Clone, Debug)]
enum Block {
    Same(Cell),
    Each(Vec<Cell>),
}

/// Cells of a block.
const BLOCK: usize = 1_024;

impl Column {
    /// Cells up to the last one that was ever filled.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn get(&self, row: usize) -> Option<&Cell> {
        if row >= self.len {
            return None;
        }
        match self.blocks.get(row / BLOCK)? {
            Block::Same(cell) => Some(cell),
            Block::Each(cells) => cells.get(row % BLOCK),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Cell> {
        (0..self.len).filter_map(|row| self.get(row))
    }

    /// Gives a row a value. Rows behind the last one that has any are empty anyway.
    pub(super) fn set(&mut self, row: usize, value: Cell) {
        if row >= self.len {
            if !value.is_empty() {
                self.pad(row);
                self.push(value);
            }
            return;
        }
        let filled = BLOCK.min(self.len - row / BLOCK * BLOCK);
        match &mut self.blocks[row / BLOCK] {
            Block::Same(cell) if *cell == value => {}
            Block::Same(cell) => {
                let mut cells = vec![std::mem::take(cell); filled];
                cells[row % BLOCK] = value;
                self.blocks[row / BLOCK] = Block::Each(cells);
            }
            Block::Each(cells) => cells[row % BLOCK] = value,
        }
    }

    pub(super) fn push(&mut self, value: Cell) {
        let filled = self.len % BLOCK;
        self.len += 1;
        let first = self.blocks.len() < 2;
        match self.blocks.last_mut().filter(|_| filled > 0) {
            None => self.blocks.push(Block::Same(value)),
            Some(Block::Same(cell)) if *cell == value => {}
            Some(Block::Each(cells)) => cells.push(value),
            Some(block) => {
                // Most tables are small; a large one will fill this block too.
                let mut cells = Vec::with_capacity(if first { filled + 1 } else { BLOCK });
                if let Block::Same(cell) = block {
                    cells.resize(filled, std::mem::take(cell));
                }
                cells.push(value);
                *block = Block::Each(cells);
            }
        }
    }

    /// Fills up with empty cells.
    fn pad(&mut self, len: usize) {
        while self.len < len {
            if self.len.is_multiple_of(BLOCK) && self.len + BLOCK <= len {
                self.blocks.push(Block::Same(Cell::default()));
                self.len += BLOCK;
            } else {
                self.push(Cell::default());
            }
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.len = len;
        self.blocks.truncate(len.div_ceil(BLOCK));
        if let Some(Block::Each(cells)) = self.blocks.last_mut()
            && !len.is_multiple_of(BLOCK)
        {
            cells.truncate(len % BLOCK);
        }
    }
}

impl FromIterator<Cell> for Column {
    fn from_iter<I: IntoIterator<Item = Cell>>(cells: I) -> Self {
        let mut column = Column::default();
        for cell in cells {
            column.push(cell);
        }
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does the same to a column and to a plain list.
    #[derive(Default)]
    struct Both(Column, Vec<Cell>);

    impl Both {
        fn set(&mut self, row: usize, value: &str) {
            self.0.set(row, Cell::new(value));
            if row >= self.1.len() {
                if value.is_empty() {
                    return;
                }
                self.1.resize(row + 1, Cell::default());
            }
            self.1[row] = Cell::new(value);
        }

        fn check(&self) {
            assert_eq!(self.0.len(), self.1.len());
            assert!(self.0.iter().eq(self.1.iter()));
            assert_eq!(self.0.get(self.1.len()), None);
            let again: Column = self.1.iter().cloned().collect();
            assert!(again.iter().eq(self.1.iter()));
        }
    }

    #[test]
    fn a_column_is_a_list() {
        let mut both = Both::default();
        both.set(5, "");
        both.check();
        for row in 0..3 * BLOCK {
            both.set(row, if row < BLOCK + 7 { "same" } else { "other" });
        }
        both.check();
        both.set(6 * BLOCK + 3, "far");
        both.set(6 * BLOCK + 3, "");
        both.set(4 * BLOCK + 9, "between");
        both.check();
        let mut lot = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let row = lot.usize(..7 * BLOCK);
            both.set(row, ["a", "b", ""][lot.usize(..3)]);
        }
        both.check();
        for len in [7 * BLOCK, 5 * BLOCK + 1, 5 * BLOCK, 3 * BLOCK - 1, BLOCK, 2, 0] {
            both.0.truncate(len);
            both.1.truncate(len);
            both.check();
            both.set(both.1.len(), "next");
            both.check();
        }
    }

    #[test]
    fn equal_cells_take_the_room_of_one() {
        let column: Column = std::iter::repeat_n(Cell::new("false"), 5 * BLOCK).collect();
        assert!(column.blocks.iter().all(|block| matches!(block, Block::Same(_))));
    }
}
