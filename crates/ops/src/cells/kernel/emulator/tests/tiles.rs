//! Tiles to and from memory.

use super::*;

#[test]
fn tiles_keep_their_shapes_whatever_the_stride() {
    let native = native();
    let mut numbers = Numbers(1);
    let shapes =
        [FULL, (1, 4), (1, 64), (16, 4), (3, 12), (7, 20), (5, 8), (16, 60), (2, 36), (15, 48)];
    for (rows, bytes) in shapes {
        for stride in [bytes as isize, 64, 80, 1, 0, 200, -64, -72] {
            let first = if stride < 0 { (rows - 1) * stride.unsigned_abs() } else { 0 };
            let from = numbers.bytes(200 * 16 + 64);
            let count = instructions();
            Config::new(&[FULL, FULL, FULL, (rows, bytes)]).load();
            load!("tileloadd", 3, from, first, stride);
            let mut packed = vec![0xAB; rows * bytes + 100];
            store!(3, packed, 0, bytes);
            // Back with the same stride: what lies between the rows is nobody's.
            let mut spread = vec![0xAB; from.len()];
            store!(3, spread, first, stride);
            tiles!("tilerelease");
            assert!(native || instructions() - count >= 5);

            let mut expected = vec![0xAB; from.len()];
            for row in 0..rows {
                let start = first.wrapping_add_signed(row as isize * stride);
                let source = &from[start..][..bytes];
                assert_eq!(&packed[row * bytes..][..bytes], source, "{rows} {bytes} {stride}");
                expected[start..][..bytes].copy_from_slice(source);
            }
            assert!(packed[rows * bytes..].iter().all(|&byte| byte == 0xAB));
            assert!(spread == expected, "{rows} {bytes} {stride}");
        }
    }
}

#[test]
fn eight_tiles_are_eight_and_a_configuration_clears_them() {
    native();
    let mut numbers = Numbers(2);
    let from = numbers.bytes(8 * 1024);
    let mut into = vec![0; 8 * 1024];
    let stride = 64_usize;
    macro_rules! all {
        ($do:ident $($which:literal)?, $slice:expr) => {
            all!(@ $do ($($which,)?) $slice, 0 1 2 3 4 5 6 7)
        };
        (@ $do:ident $which:tt $slice:expr, $($tile:literal)*) => {
            $(all!(@@ $do $which $slice, $tile);)*
        };
        (@@ $do:ident ($($which:literal,)?) $slice:expr, $tile:literal) => {
            $do!($($which,)? $tile, $slice, $tile * 1024, stride)
        };
    }
    Config::new(&[FULL; 8]).load();
    all!(load "tileloadd", from);
    all!(store, into);
    assert_eq!(into, from);

    tiles!("tilezero tmm5");
    tiles!("tilezero tmm0");
    all!(store, into);
    for (tile, (into, from)) in into.chunks(1024).zip(from.chunks(1024)).enumerate() {
        assert_eq!(into, if tile % 5 == 0 { &[0; 1024] } else { from }, "tile {tile}");
    }

    all!(load "tileloaddt1", from);
    all!(store, into);
    assert_eq!(into, from);

    // The same configuration once more.
    Config::new(&[FULL; 8]).load();
    all!(store, into);
    assert!(into.iter().all(|&byte| byte == 0));
    tiles!("tilerelease");
}

#[test]
fn threads_have_tiles_of_their_own() {
    native();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            scope.spawn(move || {
                let (rows, bytes) = (16 - thread, 64 - 4 * thread);
                let mut numbers = Numbers(100 + thread as u64);
                for _ in 0..100 {
                    let from = numbers.bytes(1024);
                    let mut into = vec![0; 1024];
                    Config::new(&[FULL, FULL, (rows, bytes), FULL]).load();
                    load!("tileloadd", 2, from, 0, 64_usize);
                    std::thread::yield_now();
                    store!(2, into, 0, 64_usize);
                    tiles!("tilerelease");
                    for (row, (into, from)) in into.chunks(64).zip(from.chunks(64)).enumerate() {
                        let kept = if row < rows { bytes } else { 0 };
                        assert_eq!(into[..kept], from[..kept]);
                        assert!(into[kept..].iter().all(|&byte| byte == 0));
                    }
                }
            });
        }
    });
}
