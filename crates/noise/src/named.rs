//! Names of settings: the text of an enum is its name in JSON, so that a file, a message and a
//! command line say the same.

/// Gives an enum without fields the list of its values, `Display` and `FromStr`, by the names that
/// serde gives it.
///
/// `$refused` makes the error of a text that is none of them, from the text and the names joined by
/// commas.
#[macro_export]
#[doc(hidden)]
macro_rules! named_values {
    ($type:ident, $error:ty, $refused:expr, [$($value:ident),+ $(,)?]) => {
        impl $type {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];
        }

        /// The name in JSON.
        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::serde::Serialize::serialize(self, f)
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                let found = Self::ALL.iter().find(|value| value.to_string() == text);
                found.copied().ok_or_else(|| {
                    let names: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
                    $refused(text, &names.join(", "))
                })
            }
        }
    };
}
