//! Devices that a run trains on.

pub(crate) mod replica;

use crate::TrainingError;
use burn::tensor::Device;
#[cfg(feature = "experimental-ddp")]
use burn::tensor::distributed::{DistributedConfig, ReduceOperation};
use burn::train::{ExecutionStrategy, MultiDeviceOptim};
use std::fmt;
use std::str::FromStr;

/// The way in which several devices of one machine share the batches of a run.
///
/// Either way every batch is cut into one share a device, and a step is that of one device on the
/// whole batch: the gradient is that of the mean over the whole batch, clipped and applied once, so
/// learning rates stay as they are. Shares have the key of their batch, so weight noise is one draw
/// for all devices, and what is drawn for an example does not depend on the device that has it. A
/// run on several devices therefore equals the run on one up to the rounding of sums, as long as
/// the model looks at each example alone.
///
/// Batch norm does not: in training it normalises with the mean and variance of the device's share,
/// as everywhere without synchronised batch norm. A frozen one does look at each example alone.
///
/// # Several machines
///
/// Burn trains on the devices of one process and has no data-parallel training over several nodes.
/// Its remote devices (feature `remote`) are devices of a process like any other, so
/// [`Multi`](Self::Multi) takes them, at the price of sending weights and gradients over the
/// network in every step. Evaluation needs none of this, since machines can each judge a part of
/// the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parallel {
    /// One model on the first device, which the other devices copy for each step; gradients are
    /// summed on the first, in the order of the list. Works on every backend. Resumes bit for bit
    /// if a backend's operations are deterministic.
    ///
    /// Running statistics of batch norm become the mean over the devices of their updates, weighted
    /// by examples.
    #[default]
    Multi,
    /// Burn's `ddp`: a model on each device, with gradients summed by NCCL during the backward
    /// pass. CUDA only, not on remote devices, and untested.
    ///
    /// Each device keeps running statistics of its own; those of the first are validated and saved.
    /// The devices are in step only during backward passes: an epoch's training scores can lack the
    /// last batches of the others, and a run that has to stop early can wait for ever instead.
    #[cfg(feature = "experimental-ddp")]
    Ddp,
}

impl Parallel {
    /// All values.
    pub const ALL: &'static [Self] = &[
        Self::Multi,
        #[cfg(feature = "experimental-ddp")]
        Self::Ddp,
    ];
}

/// Burn's name: `multi`, `ddp`.
impl fmt::Display for Parallel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Multi => "multi",
            #[cfg(feature = "experimental-ddp")]
            Self::Ddp => "ddp",
        })
    }
}

impl FromStr for Parallel {
    type Err = TrainingError;

    fn from_str(text: &str) -> Result<Self, TrainingError> {
        let found = Self::ALL.iter().find(|parallel| parallel.to_string() == text);
        let wanted = "multi, or ddp with the feature experimental-ddp";
        found.copied().ok_or_else(|| TrainingError::setting("parallel", text, wanted))
    }
}

/// The devices of a run: one, from `&device`, or several.
///
/// Validation and checkpoints are the first one's. A step waits for the slowest.
///
/// ```
/// use burn::tensor::Device;
/// use cni_training::{Devices, Parallel};
///
/// let two = Devices::new(vec![Device::flex(), Device::flex()], Parallel::Multi)?;
/// assert_eq!(two.len(), 2);
/// # Ok::<(), cni_training::TrainingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Devices {
    list: Vec<Device>,
    parallel: Parallel,
}

impl Devices {
    /// These devices. One alone trains as `&device` does, under [`Parallel::Multi`].
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for no device, and for `Ddp` on a device that is not CUDA.
    pub fn new(list: Vec<Device>, parallel: Parallel) -> Result<Self, TrainingError> {
        if list.is_empty() {
            return Err(TrainingError::setting("devices", "none", "at least one"));
        }
        let list: Vec<Device> = list.into_iter().map(Device::inner).collect();
        #[cfg(feature = "experimental-ddp")]
        if parallel == Parallel::Ddp
            && let Some(other) = list.iter().find(|device| !is_cuda(device))
        {
            let got = format!("{other:?} for ddp");
            return Err(TrainingError::setting("devices", got, "CUDA devices alone, or multi"));
        }
        Ok(Self { list, parallel })
    }

    /// The number of devices.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The first device.
    pub fn first(&self) -> &Device {
        &self.list[0]
    }

    /// The way in which the devices share the work, if there are several.
    pub(crate) fn parallel(&self) -> Option<Parallel> {
        let alone = self.len() == 1 && self.parallel == Parallel::Multi;
        (!alone).then_some(self.parallel)
    }

    /// The optimizers that a step calls.
    pub(crate) fn optimizers(&self) -> usize {
        match self.parallel() {
            #[cfg(feature = "experimental-ddp")]
            Some(Parallel::Ddp) => self.len(),
            _ => 1,
        }
    }

