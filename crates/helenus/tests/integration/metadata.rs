//! Schema metadata and tokens of a real server.

use helenus::schema::{ColumnKind, IndexKind, Keyspace};
use helenus::{Partitioner, ReplicationStrategy, Session, Token};

use crate::common::{ddl, fresh_keyspace};

/// One of each kind of element that Cassandra 4.0 has, with names and texts that need quotes.
const ELEMENTS: &[&str] = &[
    "CREATE TYPE place (street text, number int, tags frozen<set<text>>)",
    "CREATE TYPE \"Other\" (\"Field One\" frozen<place>, l frozen<list<frozen<place>>>)",
    "CREATE TABLE simple (id int PRIMARY KEY, a text, b list<int>, f frozen<list<text>>, p frozen<place>, \
     m map<text, frozen<list<int>>>, o frozen<\"Other\">, t tuple<int, text>) WITH comment = 'it''s simple' AND \
     gc_grace_seconds = 100",
    "CREATE TABLE compound (a int, b text, c timeuuid, d int, s text static, e decimal, \"Mixed Case\" int, \
     \"select\" text, PRIMARY KEY ((a, b), c, d)) WITH CLUSTERING ORDER BY (c DESC, d ASC) AND compaction = \
     {'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': '160'} AND compression = {'class': 'LZ4Compressor', \
     'chunk_length_in_kb': '32'} AND caching = {'keys': 'ALL', 'rows_per_partition': '10'} AND speculative_retry = '95p' \
     AND default_time_to_live = 100",
    "CREATE TABLE counters (id int, c text, n counter, PRIMARY KEY (id, c))",
    "CREATE TABLE \"Quoted\" (\"Id\" int PRIMARY KEY, bloom double) WITH bloom_filter_fp_chance = 0.5 AND crc_check_chance = 1",
    "CREATE TABLE compact_static (k int PRIMARY KEY, b text, a int) WITH COMPACT STORAGE",
    "CREATE TABLE compact_names (k int PRIMARY KEY, column1 int, value int) WITH COMPACT STORAGE",
    "CREATE TABLE compact_counters (k int PRIMARY KEY, n counter, m counter) WITH COMPACT STORAGE",
    "CREATE TABLE compact_dense (k int, c int, \"V\" text, PRIMARY KEY (k, c)) WITH COMPACT STORAGE AND CLUSTERING ORDER BY \
     (c DESC)",
    "CREATE TABLE compact_compound (k int, c int, d int, v text, PRIMARY KEY (k, c, d)) WITH COMPACT STORAGE",
    "CREATE TABLE compact_key (k int, c int, PRIMARY KEY (k, c)) WITH COMPACT STORAGE",
    "CREATE TABLE compact_compound_key (k int, c int, d int, PRIMARY KEY (k, c, d)) WITH COMPACT STORAGE",
    "CREATE INDEX compact_a ON compact_static (a)",
    "CREATE TABLE logged (id int PRIMARY KEY) WITH cdc = true",
    "CREATE INDEX simple_a ON simple (a)",
    "CREATE INDEX simple_m_keys ON simple (keys(m))",
    "CREATE INDEX simple_m_entries ON simple (entries(m))",
    "CREATE INDEX simple_f ON simple (full(f))",
    "CREATE INDEX \"Mixed\" ON compound (\"Mixed Case\")",
    "CREATE CUSTOM INDEX sasi ON compound (\"select\") USING 'org.apache.cassandra.index.sasi.SASIIndex' WITH OPTIONS = \
     {'mode': 'PREFIX', 'case_sensitive': 'false', 'analyzer_class': \
     'org.apache.cassandra.index.sasi.analyzer.NonTokenizingAnalyzer'}",
    "CREATE MATERIALIZED VIEW by_e AS SELECT a, b, c, d, e FROM compound WHERE a IS NOT NULL AND b IS NOT NULL AND c IS NOT \
     NULL AND d IS NOT NULL AND e IS NOT NULL PRIMARY KEY (e, a, b, c, d) WITH CLUSTERING ORDER BY (a DESC, b ASC, c ASC, \
     d ASC) AND comment = 'view'",
    "CREATE MATERIALIZED VIEW all_of AS SELECT * FROM counted WHERE id IS NOT NULL AND c IS NOT NULL PRIMARY KEY (c, id)",
    "CREATE FUNCTION plus(a int, b int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'return a == null ? b : a + b; \
     // it''s'",
    "CREATE FUNCTION shown(a int, \"B\" place) RETURNS NULL ON NULL INPUT RETURNS text LANGUAGE java AS $$ return \"x\"; $$",
    "CREATE FUNCTION last(a int) RETURNS NULL ON NULL INPUT RETURNS text LANGUAGE java AS 'return \"$$\" + a;'",
    "CREATE AGGREGATE total(int) SFUNC plus STYPE int FINALFUNC last INITCOND 0",
    "CREATE AGGREGATE sum_of(int) SFUNC plus STYPE int",
];

