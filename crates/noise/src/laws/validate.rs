//! The contract of a law, as far as it shows before a draw.

use super::{BUILT_IN, LawError, LawParameters, NoiseLaw, NoiseScale, TensorShape};
use serde_json::Value;

impl dyn NoiseLaw {
    /// Checks the law for a tensor of this shape: its specification, the names and sizes of its
    /// parameters, that their initial values are finite, the sizes of its draws, and its own
    /// [`check`](NoiseLaw::check).
    ///
    /// # Errors
    ///
    /// [`LawError`] for the first of these that does not fit.
    pub fn validate(&self, scale: NoiseScale, shape: &TensorShape) -> Result<(), LawError> {
        self.check_spec()?;
        if shape.elements() == 0 {
            let got = format!("{:?}", shape.dims);
            return Err(LawError::new("shape", got, "sizes above zero"));
        }
        self.check_parameters(self.parameters(shape))?;
        let draws = self.draws(shape.elements());
        if draws.is_empty() || draws.contains(&0) {
            let got = format!("{draws:?} of {}", self.name());
            return Err(LawError::new("draws", got, "one or more sizes above zero"));
        }
        self.check(scale, shape)
    }

    fn check_spec(&self) -> Result<(), LawError> {
        let spec = self.spec();
        let Some((name, _)) = entry(&spec) else {
            let wanted = "an object with one entry: the law's name with its settings";
            return Err(LawError::new("spec", spec, wanted));
        };
        // It would be read back as that law.
        match BUILT_IN.iter().any(|law| law.name == name && !(law.is)(self)) {
            true => Err(LawError::new("spec", name, "another name than that of a built-in law")),
            false => Ok(()),
        }
    }

    fn check_parameters(&self, parameters: LawParameters) -> Result<(), LawError> {
        let wrong = |got: String, wanted| {
            let got = format!("{got} of {}", self.name());
            Err(LawError::new("parameters", got, wanted))
        };
        let LawParameters { vectors, factor } = parameters;
        let mut names = vec!["factor"];
        for vector in &vectors {
            let name = vector.name;
            let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(part) {
                return wrong(format!("{name:?}"), "a name of letters, digits and underscores");
            }
            if names.contains(&name) {
                let wanted = "names that differ from each other and from the matrix's, factor";
                return wrong(format!("another {name}"), wanted);
            }
            if vector.len == 0 {
                return wrong(format!("{name} with 0 entries"), "at least 1");
            }
            names.push(name);
        }
        if factor.is_some_and(|factor| factor.rank == 0) {
            return wrong("factor with 0 columns".into(), "at least 1, or no factor");
        }
        let factor = factor.map(|factor| ("factor", factor.initial));
        let initial = vectors.iter().map(|vector| (vector.name, vector.initial)).chain(factor);
        for (field, value) in initial {
            if !value.is_finite() {
                return Err(LawError::new(field, value, "a finite number"));
            }
        }
        Ok(())
    }
}

/// The name of a law and its settings, from a specification that is an object with one entry.
pub(super) fn entry(spec: &Value) -> Option<(&str, &Value)> {
    let mut entries = spec.as_object()?.iter();
    match (entries.next(), entries.next()) {
        (Some((name, settings)), None) if !name.is_empty() => Some((name, settings)),
        _ => None,
    }
}
