//! Totals of an evaluation: one accumulator, whose fields every batch changes, and therefore one
//! file.

use crate::record::accuracy::{Tally, hits, plurality};
use crate::record::spectrum::SpectrumTally;
use crate::run::candidate::Candidate;
use crate::run::head::{AttackHead, Head};
use crate::run::warnings::{self, Seen};
use crate::{
    AttackRecord, EpsilonCurve, EpsilonPoint, Evaluated, ExampleImage, NoiseState, Record, Row,
    RowAttack, SCHEMA,
};
use cni_attacks::{AttackBatch, Passes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The totals of the batches so far. Their memory is bounded, except for the rows.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Totals {
    probabilities: bool,
    /// The accuracies of the clean images and under each attack.
    tallies: Vec<Tally>,
    worst: Tally,
    /// The cost of each attack.
    costs: Vec<Cost>,
    zero_gradients: Vec<BTreeSet<u64>>,
    /// The accuracy and the cost of each attack at each radius of the curves.
    curves: Vec<Vec<(Tally, Passes)>>,
    /// The names of the attacks, if they run in a cascade.
    cascade: Option<Vec<String>>,
    pub scoring: Passes,
    /// The largest difference of two draws, for a model that counts as one without noise:
    /// [`ModelAccess::rounding`](cni_attacks::ModelAccess::rounding).
    pub rounding: Option<f64>,
    /// [`product_bits`](cni_ops::product_bits) of the device.
    pub product_bits: Option<u32>,
    pub seconds: f64,
    pub rows: Vec<Row>,
    gallery: Vec<ExampleImage>,
}

/// The cost of an attack, on how many examples it ran, and what it added to them.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Cost {
    passes: Passes,
    seconds: f64,
    /// The number of examples that it attacked.
    attacked: usize,
    /// The number of examples that it broke in a cascade.
    broken: usize,
    exhausted: bool,
    #[serde(default)]
    spectrum: SpectrumTally,
}

/// A batch in one state of the noise: the clean images, then those of each attack.
pub(crate) type Candidates = Vec<Candidate>;

impl Totals {
    pub fn new(head: &Head) -> Self {
        let of = |states: &[NoiseState]| {
            let states = head.stochastic.then_some(states);
            Tally::new(head.draws, head.votes, head.tries, states)
        };
        let (tally, live) = (of(&head.noise_states), of(&[NoiseState::Live]));
        let attacks = head.attacks.len();
        let names = || head.attacks.iter().map(|attack| attack.name.clone()).collect();
        Self {
            probabilities: false,
            tallies: vec![tally.clone(); attacks + 1],
            worst: tally,
            costs: vec![Cost::default(); attacks],
            zero_gradients: vec![BTreeSet::new(); attacks],
            curves: vec![vec![(live, Passes::default()); attacks]; head.epsilons.len()],
            cascade: head.cascade.is_some().then(names),
            scoring: Passes::default(),
            rounding: None,
            product_bits: None,
            seconds: 0.0,
            rows: Vec::new(),
            gallery: Vec::new(),
        }
    }

    /// Adds a batch: the clean images and those of each attack, in each state of the noise, live
    /// first.
    pub fn add(
        &mut self,
        batch: &AttackBatch,
        labels: &[i64],
        states: &[(NoiseState, Candidates)],
    ) {
        let first = self.rows.len();
        for (noise, all) in states {
            for candidate in all {
                self.scoring += candidate.scoring;
                self.seconds += candidate.seconds + candidate.scoring_seconds;
            }
            match noise {
                NoiseState::Live => self.live(batch, labels, all),
                NoiseState::Off => {
                    self.still(first, labels, all, Tally::add_noise_off, |a| &mut a.noise_off);
                }
                NoiseState::Fixed => {
                    self.still(first, labels, all, Tally::add_fixed_noise, |a| &mut a.fixed_noise);
                }
            }
        }
    }

    /// Adds the same batch at radius number `radius` of the curves. `anew` says that it was
    /// attacked at that radius, so that its cost counts.
    pub fn add_to_curve(&mut self, radius: usize, labels: &[i64], all: &Candidates, anew: bool) {
        for ((tally, passes), candidate) in self.curves[radius].iter_mut().zip(&all[1..]) {
            tally.add(&candidate.predicted, labels);
            *passes += candidate.passes;
            if anew {
                self.scoring += candidate.scoring;
                self.seconds += candidate.seconds + candidate.scoring_seconds;
            }
        }
    }

