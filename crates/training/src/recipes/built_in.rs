//! The recipes that the library brings.

macro_rules! recipes {
    ($($name:literal),* $(,)?) => {
        pub(super) const NAMES: &[&str] = &[$($name),*];

        /// The file of a recipe.
        pub(super) fn text(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../../recipes/", $name, ".toml"))),)*
                _ => None,
            }
        }
    };
}

recipes![
    "fast-noise",
    "fgsm-rs",
    "n-fgsm",
    "madry",
    "trades",
    "mart",
    "at-awp",
    "band-limited",
    "binary",
    "binary-fast",
    "binary-n-fgsm",
    "dajat-ramp",
    "reference-cni",
    "reference-pni",
    "clean",
];
