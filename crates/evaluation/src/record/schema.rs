//! The version of the record's layout.

/// The version of the record's layout. The library reads this one and those before it.
///
/// - Version 1 brought accuracies with intervals, and a row for each example.
/// - Version 2 brought votes, best of several tries, and the noise off and fixed; also checks, the
///   card of the attacker, the training history and predicted classes.
/// - Version 3 brought the audited attack, the fingerprint of the model, the states of the noise,
///   and for each attack its number of examples and the draws that it averages over. Its checks say
///   what they could have seen. Passed checks of older records that count or compare are read as
///   inconclusive.
/// - Version 4 brought cascades, budgets, curves over radii and certificates.
pub const SCHEMA: u32 = 4;
