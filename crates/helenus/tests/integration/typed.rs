//! Every CQL type as a Rust type: rows by name, user-defined types and new types by derive; nulls, empty collections and types
//! that only the server knows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bigdecimal::BigDecimal;
use helenus::{
    CqlDate, CqlDuration, CqlRow, CqlTime, CqlTimestamp, CqlType, CqlValue, DeserializeRow, DeserializeValue,
    NativeType, SerializeRow, SerializeValue,
};
use num_bigint::BigInt;
use uuid::Uuid;

use crate::common::{VERSIONS, ddl, fresh_keyspace, session_with};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, SerializeValue, DeserializeValue)]
struct Zip(i32);

#[derive(Clone, Debug, PartialEq, SerializeValue, DeserializeValue)]
struct Address {
    // Not in the order of the type.
    zips: Vec<Zip>,
    street: Option<String>,
    #[helenus(skip)]
    cached: u32,
}

type Triple = (Option<i32>, Option<String>, Option<Vec<i64>>);

#[derive(Clone, Debug, PartialEq, SerializeRow, DeserializeRow)]
struct Everything {
    k: i32,
    a: Option<String>,
    bi: Option<i64>,
    bl: Option<Vec<u8>>,
    bo: Option<bool>,
    da: Option<CqlDate>,
    de: Option<BigDecimal>,
    d: Option<f64>,
    du: Option<CqlDuration>,
    f: Option<f32>,
    i: Option<IpAddr>,
    si: Option<i16>,
    #[helenus(rename = "Tx")]
    tx: Option<String>,
    ti: Option<CqlTime>,
    ts: Option<CqlTimestamp>,
    tu: Option<Uuid>,
    ty: Option<i8>,
    u: Option<Uuid>,
    v: Option<BigInt>,
    li: Vec<Option<i32>>,
    se: BTreeSet<String>,
    ma: BTreeMap<Uuid, String>,
    nested: Option<Vec<BTreeMap<i32, BTreeSet<String>>>>,
    tup: Option<Triple>,
    ad: Option<Address>,
    ads: Vec<Address>,
    vf: Option<Vec<f32>>,
    vt: Option<Vec<String>>,
}

const TABLE: &str = "CREATE TABLE t (k int PRIMARY KEY, a ascii, bi bigint, bl blob, bo boolean, da date, de decimal, \
    d double, du duration, f float, i inet, si smallint, \"Tx\" text, ti time, ts timestamp, tu timeuuid, ty tinyint, \
    u uuid, v varint, li list<int>, se set<text>, ma map<uuid, text>, \
    nested frozen<list<frozen<map<int, frozen<set<text>>>>>>, tup tuple<int, text, frozen<list<bigint>>>, \
    ad address, ads list<frozen<address>>, vf vector<float, 3>, vt vector<text, 2>)";

fn full(key: i32) -> Everything {
    let strings = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let address = |street: Option<&str>| Address {
        zips: vec![Zip(1), Zip(2)],
        street: street.map(str::to_owned),
        cached: 0,
    };
    Everything {
        k: key,
        a: Some("ascii~".to_owned()),
        bi: Some(i64::MIN),
        bl: Some(vec![0, 255]),
        bo: Some(true),
        da: Some(CqlDate::from_days(-1)),
        de: Some("-1234567890123456789.50".parse().unwrap()),
        d: Some(-0.1),
        du: Some(CqlDuration::new(14, 3, 1_000_000_007)),
        f: Some(f32::MIN_POSITIVE),
        i: Some("2001:db8::1".parse().unwrap()),
        si: Some(i16::MIN),
        tx: Some("grüße 🦀".to_owned()),
        ti: Some(CqlTime::MAX),
        ts: Some(CqlTimestamp(-1)),
        tu: Some("0bd9ff90-a1b2-11ee-8c90-0242ac120002".parse().unwrap()),
        ty: Some(i8::MIN),
        u: Some(Uuid::from_u128(u128::MAX / 3)),
        v: Some("-123456789012345678901234567890".parse().unwrap()),
        li: vec![Some(3), Some(1), Some(3)],
        se: strings(&["a", "b"]),
        ma: BTreeMap::from([(Uuid::nil(), "nil".to_owned())]),
        nested: Some(vec![
            BTreeMap::from([(1, strings(&["x", "y"])), (2, BTreeSet::new())]),
            BTreeMap::new(),
        ]),
        tup: Some((Some(1), None, Some(vec![9, 8]))),
        ad: Some(address(Some("Main"))),
        ads: vec![address(None), address(Some("Side"))],
        vf: Some(vec![1.0, -2.5, 0.0]),
        vt: Some(vec![String::new(), "long ".repeat(60)]),
    }
}

