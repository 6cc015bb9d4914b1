//! The settings of a finished result, by which it is told whether another is one of the same
//! evaluation.

use crate::files::canonical;
use crate::record::spec::radius;
use crate::{CascadeRecord, DataCard, ModelCard, NoiseState, Record, ThreatCard};
use cni_attacks::Budget;
use cni_noise::Key;
use std::fmt;

/// A setting in which a result that is there differs from the one that is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherSetting {
    /// The name of the setting.
    pub setting: String,
    /// Its value in the result that is to be.
    pub got: String,
    /// Its value in the result that is there.
    pub wanted: String,
}

/// `draws: got 5, wanted 20`.
impl fmt::Display for OtherSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: got {}, wanted {}", self.setting, self.got, self.wanted)
    }
}

/// The settings of a result: the name of each, what is compared of it, and how it is said. What is
/// not known of a result is left out.
#[derive(Default)]
pub(crate) struct Told(Vec<(&'static str, String, Vec<String>)>);

impl Told {
    /// Adds a setting that is compared as it is said.
    pub fn add(&mut self, name: &'static str, said: impl ToString) {
        let said = said.to_string();
        self.compare(name, said.clone(), said);
    }

    /// Adds a setting that is compared by something else than what is said.
    pub fn compare(&mut self, name: &'static str, by: String, said: String) {
        self.0.push((name, by, vec![said]));
    }

    /// Adds a setting that is a list.
    pub fn list(&mut self, name: &'static str, said: impl Iterator<Item = String>) {
        let said: Vec<String> = said.collect();
        self.0.push((name, listed(&said), said));
    }

    /// Adds model and data, which their fingerprints compare.
    pub fn cards(&mut self, model: &ModelCard, data: &DataCard) {
        for (name, fingerprint, of) in
            [("model", &model.fingerprint, &model.name), ("data", &data.fingerprint, &data.name)]
        {
            if !fingerprint.is_empty() {
                let short: String = fingerprint.chars().take(8).collect();
                self.compare(name, fingerprint.clone(), format!("{of} ({short})"));
            }
        }
    }

    /// The first of these settings that differs from the one of a result that is there.
    pub fn difference(&self, there: &Self) -> Option<OtherSetting> {
        self.0.iter().find_map(|(name, by, got)| {
            let (_, other, wanted) = there.0.iter().find(|(other, ..)| other == name)?;
            // Of lists of equal length only what differs is said, if that can be seen.
            let whole = got.len() != wanted.len() || got == wanted;
            let differs = |i: &usize| whole || got[*i] != wanted[*i];
            let said = |of: &[String]| {
                let differing = (0..of.len()).filter(differs).map(|i| of[i].clone());
                listed(&differing.collect::<Vec<_>>())
            };
            (by != other).then(|| OtherSetting {
                setting: name.to_string(),
                got: said(got),
                wanted: said(wanted),
            })
        })
    }
}

/// The entries of a list, said one after the other.
fn listed(all: &[String]) -> String {
    match all.is_empty() {
        true => "none".to_string(),
        false => all.join(", "),
    }
}

/// The facts of an evaluation that its settings are told from.
pub(crate) struct Facts<'a> {
    pub model: &'a ModelCard,
    pub data: &'a DataCard,
    pub examples: usize,
    pub threat: &'a ThreatCard,
    /// The names and hashes of the attacks.
    pub attacks: Vec<(&'a str, &'a str)>,
    pub cascade: Option<&'a CascadeRecord>,
    /// The states of the noise; empty if they are not known.
    pub noise_states: &'a [NoiseState],
    pub draws: usize,
    pub votes: usize,
    pub tries: usize,
    pub epsilons: Vec<f64>,
    /// Standard deviation, selecting and estimating samples, and α of the certificates.
    pub certificates: Option<(f64, usize, usize, f64)>,
    /// Effort and hash of the audited attack, or that there was none; `None` if it is not known.
    pub checks: Option<Option<(String, &'a str)>>,
    pub budget: Option<Budget>,
    pub key: Key,
    pub confidence: f64,
}

impl Facts<'_> {
    /// The settings, those that a user thinks of first before the others.
    pub fn told(&self) -> Told {
        let short = |hash: &str| hash.chars().take(6).collect::<String>();
        let mut told = Told::default();
        told.add("examples", self.examples);
        told.cards(self.model, self.data);
        let threats = self.threat.threats.iter();
        let threats = threats.map(|threat| {
            format!("{:?} {}", threat.norm(), radius(threat.norm(), threat.epsilon()))
        });
        told.list("threat", threats);
        let attacks = self.attacks.iter().map(|(name, hash)| format!("{name} ({})", short(hash)));
        told.list("attacks", attacks);
        told.add(
            "cascade",
            match self.cascade {
                None => "none".to_string(),
                Some(cascade) => cascade.suite.clone().unwrap_or("of these attacks".to_string()),
            },
        );
        if !self.noise_states.is_empty() {
            let states = self.noise_states.iter().map(NoiseState::to_string);
            told.list("noise states", states);
        }
        told.add("draws", self.draws);
        told.add("votes", self.votes);
        told.add("tries", self.tries);
        told.list("epsilons", self.epsilons.iter().map(f64::to_string));
        told.add(
            "certificates",
            match self.certificates {
                None => "none".to_string(),
                Some((sigma, selection, samples, alpha)) => {
                    format!("sigma {sigma}, {selection} and {samples} samples, alpha {alpha}")
                }
            },
        );
        if let Some(checks) = &self.checks {
            told.add(
                "checks",
                match checks {
                    None => "none".to_string(),
                    Some((effort, hash)) => format!("{effort} ({})", short(hash)),
                },
            );
        }
        let precision = |of: &Option<String>, usual: &str| of.clone().unwrap_or(usual.to_string());
        told.add("precision of the attacks", precision(&self.threat.precision, "that of judging"));
        told.add("precision of judging", precision(&self.model.precision, "full"));
        told.add(
            "budget",
            match self.budget {
                None => "none".to_string(),
                Some(budget) => {
                    canonical(&serde_json::to_value(budget).expect("settings are plain data"))
                }
            },
        );
        told.add("key", self.key);
        told.add("confidence", self.confidence);
        told
    }
}

impl Record {
    /// The settings of the evaluation.
    pub(crate) fn told(&self) -> Told {
        let attacks = self.attacks.iter();
        let epsilons = self.curves.first().map(|curve| &curve.points).into_iter().flatten();
        let certificates = self.certificates.as_ref();
        let checks = match &self.audit {
            Some(audit) => Some(Some((audit.effort.to_string(), audit.hash.as_str()))),
            // Records of an earlier version do not say what made their checks.
            None => self.checks.is_empty().then_some(None),
        };
        let facts = Facts {
            model: &self.model,
            data: &self.data,
            examples: self.examples,
            threat: &self.threat,
            attacks: attacks.map(|attack| (attack.name.as_str(), attack.hash.as_str())).collect(),
            cascade: self.cascade.as_ref(),
            noise_states: &self.noise_states,
            draws: self.draws,
            votes: self.votes,
            tries: self.tries,
            epsilons: epsilons.map(|point| point.epsilon).collect(),
            certificates: certificates.map(|of| (of.sigma, of.selection, of.samples, of.alpha)),
            checks,
            budget: self.budget,
            key: self.key,
            confidence: self.confidence,
        };
        facts.told()
    }

    /// The first setting in which a record that is there differs from this one; `None` if both are
    /// of one evaluation, as far as they tell. Names, commands and costs are no settings.
    pub fn difference_from(&self, there: &Self) -> Option<OtherSetting> {
        self.told().difference(&there.told())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_setting_that_both_tell_and_that_differs_is_named() {
        let told = |model: &str, draws: Option<usize>, votes: usize| {
            let mut told = Told::default();
            told.cards(
                &ModelCard {
                    name: format!("named {model}"),
                    fingerprint: model.to_string(),
                    ..ModelCard::default()
                },
                &DataCard::default(),
            );
            draws.into_iter().for_each(|draws| told.add("draws", draws));
            told.add("votes", votes);
            told
        };
        let there = told("0123456789", Some(20), 5);
        let says = |here: Told| here.difference(&there).map(|other| other.to_string());
        assert_eq!(says(told("0123456789", Some(20), 5)), None);
        assert_eq!(says(told("0123456789", None, 5)), None);
        assert_eq!(says(told("0123456789", None, 4)).unwrap(), "votes: got 4, wanted 5");
        assert_eq!(says(told("0123456789", Some(3), 4)).unwrap(), "draws: got 3, wanted 20");
        // Fingerprints are compared whole, and said in short.
        let said = says(told("0123456789a", Some(20), 5)).unwrap();
        let wanted = "model: got named 0123456789a (01234567), wanted named 0123456789 (01234567)";
        assert_eq!(said, wanted);
        // Of two lists of equal length, what differs.
        let attacks = |of: &[&str]| {
            let mut told = Told::default();
            told.list("attacks", of.iter().map(|name| name.to_string()));
            told
        };
        let (three, other) = (attacks(&["a", "b", "c"]), attacks(&["a", "d", "c"]));
        let says = |here: Told| here.difference(&three).map(|other| other.to_string());
        assert_eq!(says(attacks(&["a", "b", "c"])), None);
        assert_eq!(says(other).unwrap(), "attacks: got d, wanted b");
        assert_eq!(says(attacks(&["a", "b"])).unwrap(), "attacks: got a, b, wanted a, b, c");
        assert_eq!(says(attacks(&[])).unwrap(), "attacks: got none, wanted a, b, c");
        let says = |here: Told| here.difference(&there).map(|other| other.to_string());
        // Without a fingerprint a model is not known.
        assert_eq!(says(told("", Some(20), 5)), None);
    }
}
