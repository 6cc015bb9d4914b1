use crate::DataError;
use std::path::Path;
use sysinfo::System;

/// The bytes that `images` images need. They must be at most `limit`, or the memory that the
/// machine and the process's control group have left if that is `None`.
pub(super) fn bytes(
    place: &Path,
    images: usize,
    shape: [usize; 3],
    limit: Option<u64>,
) -> Result<usize, DataError> {
    let needed = shape.iter().fold(images as u64, |bytes, &size| bytes.saturating_mul(size as u64));
    let available = limit.or_else(available).unwrap_or(u64::MAX).min(isize::MAX as u64);
    if needed > available {
        return Err(DataError::Memory { place: place.into(), images, shape, needed, available });
    }
    Ok(needed as usize)
}

/// Bytes available without swapping, if the system tells.
pub(super) fn available() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory();
    let machine = Some(system.available_memory()).filter(|&bytes| bytes > 0);
    // The file cache counts as used in a control group, although it gives way.
    let group = system.cgroup_limits().map(|group| group.total_memory.saturating_sub(group.rss));
    machine.into_iter().chain(group).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_does_not_fit_says_how_much_it_needs_and_how_much_there_is() {
        let check = |images, shape, limit| bytes(Path::new("set"), images, shape, limit);
        assert_eq!(check(5, [3, 2, 2], Some(60)).unwrap(), 60);
        let error = check(5, [3, 2, 2], Some(59)).unwrap_err();
        assert!(matches!(error, DataError::Memory { needed: 60, available: 59, .. }));
        let says = "set: 5 images of shape [3, 2, 2] need 60 bytes of memory, 59 are available";
        assert_eq!(error.to_string(), says);
        // More than any machine has, and more than a number can say.
        for images in [1 << 40, usize::MAX] {
            assert!(check(images, [3, 1 << 20, 1 << 20], None).is_err());
        }
        assert_eq!(check(1, [1, 1, 1], None).unwrap(), 1);
    }
}
