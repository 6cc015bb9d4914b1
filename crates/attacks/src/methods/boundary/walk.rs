//! Random steps along the boundary, kept if they lead nearer.

use super::BoundaryAttack;
use super::pace::Pace;
use crate::methods::shared::decision::Vote;
use crate::rows::at_least_single;
use crate::rows::{ActiveRows, per_row, read, where_rows};
use crate::{AttackBatch, AttackError, ModelAccess, Norm, Rows};
use burn::tensor::Tensor;
use cni_noise::{Key, normal_rows};

/// The state of the rows still attacked, each with an adversarial image.
pub(super) struct Walk<'a> {
    attack: &'a BoundaryAttack,
    vote: Vote,
    batch: AttackBatch,
    /// The nearest adversarial images so far, from which the steps go.
    x: Tensor<4>,
    distances: Vec<f64>,
    paces: Vec<Pace>,
}

impl<'a> Walk<'a> {
    /// A walk from adversarial images `x`.
    pub fn new(attack: &'a BoundaryAttack, batch: AttackBatch, x: Tensor<4>, vote: Vote) -> Self {
        let distances = read(&Norm::L2.distance(&x, &batch.images));
        let paces = vec![Pace::new(attack.across, attack.towards); distances.len()];
        Self { attack, vote, batch, x, distances, paces }
    }

    /// Runs the walk. Returns the nearest adversarial images, or the originals if these are outside
    /// the threat.
    pub fn run(mut self, access: &mut ModelAccess<'_>, key: Key) -> Result<Tensor<4>, AttackError> {
        let (attack, epsilon) = (self.attack, self.attack.threat.epsilon());
        let stop = access.wants_early_stop() && access.stops_early(false, &self.batch)?;
        let mut active = ActiveRows::new(self.batch.len());
        for step in 1..=attack.steps {
            let draws = normal_rows(key.child(step as u64), &self.batch.examples, &self.x);
            if !self.step(access, draws, step % attack.interval == 0)? {
                break;
            }
            let scores: Vec<f64> = self.distances.iter().map(|distance| -distance).collect();
            let more = access.proceed(&self.batch, &self.x, &scores, Norm::L2);
            let done = |(distance, pace): (&f64, &Pace)| {
                pace.towards < attack.convergence || stop && *distance <= epsilon
            };
            let done: Vec<bool> = self.distances.iter().zip(&self.paces).map(done).collect();
            if done.contains(&true)
                && let Some(rows) = active.take(&done, &self.within())
            {
                if active.is_complete() {
                    break;
                }
                self.select(&rows);
            }
            if !more {
                break;
            }
        }
        let rest = self.within();
        Ok(active.finish(rest))
    }

    fn within(&self) -> Tensor<4> {
        let epsilon = self.attack.threat.epsilon();
        let outside: Vec<bool> = self.distances.iter().map(|d| *d > epsilon).collect();
        where_rows(&outside, self.x.clone(), &self.batch.images)
    }

    /// Takes a step along normal draws. Returns whether the budget had room for it. If `adapts`
    /// holds, step sizes adapt, at the cost of another decision.
    fn step(
        &mut self,
        access: &mut ModelAccess<'_>,
        draws: Tensor<4>,
        adapts: bool,
    ) -> Result<bool, AttackError> {
        let [sphere, ahead] = self.candidates(draws);
        let Some(votes) = self.vote.ask(access, &self.batch, &ahead)? else {
            return Ok(false);
        };
        let across = match adapts {
            true => self.vote.ask(access, &self.batch, &sphere)?,
            false => None,
        };
        let adapts = across.is_some();
        let distance = Norm::L2.distance(&ahead, &self.batch.images);
        let lists = [votes.clone(), across.unwrap_or(votes), distance];
        let [votes, across, distances] = access.read(lists)?;
        let [whole, across] = [votes, across].map(|votes| self.vote.decided(votes));
        // Nearer by construction, but for rounding.
        let nearer = distances.iter().zip(&self.distances).map(|(new, old)| new < old);
        let better: Vec<bool> =
            nearer.zip(&whole).map(|(nearer, whole)| nearer && *whole).collect();
        self.x = where_rows(&better, self.x.clone(), &ahead);
        for (row, distance) in distances.into_iter().enumerate().filter(|(row, _)| better[*row]) {
            self.distances[row] = distance;
        }
        if adapts {
            for (pace, (across, whole)) in self.paces.iter_mut().zip(across.into_iter().zip(whole))
            {
                pace.update(across, whole, self.attack.adaptation);
            }
        }
        Ok(true)
    }