    /// True if the devices share one optimizer, which rules and averages need.
    pub(crate) fn share_optimizer(&self) -> bool {
        match self.parallel() {
            #[cfg(feature = "experimental-ddp")]
            Some(Parallel::Ddp) => false,
            _ => true,
        }
    }

    /// Refuses batches of the first epoch in which a device would get no example, where that
    /// matters. A loader refuses those of later epochs.
    ///
    /// Burn takes one batch of each device for a step: a device that were to leave one out would
    /// be a batch ahead of the others from then on. The last batch may be smaller.
    pub(crate) fn check(&self, batch_size: usize, batches: &[usize]) -> Result<(), TrainingError> {
        let (devices, examples) = (self.len(), batches.iter().sum());
        for (field, got) in [("batch_size", batch_size), ("train", examples)] {
            if got < devices {
                let got = format!("{got} examples for {devices} devices");
                return Err(TrainingError::setting(field, got, "at least one for each device"));
            }
        }
        let (counted, wanted) = match self.parallel {
            Parallel::Multi => {
                let wanted = "an example for each device in every batch but the last";
                (batches.len().saturating_sub(1), wanted)
            }
            #[cfg(feature = "experimental-ddp")]
            Parallel::Ddp => {
                (batches.len(), "an example for each device in every batch, as ddp needs it")
            }
        };
        match batches[..counted].iter().enumerate().find(|(_, n)| **n < devices) {
            None => Ok(()),
            Some((batch, size)) => {
                let got = format!("{size} examples in batch {batch} for {devices} devices");
                Err(TrainingError::setting("train", got, wanted))
            }
        }
    }

    pub(crate) fn strategy(&self) -> ExecutionStrategy {
        let list = self.list.clone();
        match self.parallel() {
            None => ExecutionStrategy::single(self.first().clone()),
            // Gradients that are kept by device can be summed in the order of the devices. Burn's
            // other choice sums them in the order in which the devices finish.
            Some(Parallel::Multi) => ExecutionStrategy::multi(list, MultiDeviceOptim::OptimSharded),
            #[cfg(feature = "experimental-ddp")]
            Some(Parallel::Ddp) => {
                let config = DistributedConfig { all_reduce_op: ReduceOperation::Sum };
                ExecutionStrategy::ddp(list, config)
            }
        }
    }
}

impl From<&Device> for Devices {
    fn from(device: &Device) -> Self {
        Self { list: vec![device.clone().inner()], parallel: Parallel::Multi }
    }
}

/// True if a device is one of the CUDA devices of this machine.
#[cfg(all(feature = "experimental-ddp", feature = "cuda"))]
fn is_cuda(device: &Device) -> bool {
    Device::enumerate(burn::tensor::DeviceType::Cuda).to_vec().contains(device)
}

/// Burn has no CUDA devices in a build without them.
#[cfg(all(feature = "experimental-ddp", not(feature = "cuda")))]
fn is_cuda(_device: &Device) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(n: usize, parallel: Parallel) -> Devices {
        Devices { list: vec![Device::flex(); n], parallel }
    }

    #[test]
    fn every_device_needs_an_example() {
        let text = |devices: Devices, batch_size, batches: &[usize]| {
            devices.check(batch_size, batches).unwrap_err().to_string()
        };
        let multi = || devices(3, Parallel::Multi);
        let wanted = "wanted at least one for each device";
        let got = "got 2 examples for 3 devices";
        assert_eq!(text(multi(), 2, &[2; 5]), format!("batch_size: {got}, {wanted}"));
        assert_eq!(text(multi(), 10, &[2]), format!("train: {got}, {wanted}"));
        assert!(multi().check(4, &[4, 4, 2]).is_ok());
        let got = "train: got 2 examples in batch 1 for 3 devices";
        let wanted = "wanted an example for each device in every batch but the last";
        assert_eq!(text(multi(), 4, &[4, 2, 4]), format!("{got}, {wanted}"));
        assert!(devices(1, Parallel::Multi).check(4, &[4, 1, 4]).is_ok());
    }

    #[cfg(feature = "experimental-ddp")]
    #[test]
    fn every_device_needs_an_example_of_every_batch_under_ddp() {
        let ddp = |batches: &[usize]| devices(3, Parallel::Ddp).check(4, batches);
        let error = ddp(&[4, 4, 2]).unwrap_err().to_string();
        assert!(error.starts_with("train: got 2 examples in batch 2 for 3 devices"), "{error}");
        assert!(ddp(&[4, 4, 3]).is_ok());
    }

    #[test]
    fn one_device_is_not_parallel() {
        assert_eq!(Devices::from(&Device::flex().autodiff()).parallel(), None);
        assert_eq!(devices(1, Parallel::Multi).parallel(), None);
        assert_eq!(devices(2, Parallel::Multi).parallel(), Some(Parallel::Multi));
    }
}