/// Of Cassandra 5.0.
const ELEMENTS_5_0: &[&str] = &[
    "CREATE TABLE vectors (id int PRIMARY KEY, v vector<float, 4>, w text)",
    "CREATE CUSTOM INDEX sai_v ON vectors (v) USING 'StorageAttachedIndex' WITH OPTIONS = {'similarity_function': 'cosine'}",
    "CREATE INDEX sai_w ON vectors (w) USING 'sai' WITH OPTIONS = {'case_sensitive': 'false'}",
    "CREATE TABLE in_trie (id int PRIMARY KEY) WITH memtable = 'default' AND incremental_backups = false AND \
     allow_auto_snapshot = false",
    "CREATE TABLE masked (id int PRIMARY KEY, \"A\" text MASKED WITH mask_inner(1, null), b int MASKED WITH DEFAULT, c text MASKED \
     WITH mask_replace('no, (none)'), d blob MASKED WITH mask_hash('SHA-256'), e int)",
];

/// The elements of a keyspace, in an order in which they can be made; the tables that views need come first.
fn statements(version_5: bool) -> Vec<String> {
    let base = "CREATE TABLE counted (id int PRIMARY KEY, c int, d text)".to_owned();
    let fixed = ELEMENTS
        .iter()
        .chain(ELEMENTS_5_0.iter().filter(|_| version_5))
        .map(|text| (*text).to_owned());
    // Many more, of every native type, so that there are 200 of them.
    let types = [
        "ascii",
        "bigint",
        "blob",
        "boolean",
        "date",
        "decimal",
        "double",
        "duration",
        "float",
        "inet",
        "int",
        "smallint",
        "text",
        "time",
        "timestamp",
        "timeuuid",
        "tinyint",
        "uuid",
        "varint",
    ];
    let generated = types.iter().enumerate().flat_map(|(at, ty)| {
        let key = if *ty == "duration" { "int" } else { ty };
        let order = if at % 2 == 0 { "DESC" } else { "ASC" };
        [
            format!("CREATE TYPE type_{ty} (f {ty}, l frozen<list<{ty}>>, t frozen<tuple<{ty}, int>>)"),
            format!("CREATE TABLE key_{ty} (k {key} PRIMARY KEY, v {ty}, s set<{key}>, u frozen<type_{ty}>)"),
            format!(
                "CREATE TABLE cluster_{ty} (k int, c {key}, d {key}, v map<{key}, {ty}>, st {ty} static, PRIMARY KEY (k, c, d)) \
                 WITH CLUSTERING ORDER BY (c {order}, d ASC)"
            ),
            format!("CREATE INDEX index_{ty} ON key_{ty} (s)"),
            format!("CREATE INDEX values_{ty} ON cluster_{ty} (keys(v))"),
            format!(
                "CREATE MATERIALIZED VIEW view_{ty} AS SELECT k, c, d FROM cluster_{ty} WHERE k IS NOT NULL AND c IS NOT NULL AND \
                 d IS NOT NULL PRIMARY KEY (d, k, c)"
            ),
            format!(
                "CREATE FUNCTION first_{ty}(a {ty}, b {ty}) CALLED ON NULL INPUT RETURNS {ty} LANGUAGE java AS 'return a;'"
            ),
            format!("CREATE AGGREGATE only_{ty}({ty}) SFUNC first_{ty} STYPE {ty}"),
            format!("CREATE TABLE pair_{ty} (a {key}, b int, v frozen<map<{key}, {ty}>>, PRIMARY KEY ((a, b)))"),
        ]
    });
    // Durations are not indexed, nor maps that hold them.
    let of_durations = |text: &str| text.starts_with("CREATE INDEX") && text.contains("_duration ");
    let generated = generated.filter(|text| !of_durations(text));
    std::iter::once(base).chain(fixed).chain(generated).collect()
}

