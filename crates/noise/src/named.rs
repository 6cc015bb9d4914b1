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

/// The known name that is most like one that is not known, if one is like it at all: for errors.
pub fn nearest_name<'a>(got: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One letter off, or two of them swapped, is near in a short name too.
    let likeness = |name: &'a str| match strsim::damerau_levenshtein(got, name) {
        0 | 1 => (1.0, name),
        _ => (strsim::jaro_winkler(got, name), name),
    };
    let alike = known.into_iter().map(likeness).filter(|(likeness, _)| *likeness > 0.8);
    alike.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_is_near() {
        assert_eq!(nearest_name("epoch", ["seed", "epochs", "batch_size"]), Some("epochs"));
        assert_eq!(nearest_name("pdg", ["pgd", "apgd"]), Some("pgd"));
        assert_eq!(nearest_name("zzz", ["seed", "epochs"]), None);
    }
}
