//! String enums: like typify's, but variant names depend only on the value or are our own.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::{names::UNKNOWN, view::StringEnum};

/// The items of all enums.
pub(super) fn enums(enums: &BTreeMap<String, StringEnum>) -> TokenStream {
    enums
        .iter()
        .map(|(name, values)| one(name, values))
        .collect()
}

fn one(name: &str, string_enum: &StringEnum) -> TokenStream {
    let ident = format_ident!("{name}");
    let description = string_enum
        .description
        .clone()
        .unwrap_or_else(|| format!("The values of {name}."));
    let (values, variants): (Vec<_>, Vec<_>) = string_enum
        .values
        .iter()
        .map(|(value, name)| (value, format_ident!("{name}")))
        .unzip();
    let docs = values.iter().map(|value| format!(" `{value}`."));
    let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    let unknown = format!("expected one of {}", quoted.join(", "));
    let description = format!(" {description}");
    let unknown_variant = format_ident!("{UNKNOWN}");
    quote! {
        #[doc = #description]
        #[derive(::serde::Serialize, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[cfg_attr(feature = "schemars", derive(::schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum #ident {
            #(
                #[doc = #docs]
                #[serde(rename = #values)]
                #variants,
            )*
            /// A value that this version does not know, from [`unknown`](Self::unknown) or
            /// from decoding. It is sent as it is.
            #[serde(untagged)]
            #unknown_variant(crate::UnknownValue),
        }

        impl #ident {
            /// All known values, in the order of the published document.
            pub const ALL: &'static [Self] = &[#(Self::#variants),*];

            /// The value with this name on the wire, known to this version or not.
            pub fn unknown(value: impl Into<::std::string::String>) -> Self {
                let value = value.into();
                value.parse().unwrap_or_else(|_| Self::#unknown_variant(crate::UnknownValue::new(value)))
            }

            /// The value as it is sent.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    #(Self::#variants => #values,)*
                    Self::#unknown_variant(value) => value.as_str(),
                }
            }
        }

        impl ::std::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for #ident {
            type Err = self::error::ConversionError;

            /// Accepts known values only.
            fn from_str(value: &str) -> ::std::result::Result<Self, self::error::ConversionError> {
                match value {
                    #(#values => Ok(Self::#variants),)*
                    _ => Err(#unknown.into()),
                }
            }
        }

        impl<'de> ::serde::Deserialize<'de> for #ident {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                <::std::string::String as ::serde::Deserialize>::deserialize(deserializer)
                    .map(Self::unknown)
            }
        }
    }
}
