//! The schema, handed to Python piece by piece: `cassandra._metadata` makes its objects of what is asked for.

use std::borrow::Cow;
use std::sync::Arc;

use helenus::schema::{ColumnKind, Columns, EdgeEnd, Keyspace, OptionValue, Schema, Table, TableOptions};
use helenus::{ClusterState, Token};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

/// The schema at one moment.
#[pyclass(frozen, module = "cassandra._core")]
pub(crate) struct SchemaSnapshot(Arc<ClusterState>);

/// A keyspace at one moment.
#[pyclass(frozen, module = "cassandra._core")]
pub(crate) struct KeyspaceSnapshot {
    keyspace: Arc<Keyspace>,
    /// Whether the cluster is one whose tables may be parts of graphs.
    has_graphs: bool,
}

impl SchemaSnapshot {
    pub(crate) fn new(state: Arc<ClusterState>) -> Self {
        Self(state)
    }

    fn schema(&self) -> &Arc<Schema> {
        self.0.schema()
    }
}

#[pymethods]
impl SchemaSnapshot {
    /// Whether both are of the same moment.
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.schema(), other.schema())
    }

    /// Whether tokens of the partitioner are known.
    fn has_tokens(&self) -> bool {
        self.0.token_partitioner().is_some()
    }

    /// Whether both have the same nodes, unchanged.
    fn has_same_nodes(&self, other: &Self) -> bool {
        let (ours, others) = (self.0.nodes(), other.0.nodes());
        ours.len() == others.len()
            && ours
                .iter()
                .zip(others.iter())
                .all(|(our, other)| Arc::ptr_eq(our, other))
    }

    /// The keyspaces by name.
    fn keyspaces(&self) -> Vec<(String, KeyspaceSnapshot)> {
        let mut nodes = self.0.nodes().iter();
        let has_graphs = nodes.any(|node| node.dse_version().is_some_and(has_graphs));
        let keyspaces = self.schema().keyspaces().iter();
        let snapshots = keyspaces.map(|(name, keyspace)| {
            let keyspace = Arc::clone(keyspace);
            (name.to_string(), KeyspaceSnapshot { keyspace, has_graphs })
        });
        snapshots.collect()
    }

    /// The tokens of each node, as text, by host id as text.
    fn tokens(&self) -> Vec<(String, Vec<String>)> {
        let nodes = self.0.nodes().iter();
        nodes
            .map(|node| {
                let tokens = node.tokens().map(Cow::into_owned).collect();
                (node.host_id().to_string(), tokens)
            })
            .collect()
    }

    /// Host ids, as text, of the nodes with replicas of a partition, the primary replica first.
    fn replicas(&self, keyspace: &str, partition_key: &[u8]) -> Vec<String> {
        let Some(partitioner) = self.0.token_partitioner() else {
            return Vec::new();
        };
        let token: Token = partitioner.token(partition_key);
        self.0
            .replicas(keyspace, &token)
            .map(|node| node.host_id().to_string())
            .collect()
    }
}

/// Since DSE 6.8.
fn has_graphs(dse_version: &str) -> bool {
    let mut numbers = dse_version.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
    (major, minor) >= (Some(6), Some(8))
}