/// Nulls, and collections of nothing, which are the same to the server.
fn empty(key: i32) -> Everything {
    Everything {
        k: key,
        a: None,
        bi: None,
        bl: None,
        bo: None,
        da: None,
        de: None,
        d: None,
        du: None,
        f: None,
        i: None,
        si: None,
        tx: None,
        ti: None,
        ts: None,
        tu: None,
        ty: None,
        u: None,
        v: None,
        li: Vec::new(),
        se: BTreeSet::new(),
        ma: BTreeMap::new(),
        nested: None,
        tup: None,
        ad: None,
        ads: Vec::new(),
        vf: None,
        vt: None,
    }
}

#[tokio::test]
async fn a_struct_with_every_type_makes_the_round_trip_by_name() {
    let setup = fresh_keyspace("it_typed").await;
    ddl(
        &setup,
        "CREATE TYPE address (street text, zips frozen<list<int>>)",
    )
    .await;
    ddl(&setup, TABLE).await;
    let columns = "k, a, bi, bl, bo, da, de, d, du, f, i, si, \"Tx\", ti, ts, tu, ty, u, v, li, se, ma, nested, tup, \
                   ad, ads, vf, vt";
    let markers = columns.split(", ").map(|name| format!(":{name}"));
    let markers: Vec<_> = markers.collect();
    let insert = format!("INSERT INTO t ({columns}) VALUES ({})", markers.join(", "));
    for wire in VERSIONS {
        let session = session_with(wire, "it_typed").await;
        ddl(&session, "TRUNCATE t").await;
        let insert = session.prepare(insert.as_str()).await.unwrap();
        // Other columns than those of the table, in another order than that of the struct.
        let select = session.prepare("SELECT * FROM t WHERE k = ?").await.unwrap();
        for row in [full(1), empty(2)] {
            let written = session.execute(&insert, &row).await;
            written.unwrap_or_else(|error| panic!("{wire:?}: {error}"));
            let result = session.execute(&select, (row.k,)).await.unwrap();
            assert_eq!(result.single_row::<Everything>().unwrap(), row, "{wire:?}");
            // The same, read without knowing the types, is what the same statement takes again.
            let dynamic: CqlRow = result.single_row().unwrap();
            let names: Vec<_> = result
                .columns()
                .iter()
                .map(|column| column.name.to_string())
                .collect();
            let again: BTreeMap<_, _> = names.into_iter().zip(dynamic.0.clone()).collect();
            session.execute(&insert, &again).await.unwrap();
            let result = session.execute(&select, (row.k,)).await.unwrap();
            assert_eq!(result.single_row::<CqlRow>().unwrap(), dynamic, "{wire:?}");
            assert_eq!(result.single_row::<Everything>().unwrap(), row, "{wire:?}");
        }
        let mut all = session
            .query_rows::<Everything>("SELECT * FROM t", ())
            .collect_rows()
            .await
            .unwrap();
        all.sort_by_key(|row| row.k);
        assert_eq!(all, [full(1), empty(2)], "{wire:?}");
    }
}

#[tokio::test]
async fn a_struct_is_checked_against_the_columns() {
    #[derive(Debug, DeserializeRow)]
    #[expect(dead_code, reason = "no row of it is ever read")]
    struct Wrong {
        k: i32,
        bi: i32,
    }
    #[derive(Debug, DeserializeRow)]
    #[expect(dead_code, reason = "no row of it is ever read")]
    struct Missing {
        k: i32,
        nowhere: i32,
    }
    let session = fresh_keyspace("it_typed_wrong").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY, bi bigint)").await;
    session.query("INSERT INTO t (k) VALUES (1)", ()).await.unwrap();
    let result = session.query("SELECT * FROM t", ()).await.unwrap();
    let error = result.rows::<Wrong>().unwrap_err().to_string();
    assert!(error.contains("\"bi\" (bigint)"), "{error}");
    let error = result.rows::<Missing>().unwrap_err().to_string();
    assert!(error.contains("\"nowhere\""), "{error}");
    // The types fit; a null does not.
    let error = result.first_row::<(i32, i64)>().unwrap_err().to_string();
    assert!(error.contains("\"bi\" (bigint)"), "{error}");
}

