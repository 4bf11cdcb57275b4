//! `DeserializeRow` and `DeserializeValue`.
//!
//! A row is read by a plan that was made once for a page: without looking at names when the columns are the fields in their order,
//! by slot otherwise. The fields of a user-defined value are few and matched by name each time.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Ident, Lifetime, Result};

use crate::attributes::{Field, Shape, Struct};

pub(crate) fn row(input: &DeriveInput) -> Result<TokenStream> {
    let parsed = Struct::parse(input, false)?;
    let Shape::Named(fields) = &parsed.shape else {
        return Err(syn::Error::new(input.ident.span(), "expected named fields"));
    };
    let (ident, support, deny_unknown) = (parsed.ident, &parsed.support, parsed.deny_unknown);
    let (lifetime, generics) = parsed.read_generics(&quote!(#support::DeserializeValue))?;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = parsed.generics.split_for_impl();
    let checks = checks(fields, support, &lifetime);
    let in_order = fields.iter().map(|field| {
        let ident = &field.ident;
        let value = if field.skip {
            default()
        } else {
            quote!(row.read()?)
        };
        quote!(#ident: #value)
    });
    let missing = |field: &Field| {
        let name = &field.name;
        quote!(return ::core::result::Result::Err(#support::missing_column(#name)))
    };
    let Slots {
        declare,
        matched,
        construct,
    } = slots(fields, &missing);
    let arms = matched.iter().enumerate().map(|(slot, (variable, ty, _))| {
        quote!(#slot => #variable = ::core::option::Option::Some(row.read::<#ty>()?))
    });
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #support::DeserializeRow<#lifetime> for #ident #type_generics #where_clause {
            type Plan = #support::RowPlan;

            fn plan(
                columns: &[#support::ColumnSpec],
            ) -> ::core::result::Result<Self::Plan, #support::TypeMismatch> {
                #support::RowPlan::new(columns, &[#(#checks),*], #deny_unknown)
            }

            #[inline(always)]
            fn deserialize_row(
                plan: &Self::Plan,
                row: &mut #support::RowReader<'_, #lifetime>,
            ) -> ::core::result::Result<Self, #support::DeserializeError> {
                if plan.is_in_order() {
                    return ::core::result::Result::Ok(Self { #(#in_order),* });
                }
                #declare
                for slot in plan.slots() {
                    match *slot {
                        #(#arms,)*
                        _ => row.skip()?,
                    }
                }
                ::core::result::Result::Ok(Self { #construct })
            }
        }
    })
}

pub(crate) fn value(input: &DeriveInput) -> Result<TokenStream> {
    let parsed = Struct::parse(input, true)?;
    let (ident, support, deny_unknown) = (parsed.ident, &parsed.support, parsed.deny_unknown);
    let (lifetime, generics) = parsed.read_generics(&quote!(#support::DeserializeValue))?;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = parsed.generics.split_for_impl();
    let (check, read) = match &parsed.shape {
        Shape::Transparent(inner) => (
            quote!(<#inner as #support::DeserializeValue<#lifetime>>::check_type(ty)),
            quote!(<#inner as #support::DeserializeValue<#lifetime>>::deserialize(ty, value).map(Self)),
        ),
        Shape::Named(fields) => {
            let checks = checks(fields, support, &lifetime);
            let missing = |field: &Field| {
                let name = &field.name;
                quote!(return ::core::result::Result::Err(#support::missing_field(ty, #name)))
            };
            let Slots {
                declare,
                matched,
                construct,
            } = slots(fields, &missing);
            let arms = matched.iter().map(|(variable, ty, name)| {
                quote!(#name => #variable = ::core::option::Option::Some(field.read::<#ty>()?))
            });
            (
                quote!(#support::check_fields::<Self>(ty, &[#(#checks),*], #deny_unknown)),
                quote! {
                    let mut fields = #support::UdtFields::new::<Self>(ty, value)?;
                    #declare
                    while let ::core::option::Option::Some(field) = fields.next_field()? {
                        match field.name {
                            #(#arms,)*
                            _ => {}
                        }
                    }
                    ::core::result::Result::Ok(Self { #construct })
                },
            )
        }
    };
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #support::DeserializeValue<#lifetime> for #ident #type_generics #where_clause {
            fn check_type(
                ty: &#support::CqlType,
            ) -> ::core::result::Result<(), #support::TypeMismatch> {
                #check
            }

            fn deserialize(
                ty: &#lifetime #support::CqlType,
                value: ::core::option::Option<#support::ValueBytes<#lifetime>>,
            ) -> ::core::result::Result<Self, #support::DeserializeError> {
                #read
            }
        }
    })
}

/// A `macro_support::Field` for each field that is matched.
fn checks<'f>(
    fields: &'f [Field],
    support: &'f TokenStream,
    lifetime: &'f Lifetime,
) -> impl Iterator<Item = TokenStream> + 'f {
    fields.iter().filter(|field| !field.skip).map(move |field| {
        let (name, ty, has_default) = (&field.name, &field.ty, field.default);
        quote!(#support::Field {
            name: #name,
            has_default: #has_default,
            check_type: <#ty as #support::DeserializeValue<#lifetime>>::check_type,
        })
    })
}

/// Reading into variables that start out empty.
struct Slots<'f> {
    declare: TokenStream,
    /// Variable, type and name of each field that is matched.
    matched: Vec<(Ident, &'f syn::Type, &'f str)>,
    construct: TokenStream,
}

fn slots<'f>(fields: &'f [Field], missing: &dyn Fn(&Field) -> TokenStream) -> Slots<'f> {
    let mut declare = TokenStream::new();
    let mut matched = Vec::new();
    let mut construct = TokenStream::new();
    for field in fields {
        let ident = &field.ident;
        if field.skip {
            let default = default();
            construct.extend(quote!(#ident: #default,));
            continue;
        }
        let variable = format_ident!("field_{}", matched.len());
        let ty = &field.ty;
        declare
            .extend(quote!(let mut #variable: ::core::option::Option<#ty> = ::core::option::Option::None;));
        let absent = if field.default { default() } else { missing(field) };
        construct.extend(quote! {
            #ident: match #variable {
                ::core::option::Option::Some(value) => value,
                ::core::option::Option::None => #absent,
            },
        });
        matched.push((variable, ty, field.name.as_str()));
    }
    Slots {
        declare,
        matched,
        construct,
    }
}

fn default() -> TokenStream {
    quote!(::core::default::Default::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn error(result: Result<TokenStream>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_derived_says_why() {
        assert_eq!(
            error(row(&parse_quote!(
                enum E {
                    A,
                }
            ))),
            "only a struct can be derived"
        );
        assert!(
            error(row(&parse_quote!(
                struct S(i32);
            )))
            .contains("matched by name")
        );
        assert_eq!(
            error(value(&parse_quote!(
                struct S(i32, i32);
            ))),
            "expected named fields or exactly one unnamed field"
        );
        assert_eq!(
            error(value(&parse_quote!(
                struct S;
            ))),
            "expected a struct with fields"
        );
        assert_eq!(
            error(row(&parse_quote!(
                struct S<'a, 'b> {
                    a: &'a str,
                    b: &'b str,
                }
            ))),
            "at most one lifetime: that of the page from which values are borrowed"
        );
    }

    #[test]
    fn attributes_that_do_not_exist_or_contradict_are_errors() {
        let message = error(row(&parse_quote!(
            struct S {
                #[helenus(renamed = "x")]
                a: i32,
            }
        )));
        assert_eq!(message, "expected `rename = \"name\"`, `skip` or `default`");
        let message = error(row(&parse_quote!(
            #[helenus(strict)]
            struct S {
                a: i32,
            }
        )));
        assert_eq!(message, "expected `crate = \"path\"` or `deny_unknown`");
        let message = error(row(&parse_quote!(
            struct S {
                a: i32,
                #[helenus(rename = "a")]
                b: i32,
            }
        )));
        assert_eq!(message, "`a` has the name \"a\" already");
        let message = error(row(&parse_quote!(
            struct S {
                #[helenus(rename = "x", skip)]
                a: i32,
            }
        )));
        assert_eq!(message, "a skipped field has no name to be matched by");
    }
}
