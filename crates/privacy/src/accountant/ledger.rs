use super::{Mechanism, Phase};
use crate::PrivacyError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of the ledgers that this library writes and reads.
pub const LEDGER_VERSION: u32 = 1;

/// A ledger of private steps: what a training has done to its data so far, phase by phase.
///
/// Accountants read ledgers and nothing else. A ledger is saved with its run and read back when the
/// run goes on, so that no step is forgotten. It holds what it was told; it proves nothing about
/// the sampler or the noise that were in fact used.
///
/// ```
/// use cni_privacy::{Accountant, Ledger, Mechanism};
///
/// let mechanism = Mechanism::new(1.5, 0.04)?;
/// let mut ledger = Ledger::new();
/// for _ in 0..2250 {
///     ledger.step(mechanism);
/// }
/// assert_eq!(ledger.phases().len(), 1);
/// let epsilon = Accountant::rdp().epsilon(&ledger, 1e-5)?;
/// assert!((epsilon - 7.329111).abs() < 1e-6);
/// # Ok::<(), cni_privacy::PrivacyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LedgerFields")]
pub struct Ledger {
    version: u32,
    phases: Vec<Phase>,
}

/// The fields of a ledger as they are read, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LedgerFields {
    version: u32,
    phases: Vec<Phase>,
}

impl TryFrom<LedgerFields> for Ledger {
    type Error = PrivacyError;

    fn try_from(fields: LedgerFields) -> Result<Self, PrivacyError> {
        match fields.version {
            LEDGER_VERSION => Ok(fields.phases.into_iter().collect()),
            got => Err(PrivacyError::Version { got, wanted: LEDGER_VERSION }),
        }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self { version: LEDGER_VERSION, phases: Vec::new() }
    }
}

impl FromIterator<Phase> for Ledger {
    fn from_iter<I: IntoIterator<Item = Phase>>(phases: I) -> Self {
        let mut ledger = Self::new();
        phases.into_iter().for_each(|phase| ledger.add(phase));
        ledger
    }
}

impl Ledger {
    /// A ledger without a step.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one step. A step of the last phase's mechanism makes that phase one longer.
    pub fn step(&mut self, mechanism: Mechanism) {
        self.add(Phase { mechanism, steps: 1 });
    }

    /// Adds the steps of a phase. One with the last phase's mechanism makes that phase longer.
    pub fn add(&mut self, phase: Phase) {
        match self.phases.last_mut() {
            Some(last) if last.mechanism == phase.mechanism => {
                last.steps = last.steps.saturating_add(phase.steps);
            }
            _ => self.phases.push(phase),
        }
    }

    /// The phases in their order. Neighbours have different mechanisms.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// The number of all steps.
    pub fn steps(&self) -> u64 {
        self.phases.iter().fold(0, |steps, phase| steps.saturating_add(phase.steps))
    }

    /// True if there is no step, so that epsilon is 0.
    pub fn is_empty(&self) -> bool {
        self.phases.is_empty()
    }

    /// Writes the ledger to a file as JSON. A kill leaves the old file or the new one, whole. A
    /// missing folder is made.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::File`] if the file cannot be written. It is then as it was before.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PrivacyError> {
        crate::files::save(self, path.as_ref())
    }

    /// Reads a ledger from a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::File`] if the file cannot be read, [`PrivacyError::Json`] if it holds no
    /// ledger of a known version, has a field that no ledger has, or a value out of range.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PrivacyError> {
        crate::files::load(path.as_ref(), "a ledger of private steps")
    }
}
