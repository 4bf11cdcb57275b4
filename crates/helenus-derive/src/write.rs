//! `SerializeRow` and `SerializeValue`: by name, in the order in which the statement or the user-defined type asks.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Result};

use crate::attributes::{Field, Shape, Struct};

pub(crate) fn row(input: &DeriveInput) -> Result<TokenStream> {
    let parsed = Struct::parse(input, false)?;
    let Shape::Named(fields) = &parsed.shape else {
        return Err(syn::Error::new(input.ident.span(), "expected named fields"));
    };
    let (ident, support) = (parsed.ident, &parsed.support);
    let generics = parsed.write_generics(&quote!(#support::SerializeValue));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let fields: Vec<&Field> = fields.iter().filter(|field| !field.skip).collect();
    let (idents, names): (Vec<_>, Vec<_>) = fields.iter().map(|field| (&field.ident, &field.name)).unzip();
    let slots = 0..fields.len();
    let (count, is_empty) = (fields.len(), fields.is_empty());
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #support::SerializeRow for #ident #type_generics #where_clause {
            fn serialize_row(
                &self,
                columns: &[#support::ColumnSpec],
                out: &mut #support::RowWriter<'_>,
            ) -> ::core::result::Result<(), #support::SerializeError> {
                let mut bound = [false; #count];
                for column in columns {
                    match &*column.name {
                        #(#names => {
                            out.value(column, &self.#idents)?;
                            bound[#slots] = true;
                        })*
                        other => {
                            return ::core::result::Result::Err(#support::SerializeError::missing_name(other));
                        }
                    }
                }
                #support::all_bound(&bound, &[#(#names),*])
            }

            fn serialize_untyped(
                &self,
                out: &mut #support::RowWriter<'_>,
            ) -> ::core::result::Result<(), #support::SerializeError> {
                #(out.named_natural_value(#names, &self.#idents)?;)*
                ::core::result::Result::Ok(())
            }

            fn is_empty(&self) -> bool {
                #is_empty
            }
        }
    })
}

pub(crate) fn value(input: &DeriveInput) -> Result<TokenStream> {
    let parsed = Struct::parse(input, true)?;
    let (ident, support) = (parsed.ident, &parsed.support);
    let generics = parsed.write_generics(&quote!(#support::SerializeValue));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let body = match &parsed.shape {
        Shape::Transparent(_) => quote! {
            fn serialize(
                &self,
                ty: &#support::CqlType,
                out: &mut #support::ValueWriter<'_>,
            ) -> ::core::result::Result<(), #support::SerializeError> {
                #support::SerializeValue::serialize(&self.0, ty, out)
            }

            fn natural_type(&self) -> ::core::option::Option<#support::CqlType> {
                #support::SerializeValue::natural_type(&self.0)
            }
        },
        Shape::Named(fields) => {
            let fields = fields.iter().filter(|field| !field.skip);
            let (idents, names): (Vec<_>, Vec<_>) = fields.map(|field| (&field.ident, &field.name)).unzip();
            quote! {
                fn serialize(
                    &self,
                    ty: &#support::CqlType,
                    out: &mut #support::ValueWriter<'_>,
                ) -> ::core::result::Result<(), #support::SerializeError> {
                    let udt = #support::bind_fields::<Self>(ty, &[#(#names),*])?;
                    out.composite(|parts| {
                        for (name, ty) in &udt.fields {
                            let mut element = parts.element();
                            let written = match &**name {
                                #(#names => {
                                    #support::SerializeValue::serialize(&self.#idents, ty, &mut element)
                                })*
                                _ => element.null(),
                            };
                            if let ::core::result::Result::Err(error) = written {
                                return ::core::result::Result::Err(#support::in_field(error, ty, name));
                            }
                        }
                        ::core::result::Result::Ok(())
                    })
                }
            }
        }
    };
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #support::SerializeValue for #ident #type_generics #where_clause {
            #body
        }
    })
}
