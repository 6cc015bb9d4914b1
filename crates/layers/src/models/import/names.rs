//! Names: those of published code, and the model's.

/// The model's path of a tensor, from its name in the state dict of a published model.
pub fn model_path(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let Some((tensor, modules)) = parts.split_last() else {
        return name.to_string();
    };
    let mut path: Vec<String> = modules.iter().map(|module| layer(module)).collect();
    if let [.., parent, index] = path.as_mut_slice()
        && parent == "downsample"
    {
        *index = if index == "0" { "conv" } else { "bn" }.to_string();
    }
    let kind = path.last().map_or("", String::as_str);
    let is_norm = kind.starts_with("bn");
    let inner = if kind == "fc" { "linear" } else { "conv" };
    path.push(match (*tensor, is_norm) {
        ("weight", true) => "gamma".to_string(),
        ("bias", true) => "beta".to_string(),
        (statistic, true) => statistic.to_string(),
        ("weight" | "bias", false) => format!("{inner}.{tensor}"),
        ("alpha_w" | "alpha", false) => format!("{inner}.weight.noise.alpha"),
        ("alphad_w", false) => format!("{inner}.weight.noise.diagonal"),
        ("alphaf_w", false) => format!("{inner}.weight.noise.factor"),
        ("alpha_i", false) => "input.noise.alpha".to_string(),
        ("alphad_i", false) => "input.noise.diagonal".to_string(),
        ("alphaf_i", false) => "input.noise.factor".to_string(),
        ("alpha_o", false) => "output.noise.alpha".to_string(),
        ("alphad_o", false) => "output.noise.diagonal".to_string(),
        ("alphaf_o", false) => "output.noise.factor".to_string(),
        (other, false) => other.to_string(),
    });
    path.join(".")
}

/// The model's name of a layer.
fn layer(name: &str) -> String {
    match name {
        "conv_1_3x3" | "conv_a" => "conv1".to_string(),
        "conv_b" => "conv2".to_string(),
        "bn_1" | "bn_a" => "bn1".to_string(),
        "bn_b" => "bn2".to_string(),
        "classifier" | "linear" => "fc".to_string(),
        "shortcut" => "downsample".to_string(),
        other => match other.strip_prefix("stage_") {
            Some(stage) => format!("layer{stage}"),
            None => other.to_string(),
        },
    }
}

/// The weight of a stem, and what the names of the first stage begin with: where both follow the
/// same wrapper there is a ResNet.
pub const STEMS: [[&str; 2]; 2] = [["conv1.weight", "layer1."], ["conv_1_3x3.weight", "stage_1."]];

/// True for a tensor that only counts steps, which is no part of a model's function.
pub fn is_counter(name: &str) -> bool {
    ["num_batches_tracked", "n_averaged"].contains(&split(name).1)
}

/// True for the wrapper of an exponential moving average: `ema` is a word of one of its parts.
pub fn is_average(wrapper: &str) -> bool {
    wrapper.split(['.', '_']).any(|word| word.eq_ignore_ascii_case("ema"))
}

/// The wrapper of a name, with its last dot, and the name of the tensor itself.
pub fn split(name: &str) -> (&str, &str) {
    name.split_at(name.rfind('.').map_or(0, |dot| dot + 1))
}

/// The common beginning of all names, in whole parts; at least the tensor's own name stays.
pub fn common_wrapper<'a>(names: impl Iterator<Item = &'a str>) -> &'a str {
    let mut wrappers = names.map(|name| split(name).0);
    let mut common = wrappers.next().unwrap_or_default();
    for wrapper in wrappers {
        while !wrapper.starts_with(common) {
            common = split(&common[..common.len() - 1]).0;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_names_begin_with_is_a_wrapper() {
        let common = |names: &[&'static str]| common_wrapper(names.iter().copied());
        assert_eq!(common(&["a.b.x", "a.b.c.y"]), "a.b.");
        assert_eq!(common(&["a.bc.x", "a.bd.y"]), "a.");
        assert_eq!(common(&["x", "a.y"]), "");
        assert_eq!(common(&["a.x"]), "a.");
        assert_eq!(common(&[]), "");
    }

    #[test]
    fn averages_are_known_by_a_word_of_their_name() {
        for wrapper in ["ema.", "ema_state_dict.module.", "model_ema.", "EMA."] {
            assert!(is_average(wrapper), "{wrapper}");
        }
        for wrapper in ["", "schema.", "state_dict.", "cinema_net."] {
            assert!(!is_average(wrapper), "{wrapper}");
        }
    }
}
