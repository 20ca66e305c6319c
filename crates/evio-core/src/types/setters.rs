//! Setters of public structs that may get more fields.

/// Writes one setter for each field: it takes the struct by value and returns it, so that calls can
/// be chained. The structs are `#[non_exhaustive]`, so a caller cannot write a literal.
macro_rules! setters {
    ($($field:ident: $type:ty,)*) => {
        $(
            #[doc = concat!(
                "Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").",
            )]
            #[must_use]
            pub fn $field(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            }
        )*
    };
}

pub(crate) use setters;
