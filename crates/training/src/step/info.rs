use super::Losses;
use crate::parameters::ParameterValues;
use cni_noise::Key;

/// The gradients of a step, and the losses of its examples.
pub struct StepGradients {
    /// One gradient for each parameter.
    pub gradients: ParameterValues,
    /// The losses and scores that the run reports, without a graph.
    pub losses: Losses,
}

/// The step as rules see it after its gradients have been summed.
#[derive(Clone, Debug)]
pub struct StepInfo {
    /// The key of the batch; a rule derives one by a name of its own.
    pub key: Key,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The optimizer steps before this one, since the run began.
    pub step: usize,
    /// True if it is the last step of its epoch.
    pub ends_epoch: bool,
    /// Examples of the whole batch.
    pub examples: usize,
    /// The learning rate of the run in this step. Groups of parameters may have multiples of it.
    pub lr: f64,
}
