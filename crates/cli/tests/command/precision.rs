//! Half precision on a CPU, and what the command says of it.

use crate::program::{evaluate, plain, scratch, train, trained, works};

/// What is said of f16.
const F16: &str = "by Burn's own operations, layer by layer, which is slow on a CPU";

#[test]
fn the_variable_of_half_precision_is_where_users_look() {
    let help = works(plain("--help"));
    for variable in ["CNI_HALF_PRECISION", "RAYON_NUM_THREADS", "Exit codes:"] {
        assert!(help.contains(variable), "{variable}: {help}");
    }
    for command in ["train", "evaluate"] {
        let help = works(plain(&format!("{command} --help")));
        assert!(help.contains("CNI_HALF_PRECISION"), "{command}: {help}");
    }
    let info = works(plain("info --noise none"));
    assert!(info.contains("CNI_HALF_PRECISION=amx, avx512_bf16, vectors or layers"), "{info}");
    assert!(info.contains(&format!("f16 on this CPU: {F16}")), "{info}");
}

#[test]
fn a_run_in_f16_says_once_that_a_cpu_has_no_kernels_for_it() {
    let out = scratch("in-f16");
    let said = works(train(&out, "--precision f16"));
    assert_eq!(said.matches(&format!("f16 {F16}")).count(), 1, "{said}");
    let judged = scratch("judged-in-f16");
    let flags = "--suite quick --precision f16 --judge-precision f16";
    let said = works(evaluate(trained(), &judged, flags));
    assert_eq!(said.matches(&format!("f16 {F16}")).count(), 1, "{said}");
    let full = scratch("judged-in-full");
    let said = works(evaluate(trained(), &full, "--suite quick"));
    assert!(!said.contains("f16"), "{said}");
}
