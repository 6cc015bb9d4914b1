//! Independence of a result from batch mates, threads and the like.

use super::net::{Net, run};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cni_noise::{Key, normal};
use cni_ops::{Precision, autocast};

/// An image's result does not depend on the images beside it, on their number, or on the number of
/// threads.
#[test]
fn images_do_not_depend_on_their_batch() {
    let device = Device::flex();
    let net = Net::new(true, &device).valid();
    let x = normal::<4>(Key::new(1), [70, 3, 16, 16], &device);
    let run = |x: Tensor<4>| autocast(Precision::Bf16, || net.chain().run(x));
    let all = run(x.clone());
    for rows in [0..1, 31..33, 5..37, 69..70, 0..70] {
        let part = run(x.clone().slice(rows.clone()));
        assert_eq!(part.into_data(), all.clone().slice(rows).into_data());
    }
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| run(x.clone())).into_data(), all.into_data());
    let many = rayon::ThreadPoolBuilder::new().num_threads(50).build().unwrap();
    let device = Device::flex().autodiff();
    let net = Net::new(true, &device);
    let x = normal::<4>(Key::new(2), [40, 3, 8, 8], &device);
    let gradients = || {
        let (out, to_x, gradients, _) = self::run(&net, &x, Precision::Bf16, true);
        let gradients: Vec<_> = gradients.into_iter().map(|(_, g)| g.into_data()).collect();
        (out.into_data(), to_x.into_data(), gradients)
    };
    assert_eq!(one.install(gradients), many.install(gradients));
}

/// What is not finite stays within its image.
#[test]
fn non_finite_values_stay_within_their_image() {
    let device = Device::flex().autodiff();
    let net = Net::new(true, &device).valid();
    let x = normal::<4>(Key::new(1), [40, 3, 16, 16], &device);
    let run = |x: Tensor<4>| {
        let x = x.detach().require_grad();
        let out = autocast(Precision::Bf16, || net.chain().run_mean(x.clone()));
        let mut gradients = out.clone().sum().backward();
        let gradient = x.grad_remove(&mut gradients).unwrap();
        (out.inner(), gradient)
    };
    let (out, gradient) = run(x.clone());
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut data = x.to_data();
        data.as_mut_slice::<f32>().unwrap()[33 * 3 * 256 + 100] = value;
        let (changed, changed_gradient) = run(Tensor::from_data(data, &device));
        let of_image = changed.clone().slice(33..34).sum().into_scalar::<f32>();
        assert!(!of_image.is_finite(), "{value} vanished");
        for rows in [0..33, 34..40] {
            let (ours, wanted) =
                (changed.clone().slice(rows.clone()), out.clone().slice(rows.clone()));
            assert_eq!(ours.into_data(), wanted.into_data());
            let ours = changed_gradient.clone().slice(rows.clone());
            assert_eq!(ours.into_data(), gradient.clone().slice(rows).into_data());
        }
    }
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let device = Device::flex();
    let net = Net::new(true, &device).valid();
    let x = Tensor::<4>::zeros([0, 3, 16, 16], &device);
    let out = autocast(Precision::Bf16, || net.chain().run(x));
    assert_eq!(out.dims(), [0, 40, 4, 4]);
}

#[test]
fn gradient_checkpointing_changes_nothing() {
    let run = |device: Device| {
        let x = normal::<4>(Key::new(1), [4, 3, 16, 16], &device);
        let (out, to_x, gradients, _) =
            self::run(&Net::new(true, &device), &x, Precision::Bf16, true);
        let gradients: Vec<_> = gradients.into_iter().map(|(_, g)| g.into_data()).collect();
        (out.into_data(), to_x.into_data(), gradients)
    };
    let device = Device::flex().autodiff();
    assert_eq!(run(device.clone()), run(device.gradient_checkpointing()));
}
