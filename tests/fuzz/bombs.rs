//! Files of a few bytes that claim far more: refused before the memory is taken.

use crate::MEMORY;
use crate::evaluations::record;
use crate::import::small;
use cni_burn::data::image_folder;
use std::fs;
use std::path::Path;

const LIMIT: usize = 1 << 30;

#[test]
fn a_tensor_that_claims_2_gib_is_refused_before_it_is_read() {
    // One stored number with a stride of zero.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data");
    let error = small().load_pytorch(Path::new(root).join("expanded.pth")).unwrap_err();
    assert!(error.to_string().contains("expanded.pth"), "{error}");
    assert!(MEMORY.peak_usage() < LIMIT);
}

#[test]
fn a_gallery_that_claims_more_than_it_holds_is_refused() {
    let kind = record("gallery.safetensors");
    let path = kind.folder.path().join("gallery.safetensors");
    let shapes = |shape: &str| {
        let tensor = |name: &str, kind: &str, shape: &str| {
            format!("\"{name}\":{{\"dtype\":\"{kind}\",\"shape\":{shape},\"data_offsets\":[0,0]}}")
        };
        let (clean, adversarial) =
            (tensor("clean", "F32", shape), tensor("adversarial", "F32", shape));
        let facts = tensor("index_label_predicted", "I64", "[0,4]");
        let header = format!("{{{clean},{adversarial},{facts}}}");
        [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
    };
    for bytes in [
        [u64::MAX.to_le_bytes(), [b'{'; 8]].concat(),
        [(1_u64 << 40).to_le_bytes(), [b'{'; 8]].concat(),
        shapes("[0,1099511627776,1099511627776,1]"),
        shapes("[1099511627776,1099511627776,0,1]"),
        shapes("[2,1099511627776,1,1]"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = (kind.read)(kind.folder.path()).unwrap_err();
        assert!(error.contains("gallery.safetensors"), "{error}");
    }
    assert!(MEMORY.peak_usage() < LIMIT);
}

#[test]
fn an_image_that_claims_gibibytes_is_refused() {
    // Headers of 65,535 by 65,535 pixels: a PNG cannot be one without its checksum.
    let side = [0xFF, 0xFF];
    let jpeg =
        [&[0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8][..], &side, &side, &[3, 1, 17, 0, 2, 17, 0, 3, 17, 0]];
    let jpeg = [jpeg.concat(), vec![0xFF, 0xD9]].concat();
    let mut bmp = vec![b'B', b'M', 0, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0];
    bmp.extend([0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0, 0, 1, 0, 24, 0]);
    bmp.extend([0; 24]);
    for (file, bytes) in [("a.jpg", jpeg), ("a.bmp", bmp)] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("cat")).unwrap();
        fs::write(dir.path().join("cat").join(file), bytes).unwrap();
        let error = image_folder(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains(file), "{error}");
    }
    assert!(MEMORY.peak_usage() < LIMIT);
}
