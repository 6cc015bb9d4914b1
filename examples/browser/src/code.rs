//! The program that does the same.

use crate::session::test_images;
use crate::{AttackSettings, Method, PageError, Session};
use std::fmt::Write;

impl Session {
    /// A program for the library's users: the same model, image and attack by the same key, and a
    /// judgement of the model on more images.
    ///
    /// It reads the folder `weights` of the repository. Errors as [`attack`](Self::attack).
    pub fn code(
        &self,
        settings: &AttackSettings,
        pixels: &[f32],
        label: usize,
    ) -> Result<String, PageError> {
        self.check_label(label)?;
        self.tensor(pixels)?;
        settings.attack()?;
        let AttackSettings { method, epsilon, steps, draws, key } = settings;
        let draws = match self.is_stochastic() && *draws > 1 {
            true => format!(".with_draws({draws})?"),
            false => String::new(),
        };
        let attack = match method {
            Method::Fgsm => format!("Pgd::fgsm(threat){draws}"),
            Method::Pgd => format!("Pgd::new(threat).with_steps({steps})?{draws}"),
            Method::Square => format!("Square::new(threat).with_queries({steps})?{draws}"),
        };
        let mut code = String::from(HEAD);
        let mut line = |text: String| writeln!(code, "    {text}").expect("a string takes it");
        line(format!(
            "let run = Pretrained::{:?}.load(\"weights\", &device)?;",
            self.entry.weights
        ));
        match self.scale() {
            1.0 => line("let model = FrozenModel::new(&run.model, ResNet::forward);".to_string()),
            scale => {
                line(format!("let model = amplify_noise(run.model, {scale:?})?;"));
                line("let model = FrozenModel::new(&model, ResNet::forward);".to_string());
            }
        }
        line("let test = digits(Split::Test);".to_string());
        match test_images().position(|image| image == pixels) {
            Some(place) => {
                line(format!("let (image, _) = test.batch([{place}], &device)?;"));
            }
            None => {
                let values: Vec<_> = pixels.iter().map(|value| format!("{value:?}")).collect();
                line("let pixels = [".to_string());
                values.chunks(8).for_each(|row| line(format!("    {},", row.join(", "))));
                line("];".to_string());
                line(
                    "let image = Tensor::<1>::from_floats(pixels, &device).reshape([1, 1, 8, 8]);"
                        .to_string(),
                );
            }
        }
        line(format!("let label = Tensor::<1, Int>::from_ints([{label}], &device);"));
        line(String::new());
        line(format!("let threat = Threat::linf({epsilon:?})?;"));
        line(format!("let attack = {attack};"));
        line(format!("let key = Key::new({key}).named(\"attack\");"));
        line("let found = attack.on(&model).with_key(key).run(image, label)?;".to_string());
        code += TAIL;
        // An empty line has no blanks.
        Ok(code.replace("    \n", "\n"))
    }
}

const HEAD: &str = "\
use burn::tensor::{Device, Int, Tensor};
use cni_burn::data::{Split, digits};
use cni_burn::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
";

const TAIL: &str = "    \
    println!(\"right in {:.0} % of the draws\", 100.0 * found.robust_accuracy());

    // One image says little of a model: this judges it on a hundred.
    let result = Evaluation::new(vec![Box::new(attack)])?
        .run(&model, test.take(100).batches(50, &device))?;
    println!(\"{}\", table(&[&result.record]));
    Ok(())
}
";
