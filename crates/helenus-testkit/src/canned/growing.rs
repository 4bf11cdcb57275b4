//! Statements whose answers grow: in columns, or in rows.

use std::sync::LazyLock;

use helenus_protocol::{CqlType, NativeType};

/// Most columns of a row here.
const WIDEST: usize = 500;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// One row of so many columns of int.
    Ints(usize),
    /// One row of so many columns of text of 20 bytes.
    Texts(usize),
    /// One page of so many rows of int and text of 100 bytes.
    Rows(usize),
}

/// One size of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Growing {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) shape: Shape,
}

macro_rules! growing {
    ($($shape:ident $size:literal $name:literal,)*) => {
        /// All sizes of all shapes.
        pub(super) const ALL: &[Growing] = &[$(Growing {
            name: $name,
            text: concat!("SELECT * FROM bench.", $name, " WHERE k = ?"),
            shape: Shape::$shape($size),
        },)*];
    };
}

growing! {
    Ints 1 "ints_1",
    Ints 10 "ints_10",
    Ints 100 "ints_100",
    Ints 500 "ints_500",
    Texts 1 "texts_1",
    Texts 10 "texts_10",
    Texts 100 "texts_100",
    Texts 500 "texts_500",
    Rows 1 "rows_1",
    Rows 10 "rows_10",
    Rows 100 "rows_100",
    Rows 1_000 "rows_1000",
    Rows 10_000 "rows_10000",
    Rows 100_000 "rows_100000",
}

static NAMES: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..WIDEST).map(|index| format!("c{index}")).collect());

impl Growing {
    pub(super) fn columns(self) -> Vec<(&'static str, CqlType)> {
        let (count, kind) = match self.shape {
            Shape::Ints(count) => (count, NativeType::Int),
            Shape::Texts(count) => (count, NativeType::Text),
            Shape::Rows(_) => return vec![("k", NativeType::Int.into()), ("v", NativeType::Text.into())],
        };
        NAMES
            .iter()
            .take(count)
            .map(|name| (name.as_str(), kind.into()))
            .collect()
    }
}