/// All that a keyspace prints, without ids.
fn printed(session: &Session, name: &str) -> String {
    session.state().schema().keyspace(name).unwrap().export()
}

fn count(keyspace: &Keyspace) -> usize {
    let indexes: usize = keyspace
        .tables()
        .values()
        .map(|table| table.indexes().len())
        .sum();
    indexes
        + keyspace.tables().len()
        + keyspace.views().len()
        + keyspace.types().len()
        + keyspace.functions().len()
        + keyspace.aggregates().len()
}

#[tokio::test]
async fn every_element_prints_cql_that_makes_an_equal_one() {
    let session = fresh_keyspace("it_metadata").await;
    let state = session.state();
    let version_5 = state.nodes()[0].release_version().unwrap().starts_with("5.");
    for text in statements(version_5) {
        ddl(&session, &text).await;
    }
    let state = session.state();
    let keyspace = state.schema().keyspace("it_metadata").unwrap();
    let original = (printed(&session, "it_metadata"), count(keyspace));
    assert!(original.1 >= 180, "{} elements", original.1);
    ddl(&session, "DROP KEYSPACE it_metadata").await;
    assert!(session.state().schema().keyspace("it_metadata").is_none());
    let mut begun = String::new();
    for line in original.0.lines() {
        begun.push_str(line);
        if line.ends_with(';') {
            ddl(&session, begun.trim_end_matches(';')).await;
            begun.clear();
        } else {
            begun.push('\n');
        }
    }
    assert_eq!(begun, "");
    let again = session.state();
    let again = again.schema().keyspace("it_metadata").unwrap();
    assert_eq!(printed(&session, "it_metadata"), original.0);
    assert_eq!(count(again), original.1);
    for (name, table) in keyspace.tables() {
        let other = &again.tables()[name];
        assert_ne!(table.id(), other.id(), "{name} is another table");
        assert_eq!(
            (table.columns(), table.options()),
            (other.columns(), other.options())
        );
        assert_eq!(table.indexes(), other.indexes());
    }
    if version_5 {
        let masked = again.tables()["masked"].columns();
        let mask = |column| masked.get(column).unwrap().mask();
        assert_eq!(mask("A"), Some("mask_inner(1, null)"));
        assert_eq!(mask("e"), None);
    }
    assert_eq!(keyspace.types(), again.types());
    assert_eq!(keyspace.functions(), again.functions());
    assert_eq!(keyspace.aggregates(), again.aggregates());
}

