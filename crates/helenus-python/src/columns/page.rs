//! A page of rows turned into columns, a block of rows at a time: small enough to stay in the processor's nearest caches.
//!
//! Where no column can have values of several sizes, rows are expected to be equally long: each column then finds its
//! cells by itself, at the same distance one from the other, and looks whether their lengths are the expected ones.
//! Where they are not (there is a null), and for other columns, the cells of the block are found in one walk over its bytes
//! and noted by column; then each column takes its cells in a loop of its own.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::array::Column;
use crate::decode::{Cells, DecodePlan};

/// How many cells a block has at most.
const BLOCK_CELLS: usize = 1_024;
/// How many bytes a block of equally long rows has at most, if rows are not very long.
const BLOCK_BYTES: usize = 16 << 10;

/// Rows without a null of columns of fixed sizes.
struct EqualRows {
    /// The bytes of a row.
    length: usize,
    /// Where the cell of each column begins, and the size of its value.
    cells: Vec<(usize, usize)>,
}

impl EqualRows {
    fn of(plan: &DecodePlan) -> Option<Self> {
        let mut length = 0_usize;
        let mut cells = Vec::with_capacity(plan.width());
        for index in 0..plan.width() {
            let size = plan.decoder(index).fixed_size()?;
            cells.push((length, size));
            length = length.checked_add(4)?.checked_add(size)?;
        }
        Some(Self { length, cells })
    }
}

/// The columns in `content` by name: each an array with one element for each row.
///
/// With `bulk`, every type of a fixed size is stored as NumPy stores it.
pub(super) fn arrays<'py>(
    py: Python<'py>,
    plan: &DecodePlan,
    content: &[u8],
    row_count: usize,
    bulk: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let width = plan.width();
    let page = PyDict::new(py);
    if width == 0 {
        return Ok(page);
    }
    plan.check_row_count(content, row_count)?;
    let mut columns = (0..width)
        .map(|index| Column::new(py, plan.decoder(index), row_count, bulk))
        .collect::<PyResult<Vec<_>>>()?;
    let mut pause = plan.collector_pause(py, row_count);
    let mut block_rows = (BLOCK_CELLS / width).clamp(16, BLOCK_CELLS).min(row_count.max(1));
    let equal = EqualRows::of(plan);
    if let Some(equal) = &equal {
        block_rows = block_rows.min((BLOCK_BYTES / equal.length).max(4));
    }
    let mut block: Vec<Option<&[u8]>> = Vec::new();
    let mut cells = Cells(content);
    let mut first = 0;
    // Blocks that turned out to have a null, and how many are not tried for that.
    let (mut failures, mut untried) = (0, 0);
    while first < row_count {
        let rows = block_rows.min(row_count - first);
        if untried > 0 {
            untried -= 1;
        } else if let Some(equal) = &equal
            && let Some((taken, rest)) = cells.0.split_at_checked(rows * equal.length)
        {
            let mut all = columns.iter_mut().zip(&equal.cells).enumerate();
            let fits = all.all(|(index, (column, &cell))| {
                column.take_equal(py, plan.decoder(index), first, taken, equal.length, cell)
            });
            if fits {
                cells.0 = rest;
                first += rows;
                continue;
            }
            failures += 1;
            untried = failures;
        }
        block.resize(block_rows * width, None);
        for row in 0..rows {
            let places = block.iter_mut().skip(row).step_by(block_rows);
            for (index, place) in places.enumerate() {
                *place = cells.next_cell().map_err(|_| plan.cut_short(py, index))?;
            }
        }
        for (index, (column, cells)) in columns.iter_mut().zip(block.chunks_exact(block_rows)).enumerate() {
            column.take(py, plan, index, first, &cells[..rows], &mut pause)?;
        }
        first += rows;
    }
    drop(pause);
    for (index, column) in columns.into_iter().enumerate() {
        page.set_item(plan.names()[index].bind(py), column.finish()?)?;
    }
    Ok(page)
}
