//! Derive macros for the `helenus` driver.
//!
//! | derive | for | matches |
//! |---|---|---|
//! | `DeserializeRow` | structs that rows are read as | columns, by name |
//! | `SerializeRow` | structs whose fields are bound | bind markers, by name |
//! | `DeserializeValue` | structs that values of a user-defined type are read as | its fields, by name |
//! | `SerializeValue` | structs that are bound as a user-defined type | its fields, by name |
//!
//! The last two also take a struct of one unnamed field (`struct UserId(Uuid);`), which is then read and bound as that field.
//!
//! A struct that borrows (`&'a str`, `&'a [u8]`) has one lifetime, which is that of the page it was read from.
//!
//! # Attributes
//! On the struct, `#[helenus(...)]`:
//! - `crate = "path"`: where the crate `helenus` is found under another name;
//! - `deny_unknown`: when read, columns or fields that the struct does not have are an error; otherwise they are passed over.
//!
//! On a field:
//! - `rename = "name"`: the name of the column, bind marker or field, where it differs from the Rust name;
//! - `skip`: the field takes no part; it is its `Default` when read;
//! - `default`: the field is its `Default` when there is no such column or field. A null is still a null.

mod attributes;
mod read;
mod write;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Reads rows as this struct, columns by name. See the crate's page for the attributes.
#[proc_macro_derive(DeserializeRow, attributes(helenus))]
pub fn deserialize_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    read::row(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Reads values of a user-defined type as this struct, fields by name; or values of any type as a struct of one unnamed field.
/// See the crate's page for the attributes.
#[proc_macro_derive(DeserializeValue, attributes(helenus))]
pub fn deserialize_value(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    read::value(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Binds the fields of this struct, by name. See the crate's page for the attributes.
#[proc_macro_derive(SerializeRow, attributes(helenus))]
pub fn serialize_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    write::row(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Binds this struct as a user-defined type, fields by name; or a struct of one unnamed field as that field. See the crate's page
/// for the attributes.
#[proc_macro_derive(SerializeValue, attributes(helenus))]
pub fn serialize_value(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    write::value(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
