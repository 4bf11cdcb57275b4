//! Tuples: as values of the CQL type `tuple` (v5 §6.20: `[bytes]` for each element), as rows of values to bind, and as rows
//! that are read, by position. Up to 16 elements.

use super::error::{DeserializeError, SerializeError, SerializeErrorKind, TypeMismatch, TypeMismatchKind};
use super::reader::ValueBytes;
use super::row_reader::{DeserializeRow, RowReader};
use super::row_writer::{RowWriter, SerializeRow, expect_values};
use super::traits::{DeserializeValue, SerializeValue, present};
use super::writer::ValueWriter;
use crate::{ColumnSpec, CqlType};

macro_rules! tuples {
    ($($count:literal: $($element:ident $index:tt),+;)*) => {$(
        impl<$($element: SerializeValue),+> SerializeValue for ($($element,)+) {
            fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                let CqlType::Tuple(types) = ty.unfrozen() else {
                    return Err(SerializeError::mismatch::<Self>(ty));
                };
                if types.len() != $count {
                    let kind = SerializeErrorKind::ElementCount { expected: types.len(), found: $count };
                    return Err(SerializeError::new(ty, kind));
                }
                out.composite(|parts| {
                    $(
                        let written = self.$index.serialize(&types[$index], &mut parts.element());
                        written.map_err(|error| error.or_type(&types[$index]).in_element($index))?;
                    )+
                    Ok(())
                })
            }

            fn natural_type(&self) -> Option<CqlType> {
                Some(CqlType::tuple([$(self.$index.natural_type()?),+]))
            }
        }

        impl<'f, $($element: DeserializeValue<'f>),+> DeserializeValue<'f> for ($($element,)+) {
            fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
                let CqlType::Tuple(types) = ty.unfrozen() else {
                    return Err(TypeMismatch::mismatch::<Self>(ty));
                };
                if types.len() != $count {
                    let kind = TypeMismatchKind::ElementCount { expected: $count, found: types.len() };
                    return Err(TypeMismatch::new(ty, kind));
                }
                $($element::check_type(&types[$index]).map_err(|error| error.in_element($index))?;)+
                Ok(())
            }

            fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
                let types = match ty.unfrozen() {
                    CqlType::Tuple(types) if types.len() == $count => types,
                    _ => return Err(DeserializeError::mismatch::<Self>(ty)),
                };
                let mut parts = present::<Self>(ty, value)?.parts();
                Ok(($(
                    $element::deserialize(&types[$index], parts.field(ty)?)
                        .map_err(|error| error.in_element($index))?,
                )+))
            }
        }

        impl<$($element: SerializeValue),+> SerializeRow for ($($element,)+) {
            #[inline]
            fn serialize_row(&self, columns: &[ColumnSpec], out: &mut RowWriter<'_>) -> Result<(), SerializeError> {
                expect_values(columns, $count)?;
                $(out.value(&columns[$index], &self.$index)?;)+
                Ok(())
            }

            fn serialize_untyped(&self, out: &mut RowWriter<'_>) -> Result<(), SerializeError> {
                $(out.natural_value(&self.$index)?;)+
                Ok(())
            }

            fn is_empty(&self) -> bool {
                false
            }
        }

        impl<'f, $($element: DeserializeValue<'f>),+> DeserializeRow<'f> for ($($element,)+) {
            type Plan = ();

            fn plan(columns: &[ColumnSpec]) -> Result<(), TypeMismatch> {
                if columns.len() != $count {
                    let kind = TypeMismatchKind::ColumnCount { expected: $count, found: columns.len() };
                    return Err(TypeMismatch::of_row(kind));
                }
                $(
                    let column = &columns[$index];
                    $element::check_type(&column.ty).map_err(|error| error.in_column($index, &column.name))?;
                )+
                Ok(())
            }

            // In one piece with its loop: rows are large, and values that were only just written are slow to copy.
            #[inline(always)]
            fn deserialize_row((): &(), row: &mut RowReader<'_, 'f>) -> Result<Self, DeserializeError> {
                Ok(($(row.read::<$element>()?,)+))
            }
        }
    )*};
}

tuples! {
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, F 5;
    7: A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
    13: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12;
    14: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13;
    15: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14;
    16: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15;
}
