//! What makes tables the vertices and edges of a graph (DSE 6.8): `system_schema.vertices` and `edges`.
//!
//! Read after everything else, and only from servers whose tables have the options of DSE: others are not asked. Tables
//! without part in a graph pay a null pointer.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::cql::{Name, key_as_cql};
use super::rows::{SchemaRows, Scope, read};
use crate::ask::{AskError, SystemRow, SystemRows};
use crate::connection::Connection;

/// What a table is in a graph: a vertex, an edge, or both.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Graph {
    pub(super) vertex: Option<String>,
    pub(super) edge: Option<Edge>,
}

impl Graph {
    /// As in the WITH of CREATE TABLE.
    pub(super) fn as_cql(&self) -> impl Iterator<Item = String> {
        let vertex = self.vertex.as_ref();
        let vertex = vertex.map(|label| format!("VERTEX LABEL {}", Name(label)));
        vertex.into_iter().chain(self.edge.as_ref().map(Edge::to_string))
    }
}

/// What makes a table an edge of a graph (DSE).
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    label: String,
    from: EdgeEnd,
    to: EdgeEnd,
}

impl Edge {
    /// Its label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Where it begins.
    pub fn from(&self) -> &EdgeEnd {
        &self.from
    }

    /// Where it ends.
    pub fn to(&self) -> &EdgeEnd {
        &self.to
    }

    fn of(row: &SystemRow<'_>) -> Option<Self> {
        let end = |of: &str| {
            Some(EdgeEnd {
                table: row.get(&format!("{of}_table"))?,
                label: row.get(&format!("{of}_label"))?,
                partition_key: row.get(&format!("{of}_partition_key_columns"))?,
                clustering: row.get(&format!("{of}_clustering_columns")).unwrap_or_default(),
            })
        };
        Some(Self {
            label: row.get("label_name")?,
            from: end("from")?,
            to: end("to")?,
        })
    }
}

impl Display for Edge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "EDGE LABEL {} FROM {} TO {}",
            Name(&self.label),
            self.from,
            self.to
        )
    }
}

/// The vertices at one end of an edge, and the columns of the edge's table with their primary key.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeEnd {
    table: String,
    label: String,
    partition_key: Vec<String>,
    clustering: Vec<String>,
}

impl EdgeEnd {
    /// The table of the vertices.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Their label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The columns of the edge's table with their partition key.
    pub fn partition_key_columns(&self) -> &[String] {
        &self.partition_key
    }

    /// The columns of the edge's table with their clustering columns.
    pub fn clustering_columns(&self) -> &[String] {
        &self.clustering
    }
}

impl Display for EdgeEnd {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names =
            |names: &[String]| -> Vec<_> { names.iter().map(|name| Name(name).to_string()).collect() };
        let key = key_as_cql(&names(&self.partition_key), &names(&self.clustering));
        write!(f, "{}{key}", Name(&self.label))
    }
}

/// What tables are in graphs, by keyspace and table.
#[derive(Default)]
pub(super) struct Graphs(HashMap<(String, String), Graph>);

impl Graphs {
    /// Asks for what is in the scope, if the server is DSE. `limit` is the time for each answer.
    pub(super) async fn read(
        connection: &Connection,
        scope: Scope<'_>,
        limit: Duration,
        rows: &SchemaRows,
    ) -> Result<Self, AskError> {
        if !rows.tables.has_column("nodesync") {
            return Ok(Self::default());
        }
        let (vertices, edges) = tokio::try_join!(
            read(connection, scope, "system_schema.vertices", "table_name", limit),
            read(connection, scope, "system_schema.edges", "table_name", limit),
        )?;
        Ok(Self::of(&vertices, &edges))
    }

    fn of(vertices: &SystemRows, edges: &SystemRows) -> Self {
        let mut found = Self::default();
        for row in vertices.iter() {
            if let Some(graph) = found.at(&row) {
                graph.vertex = row.get("label_name");
            }
        }
        for row in edges.iter() {
            let Some(graph) = found.at(&row) else {
                continue;
            };
            graph.edge = Edge::of(&row);
            if graph.edge.is_none() {
                let (keyspace, table) = (row.get::<&str>("keyspace_name"), row.get::<&str>("table_name"));
                tracing::warn!(keyspace, table, "edge without label or ends is skipped");
            }
        }
        found
    }

    fn at(&mut self, row: &SystemRow<'_>) -> Option<&mut Graph> {
        let at = row.get("keyspace_name").zip(row.get("table_name"))?;
        Some(self.0.entry(at).or_default())
    }

    /// What a table is, if it is anything.
    pub(super) fn take(&mut self, table: &(String, String)) -> Option<Box<Graph>> {
        self.0
            .remove(table)
            .filter(|graph| *graph != Graph::default())
            .map(Box::new)
    }
}
