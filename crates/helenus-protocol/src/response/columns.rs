//! Column specifications: name and type of a column of rows, or of a bind marker.
//!
//! Native protocol v3, v4 and v5 §4.2.5.2: `[<global_table_spec>]<col_spec_1>...<col_spec_n>`.

use std::sync::Arc;

use crate::notation::write;
use crate::{ColumnSpec, CqlType, EncodeError, ProtocolError, ProtocolVersion, Reader};

/// Reads `count` specifications. `global`: one table stands for all of them.
pub(super) fn decode_columns(
    reader: &mut Reader<'_>,
    count: usize,
    global: bool,
    version: ProtocolVersion,
) -> Result<Arc<[ColumnSpec]>, ProtocolError> {
    let mut table = match global {
        true => Some(read_table(reader, None)?),
        false => None,
    };
    // Two empty strings for the table, an empty name and the code of the type.
    let least = if global { 4 } else { 8 };
    if count > reader.remaining() / least {
        return Err(ProtocolError::Truncated {
            what: "column specifications",
            needed: count.saturating_mul(least),
            available: reader.remaining(),
        });
    }
    let mut columns = Vec::with_capacity(count);
    for _ in 0..count {
        let of_column = match (&table, global) {
            (Some(table), true) => table.clone(),
            (last, _) => read_table(reader, last.as_ref())?,
        };
        columns.push(ColumnSpec {
            keyspace: of_column.0.clone(),
            table: of_column.1.clone(),
            name: reader.read_string("column name")?.into(),
            ty: CqlType::read(reader, version)?,
        });
        table = Some(of_column);
    }
    Ok(columns.into())
}

/// Column specifications of an earlier answer, and the bytes that they were read from: the next answer to the same statement
/// mostly has the same bytes, and comparing is far cheaper than reading.
#[derive(Debug)]
pub struct SeenColumns {
    version: ProtocolVersion,
    global: bool,
    bytes: Box<[u8]>,
    columns: Arc<[ColumnSpec]>,
}

impl SeenColumns {
    /// Reads `count` specifications, or takes those of `seen`. `seen` are those of this answer then.
    pub(super) fn decode(
        seen: &mut Option<Arc<Self>>,
        reader: &mut Reader<'_>,
        count: usize,
        global: bool,
        version: ProtocolVersion,
    ) -> Result<Arc<[ColumnSpec]>, ProtocolError> {
        if let Some(seen) = seen
            && (seen.version, seen.global, seen.columns.len()) == (version, global, count)
            && reader.rest().starts_with(&seen.bytes)
        {
            reader.take(seen.bytes.len(), "column specifications")?;
            return Ok(Arc::clone(&seen.columns));
        }
        let before = reader.rest();
        let columns = decode_columns(reader, count, global, version)?;
        let bytes = &before[..before.len() - reader.remaining()];
        *seen = Some(Arc::new(Self {
            version,
            global,
            bytes: bytes.into(),
            columns: Arc::clone(&columns),
        }));
        Ok(columns)
    }
}

type Table = (Arc<str>, Arc<str>);

/// Reads keyspace and table; shares them with the column before, if they are the same.
fn read_table(reader: &mut Reader<'_>, last: Option<&Table>) -> Result<Table, ProtocolError> {
    let keyspace = reader.read_string("keyspace of a column")?;
    let table = reader.read_string("table of a column")?;
    Ok(match last {
        Some(last) if *last.0 == *keyspace && *last.1 == *table => last.clone(),
        _ => (keyspace.into(), table.into()),
    })
}

/// Whether all columns are of one table, so that it need be sent only once.
pub(super) fn is_global(columns: &[ColumnSpec]) -> bool {
    columns.split_first().is_some_and(|(first, rest)| {
        rest.iter()
            .all(|column| column.keyspace == first.keyspace && column.table == first.table)
    })
}

/// Writes specifications, with one table for all of them where that is possible, as [`is_global`] says.
pub(super) fn encode_columns(
    columns: &[ColumnSpec],
    version: ProtocolVersion,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let global = is_global(columns);
    for (index, column) in columns.iter().enumerate() {
        if index == 0 || !global {
            write::string(out, &column.keyspace, "keyspace of a column")?;
            write::string(out, &column.table, "table of a column")?;
        }
        write::string(out, &column.name, "column name")?;
        column.ty.write(version, out)?;
    }
    Ok(())
}
