//! The version of the record's layout.

/// The version of the record's layout. The library reads this one and those before it.
///
/// | version | what it brought |
/// | --- | --- |
/// | 1 | accuracies with intervals, a row for each example |
/// | 2 | votes, best of several tries, noise off and fixed; checks, threat card, training history, predicted classes |
/// | 3 | the audited attack, the model's fingerprint, the states of the noise, what each attack was run on and averages over; checks say what they could have seen, and passes of older ones that count or compare are read as inconclusive |
/// | 4 | cascades, budgets, curves over radii; certificates |
pub const SCHEMA: u32 = 4;
