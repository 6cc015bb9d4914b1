use super::Split;
use crate::ImageData;
use flate2::read::GzDecoder;

const CSV: &[u8] = include_bytes!("../../assets/digits.csv.gz");
const TRAIN: usize = 1437;

/// 1,797 hand-written digits, gray images `[1, 8, 8]` of 10 classes, built into this crate: a data
/// set for tests, examples and first steps. The first 1,437 are to train on, the other 360 to test.
///
/// Source: E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine
/// Learning Repository, 1998, CC BY 4.0. Their values 0 to 16 became the bytes 0 to 255.
pub fn digits(split: Split) -> ImageData {
    let (pixels, labels) = parse().expect("the embedded file is checked by the tests");
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    let all = ImageData::new("digits", [1, 8, 8], pixels, labels, classes)
        .expect("the embedded file is checked by the tests");
    match split {
        Split::Train => all.subset(0..TRAIN),
        Split::Test => all.subset(TRAIN..all.len()),
    }
}

/// Pixels and labels; a row of the file is 64 values and the label.
fn parse() -> Result<(Vec<u8>, Vec<u16>), csv::Error> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(GzDecoder::new(CSV));
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for row in reader.deserialize() {
        let row: Vec<u16> = row?;
        let (label, values) = row.split_last().expect("a row of a CSV file has a field");
        pixels.extend(values.iter().map(|value| ((value * 255 + 8) / 16) as u8));
        labels.push(*label);
    }
    Ok((pixels, labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_data::toy::bytes;

    #[test]
    fn the_splits_hold_all_digits_in_the_published_numbers() {
        let splits = [digits(Split::Train), digits(Split::Test)];
        assert_eq!([splits[0].len(), splits[1].len()], [1437, 360]);
        let mut counts = [0; 10];
        for data in &splits {
            assert_eq!(data.image_shape(), [1, 8, 8]);
            (0..data.len()).for_each(|i| counts[data.label(i).unwrap()] += 1);
        }
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn values_span_black_to_full_intensity() {
        let data = digits(Split::Train);
        // The first row of the file begins 0, 0, 5, 13, 9, 1, 0, 0.
        assert_eq!(bytes(&data, 0)[..8], [0, 0, 80, 207, 143, 16, 0, 0]);
        let brightest = (0..data.len()).flat_map(|i| bytes(&data, i)).max();
        assert_eq!(brightest, Some(255));
    }
}
