//! The struct with its attributes, as the generators need it. Whatever is wrong is an error at its place in the source.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Fields, Generics, Ident, Lifetime, LitStr, Path, Result, Type, parse_quote,
};

/// A struct with named fields, or of one unnamed field.
pub(crate) enum Shape {
    /// Named fields.
    Named(Vec<Field>),
    /// One unnamed field of this type.
    Transparent(Box<Type>),
}

/// A named field.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// Name of the column, bind marker or field of a user-defined type.
    pub(crate) name: String,
    pub(crate) skip: bool,
    pub(crate) default: bool,
}

/// A struct.
pub(crate) struct Struct<'i> {
    pub(crate) ident: &'i Ident,
    pub(crate) generics: &'i Generics,
    pub(crate) shape: Shape,
    /// Path of the crate's `macro_support`.
    pub(crate) support: TokenStream,
    pub(crate) deny_unknown: bool,
}

impl<'i> Struct<'i> {
    /// Parses a struct; `allow_transparent` when one unnamed field will do.
    pub(crate) fn parse(input: &'i DeriveInput, allow_transparent: bool) -> Result<Self> {
        let mut deny_unknown = false;
        let mut krate: Path = parse_quote!(::helenus);
        for attribute in helenus_attributes(&input.attrs) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("crate") {
                    krate = meta.value()?.parse::<LitStr>()?.parse()?;
                } else if meta.path.is_ident("deny_unknown") {
                    deny_unknown = true;
                } else {
                    return Err(meta.error("expected `crate = \"path\"` or `deny_unknown`"));
                }
                Ok(())
            })?;
        }
        let Data::Struct(data) = &input.data else {
            return Err(Error::new(input.ident.span(), "only a struct can be derived"));
        };
        let shape = match &data.fields {
            Fields::Named(fields) => Shape::Named(parse_fields(&fields.named)?),
            Fields::Unnamed(fields) if allow_transparent && fields.unnamed.len() == 1 => {
                Shape::Transparent(Box::new(fields.unnamed[0].ty.clone()))
            }
            Fields::Unnamed(fields) => {
                let message = if allow_transparent {
                    "expected named fields or exactly one unnamed field"
                } else {
                    "expected named fields: they are matched by name (a tuple is matched by position without a derive)"
                };
                return Err(Error::new(fields.span(), message));
            }
            Fields::Unit => return Err(Error::new(input.ident.span(), "expected a struct with fields")),
        };
        Ok(Self {
            ident: &input.ident,
            generics: &input.generics,
            shape,
            support: quote!(#krate::macro_support),
            deny_unknown,
        })
    }

    /// The struct's own lifetime, or a new one where it has none: values are borrowed for that long. With the generics of
    /// the `impl`, which have the lifetime and a bound for the type of each field that depends on a type parameter.
    pub(crate) fn read_generics(&self, bound: &TokenStream) -> Result<(Lifetime, Generics)> {
        let mut generics = self.generics.clone();
        let mut lifetimes = self.generics.lifetimes();
        let lifetime = match (lifetimes.next(), lifetimes.next()) {
            (None, _) => {
                let lifetime: Lifetime = parse_quote!('helenus_page);
                generics.params.insert(0, parse_quote!(#lifetime));
                lifetime
            }
            (Some(own), None) => own.lifetime.clone(),
            (Some(_), Some(second)) => {
                let message = "at most one lifetime: that of the page from which values are borrowed";
                return Err(Error::new(second.span(), message));
            }
        };
        self.bind_types(&mut generics, &quote!(#bound<#lifetime>));
        Ok((lifetime, generics))
    }

    /// The generics of an `impl` with a bound for the type of each field that depends on a type parameter.
    pub(crate) fn write_generics(&self, bound: &TokenStream) -> Generics {
        let mut generics = self.generics.clone();
        self.bind_types(&mut generics, bound);
        generics
    }

    fn bind_types(&self, generics: &mut Generics, bound: &TokenStream) {
        if self.generics.type_params().next().is_none() {
            return;
        }
        let types: Vec<Type> = match &self.shape {
            Shape::Named(fields) => fields
                .iter()
                .filter(|field| !field.skip)
                .map(|field| field.ty.clone())
                .collect(),
            Shape::Transparent(ty) => vec![(**ty).clone()],
        };
        let clause = generics.make_where_clause();
        for ty in types {
            clause.predicates.push(parse_quote!(#ty: #bound));
        }
    }
}

fn helenus_attributes(attributes: &[syn::Attribute]) -> impl Iterator<Item = &syn::Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("helenus"))
}

fn parse_fields<'f>(fields: impl IntoIterator<Item = &'f syn::Field>) -> Result<Vec<Field>> {
    let mut parsed: Vec<Field> = Vec::new();
    for field in fields {
        let Some(ident) = field.ident.clone() else {
            return Err(Error::new(field.span(), "expected a named field"));
        };
        let (mut rename, mut skip, mut default) = (None, false, false);
        for attribute in helenus_attributes(&field.attrs) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    rename = Some(meta.value()?.parse::<LitStr>()?);
                } else if meta.path.is_ident("skip") {
                    skip = true;
                } else if meta.path.is_ident("default") {
                    default = true;
                } else {
                    return Err(meta.error("expected `rename = \"name\"`, `skip` or `default`"));
                }
                Ok(())
            })?;
        }
        if let (Some(rename), true) = (&rename, skip) {
            return Err(Error::new(
                rename.span(),
                "a skipped field has no name to be matched by",
            ));
        }
        let name = rename.map_or_else(|| ident.unraw().to_string(), |rename| rename.value());
        let has_name = |other: &&Field| !skip && !other.skip && other.name == name;
        if let Some(other) = parsed.iter().find(has_name) {
            let message = format!("`{}` has the name {name:?} already", other.ident);
            return Err(Error::new(ident.span(), message));
        }
        parsed.push(Field {
            ident,
            ty: field.ty.clone(),
            name,
            skip,
            default,
        });
    }
    Ok(parsed)
}
