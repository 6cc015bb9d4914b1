use burn::tensor::{Device, Int, Tensor};
use cni_burn::data::{Split, digits};
use cni_burn::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let run = Pretrained::DigitsPniW.load("weights", &device)?;
    let model = amplify_noise(run.model, 0.5)?;
    let model = FrozenModel::new(&model, ResNet::forward);
    let test = digits(Split::Test);
    let pixels = [
        0.5, 0.0, 0.3764706, 0.8745098, 0.0627451, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.7490196, 0.62352943, 0.0, 0.0, 0.0, 0.0,
        0.0, 0.1882353, 1.0, 0.0627451, 0.0, 0.0, 0.0, 0.0,
        0.0, 0.3137255, 0.8745098, 0.0, 0.2509804, 0.1254902, 0.0, 0.0,
        0.0, 0.4392157, 1.0, 1.0, 1.0, 1.0, 0.3137255, 0.0,
        0.0, 0.2509804, 1.0, 0.3764706, 0.0, 0.56078434, 0.6862745, 0.0,
        0.0, 0.0, 0.8745098, 0.5019608, 0.3137255, 0.8117647, 0.56078434, 0.0,
        0.0, 0.0, 0.3137255, 0.8117647, 1.0, 0.7490196, 0.0627451, 0.0,
    ];
    let image = Tensor::<1>::from_floats(pixels, &device);
    let image = image.reshape([1, 1, 8, 8]);
    let label = Tensor::<1, Int>::from_ints([2], &device);

    let threat = Threat::linf(0.1)?;
    let attack = Pgd::new(threat).with_steps(10)?.with_draws(3)?;
    let key = Key::new(7).named("attack");
    let found = attack.on(&model).with_key(key).run(image, label)?;
    println!("right in {:.0} % of the draws", 100.0 * found.robust_accuracy());

    // One image says little of a model: this judges it on a hundred.
    let result = Evaluation::new(vec![Box::new(attack)])?
        .run(&model, test.take(100).batches(50, &device))?;
    println!("{}", table(&[&result.record]));
    Ok(())
}
