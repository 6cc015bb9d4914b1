//! Compiles and runs the code of the book, `docs/book` in the repository. Each page has an item of
//! its own, so that a failure names the page. The book is no part of the package.

#[doc = include_str!("../../../docs/book/src/noisy.md")]
struct Noisy;

#[cfg(feature = "training")]
#[doc = include_str!("../../../docs/book/src/training.md")]
struct Training;

#[doc = include_str!("../../../docs/book/src/attacks.md")]
struct Attacks;

#[doc = include_str!("../../../docs/book/src/judging.md")]
struct Judging;

#[doc = include_str!("../../../docs/book/src/certificates.md")]
struct Certificates;

#[doc = include_str!("../../../docs/book/src/pytorch.md")]
struct PyTorch;

#[doc = include_str!("../../../docs/book/src/machines.md")]
struct Machines;

#[doc = include_str!("../../../docs/book/src/precision.md")]
struct HalfPrecision;

#[doc = include_str!("../../../docs/book/src/extending.md")]
struct Extending;

#[cfg(feature = "band-limited")]
#[doc = include_str!("../../../docs/book/src/band-limited.md")]
struct BandLimited;

#[cfg(feature = "binary")]
#[doc = include_str!("../../../docs/book/src/binary.md")]
struct Binary;

#[cfg(feature = "privacy")]
#[doc = include_str!("../../../docs/book/src/privacy.md")]
struct Privacy;

#[cfg(feature = "registration")]
#[doc = include_str!("../../../docs/book/src/registration.md")]
struct Registration;
