//! What the API's description (`infra/openapi`) says of our types. A deployed function has nothing of this.
//!
//! Answers are described by what serde makes of them. Requests have no types to derive from: they are read field by
//! field, so the reading itself is listened to.

/// A type that the description can show. With the feature `openapi`, JSON Schema; without it, every type.
#[cfg(feature = "openapi")]
pub use schemars::JsonSchema as Described;

#[cfg(not(feature = "openapi"))]
pub trait Described {}

#[cfg(not(feature = "openapi"))]
impl<T> Described for T {}

/// The JSON Schema of a type that says more than serde could tell, or that is read by hand.
macro_rules! described {
    (impl<$kind:ident> $type:ty: $schema:tt) => {
        described!(@ [<$kind>] $type: $schema);
    };
    ($type:ident: $schema:tt) => {
        described!(@ [] $type: $schema);
    };
    (@ [$($generics:tt)*] $type:ty: $schema:tt) => {
        #[cfg(feature = "openapi")]
        impl $($generics)* schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

#[cfg(feature = "openapi")]
pub use listening::{ReadField, fields_read};

#[cfg(feature = "openapi")]
mod listening {
    use std::cell::RefCell;

    use schemars::{Schema, SchemaGenerator};

    use super::Described;

    /// A field that a reader asked for.
    #[derive(Clone, Debug)]
    pub struct ReadField {
        pub name: String,
        pub required: bool,
        /// A field that is not required may be null, which says the same as leaving it out.
        pub schema: fn(&mut SchemaGenerator) -> Schema,
    }

    thread_local! {
        static READ: RefCell<Vec<ReadField>> = const { RefCell::new(Vec::new()) };
    }

    /// The fields that `reader` asks an [`Input`](crate::model::input::Input) for, in that order. What it makes of
    /// them, most likely an error, is dropped.
    pub fn fields_read<T>(reader: impl FnOnce() -> T) -> Vec<ReadField> {
        READ.take();
        drop(reader());
        READ.take()
    }

    pub(in crate::model) fn note<T: Described>(field: &str, required: bool) {
        let schema = if required {
            SchemaGenerator::subschema_for::<T>
        } else {
            SchemaGenerator::subschema_for::<Option<T>>
        };
        let field = ReadField { name: field.to_owned(), required, schema };
        READ.with_borrow_mut(|read| {
            if read.iter().all(|known| known.name != field.name) {
                read.push(field);
            }
        });
    }
}

/// Listened to while the description is made.
pub(super) fn note<T: Described>(field: &str, required: bool) {
    #[cfg(feature = "openapi")]
    listening::note::<T>(field, required);
    #[cfg(not(feature = "openapi"))]
    let _ = (field, required);
}