    fn live(&mut self, batch: &AttackBatch, labels: &[i64], all: &[Candidate]) {
        let mut rows = rows(number(batch), labels, &all[0]);
        self.probabilities |= all[0].probabilities;
        for (tally, candidate) in self.tallies.iter_mut().zip(all) {
            tally.add(&candidate.predicted, labels);
        }
        for (index, candidate) in all[1..].iter().enumerate() {
            let cost = &mut self.costs[index];
            cost.passes += candidate.passes;
            cost.seconds += candidate.seconds;
            cost.attacked += candidate.attacked;
            cost.exhausted |= candidate.exhausted;
            cost.spectrum.append(&candidate.spectrum);
            for (row, of_row) in rows.iter_mut().enumerate() {
                let breaks = candidate.is_broken(row) && !all[index].is_broken(row);
                if let (true, Some(names)) = (breaks, &self.cascade) {
                    of_row.broken_by = Some(names[index].clone());
                    cost.broken += 1;
                }
            }
            self.zero_gradients[index].extend(&candidate.zero_gradients);
            let facts = counts(&candidate.predicted, labels).into_iter();
            let facts = facts.zip(plurality(&candidate.predicted)).zip(&candidate.distance);
            for (row, ((correct, class), &distance)) in rows.iter_mut().zip(facts) {
                let (predicted, noise_off, fixed_noise) = (Some(class), None, None);
                row.attacks.push(RowAttack {
                    correct,
                    distance,
                    predicted,
                    noise_off,
                    fixed_noise,
                });
            }
        }
        let (chosen, worst) = worst(all);
        let counted = rows.iter_mut().zip(counts(&worst, labels));
        counted.for_each(|(row, correct)| row.worst_case = correct);
        self.worst.add(&worst, labels);
        self.show(batch, all, &chosen, labels);
        self.rows.extend(rows);
    }

    /// Adds a batch in a state of the noise in which one draw stands for all.
    fn still(
        &mut self,
        first: usize,
        labels: &[i64],
        all: &[Candidate],
        add: fn(&mut Tally, &[Vec<i64>], &[i64]),
        slot: fn(&mut RowAttack) -> &mut Option<bool>,
    ) {
        for (tally, candidate) in self.tallies.iter_mut().zip(all) {
            add(tally, &candidate.predicted, labels);
        }
        for (index, candidate) in all[1..].iter().enumerate() {
            let right = hits(&candidate.predicted, labels).remove(0);
            let facts = self.rows[first..].iter_mut().zip(right);
            facts.for_each(|(row, hit)| *slot(&mut row.attacks[index]) = Some(hit));
        }
        add(&mut self.worst, &worst(all).1, labels);
    }

    /// Keeps the first examples for the gallery.
    fn show(&mut self, batch: &AttackBatch, all: &[Candidate], chosen: &[usize], labels: &[i64]) {
        let [_, channels, height, width] = batch.images.dims();
        for row in 0..all[0].pixels.len() {
            let worst = &all[chosen[row]];
            let class = |candidate: &Candidate| plurality(&candidate.predicted)[row];
            self.gallery.push(ExampleImage {
                index: number(batch) + row,
                label: labels[row],
                predicted_clean: class(&all[0]),
                predicted_adversarial: class(worst),
                shape: [channels, height, width],
                clean: all[0].pixels[row].clone(),
                adversarial: worst.pixels[row].clone(),
            });
        }
    }

    /// Adds the totals of the examples that follow, under the same head.
    pub fn append(&mut self, next: Self) {
        self.probabilities |= next.probabilities;
        self.tallies.iter_mut().zip(&next.tallies).for_each(|(tally, next)| tally.append(next));
        self.worst.append(&next.worst);
        self.costs.iter_mut().zip(&next.costs).for_each(|(cost, next)| cost.append(next));
        for (zero, next) in self.zero_gradients.iter_mut().zip(next.zero_gradients) {
            zero.extend(next);
        }
        let points = self.curves.iter_mut().flatten().zip(next.curves.iter().flatten());
        for ((tally, passes), (next, of_next)) in points {
            tally.append(next);
            *passes += *of_next;
        }
        self.scoring += next.scoring;
        self.rounding = self.rounding.or(next.rounding);
        // The coarsest of several devices.
        let bits = [self.product_bits, next.product_bits];
        self.product_bits = bits.into_iter().flatten().min();
        self.seconds += next.seconds;
        self.rows.extend(next.rows);
        self.gallery.extend(next.gallery);
    }

