//! The accountants: against other accountants, against integrals of their definitions, and against
//! each other; ledgers, budgets and refused values.

mod dominance;
mod gdp;
mod ledger;
mod plan;
mod prv;
mod rdp;
mod reference;
mod refused;
mod search;
mod support;
