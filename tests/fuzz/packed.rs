//! A packed model.

use crate::kind::{Demand, Kind};
use burn::nn::LinearConfig;
use burn::tensor::Device;
use cni_burn::layers::binary::{BinaryLinearConfig, Floats, PackedModel};
use tempfile::tempdir;

pub fn packed_model() -> Kind {
    const FILE: &str = "model.packed";
    let folder = tempdir().unwrap();
    let layer = BinaryLinearConfig::new(LinearConfig::new(9, 11)).init(&Device::flex());
    let packed = PackedModel::of(&layer, &"a layer", Floats::F32).unwrap();
    packed.save(folder.path().join(FILE)).unwrap();
    let read = |folder: &std::path::Path| {
        let packed = PackedModel::load(folder.join(FILE)).map_err(|error| error.to_string())?;
        Ok(format!("{packed:?}"))
    };
    Kind { folder, files: vec![FILE.to_string()], demand: Demand::Equal, read: Box::new(read) }
}
