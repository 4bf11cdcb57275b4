//! Tables that a fake node can be asked for: columns, rows, and what a SELECT takes out of them.
//!
//! Not a database: the selection knows column lists, `*`, aliases, `count(*)` and equality on single columns, which is what
//! drivers use on system tables. Anything else in a WHERE clause is taken as satisfied.

use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{ColumnSpec, CqlType, NativeType, Rows, RowsMetadata};

use super::cell::{self, Cell};
use super::select::{Operand, Select};

/// A table with its rows.
#[derive(Clone, Debug)]
pub struct Table {
    keyspace: String,
    name: String,
    columns: Vec<(String, CqlType)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new<S: Into<String>>(
        keyspace: impl Into<String>,
        name: impl Into<String>,
        columns: impl IntoIterator<Item = (S, CqlType)>,
    ) -> Self {
        Self {
            keyspace: keyspace.into(),
            name: name.into(),
            columns: columns.into_iter().map(|(name, ty)| (name.into(), ty)).collect(),
            rows: Vec::new(),
        }
    }

    /// The keyspace's name.
    pub fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many rows it has.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Adds a column, null in the rows that are there.
    pub fn add_column(&mut self, name: &str, ty: CqlType) -> &mut Self {
        self.columns.push((name.to_owned(), ty));
        for row in &mut self.rows {
            row.push(None);
        }
        self
    }

    /// Removes a column, if there is one of this name.
    pub fn remove_column(&mut self, name: &str) -> &mut Self {
        if let Some(index) = self.column(name) {
            self.columns.remove(index);
            for row in &mut self.rows {
                row.remove(index);
            }
        }
        self
    }

    /// Adds a row by the names of its columns; columns that are not named are null, names that do not exist are ignored
    /// (so that one description of a node serves tables with fewer columns).
    pub fn push<'a>(&mut self, cells: impl IntoIterator<Item = (&'a str, Cell)>) -> &mut Self {
        let mut row = vec![None; self.columns.len()];
        for (name, cell) in cells {
            if let Some(index) = self.column(name) {
                row[index] = cell;
            }
        }
        self.rows.push(row);
        self
    }

    /// The same table with one more row.
    #[must_use]
    pub fn with_row<'a>(mut self, cells: impl IntoIterator<Item = (&'a str, Cell)>) -> Self {
        self.push(cells);
        self
    }

    /// Puts `cell` into this column of all rows (to break a row on purpose, for example).
    pub fn set(&mut self, column: &str, cell: &Cell) -> &mut Self {
        if let Some(index) = self.column(column) {
            for row in &mut self.rows {
                row[index].clone_from(cell);
            }
        }
        self
    }

    /// Keeps the rows whose cell in this column is wanted.
    pub fn retain(&mut self, column: &str, wanted: impl Fn(&Cell) -> bool) -> &mut Self {
        if let Some(index) = self.column(column) {
            self.rows.retain(|row| wanted(&row[index]));
        }
        self
    }

    /// The type of a column.
    pub fn column_type(&self, name: &str) -> Option<&CqlType> {
        self.column(name).map(|index| &self.columns[index].1)
    }

    /// What `select` takes out of this table. The bound values stand for the `?` of the statement, in order.
    ///
    /// # Errors
    /// The name of a column that the table does not have.
    pub(crate) fn select(&self, select: &Select, bound: &[Cell]) -> Result<Rows, String> {
        let matching: Vec<&Vec<Cell>> = self
            .rows
            .iter()
            .filter(|row| self.matches(row, select, bound))
            .collect();
        if select.count {
            let columns = self.specs([("count", CqlType::Native(NativeType::BigInt))]);
            let count = i64::try_from(matching.len()).unwrap_or(i64::MAX);
            return Ok(rows(columns, &[&[cell::bigint(count)]]));
        }
        let chosen: Vec<(usize, &str)> = match &select.columns {
            None => self
                .columns
                .iter()
                .enumerate()
                .map(|(index, (name, _))| (index, name.as_str()))
                .collect(),
            Some(columns) => columns
                .iter()
                .map(|(name, alias)| {
                    let index = self.column(name).ok_or_else(|| name.clone())?;
                    Ok((index, alias.as_str()))
                })
                .collect::<Result<_, String>>()?,
        };
        let columns = self.specs(
            chosen
                .iter()
                .map(|(index, alias)| (*alias, self.columns[*index].1.clone())),
        );
        let picked: Vec<Vec<Cell>> = matching
            .into_iter()
            .map(|row| chosen.iter().map(|(index, _)| row[*index].clone()).collect())
            .collect();
        Ok(rows(columns, &picked))
    }

    /// Specifications of the `?` in the WHERE clause, in order.
    pub(crate) fn bind_columns(&self, select: &Select) -> Arc<[ColumnSpec]> {
        self.specs(
            select
                .conditions
                .iter()
                .filter(|(_, operand)| *operand == Operand::Marker)
                .map(|(name, _)| {
                    let ty = self.column_type(name).cloned();
                    (name.as_str(), ty.unwrap_or(CqlType::Native(NativeType::Blob)))
                }),
        )
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(column, _)| column == name)
    }

    fn matches(&self, row: &[Cell], select: &Select, bound: &[Cell]) -> bool {
        let mut markers = bound.iter();
        select.conditions.iter().all(|(name, operand)| {
            let wanted = match operand {
                Operand::Marker => markers.next().cloned().flatten(),
                Operand::Literal(literal) => match self.column_type(name) {
                    Some(CqlType::Native(NativeType::Inet)) => literal.parse().ok().and_then(cell::inet),
                    Some(CqlType::Native(NativeType::Uuid)) => literal.parse().ok().and_then(cell::uuid),
                    Some(CqlType::Native(NativeType::Int)) => literal.parse().ok().and_then(cell::int),
                    _ => cell::text(literal),
                },
            };
            self.column(name).is_none_or(|index| row[index] == wanted)
        })
    }

    fn specs<'a>(&self, columns: impl IntoIterator<Item = (&'a str, CqlType)>) -> Arc<[ColumnSpec]> {
        column_specs(&self.keyspace, &self.name, columns)
    }
}

/// Column specifications of one table.
pub fn column_specs<'a>(
    keyspace: &str,
    table: &str,
    columns: impl IntoIterator<Item = (&'a str, CqlType)>,
) -> Arc<[ColumnSpec]> {
    let (keyspace, table): (Arc<str>, Arc<str>) = (keyspace.into(), table.into());
    columns
        .into_iter()
        .map(|(name, ty)| ColumnSpec {
            keyspace: keyspace.clone(),
            table: table.clone(),
            name: name.into(),
            ty,
        })
        .collect()
}

/// A RESULT of kind Rows with these columns and cells, without a paging state.
pub(super) fn rows<R: AsRef<[Cell]>>(columns: Arc<[ColumnSpec]>, cells: &[R]) -> Rows {
    let mut content = Vec::new();
    for row in cells {
        for cell in row.as_ref() {
            cell::write(cell, &mut content);
        }
    }
    Rows {
        metadata: metadata(columns),
        row_count: cells.len(),
        content: Bytes::from(content),
    }
}

/// Metadata with these columns and nothing else.
pub(crate) fn metadata(columns: Arc<[ColumnSpec]>) -> RowsMetadata {
    RowsMetadata {
        column_count: columns.len(),
        paging_state: None,
        new_metadata_id: None,
        columns: Some(columns),
        continuous_page: None,
    }
}
