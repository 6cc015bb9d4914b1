//! Labels as masks over logits.

use burn::tensor::{Bool, DType, Device, Int, IntDType, Tensor};

/// The mask of each row's own class, `[batch, classes]`; all false in rows whose label is not a
/// class.
pub fn own_class(labels: &Tensor<1, Int>, logits: &Tensor<2>) -> Tensor<2, Bool> {
    let [batch, classes] = logits.dims();
    let device = logits.device().inner();
    let columns = Tensor::<1, Int>::arange(0..classes as i64, (&device, DType::I32));
    let columns = columns.unsqueeze_dim::<2>(0).expand([batch, classes]);
    align(labels, logits).unsqueeze_dim::<2>(1).expand([batch, classes]).equal(columns)
}

/// Labels on the device of `like`, in the one integer type that every backend has.
pub fn align(labels: &Tensor<1, Int>, like: &Tensor<2>) -> Tensor<1, Int> {
    align_to(labels, &like.device())
}

/// Labels on a device, in the one integer type that every backend has.
pub fn align_to(labels: &Tensor<1, Int>, device: &Device) -> Tensor<1, Int> {
    labels.clone().inner().to_device(&device.clone().inner()).cast(IntDType::I32)
}
