//! A page of rows turned into columns.
//!
//! The cells of a block of rows are found in one walk over the bytes and noted by column; then each column takes its
//! cells in a loop of its own. A block is small enough that both stay in the processor's nearest cache.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::array::Column;
use crate::decode::{Cells, DecodePlan};

/// How many cells are noted before the columns take them.
const BLOCK_CELLS: usize = 1_024;

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
    let block_rows = (BLOCK_CELLS / width).clamp(16, BLOCK_CELLS).min(row_count.max(1));
    let mut block: Vec<Option<&[u8]>> = vec![None; block_rows * width];
    let mut cells = Cells(content);
    let mut first = 0;
    while first < row_count {
        let rows = block_rows.min(row_count - first);
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
        page.set_item(plan.names()[index].bind(py), column.finish(py)?)?;
    }
    Ok(page)
}