#[tokio::test]
async fn metadata_says_what_tables_are_made_of_as_soon_as_they_are_there() {
    let session = fresh_keyspace("it_columns").await;
    ddl(&session, ELEMENTS[0]).await;
    ddl(
        &session,
        "CREATE TABLE t (a int, b text, c int, s text static, p frozen<place>, PRIMARY KEY ((a, b), c)) WITH CLUSTERING ORDER BY \
         (c DESC)",
    )
    .await;
    ddl(&session, "CREATE INDEX t_p ON t (p)").await;
    let state = session.state();
    let table = state.schema().table("it_columns", "t").unwrap();
    let columns = table.columns();
    let names = |columns: &[helenus::schema::Column]| -> Vec<String> {
        columns.iter().map(|column| column.name().to_owned()).collect()
    };
    assert_eq!(names(columns.partition_key()), ["a", "b"]);
    assert_eq!(names(columns.clustering()), ["c"]);
    assert!(columns.get("c").unwrap().is_descending());
    assert_eq!(columns.get("s").unwrap().kind(), ColumnKind::Static);
    assert_eq!(names(columns.all()), ["a", "b", "c", "p", "s"]);
    let place = columns.get("p").unwrap().ty().to_string();
    assert!(place.contains("place"), "{place}");
    let index = &table.indexes()["t_p"];
    assert_eq!((index.kind(), index.target()), (&IndexKind::Composites, "p"));
    assert!(!table.is_virtual());
    let virtual_table = state.schema().table("system_views", "clients").unwrap();
    assert!(
        virtual_table.is_virtual()
            && virtual_table
                .export()
                .contains("VIRTUAL TABLE system_views.clients")
    );
    ddl(&session, "ALTER TABLE t ADD z int").await;
    let state = session.state();
    assert!(
        state
            .schema()
            .table("it_columns", "t")
            .unwrap()
            .columns()
            .get("z")
            .is_some()
    );
}

#[tokio::test]
async fn another_sessions_changes_arrive_by_events() {
    let session = fresh_keyspace("it_events").await;
    let other = session.state();
    assert!(other.schema().table("it_events", "late").is_none());
    let changer = crate::common::session().await;
    ddl(&changer, "CREATE TABLE it_events.late (id int PRIMARY KEY)").await;
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while session.state().schema().table("it_events", "late").is_none() {
        assert!(std::time::Instant::now() < end, "the event was not heeded");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn tokens_are_those_of_the_server_and_have_replicas() {
    let session = fresh_keyspace("it_tokens").await;
    ddl(&session, "CREATE TABLE t (a text, b int, PRIMARY KEY ((a, b)))").await;
    let insert = session
        .prepare("INSERT INTO t (a, b) VALUES (?, ?)")
        .await
        .unwrap();
    for number in 0..50 {
        session
            .execute(&insert, (format!("größer {number}"), number))
            .await
            .unwrap();
    }
    let state = session.state();
    assert_eq!(state.token_partitioner(), Some(Partitioner::Murmur3));
    let rows = session
        .query("SELECT token(a, b), a, b FROM t", ())
        .await
        .unwrap();
    for row in rows.rows::<(i64, String, i32)>().unwrap() {
        let (token, a, b) = row.unwrap();
        let mut key = Vec::new();
        for part in [a.as_bytes(), &b.to_be_bytes()] {
            key.extend_from_slice(&u16::try_from(part.len()).unwrap().to_be_bytes());
            key.extend_from_slice(part);
            key.push(0);
        }
        let found = Partitioner::Murmur3.token(&key);
        assert_eq!(found, Token::Murmur3(token));
        let replicas: Vec<_> = state.replicas("it_tokens", &found).collect();
        assert_eq!(replicas.len(), 1);
    }
    let keyspace = state.schema().keyspace("it_tokens").unwrap();
    assert!(matches!(keyspace.strategy(), ReplicationStrategy::Simple(factor) if factor.all == 1));
    assert_eq!(state.replicas("system", &Token::Murmur3(0)).count(), 0);
}

#[tokio::test]
async fn without_schema_metadata_there_is_none_but_tokens_work() {
    let builder = crate::common::builder().schema_metadata(false);
    let session = builder.build().unwrap().connect().await.unwrap();
    let state = session.state();
    assert!(
        state
            .schema()
            .keyspaces()
            .values()
            .all(|keyspace| keyspace.tables().is_empty())
    );
    assert_eq!(
        state.replicas("system_traces", &Token::Murmur3(0)).len(),
        state.nodes().len().min(2)
    );
    session.cluster().refresh_schema().await.unwrap();
    assert!(session.state().schema().table("system", "local").is_some());
    drop(session);
}