    /// Images as far from the originals as `x`, a step away across the line to them, and these
    /// moved towards the originals.
    fn candidates(&self, draws: Tensor<4>) -> [Tensor<4>; 2] {
        let dtype = self.x.dtype();
        let [clean, x, draws] =
            [&self.batch.images, &self.x, &draws].map(|images| at_least_single(images.clone()));
        let of_rows = |size: fn(&Pace, f64) -> f64| {
            let sizes: Vec<f64> =
                self.paces.iter().zip(&self.distances).map(|(pace, d)| size(pace, *d)).collect();
            per_row(&sizes, &x)
        };
        let source = clean.clone() - x.clone();
        let unit = Norm::L2.unit(source.clone());
        let along = (draws.clone() * unit.clone()).sum_dims(&[1, 2, 3]);
        let across = Norm::L2.unit(draws - unit * along);
        let moved = across * of_rows(|pace, distance| pace.across * distance) - source;
        // Back onto the sphere, by Pythagoras.
        let shrunk = moved * of_rows(|pace, _| (pace.across * pace.across + 1.0).sqrt().recip());
        let sphere = (clean.clone() + shrunk).clamp(0.0, 1.0);
        let source = clean - sphere.clone();
        let left = Norm::L2.length(source.clone()).reshape([-1, 1, 1, 1]);
        // Clipping to the box may already have shortened the way to the original.
        let short = of_rows(|pace, distance| (pace.towards - 1.0) * distance);
        let way = (left.clone() + short).clamp_min(0.0);
        let share = way / left.clamp_min(f64::from(f32::MIN_POSITIVE));
        let ahead = (sphere.clone() + source * share).clamp(0.0, 1.0);
        [sphere, ahead].map(|images| images.cast(dtype))
    }

    fn select(&mut self, rows: &Rows) {
        self.batch = self.batch.select(rows);
        self.x = rows.of(&self.x);
        self.distances = rows.of_list(&self.distances);
        self.paces = rows.of_list(&self.paces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Goal, Threat};
    use burn::tensor::{DType, Device, Int, TensorData};
    use cni_noise::ExampleIds;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    const DATA: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/boundary.json");

    fn list<T: DeserializeOwned>(value: &Value) -> Vec<T> {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn tensor<const D: usize>(values: &Value, shape: [usize; D]) -> Tensor<D> {
        let data = TensorData::new(list::<f64>(values), shape);
        Tensor::from_data(data, (&Device::flex(), DType::F64))
    }

    /// By the code of foolbox from the same starts along the same draws, in double precision;
    /// `tests/reference/boundary.py` made the numbers.
    #[test]
    fn walks_are_those_of_the_reference_to_rounding() {
        let data: Value = serde_json::from_str(&std::fs::read_to_string(DATA).unwrap()).unwrap();
        let of = |name: &str| &data["values"][name]["data"];
        let [w1, w2] = [tensor(of("w1"), [16, 27]), tensor(of("w2"), [5, 16])];
        let [b1, b2] = [tensor(of("b1"), [1, 16]), tensor(of("b2"), [1, 5])];
        let network = |x: Tensor<4>| {
            let hidden = x.flatten::<2>(1, 3).matmul(w1.clone().transpose()) + b1.clone();
            hidden.tanh().matmul(w2.clone().transpose()) + b2.clone()
        };
        let shape = [6, 3, 3, 3];
        let [images, starts] = ["x", "starts"].map(|name| tensor(of(name), shape));
        let draws: Tensor<4> = tensor(of("draws"), [61, 3, 3, 3]);
        let labels: Tensor<1, Int> =
            Tensor::from_data(list::<i64>(&data["labels"]).as_slice(), &Device::flex());
        let batch =
            AttackBatch::new(images, &Goal::Misclassify(labels), ExampleIds::from(0)).unwrap();
        let cases = data["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 3);
        for case in cases {
            let number = |name: &str| case[name].as_u64().unwrap() as usize;
            let (steps, interval) = (number("steps"), number("interval"));
            let attack = BoundaryAttack::new(Threat::unbounded(Norm::L2)).unwrap();
            let vote = Vote::new(1, Key::new(1));
            let mut walk = Walk::new(&attack, batch.clone(), starts.clone(), vote);
            let mut access = ModelAccess::new(&network).with_stochastic(false);
            for step in 1..=steps {
                let at = (step - 1) % 61;
                let draws = draws.clone().slice(at..at + 1).expand(shape);
                assert!(walk.step(&mut access, draws, step % interval == 0).unwrap());
            }
            let wanted = tensor::<4>(&case["result"], shape);
            let gap = (walk.x.clone() - wanted).abs().max().into_scalar::<f64>();
            assert!(gap < 1e-9, "{steps} steps, sizes every {interval}: {gap}");
            let sizes: [fn(&Pace) -> f64; 2] = [|pace| pace.across, |pace| pace.towards];
            for (size, name) in sizes.into_iter().zip(["spherical_steps", "source_steps"]) {
                for (pace, wanted) in walk.paces.iter().zip(list::<f64>(&case[name])) {
                    let off = size(pace) / wanted - 1.0;
                    assert!(off.abs() < 1e-12, "{steps} {name}: {} {wanted}", size(pace));
                }
            }
        }
    }
}
