//! Every CQL type, there and back, on every protocol version: nulls, extremes and nesting.

use std::collections::BTreeMap;
use std::net::IpAddr;

use helenus::{
    CqlDate, CqlDuration, CqlRow, CqlTime, CqlTimestamp, CqlUserDefined, CqlValue, MaybeEmpty, Session,
    SimpleStatement,
};
use uuid::Uuid;

use crate::common::{VERSIONS, ddl, fresh_keyspace, session_with};

/// A type and values of it.
fn native() -> Vec<(&'static str, Vec<CqlValue>)> {
    let text = |value: &str| CqlValue::Text(value.to_owned());
    vec![
        (
            "ascii",
            vec![CqlValue::Ascii(String::new()), CqlValue::Ascii("abc~".to_owned())],
        ),
        ("bigint", [i64::MIN, -1, 0, i64::MAX].map(CqlValue::BigInt).into()),
        (
            "blob",
            vec![
                CqlValue::Blob(vec![].into()),
                CqlValue::Blob(vec![0, 255, 7].into()),
            ],
        ),
        ("boolean", [true, false].map(CqlValue::Boolean).into()),
        (
            "date",
            [0, 1 << 31, u32::MAX]
                .map(|day| CqlValue::Date(CqlDate(day)))
                .into(),
        ),
        (
            "decimal",
            [
                "0",
                "-1.50",
                "123456789012345678901234567890.123",
                "1e-30",
                "7e20",
            ]
            .map(|number| CqlValue::Decimal(number.parse().unwrap()))
            .into(),
        ),
        (
            "double",
            [0.0, -1.5, f64::MAX, f64::INFINITY].map(CqlValue::Double).into(),
        ),
        (
            "duration",
            [
                (0, 0, 0),
                (1, 2, 3),
                (-14, -3, -1_000_000_007),
                (i32::MAX, i32::MAX, i64::MAX),
            ]
            .map(|(months, days, nanoseconds)| {
                CqlValue::Duration(CqlDuration {
                    months,
                    days,
                    nanoseconds,
                })
            })
            .into(),
        ),
        (
            "float",
            [0.0, -1.5, f32::MIN_POSITIVE].map(CqlValue::Float).into(),
        ),
        (
            "inet",
            ["127.0.0.1", "::1", "2001:db8::ff"]
                .map(|ip| CqlValue::Inet(ip.parse::<IpAddr>().unwrap()))
                .into(),
        ),
        ("int", [i32::MIN, 0, i32::MAX].map(CqlValue::Int).into()),
        ("smallint", [i16::MIN, 0, i16::MAX].map(CqlValue::SmallInt).into()),
        (
            "text",
            vec![text(""), text("grüße, 世界 🦀"), text(&"x".repeat(70_000))],
        ),
        (
            "time",
            [0, 86_399_999_999_999]
                .map(|time| CqlValue::Time(CqlTime(time)))
                .into(),
        ),
        (
            "timestamp",
            [i64::MIN, -1, 0, 1_700_000_000_123]
                .map(|time| CqlValue::Timestamp(CqlTimestamp(time)))
                .into(),
        ),
        (
            "timeuuid",
            vec![CqlValue::Timeuuid(
                "0bd9ff90-a1b2-11ee-8c90-0242ac120002".parse().unwrap(),
            )],
        ),
        ("tinyint", [i8::MIN, 0, i8::MAX].map(CqlValue::TinyInt).into()),
        (
            "uuid",
            vec![
                CqlValue::Uuid(Uuid::nil()),
                CqlValue::Uuid(Uuid::from_u128(u128::MAX / 3)),
            ],
        ),
        (
            "varint",
            ["0", "-1", "127", "128", "-129", "123456789012345678901234567890"]
                .map(|number| CqlValue::Varint(number.parse().unwrap()))
                .into(),
        ),
    ]
}

fn composite() -> Vec<(&'static str, Vec<CqlValue>)> {
    let int = CqlValue::Int;
    let text = |value: &str| CqlValue::Text(value.to_owned());
    let address = |street: Option<CqlValue>, zips: Option<CqlValue>| {
        CqlValue::UserDefined(CqlUserDefined {
            keyspace: "it_types".into(),
            name: "address".into(),
            fields: vec![("street".into(), street), ("zips".into(), zips)],
        })
    };
    let zips = CqlValue::Set(vec![int(1), int(2)]);
    vec![
        ("list<int>", vec![CqlValue::List(vec![int(3), int(1), int(3)])]),
        ("set<text>", vec![CqlValue::Set(vec![text("a"), text("b")])]),
        (
            "map<text, int>",
            vec![CqlValue::Map(vec![(text("a"), int(1)), (text("b"), int(2))])],
        ),
        (
            "frozen<list<frozen<map<int, frozen<set<text>>>>>>",
            vec![
                CqlValue::List(vec![]),
                CqlValue::List(vec![
                    CqlValue::Map(vec![(int(1), CqlValue::Set(vec![text("x"), text("y")]))]),
                    CqlValue::Map(vec![]),
                ]),
            ],
        ),
        (
            "tuple<int, text, list<int>>",
            vec![
                CqlValue::Tuple(vec![
                    Some(int(1)),
                    Some(text("t")),
                    Some(CqlValue::List(vec![int(9)])),
                ]),
                CqlValue::Tuple(vec![None, None, None]),
            ],
        ),
        (
            "address",
            vec![
                address(Some(text("Main")), Some(zips.clone())),
                address(None, Some(zips.clone())),
            ],
        ),
        (
            "list<frozen<address>>",
            vec![CqlValue::List(vec![
                address(Some(text("Main")), None),
                address(Some(text("Side")), Some(zips)),
            ])],
        ),
        (
            "vector<float, 3>",
            vec![CqlValue::Vector([1.0, -2.5, 0.0].map(CqlValue::Float).into())],
        ),
        ("vector<int, 2>", vec![CqlValue::Vector(vec![int(1), int(-1)])]),
        (
            "vector<text, 2>",
            vec![CqlValue::Vector(vec![text(""), text(&"long ".repeat(60))])],
        ),
        (
            "vector<frozen<list<int>>, 2>",
            vec![CqlValue::Vector(vec![
                CqlValue::List(vec![int(1), int(2)]),
                CqlValue::List(vec![]),
            ])],
        ),
        (
            "vector<vector<double, 2>, 1>",
            vec![CqlValue::Vector(vec![CqlValue::Vector(
                [1.0, 2.0].map(CqlValue::Double).into(),
            )])],
        ),
    ]
}

