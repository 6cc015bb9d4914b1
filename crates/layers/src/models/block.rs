use crate::NoisyConv2d;
use burn::module::Module;
use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use cni_ops::{Chain, Epilogue, Value};

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
    /// The learned shortcut, if the shape changes and the shortcut is a projection.
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
        let mut chain = Chain::new();
        let input = chain.input();
        self.chain(&mut chain, input);
        chain.run(x)
    }

    /// The block as a part of a chain.
    pub fn chain<'a>(&'a self, chain: &mut Chain<'a>, x: Value) -> Value {
        if self.pre_activation {
            let out = chain.batch_norm(&self.bn1, x, Epilogue::relu());
            // A projection starts from the activated input, an identity from the input itself.
            let shortcut = match self.downsample {
                Some(_) => self.shortcut(chain, out),
                None => self.shortcut(chain, x),
            };
            let out = self.conv1.chain(chain, Some(&self.bn2), out, Epilogue::relu());
            self.conv2.chain(chain, None, out, Epilogue::add(shortcut))
        } else {
            let out = self.conv1.chain(chain, Some(&self.bn1), x, Epilogue::relu());
            let shortcut = self.shortcut(chain, x);
            self.conv2.chain(chain, Some(&self.bn2), out, Epilogue::add_relu(shortcut))
        }
    }

    fn shortcut<'a>(&'a self, chain: &mut Chain<'a>, x: Value) -> Value {
        match (&self.downsample, self.pad) {
            (Some(Downsample { conv, bn }), _) => {
                conv.chain(chain, bn.as_ref(), x, Epilogue::default())
            }
            (None, Some([stride, before, behind])) => chain.subsample(x, stride, [before, behind]),
            (None, None) => x,
        }
    }
}
