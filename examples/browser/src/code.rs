//! The program that does the same.

use crate::catalog::Data;
use crate::session::test_digits;
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
        let source = match self.entry.data {
            Data::Digits => "digits",
            Data::Cifar10 => "cifar10",
        };
        let mut code = HEAD.replace("SOURCE", source);
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
        let (data, known) = match self.entry.data {
            Data::Digits => {
                ("digits(Split::Test)", test_digits().position(|image| image == pixels))
            }
            Data::Cifar10 => ("cifar10(\"data\", Split::Test)?", None),
        };
        line(format!("let test = {data};"));
        match known {
            Some(place) => line(format!("let (image, _) = test.batch([{place}], &device)?;")),
            None => literal(pixels, self.shape()).lines().for_each(|text| line(text.to_string())),
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

/// An image in the program's text: as bytes if its pixels are those of a file.
fn literal(pixels: &[f32], [channels, height, width]: [usize; 3]) -> String {
    let rows = |values: Vec<String>| -> String {
        values.chunks(width).map(|row| format!("    {},\n", row.join(", "))).collect()
    };
    let bytes: Vec<f32> = pixels.iter().map(|value| 255.0 * value).collect();
    let values = match bytes.iter().all(|byte| (byte - byte.round()).abs() < 1e-3) {
        true => format!(
            "let bytes: [u8; {}] = [\n{}];\n\
             let pixels = bytes.map(|byte| f32::from(byte) / 255.0);",
            bytes.len(),
            rows(bytes.iter().map(|byte| byte.round().to_string()).collect())
        ),
        false => {
            let floats = pixels.iter().map(|value| format!("{value:?}")).collect();
            format!("let pixels = [\n{}];", rows(floats))
        }
    };
    format!(
        "{values}\nlet image = Tensor::<1>::from_floats(pixels, &device);\n\
         let image = image.reshape([1, {channels}, {height}, {width}]);"
    )
}

const HEAD: &str = "\
use burn::tensor::{Device, Int, Tensor};
use cni_burn::data::{Split, SOURCE};
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