async fn round_trip(session: &Session, table: &str, values: &[CqlValue], context: &str) {
    let insert = session
        .prepare(format!("INSERT INTO {table} (k, v) VALUES (?, ?)"))
        .await
        .unwrap();
    let select = session
        .prepare(format!("SELECT v FROM {table} WHERE k = ?"))
        .await
        .unwrap();
    for (key, value) in (0_i32..).zip(values) {
        session
            .execute(&insert, (key, value))
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let result = session.execute(&select, (key,)).await.unwrap();
        let row: CqlRow = result.single_row().unwrap();
        assert_eq!(row[0].as_ref(), Some(value), "{context}, prepared");
        let text = SimpleStatement::new(format!("SELECT v FROM {table} WHERE k = {key}"));
        let result = session.query(text, ()).await.unwrap();
        assert_eq!(
            result.single_row::<CqlRow>().unwrap()[0].as_ref(),
            Some(value),
            "{context}, simple"
        );
    }
    session.execute(&insert, (-1, None::<CqlValue>)).await.unwrap();
    let result = session.execute(&select, (-1,)).await.unwrap();
    assert_eq!(result.single_row::<CqlRow>().unwrap()[0], None, "{context}, null");
}

#[tokio::test]
async fn every_type_makes_the_round_trip_on_every_protocol_version() {
    let setup = fresh_keyspace("it_types").await;
    ddl(&setup, "CREATE TYPE address (street text, zips frozen<set<int>>)").await;
    let types: Vec<_> = native().into_iter().chain(composite()).collect();
    for (number, (ty, _)) in types.iter().enumerate() {
        ddl(
            &setup,
            &format!("CREATE TABLE t{number} (k int PRIMARY KEY, v {ty})"),
        )
        .await;
    }
    for wire in VERSIONS {
        let session = session_with(wire, "it_types").await;
        for (number, (ty, values)) in types.iter().enumerate() {
            round_trip(
                &session,
                &format!("t{number}"),
                values,
                &format!("{ty} on {}", wire.version),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn rust_types_bind_by_themselves_in_simple_statements() {
    let setup = fresh_keyspace("it_natural").await;
    ddl(
        &setup,
        "CREATE TABLE t (k int PRIMARY KEY, big bigint, small smallint, real float, yes boolean, name text, bytes blob, \
         id uuid, ip inet, list list<int>, map map<text, int>, pair tuple<int, text>)",
    )
    .await;
    type Row<'f> = (
        i32,
        i64,
        i16,
        f32,
        bool,
        &'f str,
        &'f [u8],
        Uuid,
        IpAddr,
        Vec<i32>,
        BTreeMap<String, i32>,
        (i32, &'f str),
    );
    let id = Uuid::from_u128(77);
    let ip: IpAddr = "10.1.2.3".parse().unwrap();
    let map = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    let values: Row<'_> = (
        1,
        2,
        3,
        5.5,
        true,
        "name",
        &[1, 2],
        id,
        ip,
        vec![7, 8],
        map,
        (9, "x"),
    );
    let names = "k, big, small, real, yes, name, bytes, id, ip, list, map, pair";
    let insert = format!("INSERT INTO t ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    for wire in VERSIONS {
        let session = session_with(wire, "it_natural").await;
        session.query(&insert, &values).await.unwrap();
        let result = session.query(format!("SELECT {names} FROM t"), ()).await.unwrap();
        assert_eq!(result.single_row::<Row<'_>>().unwrap(), values, "{wire:?}");
    }
}

#[tokio::test]
async fn values_of_no_bytes_are_not_null() {
    let session = fresh_keyspace("it_empty").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    session
        .query("INSERT INTO t (k, v) VALUES (1, blobAsInt(0x))", ())
        .await
        .unwrap();
    let result = session.query("SELECT v FROM t", ()).await.unwrap();
    assert_eq!(result.single_row::<CqlRow>().unwrap()[0], Some(CqlValue::Empty));
    assert_eq!(
        result.single_row::<(MaybeEmpty<i32>,)>().unwrap(),
        (MaybeEmpty::Empty,)
    );
    assert!(result.single_row::<(i32,)>().is_err());
    let insert = session
        .prepare("INSERT INTO t (k, v) VALUES (2, ?)")
        .await
        .unwrap();
    session
        .execute(&insert, (MaybeEmpty::<i32>::Empty,))
        .await
        .unwrap();
    let result = session.query("SELECT v FROM t WHERE k = 2", ()).await.unwrap();
    assert_eq!(result.single_row::<CqlRow>().unwrap()[0], Some(CqlValue::Empty));
}
