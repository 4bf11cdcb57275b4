use super::*;

#[test]
fn startup_is_a_string_map() {
    assert_bytes(
        &Request::Startup(Startup::new()),
        V4,
        "04 00 0102 01 00000016 0001 000b 'CQL_VERSION' 0005 '3.0.0'",
    );
    let startup = Startup::new()
        .with_compression(Some(Compression::Lz4))
        .with(Startup::NO_COMPACT, "false")
        .with(Startup::NO_COMPACT, "true");
    assert_eq!(startup.get(Startup::COMPRESSION), Some("lz4"));
    assert_bytes(
        &Request::Startup(startup),
        V5,
        "05 00 0102 01 0000003a 0003 000b 'CQL_VERSION' 0005 '3.0.0' 000b 'COMPRESSION' 0003 'lz4'
         000a 'NO_COMPACT' 0004 'true'",
    );
}

#[test]
fn options_has_no_body() {
    assert_bytes(&Request::Options, V3, "03 00 0102 05 00000000");
}

#[test]
fn register_is_a_list_of_kinds() {
    let register = Register {
        events: EventKind::ALL.to_vec(),
    };
    assert_bytes(
        &Request::Register(register),
        V4,
        "04 00 0102 0b 00000031 0003 000f 'TOPOLOGY_CHANGE' 000d 'STATUS_CHANGE' 000d 'SCHEMA_CHANGE'",
    );
    let (header, body) = split(&hex("04 00 0000 0b 00000005 0001 0001 'X'"));
    assert_eq!(
        Request::decode(&header, &body),
        Err(ProtocolError::UnknownName {
            what: "kind of event",
            value: "X".to_owned()
        })
    );
}

#[test]
fn auth_response_is_a_token_or_null() {
    let token = Some(&b"\0user\0password"[..]);
    assert_bytes(
        &Request::AuthResponse(AuthResponse { token }),
        V4,
        "04 00 0102 0f 00000012 0000000e 00 'user' 00 'password'",
    );
    assert_bytes(
        &Request::AuthResponse(AuthResponse { token: None }),
        V5,
        "05 00 0102 0f 00000004 ffffffff",
    );
}
