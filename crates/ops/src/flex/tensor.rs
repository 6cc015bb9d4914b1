//! Flex's tensors as slices, and slices as Flex's tensors.

use super::pool::{Block, LINE};
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{DType, Shape};
use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};
use std::mem::MaybeUninit;

/// A tensor whose values are one slice.
pub struct Values(FlexTensor);

impl Values {
    pub fn new(tensor: FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }

    pub fn slice(&self) -> &[f32] {
        self.0.as_slice().expect("a contiguous tensor of single precision")
    }

    pub fn into_tensor(self) -> FlexTensor {
        self.0
    }
}

fn of_bytes(bytes: Bytes, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(bytes, Layout::contiguous(shape.into()), DType::F32)
}

/// A small tensor.
pub fn vector(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    of_bytes(Bytes::from_elems(values), shape)
}

/// A tensor in memory of the pool, to which it returns with the tensor's end.
#[allow(unsafe_code, reason = "the only way to memory of one's own for a tensor of Burn")]
pub fn tensor(block: Block, shape: impl Into<Shape>) -> FlexTensor {
    let len = size_of_val(block.values());
    // SAFETY: the block shows `len` bytes, all of them initialised.
    of_bytes(unsafe { Bytes::from_controller(Box::new(block), len) }, shape)
}

#[allow(
    unsafe_code,
    reason = "the trait speaks of bytes that may be uninitialised; a block's never are"
)]
impl AllocationController for Block {
    fn alloc_align(&self) -> usize {
        size_of::<[f32; LINE]>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _policy: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes: &mut [u8] = pulp::bytemuck::cast_slice_mut(self.values_mut());
        // SAFETY: the layouts are the same, and the caller promises to write initialised bytes
        // only.
        Ok(unsafe { &mut *(bytes as *mut [u8] as *mut [MaybeUninit<u8>]) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes: &[u8] = pulp::bytemuck::cast_slice(self.values());
        // SAFETY: the layouts are the same, and initialised bytes are a case of ones that may not
        // be.
        Ok(unsafe { &*(bytes as *const [u8] as *const [MaybeUninit<u8>]) })
    }
}
