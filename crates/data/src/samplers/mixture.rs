use super::SamplerRule;
use crate::DataError;
use crate::slots::named_spec;
use cni_noise::{Key, permutation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Batches of which a fixed share comes from extra examples, such as pseudo-labelled ones (Carmon
/// et al., NeurIPS 2019, arXiv 1905.13736), that stand behind the labelled ones in one set:
/// [`ImageData::join`](crate::ImageData::join).
///
/// An epoch is one pass over the labelled examples, in the order that [`Epochs`](super::Epochs)
/// gives them alone. Each batch takes its share of the extra ones, rounded to whole examples, by a
/// pass of their own, which goes on from one epoch to the next: each pass holds every one of them
/// once, in a new random order, the permutation of `key.named("extra").child(pass)`. A last batch
/// of fewer labelled examples has as many fewer of the others. Both kinds alternate within a
/// batch, so that its parts on several devices hold the same share of each.
///
/// A validation part is cut from the labelled examples before they are joined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// The position of the first extra example: the number of labelled ones.
    pub extra: usize,
    /// The share of extra examples in each batch, above 0 and below 1: by default one half.
    #[serde(default = "half")]
    pub share: f64,
}

fn half() -> f64 {
    0.5
}

impl Mixture {
    pub(super) const NAME: &str = "mixture";

    /// Labelled and extra examples of a whole batch, at least one of the former.
    fn parts(&self, batch_size: usize) -> [usize; 2] {
        let extra = (batch_size as f64 * self.share).round() as usize;
        let extra = extra.min(batch_size.saturating_sub(1));
        [batch_size - extra, extra]
    }
}

impl SamplerRule for Mixture {
    fn spec(&self) -> Value {
        named_spec("sampler", Self::NAME, self)
    }

    fn plan(&self, key: Key, epoch: usize, examples: usize, batch_size: usize) -> Vec<Vec<usize>> {
        let [labelled, extra] = self.parts(batch_size);
        let order = permutation(key.named("order").child(epoch as u64), self.extra);
        // Of the last batch in proportion.
        let of_batch = |labels: &[usize]| (labels.len() * extra + labelled / 2) / labelled;
        let per_epoch = order.chunks(labelled).map(of_batch).sum::<usize>();
        let mut others =
            Others::new(key.named("extra"), self.extra..examples, epoch as u64 * per_epoch as u64);
        let mix = |labels: &[usize]| {
            let (mut labels, count) = (labels.iter(), of_batch(labels));
            let whole = labels.len() + count;
            // Every place after which the share of the others is a whole number more.
            let is_other = |place: usize| (place + 1) * count / whole > place * count / whole;
            let places = 0..whole;
            places
                .filter_map(|place| match is_other(place) {
                    true => others.next(),
                    false => labels.next().copied(),
                })
                .collect()
        };
        order.chunks(labelled).map(mix).collect()
    }

    fn batches(&self, _examples: usize, batch_size: usize) -> usize {
        self.extra.div_ceil(self.parts(batch_size)[0])
    }

    /// [`DataError::Setting`] if there are no labelled or no extra examples, or a batch has no room
    /// for one of each kind.
    fn check(&self, examples: usize, batch_size: usize) -> Result<(), DataError> {
        if !(1..examples).contains(&self.extra) {
            let wanted = format!("1..{examples}, so that there are examples of both kinds");
            return Err(DataError::setting("extra", self.extra, wanted));
        }
        let of_batch = (batch_size as f64 * self.share).round();
        if !(self.share > 0.0 && self.share < 1.0) {
            return Err(DataError::setting("share", self.share, "above 0 and below 1"));
        }
        if !(1.0..batch_size as f64).contains(&of_batch) {
            let wanted = format!("at least one example of each kind in a batch of {batch_size}");
            return Err(DataError::setting("share", self.share, wanted));
        }
        Ok(())
    }
}

/// The extra examples in the order in which a run takes them, pass after pass.
struct Others {
    key: Key,
    examples: std::ops::Range<usize>,
    /// Those taken before.
    taken: u64,
    /// The order of the pass at hand.
    order: Vec<usize>,
}

impl Others {
    fn new(key: Key, examples: std::ops::Range<usize>, taken: u64) -> Self {
        Self { key, examples, taken, order: Vec::new() }
    }
}

impl Iterator for Others {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let len = self.examples.len() as u64;
        let pass = self.taken.checked_div(len)?;
        let place = self.taken % len;
        if self.order.is_empty() || place == 0 {
            self.order = permutation(self.key.child(pass), len as usize);
        }
        self.taken += 1;
        Some(self.examples.start + self.order[place as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sampler;
    use super::*;
    use crate::Epochs;

    fn mixture(extra: usize, share: f64) -> Mixture {
        Mixture { extra, share }
    }

    #[test]
    fn every_batch_has_its_share_and_an_epoch_is_one_pass_over_the_labelled() {
        for (extra, all, batch, share) in
            [(20, 27, 8, 0.5), (21, 500, 8, 0.7), (5, 6, 2, 0.5), (64, 128, 16, 0.25)]
        {
            let rule = mixture(extra, share);
            rule.check(all, batch).unwrap();
            let of_extra = (batch as f64 * share).round() as usize;
            for epoch in 0..3 {
                let plan = rule.plan(Key::new(1), epoch, all, batch);
                assert_eq!(plan.len(), rule.batches(all, batch));
                let labelled: Vec<usize> =
                    plan.concat().into_iter().filter(|&i| i < extra).collect();
                // In the order of the sampler that knows only them.
                assert_eq!(labelled, Epochs {}.plan(Key::new(1), epoch, extra, 1).concat());
                let (last, whole) = plan.split_last().unwrap();
                for batch_plan in whole {
                    assert_eq!(batch_plan.len(), batch);
                    let count = batch_plan.iter().filter(|&&i| i >= extra).count();
                    assert_eq!(count, of_extra);
                }
                let count = last.iter().filter(|&&i| i >= extra).count();
                let exact = (last.len() - count) as f64 * of_extra as f64;
                let exact = exact / (batch - of_extra) as f64;
                assert!((count as f64 - exact).abs() <= 0.5, "{count} of {}", last.len());
            }
        }
    }

    #[test]
    fn passes_over_the_extra_examples_go_on_from_epoch_to_epoch() {
        let rule = mixture(20, 0.5);
        let taken: Vec<usize> = (0..7)
            .flat_map(|epoch| rule.plan(Key::new(1), epoch, 27, 8).concat())
            .filter(|&i| i >= 20)
            .collect();
        assert_eq!(taken.len(), 7 * 20);
        for pass in taken.chunks_exact(7) {
            let mut sorted = pass.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (20..27).collect::<Vec<_>>());
        }
        assert_ne!(taken[..7], taken[7..14]);
    }

    #[test]
    fn halves_of_a_batch_hold_the_same_share_of_each_kind() {
        let plan = mixture(60, 0.25).plan(Key::new(1), 0, 120, 16);
        for batch in plan {
            for half in batch.chunks(8) {
                assert_eq!(half.iter().filter(|&&i| i >= 60).count(), 2);
            }
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (extra, share, batch, says) in [
            (0, 0.5, 8, "extra: got 0, wanted 1..27, so that there are examples of both kinds"),
            (27, 0.5, 8, "extra: got 27, wanted 1..27, so that there are examples of both kinds"),
            (20, 0.0, 8, "share: got 0, wanted above 0 and below 1"),
            (20, 1.0, 8, "share: got 1, wanted above 0 and below 1"),
            (20, f64::NAN, 8, "share: got NaN, wanted above 0 and below 1"),
            (20, 0.01, 8, "share: got 0.01, wanted at least one example of each kind in a batch"),
            (
                20,
                0.5,
                1,
                "share: got 0.5, wanted at least one example of each kind in a batch of 1",
            ),
        ] {
            let error = Sampler::from(mixture(extra, share)).check(27, batch).unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with(&format!("sampler mixture: {says}")), "{error}");
        }
    }

    #[test]
    fn it_is_read_back_from_json_and_takes_half_by_default() {
        let read = |text: &str| serde_json::from_str::<Sampler>(text).unwrap().spec();
        let half = read(r#"{"sampler": "mixture", "extra": 50}"#);
        assert_eq!(half, Sampler::mixture(50).spec());
        assert_eq!(half["share"], 0.5);
        let most = Sampler::from(mixture(50, 0.75)).spec();
        assert_eq!(read(&most.to_string()), most);
    }
}
