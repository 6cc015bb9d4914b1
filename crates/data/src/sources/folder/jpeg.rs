//! Whole and cut JPEG files. The decoder fills the missing part of a cut file with gray and
//! reports no error, so the end marker is looked for here.

const END: u8 = 0xD9;

/// True if `bytes` begin like a JPEG.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xD8, 0xFF])
}

/// True if a JPEG has its end marker.
///
/// Segments are skipped by the length that they state, so the end of a thumbnail within one does
/// not count; a scan holds no markers but those of restarts. Bytes after the end do not matter.
///
/// ITU-T T.81, annex B.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xFF)) {
        at += offset + 1;
        match bytes.get(at) {
            Some(&END) => return true,
            // A fill byte: the next one may be the marker's.
            Some(0xFF) => {}
            // A byte of a scan, a restart, and what else stands alone.
            Some(0x00 | 0x01 | 0xD0..=0xD8) => at += 1,
            Some(_) => match bytes.get(at + 1..at + 3) {
                // The length counts its own two bytes.
                Some(length) => at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return false,
            },
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(parts: &[&[u8]]) -> Vec<u8> {
        [&[0xFF, 0xD8], parts.concat().as_slice()].concat()
    }

    #[test]
    fn files_are_told_by_their_first_bytes() {
        assert!(is_jpeg(&jpeg(&[&[0xFF, 0xE0]])));
        assert!(!is_jpeg(b"\x89PNG\r\n") && !is_jpeg(&[0xFF, 0xD8]));
    }

    #[test]
    fn the_end_is_found_behind_scans_restarts_fill_bytes_and_thumbnails() {
        let scan: &[u8] = &[0xFF, 0xDA, 0, 3, 9, 1, 0xFF, 0x00, 2, 0xFF, 0xD0, 3, 0xFF, 0xD7, 4];
        let thumbnail: &[u8] = &[0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9];
        let (stray, end): (&[u8], &[u8]) = (&[1, 2, 3], &[0xFF, 0xD9]);
        for parts in [
            vec![scan, end],
            vec![scan, &[0xFF, 0xFF], end],
            vec![thumbnail, scan, scan, end],
            vec![scan, end, b"trailing \xFF bytes"],
            vec![stray, scan, end],
        ] {
            assert!(has_end(&jpeg(&parts)), "{parts:?}");
        }
        for parts in [vec![], vec![scan], vec![thumbnail, scan], vec![thumbnail], vec![&end[..1]]] {
            assert!(!has_end(&jpeg(&parts)), "{parts:?}");
        }
        // A segment of a length that leads beyond the file, or to nowhere.
        assert!(!has_end(&jpeg(&[&[0xFF, 0xE1, 0xFF, 0xFF], end])));
        assert!(!has_end(&jpeg(&[&[0xFF, 0xE1, 0]])));
        assert!(has_end(&jpeg(&[&[0xFF, 0xE1, 0, 0], end])));
        assert!(!has_end(&[]));
    }
}
