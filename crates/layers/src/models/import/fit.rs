//! The layout of a tensor: PyTorch's in the file, Burn's in the model.

/// Layout of a tensor of the file, by which it becomes one of the model.
#[derive(Debug, PartialEq)]
pub enum Layout {
    /// The same numbers in the same order.
    Same,
    /// Rows of `width` numbers, one for each element of a linear weight: `[output, input]` in the
    /// file, `[input, output]` in the model.
    Linear { outputs: usize, inputs: usize, width: usize },
}

impl Layout {
    pub fn apply(&self, numbers: Vec<f32>) -> Vec<f32> {
        let Self::Linear { outputs, inputs, width } = *self else {
            return numbers;
        };
        let rows = (0..inputs).flat_map(|input| (0..outputs).map(move |output| (input, output)));
        let row = |(input, output)| &numbers[(output * inputs + input) * width..][..width];
        rows.flat_map(row).copied().collect()
    }
}

/// The layout of the parameter of this name, whose shape is `got` in the file and `wanted` in the
/// model; `None` if it does not fit. `shape_of` gives the shape of another parameter of the model.
///
/// The kind of a tensor follows from its parameter's name alone, never from its rank: a factor of a
/// linear weight's noise is a matrix too.
pub fn layout<'a>(
    name: &str,
    got: &[usize],
    wanted: &[usize],
    shape_of: impl Fn(&str) -> Option<&'a [usize]>,
) -> Option<Layout> {
    if let Some((weight, parameter)) = name.split_once(".noise.") {
        // The references give noise parameters axes of size one and the axes of their tensor.
        let width = if parameter == "factor" { *wanted.last()? } else { 1 };
        let fits = got.iter().product::<usize>() == wanted.iter().product::<usize>()
            && (parameter != "factor" || got.last() == wanted.last());
        let weight = shape_of(weight).filter(|_| is_linear(weight));
        return fits.then_some(match weight {
            Some(&[inputs, outputs]) if wanted[0] == inputs * outputs => {
                Layout::Linear { outputs, inputs, width }
            }
            _ => Layout::Same,
        });
    }
    match (is_linear(name), wanted) {
        (true, &[inputs, outputs]) => {
            (got == [outputs, inputs]).then_some(Layout::Linear { outputs, inputs, width: 1 })
        }
        _ => (got == wanted).then_some(Layout::Same),
    }
}

fn is_linear(name: &str) -> bool {
    name.ends_with("linear.weight")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_turned_by_its_name_and_not_by_its_rank() {
        let shape_of = |name: &str| match name {
            "fc.linear.weight" => Some(&[3, 2][..]),
            "conv1.conv.weight" => Some(&[3, 2, 1, 1][..]),
            _ => None,
        };
        let layout =
            |name: &str, got: &[usize], wanted: &[usize]| layout(name, got, wanted, shape_of);
        let linear = |width| Some(Layout::Linear { outputs: 2, inputs: 3, width });
        assert_eq!(layout("fc.linear.weight", &[2, 3], &[3, 2]), linear(1));
        assert_eq!(layout("fc.linear.weight", &[3, 2], &[3, 2]), None);
        assert_eq!(layout("fc.linear.bias", &[2], &[2]), Some(Layout::Same));
        let noise = |parameter| format!("fc.linear.weight.noise.{parameter}");
        assert_eq!(layout(&noise("alpha"), &[2, 3], &[6]), linear(1));
        assert_eq!(layout(&noise("alpha"), &[2, 1], &[2]), Some(Layout::Same));
        assert_eq!(layout(&noise("alpha"), &[1], &[1]), Some(Layout::Same));
        assert_eq!(layout(&noise("diagonal"), &[6], &[6]), linear(1));
        for got in [&[6, 4][..], &[1, 6, 4], &[2, 3, 4]] {
            assert_eq!(layout(&noise("factor"), got, &[6, 4]), linear(4));
        }
        assert_eq!(layout(&noise("factor"), &[4, 6], &[6, 4]), None);
        let noise = "conv1.conv.weight.noise.factor";
        assert_eq!(layout(noise, &[1, 6, 4], &[6, 4]), Some(Layout::Same));
        assert_eq!(layout("conv1.conv.weight", &[3, 2, 1, 1], &[3, 2, 1, 1]), Some(Layout::Same));
    }

    #[test]
    fn the_rows_of_a_linear_weight_follow_burns_order() {
        let layout = Layout::Linear { outputs: 2, inputs: 3, width: 2 };
        // Row (output, input) of the file holds the numbers 10 output + input, twice.
        let file = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0].into_iter().flat_map(|v| [v, v]).collect();
        let model = [0.0, 10.0, 1.0, 11.0, 2.0, 12.0].into_iter().flat_map(|v| [v, v]);
        assert_eq!(layout.apply(file), model.collect::<Vec<f32>>());
    }
}
