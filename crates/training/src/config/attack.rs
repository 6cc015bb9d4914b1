//! An attack that may be absent, as its specification.

use crate::objectives::{read_attack, write_attack};
use cni_attacks::Attack;
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;
use std::sync::Arc;

pub(super) fn write<S: Serializer>(
    attack: &Option<Arc<dyn Attack>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match attack {
        Some(attack) => write_attack(attack, serializer),
        None => serializer.serialize_none(),
    }
}

pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Arc<dyn Attack>>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    value.map(|value| read_attack(value).map_err(serde::de::Error::custom)).transpose()
}
