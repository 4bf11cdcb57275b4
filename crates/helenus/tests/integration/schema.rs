//! Changes of the schema.

use helenus::{SchemaAgreement, SchemaChangeTarget, SchemaChangeType};

use crate::common::fresh_keyspace;

#[tokio::test]
async fn a_change_of_the_schema_says_what_changed_and_that_all_nodes_know() {
    let session = fresh_keyspace("it_schema").await;
    let table = || SchemaChangeTarget::Table { name: "t".to_owned() };
    for (text, change, target) in [
        (
            "CREATE TABLE t (k int PRIMARY KEY)",
            SchemaChangeType::Created,
            table(),
        ),
        ("ALTER TABLE t ADD v int", SchemaChangeType::Updated, table()),
        (
            "CREATE TYPE u (a int)",
            SchemaChangeType::Created,
            SchemaChangeTarget::Type { name: "u".to_owned() },
        ),
        ("DROP TABLE t", SchemaChangeType::Dropped, table()),
    ] {
        let result = session.query(text, ()).await.unwrap();
        let found = result.schema_change().unwrap();
        assert_eq!(
            (&*found.keyspace, found.change, &found.target),
            ("it_schema", change, &target)
        );
        assert_eq!(result.schema_agreement(), Some(SchemaAgreement::Reached));
    }
    let nothing = session.query("DROP TABLE IF EXISTS t", ()).await.unwrap();
    assert_eq!(nothing.schema_change(), None);
    assert_eq!(
        session.wait_for_schema_agreement().await,
        SchemaAgreement::Reached
    );
}