    /// The record, the rows and the gallery of all batches.
    pub fn finish(self, head: &Head) -> Evaluated {
        let accuracy = |tally: &Tally| tally.accuracy(head.confidence);
        let attacks = head.attacks.iter().zip(&self.tallies[1..]).zip(&self.costs);
        let attacks = attacks.map(|((of, tally), cost)| AttackRecord {
            name: of.name.clone(),
            spec: of.spec.clone(),
            hash: of.hash.clone(),
            key: of.key,
            robust: accuracy(tally),
            access: Some(of.access),
            gradient_draws: of.gradient_draws,
            evidence: None,
            attacked: Some(cost.attacked),
            broken: self.cascade.is_some().then_some(cost.broken),
            exhausted: cost.exhausted,
            spectrum: cost.spectrum.spectrum(),
            passes: cost.passes,
            seconds: cost.seconds,
        });
        let point = |index: usize, (&epsilon, curve): (&f64, &Vec<(Tally, Passes)>)| {
            let (tally, passes) = &curve[index];
            EpsilonPoint { epsilon, accuracy: accuracy(tally), passes: *passes }
        };
        let curve = |(index, of): (usize, &AttackHead)| EpsilonCurve {
            attack: of.name.clone(),
            points: head.epsilons.iter().zip(&self.curves).map(|of| point(index, of)).collect(),
        };
        let curves = head.attacks.iter().enumerate().filter(|_| !head.epsilons.is_empty());
        let mut record = Record {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_string(),
            data: head.data.clone(),
            model: head.model.clone(),
            threat: head.threat.clone(),
            command: head.command.clone(),
            examples: self.rows.len(),
            draws: head.draws,
            votes: head.votes,
            tries: head.tries,
            stochastic: head.stochastic,
            noise_states: head.noise_states.clone(),
            key: head.key,
            confidence: head.confidence,
            clean: accuracy(&self.tallies[0]),
            cascade: head.cascade.clone(),
            budget: head.budget,
            attacks: attacks.collect(),
            worst_case: (!head.attacks.is_empty()).then(|| accuracy(&self.worst)),
            curves: curves.map(curve).collect(),
            scoring: self.scoring,
            seconds: self.seconds,
            warnings: Vec::new(),
            checks: Vec::new(),
            audit: None,
            certificates: None,
        };
        let evidence: Vec<bool> =
            record.attacks.iter().map(|attack| record.is_evidence(attack)).collect();
        for (attack, evidence) in record.attacks.iter_mut().zip(evidence) {
            attack.evidence = Some(evidence);
        }
        let seen = Seen {
            probabilities: self.probabilities,
            rounding: self.rounding,
            product_bits: self.product_bits,
            zero_gradients: &self.zero_gradients,
        };
        record.warnings = warnings::of(&record, &self.rows, seen);
        Evaluated { record, rows: self.rows, gallery: self.gallery }
    }
}

impl Cost {
    /// Adds the cost on the examples that follow.
    fn append(&mut self, next: &Self) {
        self.passes += next.passes;
        self.seconds += next.seconds;
        self.attacked += next.attacked;
        self.broken += next.broken;
        self.exhausted |= next.exhausted;
        self.spectrum.append(&next.spectrum);
    }
}

/// The number of a batch's first example within the data.
fn number(batch: &AttackBatch) -> usize {
    batch.examples.id(0) as usize
}

/// The rows of a batch before any attack.
fn rows(first: usize, labels: &[i64], clean: &Candidate) -> Vec<Row> {
    let facts =
        labels.iter().zip(counts(&clean.predicted, labels)).zip(plurality(&clean.predicted));
    let row = |(row, ((&label, correct), class))| Row {
        index: first + row,
        label,
        clean: correct,
        predicted: Some(class),
        attacks: Vec::new(),
        worst_case: 0,
        broken_by: None,
        certificate: None,
    };
    facts.enumerate().map(row).collect()
}

/// The worst candidate of each image, and its classes in each draw. It is the candidate that the
/// model gets wrong in the most draws; of equals it is the one with the larger margin, then the
/// first.
fn worst(all: &[Candidate]) -> (Vec<usize>, Vec<Vec<i64>>) {
    let most =
        |row: usize| {
            let severity = |index: usize| &all[index].severity[row];
            (1..all.len()).fold(0, |best, index| {
                if severity(index).exceeds(severity(best)) { index } else { best }
            })
        };
    let chosen: Vec<usize> = (0..all[0].severity.len()).map(most).collect();
    let of_draw = |draw: usize| {
        chosen.iter().enumerate().map(|(row, &index)| all[index].predicted[draw][row]).collect()
    };
    let predicted = (0..all[0].predicted.len()).map(of_draw).collect();
    (chosen, predicted)
}

/// The number of correct draws of each example.
fn counts(predicted: &[Vec<i64>], labels: &[i64]) -> Vec<u32> {
    let right = hits(predicted, labels);
    (0..labels.len()).map(|row| right.iter().filter(|draw| draw[row]).count() as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cni_attacks::Severity;

    /// Twenty draws of one image of class 0: the first attack fools eighteen by a lot, the second
    /// nineteen by little.
    #[test]
    fn the_worst_case_is_the_image_that_is_wrong_in_the_most_draws() {
        let candidate = |wrong_draws: usize, mean_margin: f64| Candidate {
            predicted: (0..20).map(|draw| vec![i64::from(draw < wrong_draws)]).collect(),
            classes: 2,
            probabilities: false,
            severity: vec![Severity { wrong_draws, mean_margin }],
            distance: vec![0.0],
            attacked: 1,
            exhausted: false,
            spectrum: SpectrumTally::default(),
            zero_gradients: Vec::new(),
            pixels: Vec::new(),
            images: None,
            passes: Passes::default(),
            scoring: Passes::default(),
            seconds: 0.0,
            scoring_seconds: 0.0,
        };
        let all = [candidate(0, -1.0), candidate(18, 9.0), candidate(19, 0.1)];
        let (chosen, predicted) = worst(&all);
        assert_eq!((chosen, counts(&predicted, &[0])), (vec![2], vec![1]));
    }
}