#[pymethods]
impl KeyspaceSnapshot {
    /// Whether both are the same keyspace, unchanged.
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.keyspace, &other.keyspace)
    }

    /// Name, durable writes, replication, whether it is virtual, graph engine.
    fn description<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let keyspace = &self.keyspace;
        (
            keyspace.name(),
            keyspace.has_durable_writes(),
            text_map(py, keyspace.replication())?,
            keyspace.is_virtual(),
            keyspace.graph_engine(),
        )
            .into_pyobject(py)
    }

    /// Tables: name, columns, options, indexes, triggers, whether compact, whether virtual, and in a cluster that may have
    /// graphs label and edge.
    fn tables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let tables = self.keyspace.tables().values().map(|table| {
            let indexes = table.indexes().values().map(|index| {
                Ok((
                    index.name(),
                    index.kind().as_str(),
                    text_map(py, index.options())?,
                ))
            });
            let triggers = table.triggers().values();
            let triggers = triggers.map(|trigger| Ok((trigger.name(), text_map(py, trigger.options())?)));
            (
                table.name(),
                columns(py, table.columns())?,
                options(py, table.options())?,
                indexes.collect::<PyResult<Vec<_>>>()?,
                triggers.collect::<PyResult<Vec<_>>>()?,
                table.is_compact(),
                table.is_virtual(),
                self.has_graphs.then(|| part_of_graph(table)),
            )
                .into_pyobject(py)
        });
        PyList::new(py, tables.collect::<PyResult<Vec<_>>>()?)
    }

    /// Materialized views: name, table, whether of all columns, WHERE clause, columns, options.
    fn views<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let views = self.keyspace.views().values().map(|view| {
            (
                view.name(),
                view.base_table(),
                view.includes_all_columns(),
                view.where_clause(),
                columns(py, view.columns())?,
                options(py, view.options())?,
            )
                .into_pyobject(py)
        });
        PyList::new(py, views.collect::<PyResult<Vec<_>>>()?)
    }

    /// User-defined types: name, names of the fields, their types.
    fn types(&self) -> Vec<(String, Vec<String>, Vec<String>)> {
        let types = self.keyspace.types().values().map(|ty| {
            let definition = ty.definition();
            let names = definition
                .fields
                .iter()
                .map(|(name, _)| name.to_string())
                .collect();
            (definition.name.to_string(), names, ty.field_types().to_vec())
        });
        types.collect()
    }

    /// Functions: name, argument types and names, return type, language, body, whether called on null input,
    /// deterministic, monotonic, monotonic on.
    fn functions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let functions = self.keyspace.functions().values().map(|function| {
            let names: Vec<&str> = function.arguments().map(|(name, _)| name).collect();
            (
                function.name(),
                function.argument_types(),
                names,
                function.return_type(),
                function.language(),
                function.body(),
                function.is_called_on_null_input(),
                function.is_deterministic(),
                function.is_monotonic(),
                function.monotonic_on(),
            )
                .into_pyobject(py)
        });
        PyList::new(py, functions.collect::<PyResult<Vec<_>>>()?)
    }

    /// Aggregates: name, argument types, state function and type, final function, initial condition, return type,
    /// deterministic.
    fn aggregates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let aggregates = self.keyspace.aggregates().values().map(|aggregate| {
            (
                aggregate.name(),
                aggregate.argument_types(),
                aggregate.state_function(),
                aggregate.state_type(),
                aggregate.final_function(),
                aggregate.initial_condition(),
                aggregate.return_type(),
                aggregate.is_deterministic(),
            )
                .into_pyobject(py)
        });
        PyList::new(py, aggregates.collect::<PyResult<Vec<_>>>()?)
    }
}

/// Where an edge begins or ends: table, label, partition key columns, clustering columns.
type End<'a> = (&'a str, &'a str, &'a [String], &'a [String]);

/// The label of a table's vertices; the label of its edges, where they begin, where they end.
type PartOfGraph<'a> = (Option<&'a str>, Option<(&'a str, End<'a>, End<'a>)>);

fn part_of_graph(table: &Table) -> PartOfGraph<'_> {
    fn end(end: &EdgeEnd) -> End<'_> {
        let columns = (end.partition_key_columns(), end.clustering_columns());
        (end.table(), end.label(), columns.0, columns.1)
    }
    let edge = table
        .edge()
        .map(|edge| (edge.label(), end(edge.from()), end(edge.to())));
    (table.vertex_label(), edge)
}

/// Name, type, kind, whether descending.
type Column<'a> = (&'a str, &'a str, &'static str, bool);

fn columns<'py>(py: Python<'py>, columns: &Columns) -> PyResult<Bound<'py, PyList>> {
    let columns = columns.all().iter().map(|column| -> Column<'_> {
        let kind = match column.kind() {
            ColumnKind::PartitionKey => "partition_key",
            ColumnKind::Clustering => "clustering",
            ColumnKind::Static => "static",
            ColumnKind::Regular => "regular",
        };
        (column.name(), column.type_text(), kind, column.is_descending())
    });
    PyList::new(py, columns.collect::<Vec<_>>())
}

fn text_map<'py>(
    py: Python<'py>,
    map: &std::collections::BTreeMap<String, String>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in map {
        dict.set_item(name, value)?;
    }
    Ok(dict)
}

fn options<'py>(py: Python<'py>, options: &TableOptions) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in options {
        match value {
            OptionValue::Text(text) => dict.set_item(name, text)?,
            OptionValue::Int(number) => dict.set_item(name, number)?,
            OptionValue::Double(number) => dict.set_item(name, number)?,
            OptionValue::Boolean(value) => dict.set_item(name, value)?,
            OptionValue::Map(map) => dict.set_item(name, text_map(py, map)?)?,
            OptionValue::Extensions(map) => {
                let extensions = PyDict::new(py);
                for (name, bytes) in map {
                    extensions.set_item(name, PyBytes::new(py, bytes))?;
                }
                dict.set_item(name, extensions)?;
            }
            // There are no others yet.
            _ => {}
        }
    }
    Ok(dict)
}
