use crate::NoisyConv2d;
use burn::module::Module;
use burn::nn::BatchNorm;
use burn::nn::pool::AvgPool2dConfig;
use burn::tensor::Tensor;
use cni_ops::{Epilogue, batch_norm};

/// A residual block of two 3x3 convolutions, with batch norm after (He et al., CVPR 2016) or before
/// each of them (He et al., ECCV 2016).
#[derive(Module, Debug)]
pub struct Block {
    /// First convolution; it carries the stride.
    pub conv1: NoisyConv2d,
    /// Batch norm of the first convolution.
    pub bn1: BatchNorm,
    /// Second convolution.
    pub conv2: NoisyConv2d,
    /// Batch norm of the second convolution.
    pub bn2: BatchNorm,
    /// The learned shortcut, where the shape changes and the shortcut is a projection.
    pub downsample: Option<Downsample>,
    pub(super) pre_activation: bool,
    /// Stride of a shortcut without parameters, and the channels it adds before and behind its own.
    pub(super) pad: Option<[usize; 3]>,
}

/// Shortcut B: a 1x1 convolution, and batch norm except in pre-activation blocks.
#[derive(Module, Debug)]
pub struct Downsample {
    /// The 1x1 convolution.
    pub conv: NoisyConv2d,
    /// Its batch norm.
    pub bn: Option<BatchNorm>,
}

impl Block {
    /// `[batch, channels_in, height, width]` to
    /// `[batch, channels_out, height / stride, width / stride]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        if self.pre_activation {
            let out = batch_norm(&self.bn1, x.clone(), Epilogue::relu());
            // A projection starts from the activated input, an identity from the input itself.
            let shortcut = match self.downsample {
                Some(_) => self.shortcut(out.clone()),
                None => self.shortcut(x),
            };
            let out = self.conv1.forward_norm(&self.bn2, out, Epilogue::relu());
            self.conv2.forward(out) + shortcut
        } else {
            let out = self.conv1.forward_norm(&self.bn1, x.clone(), Epilogue::relu());
            let shortcut = self.shortcut(x);
            self.conv2.forward_norm(&self.bn2, out, Epilogue::add_relu(shortcut))
        }
    }

    fn shortcut(&self, x: Tensor<4>) -> Tensor<4> {
        if let Some(downsample) = &self.downsample {
            return match &downsample.bn {
                Some(bn) => downsample.conv.forward_norm(bn, x, Epilogue::default()),
                None => downsample.conv.forward(x),
            };
        }
        let Some([stride, before, behind]) = self.pad else {
            return x;
        };
        let pool = AvgPool2dConfig::new([1, 1]).with_strides([stride, stride]).init();
        let x = pool.forward(x);
        let [batch, _, height, width] = x.dims();
        let options = (&x.device(), x.dtype());
        let zeros = |channels| Tensor::zeros([batch, channels, height, width], options);
        let mut parts = vec![x.clone()];
        if before > 0 {
            parts.insert(0, zeros(before));
        }
        if behind > 0 {
            parts.push(zeros(behind));
        }
        Tensor::cat(parts, 1)
    }
}
