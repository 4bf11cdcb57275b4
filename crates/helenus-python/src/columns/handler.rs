//! A protocol handler of the program's own: it is given the answer as the server sent it, and what it makes of the rows
//! goes to the row factory.
//!
//! The core has read the answer already; the body of RESULT, kind rows, is written anew from its columns and the bytes of
//! its cells (native protocol v4 §4.2.5.2, v5 §4.2.5.2).

use helenus::{ColumnSpec, RawRows};
use helenus_protocol::{EncodeError, ProtocolVersion, write};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::{classes, errors};

const KIND_ROWS: i32 = 0x0002;
const GLOBAL_TABLE: i32 = 0x0001;
const HAS_MORE_PAGES: i32 = 0x0002;

/// The rows as `handler` decodes them and `row_factory` wants them.
pub(crate) fn page<'py>(
    handler: &Bound<'py, PyAny>,
    protocol_version: u8,
    user_types: &Bound<'py, PyDict>,
    rows: &RawRows,
    row_factory: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = handler.py();
    let version = ProtocolVersion::from_number(protocol_version).unwrap_or(ProtocolVersion::V4);
    let body = body(version, rows).map_err(|error| errors::value_error(&error))?;
    let body = PyBytes::new(py, &body);
    let arguments = (handler, protocol_version, user_types, body, row_factory);
    classes::decode_with_handler(py)?.call1(arguments)
}

/// The body of the answer.
fn body(version: ProtocolVersion, rows: &RawRows) -> Result<Vec<u8>, EncodeError> {
    let columns = &*rows.columns;
    let table = |column: &ColumnSpec| (column.keyspace.clone(), column.table.clone());
    let first = columns.first();
    let global = first.filter(|first| columns.iter().all(|column| table(column) == table(first)));
    let mut flags = 0;
    if global.is_some() {
        flags |= GLOBAL_TABLE;
    }
    if rows.paging_state.is_some() {
        flags |= HAS_MORE_PAGES;
    }
    let mut out = Vec::with_capacity(rows.content.len() + 64 * (columns.len() + 1));
    write::int(&mut out, KIND_ROWS);
    write::int(&mut out, flags);
    write::int_length(&mut out, columns.len(), "columns")?;
    if let Some(state) = &rows.paging_state {
        write::bytes(&mut out, Some(state), "paging state")?;
    }
    if let Some(column) = global {
        write::string(&mut out, &column.keyspace, "keyspace")?;
        write::string(&mut out, &column.table, "table")?;
    }
    for column in columns {
        if global.is_none() {
            write::string(&mut out, &column.keyspace, "keyspace")?;
            write::string(&mut out, &column.table, "table")?;
        }
        write::string(&mut out, &column.name, "column")?;
        column.ty.write(version, &mut out)?;
    }
    write::int_length(&mut out, rows.row_count, "rows")?;
    out.extend_from_slice(&rows.content);
    Ok(out)
}
