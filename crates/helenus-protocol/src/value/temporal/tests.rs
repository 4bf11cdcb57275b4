use super::*;

fn bytes(value: impl SerializeValue, native: NativeType) -> Vec<u8> {
    let mut out = Vec::new();
    value
        .serialize(&native.into(), &mut ValueWriter::bare(&mut out))
        .unwrap();
    out
}

fn read<'f, T: DeserializeValue<'f>>(bytes: &'f [u8], ty: &'f CqlType) -> Result<T, DeserializeError> {
    T::deserialize(ty, Some(bytes.into()))
}

#[test]
fn bytes_are_those_of_the_specification() {
    assert_eq!(
        bytes(CqlTimestamp(-2), NativeType::Timestamp),
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE]
    );
    // v5 §6.5: 2^31 is 1970-01-01.
    assert_eq!(bytes(CqlDate::from_days(0), NativeType::Date), [0x80, 0, 0, 0]);
    assert_eq!(
        bytes(CqlDate::from_days(-1), NativeType::Date),
        [0x7F, 0xFF, 0xFF, 0xFF]
    );
    assert_eq!(CqlDate(0).days(), i32::MIN);
    assert_eq!(bytes(CqlTime(1), NativeType::Time), [0, 0, 0, 0, 0, 0, 0, 1]);
    // v5 §6.8: three vints, zig-zag: 1 -> 2, 2 -> 4, 3 -> 6; -1 -> 1.
    assert_eq!(bytes(CqlDuration::new(1, 2, 3), NativeType::Duration), [2, 4, 6]);
    assert_eq!(
        bytes(CqlDuration::new(-1, -2, -128), NativeType::Duration),
        [1, 3, 0x80, 0xFF]
    );
}

#[test]
fn what_cql_does_not_allow_is_not_bound() {
    let error = |value: &dyn SerializeValue, native: NativeType| {
        value
            .serialize(&native.into(), &mut ValueWriter::new(&mut Vec::new()))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(error(&CqlTime(-1), NativeType::Time), "time: -1 is out of range");
    assert_eq!(
        error(&CqlTime(CqlTime::MAX.0 + 1), NativeType::Time),
        "time: 86400000000000 is out of range"
    );
    let mixed = CqlDuration::new(1, -1, 0);
    assert_eq!(
        error(&mixed, NativeType::Duration),
        "duration: months, days and nanoseconds differ in sign"
    );
    assert_eq!(
        error(&SystemTime::UNIX_EPOCH, NativeType::Int),
        "int: takes no value of the Rust type SystemTime"
    );
}

#[test]
fn a_duration_is_read_whole() {
    let ty = NativeType::Duration.into();
    let extremes = CqlDuration::new(i32::MIN, i32::MIN, i64::MIN);
    assert_eq!(
        read::<CqlDuration>(&bytes(extremes, NativeType::Duration), &ty),
        Ok(extremes)
    );
    for wrong in [
        &[][..],
        &[2, 4],
        &[2, 4, 6, 0],
        &[0xF8, 2, 0, 0, 0, 0, 4, 6],
        &[0xFF; 9],
    ] {
        assert!(read::<CqlDuration>(wrong, &ty).is_err(), "{wrong:?}");
    }
}

#[test]
fn system_time_is_rounded_down_to_milliseconds() {
    let at = |nanoseconds: i64| {
        let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
        let epoch = SystemTime::UNIX_EPOCH;
        CqlTimestamp::try_from(if nanoseconds < 0 {
            epoch - distance
        } else {
            epoch + distance
        })
    };
    assert_eq!(at(1_999_999), Ok(CqlTimestamp(1)));
    assert_eq!(at(-1), Ok(CqlTimestamp(-1)));
    assert_eq!(at(-1_000_000), Ok(CqlTimestamp(-1)));
    assert_eq!(
        SystemTime::try_from(CqlTimestamp(-1)),
        Ok(SystemTime::UNIX_EPOCH - Duration::from_millis(1))
    );
    let ty = NativeType::Timestamp.into();
    assert_eq!(read::<SystemTime>(&[0; 8], &ty), Ok(SystemTime::UNIX_EPOCH));
}

#[test]
fn a_time_of_day_is_a_std_duration() {
    assert_eq!(CqlTime::try_from(Duration::from_nanos(5)), Ok(CqlTime(5)));
    assert_eq!(CqlTime::try_from(Duration::from_secs(86_400)), Err(OutOfRange));
    assert_eq!(Duration::try_from(CqlTime(-5)), Err(OutOfRange));
    let ty = NativeType::Time.into();
    assert_eq!(
        read::<Duration>(&[0, 0, 0, 0, 0, 0, 0, 7], &ty),
        Ok(Duration::from_nanos(7))
    );
}
