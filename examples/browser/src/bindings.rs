//! A session as JavaScript sees it. Errors become exceptions whose message is the sentence.

use crate::{AttackSettings, CATALOG, Moved, PageError, Session, Summary};
use js_sys::{Float32Array, Function, Object, Reflect};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

/// The models of the page, as JSON.
#[wasm_bindgen]
pub fn models() -> Result<String, JsError> {
    json(&CATALOG)
}

/// A model, loaded.
#[wasm_bindgen(js_name = Session)]
pub struct Bound(Session);

#[wasm_bindgen(js_class = Session)]
impl Bound {
    /// See [`Session::new`].
    #[wasm_bindgen(constructor)]
    pub fn new(name: &str, state: &[u8], weights: Vec<u8>) -> Result<Self, JsError> {
        Session::new(name, state, weights).map(Self).map_err(thrown)
    }

    /// See [`Session::describe`]; as JSON.
    pub fn describe(&self) -> Result<String, JsError> {
        json(&self.0.describe())
    }

    /// See [`Session::image`].
    pub fn image(&self, index: usize) -> Result<Vec<f32>, JsError> {
        self.0.image(index).map_err(thrown)
    }

    /// See [`Session::set_scale`].
    pub fn set_scale(&mut self, scale: f64) -> Result<(), JsError> {
        self.0.set_scale(scale).map_err(thrown)
    }

    /// See [`Session::predict`].
    pub fn predict(
        &self,
        pixels: &[f32],
        key: u32,
        first: usize,
        draws: usize,
    ) -> Result<Vec<f32>, JsError> {
        self.0.predict(pixels, key.into(), first, draws).map_err(thrown)
    }

    /// See [`Session::classes`].
    pub fn classes(
        &self,
        pixels: &[f32],
        key: u32,
        first: usize,
        draws: usize,
    ) -> Result<Vec<u32>, JsError> {
        self.0.classes(pixels, key.into(), first, draws).map_err(thrown)
    }

    /// See [`Summary::of`]; as JSON.
    pub fn summary(&self, classes: &[u32], label: usize, tries: usize) -> Result<String, JsError> {
        json(&Summary::of(classes, label, tries).map_err(thrown)?)
    }

    /// See [`Session::attack`]. `settings` is JSON; `on_step` gets an object with the fields of
    /// [`Moved`].
    pub fn attack(
        &self,
        settings: &str,
        pixels: &[f32],
        label: usize,
        on_step: &Function,
    ) -> Result<Vec<f32>, JsValue> {
        let settings = AttackSettings::parse(settings).map_err(thrown)?;
        let mut failed = None;
        let mut tell = |moved: Moved| {
            let told = object(&moved).and_then(|moved| on_step.call1(&JsValue::NULL, &moved));
            failed = failed.take().or(told.err());
        };
        let found = self.0.attack(&settings, pixels, label, &mut tell).map_err(thrown)?;
        match failed {
            None => Ok(found),
            Some(error) => Err(error),
        }
    }

    /// See [`Session::noise`]; as JSON.
    pub fn noise(&self, layer: usize) -> Result<String, JsError> {
        json(&self.0.noise(layer).map_err(thrown)?)
    }

    /// See [`Session::code`].
    pub fn code(&self, settings: &str, pixels: &[f32], label: usize) -> Result<String, JsError> {
        let settings = AttackSettings::parse(settings).map_err(thrown)?;
        self.0.code(&settings, pixels, label).map_err(thrown)
    }
}

fn thrown(error: PageError) -> JsError {
    JsError::new(&error.to_string())
}

fn json(value: &impl Serialize) -> Result<String, JsError> {
    Ok(serde_json::to_string(value)?)
}

/// A step as an object. Pixels are copied as numbers, not as text: there is one for every step.
fn object(moved: &Moved) -> Result<JsValue, JsValue> {
    let object = Object::new();
    let numbers = [
        ("step", moved.step as f64),
        ("steps", moved.steps as f64),
        ("loss", moved.loss),
        ("margin", moved.margin),
        ("wrong", moved.wrong),
        ("forwards", moved.forwards as f64),
        ("backwards", moved.backwards as f64),
    ];
    for (name, number) in numbers {
        Reflect::set(&object, &name.into(), &number.into())?;
    }
    Reflect::set(&object, &"pixels".into(), &Float32Array::from(&moved.pixels[..]))?;
    Ok(object.into())
}
