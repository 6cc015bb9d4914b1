//! Files as `torch.save` wrote them before PyTorch 1.6: pickles, then the bytes of the storages.

use std::path::Path;

/// What a checkpoint holds.
#[derive(Clone)]
pub enum Value {
    Number(f64),
    Dict(Vec<(String, Value)>),
    /// Shape and numbers in row-major order.
    Floats(Vec<usize>, Vec<f32>),
    Doubles(Vec<usize>, Vec<f64>),
    Ints(Vec<usize>, Vec<i32>),
}

/// A dictionary.
pub fn dict<K: ToString>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
    Value::Dict(entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
}

/// Writes a file.
pub fn save(value: &Value, path: &Path) {
    let mut file = Vec::new();
    // The format's magic number and its version, 1001.
    let magic = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    pickle(&mut file, |out| out.extend([&[0x8a, 10][..], &magic].concat()));
    pickle(&mut file, |out| out.extend([b'M', 0xe9, 0x03]));
    pickle(&mut file, |out| {
        out.extend(b"}(");
        text(out, "little_endian");
        out.extend(b"\x88u");
    });
    let mut storages = Vec::new();
    pickle(&mut file, |out| write(out, value, &mut storages));
    pickle(&mut file, |out| {
        out.extend(b"](");
        (0..storages.len()).for_each(|key| text(out, &key.to_string()));
        out.push(b'e');
    });
    for (elements, bytes) in storages {
        file.extend((elements as u64).to_le_bytes());
        file.extend(bytes);
    }
    std::fs::write(path, file).unwrap();
}

fn pickle(file: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    file.extend([0x80, 2]);
    content(file);
    file.push(b'.');
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn int(out: &mut Vec<u8>, number: usize) {
    out.push(b'J');
    out.extend((number as i32).to_le_bytes());
}

fn tuple(out: &mut Vec<u8>, numbers: &[usize]) {
    out.push(b'(');
    numbers.iter().for_each(|&number| int(out, number));
    out.push(b't');
}

fn write(out: &mut Vec<u8>, value: &Value, storages: &mut Vec<(usize, Vec<u8>)>) {
    match value {
        Value::Number(number) => {
            out.push(b'G');
            out.extend(number.to_be_bytes());
        }
        Value::Dict(entries) => {
            out.extend(b"}(");
            for (key, value) in entries {
                text(out, key);
                write(out, value, storages);
            }
            out.push(b'u');
        }
        Value::Floats(shape, numbers) => {
            tensor(out, "FloatStorage", shape, storages.len());
            let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            storages.push((numbers.len(), bytes));
        }
        Value::Doubles(shape, numbers) => {
            tensor(out, "DoubleStorage", shape, storages.len());
            let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            storages.push((numbers.len(), bytes));
        }
        Value::Ints(shape, numbers) => {
            tensor(out, "IntStorage", shape, storages.len());
            let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            storages.push((numbers.len(), bytes));
        }
    }
}

/// `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)`
fn tensor(out: &mut Vec<u8>, storage: &str, shape: &[usize], key: usize) {
    out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    text(out, "storage");
    out.extend(format!("ctorch\n{storage}\n").as_bytes());
    text(out, &key.to_string());
    text(out, "cpu");
    int(out, shape.iter().product());
    out.extend(b"NtQ");
    int(out, 0);
    tuple(out, shape);
    let strides: Vec<usize> =
        (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
    tuple(out, &strides);
    out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
}
