//! The types that values stand for by themselves, where no bind marker says the type.
//!
//! [`NativeType::Empty`] inside such a type means "any": nothing but nulls and empty collections was seen there.

use super::traits::SerializeValue;
use crate::{CqlType, NativeType};

const ANY: CqlType = CqlType::Native(NativeType::Empty);

/// The one type that all these values can be written as; any when there are none. `None` when one of them stands for no type.
/// Where the values have no common type the first one wins, and writing the others gives the error.
pub(super) fn common<'v, T: SerializeValue + ?Sized + 'v>(
    values: impl Iterator<Item = &'v T>,
) -> Option<CqlType> {
    let mut common = ANY;
    for value in values {
        if is_known(&common) {
            break;
        }
        common = merge(common, value.natural_type()?);
    }
    Some(common)
}

/// Whether no part of the type is open.
fn is_known(ty: &CqlType) -> bool {
    match ty {
        CqlType::Native(native) => *native != NativeType::Empty,
        CqlType::List(element) | CqlType::Set(element) | CqlType::Vector { element, .. } => is_known(element),
        CqlType::Map(types) => is_known(&types.0) && is_known(&types.1),
        CqlType::Tuple(elements) => elements.iter().all(is_known),
        CqlType::UserDefined(udt) => udt.fields.iter().all(|field| is_known(&field.1)),
        CqlType::Frozen(inner) => is_known(inner),
        CqlType::Custom(_) => true,
    }
}

/// `first`, with its open parts filled from `second`.
fn merge(first: CqlType, second: CqlType) -> CqlType {
    match (first, second) {
        (ANY, second) => second,
        (CqlType::List(first), CqlType::List(second)) => CqlType::list(merge_shared(&first, &second)),
        (CqlType::Set(first), CqlType::Set(second)) => CqlType::set(merge_shared(&first, &second)),
        (CqlType::Map(first), CqlType::Map(second)) => CqlType::map(
            merge_shared(&first.0, &second.0),
            merge_shared(&first.1, &second.1),
        ),
        (CqlType::Tuple(first), CqlType::Tuple(second)) if first.len() == second.len() => CqlType::tuple(
            first
                .iter()
                .zip(second.iter())
                .map(|(first, second)| merge_shared(first, second)),
        ),
        (
            CqlType::Vector {
                element: first,
                dimensions,
            },
            CqlType::Vector {
                element: second,
                dimensions: same,
            },
        ) if dimensions == same => CqlType::vector(merge_shared(&first, &second), dimensions),
        (CqlType::UserDefined(first), CqlType::UserDefined(second)) => {
            let fields = first.fields.iter().map(|(name, ty)| {
                let other = second.fields.iter().find(|field| field.0 == *name);
                (
                    name.clone(),
                    other.map_or_else(|| ty.clone(), |other| merge_shared(ty, &other.1)),
                )
            });
            CqlType::user_defined(
                first.keyspace.clone(),
                first.name.clone(),
                fields.collect::<Vec<_>>(),
            )
        }
        (first, _) => first,
    }
}

fn merge_shared(first: &CqlType, second: &CqlType) -> CqlType {
    merge(first.clone(), second.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CqlUserDefined, CqlValue};

    fn natural(value: impl SerializeValue) -> String {
        value.natural_type().unwrap().to_string()
    }

    #[test]
    fn values_stand_for_the_type_of_their_kind() {
        assert_eq!(natural(1_i32), "int");
        assert_eq!(natural(1_i64), "bigint");
        assert_eq!(natural("a"), "text");
        assert_eq!(natural(vec![1_u8]), "blob");
        assert_eq!(natural(vec![1.5_f32]), "list<float>");
        assert_eq!(
            natural((1_i16, Some("a"), true)),
            "tuple<smallint, text, boolean>"
        );
        assert!(1_u32.natural_type().is_none());
        assert!(vec![1_u32].natural_type().is_none());
    }

    #[test]
    fn nulls_and_empty_collections_take_the_type_of_their_neighbours() {
        assert_eq!(natural(vec![None, Some(1_i32)]), "list<int>");
        assert_eq!(natural(vec![vec![], vec![None, Some("a")]]), "list<list<text>>");
        assert_eq!(
            natural(vec![(None, Some(1_i8)), (Some("a"), None)]),
            "list<tuple<text, tinyint>>"
        );
        assert_eq!(natural(Vec::<i32>::new()), "list<empty>");
    }

    #[test]
    fn fields_and_vectors_are_completed_from_their_neighbours() {
        let value = |a: Option<CqlValue>, b: Option<CqlValue>| {
            CqlValue::Vector(vec![CqlUserDefined::new([("a", a), ("b", b)]).into()])
        };
        let values = vec![value(None, Some(1.into())), value(Some("x".into()), None)];
        let CqlType::List(vector) = values.natural_type().unwrap() else {
            panic!("no list")
        };
        let fields = [
            ("a".into(), NativeType::Text.into()),
            ("b".into(), NativeType::Int.into()),
        ];
        assert_eq!(*vector, CqlType::vector(CqlType::user_defined("", "", fields), 1));
    }
}
