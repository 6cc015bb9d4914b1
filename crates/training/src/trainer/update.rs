//! The update of a model in training: what the rules do before and after the optimizer.

use super::context::{Context, Ended};
use super::finite::not_finite;
use super::model::InRun;
use crate::StepError;
use crate::averages::moved;
use crate::gradients::clip_by_norm;
use crate::parameters::{Parameter, ParameterValues, check_kept};
use crate::step::StepInfo;
use burn::module::{Module, ModuleDisplay};
use burn::optim::GradientsParams;

impl<N: Module + ModuleDisplay + 'static> InRun<N> {
    /// The gradients after the rule has seen the whole batch, and clipped. An error stops the run.
    pub(super) fn finished(
        &self,
        mut gradients: GradientsParams,
        info: &StepInfo,
    ) -> GradientsParams {
        let Context { signal, max_grad_norm, .. } = &self.context;
        if let Err(error) = self.finish(&mut gradients, info) {
            signal.raise(error.into());
            return gradients;
        }
        // Without a limit the norm would be read back from the device for nothing: a gradient that
        // is not finite shows in the next loss or in the parameters, which are looked at before a
        // checkpoint is written.
        if max_grad_norm.is_none() {
            return gradients;
        }
        let (gradients, norm) = clip_by_norm(&self.net, gradients, *max_grad_norm);
        signal.unless_finite("the norm of the gradient", norm);
        gradients
    }

    /// Lets the gradient rule finish the gradient of the whole batch.
    fn finish(&self, gradients: &mut GradientsParams, info: &StepInfo) -> Result<(), StepError> {
        let Context { gradient, groups, state, signal, .. } = &self.context;
        let Some(rule) = gradient.rule() else { return Ok(()) };
        let values = ParameterValues::of_gradients(&self.net, gradients, groups);
        // A rule may hide that a gradient is no number, as a sign does.
        if let Some((path, value)) = values.not_finite() {
            let what = format!("the gradient of {path}, before the {}", gradient.label());
            signal.unless_finite(&what, value);
            return Ok(());
        }
        let given: Vec<Parameter> = values.iter().map(|(p, _)| p.clone()).collect();
        let mut states = state.take_states();
        let values = rule.finish(values, info, &mut states.0[0]);
        state.put_states(states);
        let values = values?;
        check_kept(&gradient.label(), "gradient", &given, &values)?;
        values.into_gradients(&self.net, gradients);
        Ok(())
    }

    /// The model after the rules that follow the optimizer. An error stops the run.
    pub(super) fn followed(mut self, info: &StepInfo) -> Self {
        let Context { updates, groups, state, signal, .. } = self.context.clone();
        for (i, update) in updates.iter().enumerate() {
            let weights = ParameterValues::of_weights(&self.net, &groups);
            let mut states = state.take_states();
            let changed = update.rule().after(weights, info, &mut states.0[1 + i]);
            state.put_states(states);
            let checked = changed.and_then(|weights| {
                check_kept(&update.label(), "weight", &[], &weights).map(|()| weights)
            });
            match checked {
                Ok(weights) => self.net = weights.into_weights(self.net),
                Err(error) => {
                    signal.raise(error.into());
                    return self;
                }
            }
        }
        self
    }

    /// Moves the average, and after an epoch keeps the model that validation judges. An error
    /// stops the run.
    pub(super) fn note(&self, info: &StepInfo) {
        let Context { state, signal, .. } = &self.context;
        let noted = self.move_average(info).and_then(|()| self.recompute_statistics(info));
        if let Err(error) = noted {
            return signal.raise(error.into());
        }
        if !info.ends_epoch {
            return;
        }
        let model = self.net.valid();
        let average = state.average();
        // Once an epoch, since a number is read back from the device.
        for model in std::iter::once(&model).chain(&average) {
            if let Some((path, value)) = not_finite(model) {
                signal.unless_finite(&format!("the parameter {path}"), value);
            }
        }
        state.put_ended(Ended { judged: average.unwrap_or_else(|| model.clone()), trained: model });
    }

    fn move_average(&self, info: &StepInfo) -> Result<(), StepError> {
        let Context { average, state, .. } = &self.context;
        let Some(average) = average else { return Ok(()) };
        let Some(weight) = average.weight(info) else { return Ok(()) };
        if !(0.0..=1.0).contains(&weight) {
            let wanted = "a number in [0, 1]";
            return Err(StepError::contract(&average.label(), "weight", weight, wanted));
        }
        let model = self.net.valid();
        state.put_average(match state.take_average() {
            Some(average) if weight < 1.0 => moved(average, &model, weight),
            _ => model,
        });
        Ok(())
    }

    /// Gives the average its own running statistics after an epoch, if it is to have some.
    fn recompute_statistics(&self, info: &StepInfo) -> Result<(), StepError> {
        let Context { statistics, state, forward, .. } = &self.context;
        let Some(pass) = statistics.as_ref().filter(|_| info.ends_epoch) else { return Ok(()) };
        let Some(average) = state.average() else { return Ok(()) };
        state.put_average(pass.recomputed(average, &forward.exact(), info.epoch)?);
        Ok(())
    }
}