#[tokio::test]
async fn reversed_and_static_columns_and_counters_have_their_types() {
    let setup = fresh_keyspace("it_typed_tables").await;
    ddl(
        &setup,
        "CREATE TABLE t (p int, c timeuuid, s text STATIC, v int, PRIMARY KEY (p, c)) WITH CLUSTERING ORDER BY (c DESC)",
    )
    .await;
    ddl(&setup, "CREATE TABLE n (k text PRIMARY KEY, n counter)").await;
    let ids: [Uuid; 2] = [
        "0bd9ff90-a1b2-11ee-8c90-0242ac120002",
        "0bd9ff91-a1b2-11ee-8c90-0242ac120002",
    ]
    .map(|id| id.parse().unwrap());
    for wire in VERSIONS {
        let session = session_with(wire, "it_typed_tables").await;
        let insert = session
            .prepare("INSERT INTO t (p, c, s, v) VALUES (?, ?, ?, ?)")
            .await
            .unwrap();
        assert_eq!(insert.bind_columns()[1].ty, CqlType::Native(NativeType::Timeuuid));
        for (id, value) in ids.iter().zip([1, 2]) {
            session.execute(&insert, (1, id, "all", value)).await.unwrap();
        }
        let rows = session.query_rows::<(Uuid, String, i32)>("SELECT c, s, v FROM t", ());
        let rows = rows.collect_rows().await.unwrap();
        let expected = [(ids[1], "all".to_owned(), 2), (ids[0], "all".to_owned(), 1)];
        assert_eq!(rows, expected, "{wire:?}");

        let key = wire.version.to_string();
        let update = session
            .prepare("UPDATE n SET n = n + ? WHERE k = ?")
            .await
            .unwrap();
        session.execute(&update, (40_i64, &key)).await.unwrap();
        session.execute(&update, (2_i32, &key)).await.unwrap();
        let result = session
            .query("SELECT n FROM n WHERE k = ?", (&key,))
            .await
            .unwrap();
        assert_eq!(result.single_row::<(i64,)>().unwrap(), (42,), "{wire:?}");
        assert_eq!(
            result.single_row::<CqlRow>().unwrap()[0],
            Some(CqlValue::Counter(42))
        );
    }
}

#[tokio::test]
async fn a_type_that_only_the_server_knows_is_bytes() {
    let setup = fresh_keyspace("it_typed_custom").await;
    let class = "org.apache.cassandra.db.marshal.CompositeType(org.apache.cassandra.db.marshal.Int32Type,\
                 org.apache.cassandra.db.marshal.UTF8Type)";
    ddl(
        &setup,
        &format!("CREATE TABLE t (k int PRIMARY KEY, v '{class}')"),
    )
    .await;
    for wire in VERSIONS {
        let session = session_with(wire, "it_typed_custom").await;
        let insert = session
            .prepare("INSERT INTO t (k, v) VALUES (1, ?)")
            .await
            .unwrap();
        assert_eq!(insert.bind_columns()[0].ty, CqlType::Custom(class.into()));
        // Each part: its length, its bytes, and a zero.
        let bytes = b"\x00\x04\x00\x00\x00\x07\x00\x00\x01x\x00".to_vec();
        session.execute(&insert, (&bytes,)).await.unwrap();
        let result = session.query("SELECT v FROM t", ()).await.unwrap();
        assert_eq!(result.single_row::<(&[u8],)>().unwrap().0, bytes, "{wire:?}");
        let dynamic: CqlRow = result.single_row().unwrap();
        assert_eq!(dynamic[0], Some(CqlValue::Custom(bytes.into())), "{wire:?}");
        let wrong = session.execute(&insert, (vec![1_u8, 2],)).await.unwrap_err();
        assert!(wrong.server_error().is_some(), "{wire:?}: {wrong}");
    }
}
