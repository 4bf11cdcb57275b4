//! What the unit tests of this crate share.

use proptest::prelude::*;

use crate::{ConsistencyLevel, CqlType, NativeType, ProtocolVersion};

/// Bytes spelled out: hexadecimal digits, and text between single quotes. Blanks part groups.
///
/// # Panics
/// When the text is neither.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in text.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        for pair in digits.chunks(2) {
            let pair = std::str::from_utf8(pair).unwrap();
            assert_eq!(pair.len(), 2, "odd number of digits in {part:?}");
            bytes.push(u8::from_str_radix(pair, 16).unwrap());
        }
    }
    bytes
}

pub(crate) fn any_version() -> impl Strategy<Value = ProtocolVersion> {
    proptest::sample::select(&ProtocolVersion::ALL)
}

pub(crate) fn any_consistency() -> impl Strategy<Value = ConsistencyLevel> {
    proptest::sample::select(&ConsistencyLevel::ALL)
}

/// Types of every shape that versions from 3 on can send.
pub(crate) fn any_type() -> impl Strategy<Value = CqlType> {
    let leaf = proptest::sample::select(vec![
        CqlType::from(NativeType::Int),
        CqlType::from(NativeType::Text),
        CqlType::from(NativeType::Uuid),
        CqlType::from(NativeType::Counter),
    ]);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(CqlType::list),
            inner.clone().prop_map(CqlType::set),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| CqlType::map(key, value)),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(CqlType::tuple),
            (
                "[a-z]{1,5}",
                proptest::collection::vec(("[a-z]{1,5}", inner), 1..4)
            )
                .prop_map(|(name, fields)| {
                    let fields = fields.into_iter().map(|(name, ty)| (name.as_str().into(), ty));
                    CqlType::user_defined("ks", name, fields.collect::<Vec<_>>())
                }),
        ]
    })
}
