use crate::PrivacyError;
use serde::{Deserialize, Serialize};

/// The Rényi orders at which an accountant looks: finite, above 1 and strictly increasing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Orders(Vec<f64>);

impl Orders {
    /// Orders of one's own.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::NoOrders`] if there is none, [`PrivacyError::Order`] if one is not finite,
    /// not above 1, or not above the one before it.
    pub fn new(orders: Vec<f64>) -> Result<Self, PrivacyError> {
        let mut last = 1.0;
        for (index, &got) in orders.iter().enumerate() {
            if !got.is_finite() || got <= 1.0 {
                let wanted = "a finite number above 1";
                return Err(PrivacyError::Order { index, got, wanted });
            }
            if got <= last {
                let wanted = "a number above the order before it";
                return Err(PrivacyError::Order { index, got, wanted });
            }
            last = got;
        }
        if orders.is_empty() { Err(PrivacyError::NoOrders) } else { Ok(Self(orders)) }
    }

    /// The whole orders 2 to `last`. Little noise needs few of them; an epsilon far below 1 needs
    /// orders in the hundreds.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::NoOrders`] if `last` is below 2.
    pub fn whole(last: u32) -> Result<Self, PrivacyError> {
        Self::new((2..=last).map(f64::from).collect())
    }

    /// The orders in rising order.
    pub fn values(&self) -> &[f64] {
        &self.0
    }
}

impl Default for Orders {
    /// The orders of Opacus: 1.1 to 10.9 in steps of 0.1, then 12 to 63.
    fn default() -> Self {
        let tenths = (1..100).map(|tenth| 1.0 + f64::from(tenth) / 10.0);
        Self(tenths.chain((12..64).map(f64::from)).collect())
    }
}

impl TryFrom<Vec<f64>> for Orders {
    type Error = PrivacyError;

    fn try_from(orders: Vec<f64>) -> Result<Self, PrivacyError> {
        Self::new(orders)
    }
}

impl From<Orders> for Vec<f64> {
    fn from(orders: Orders) -> Self {
        orders.0
    }
}
