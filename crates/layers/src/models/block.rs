use super::{Activation, Norm};
use crate::NoisyConv2d;
use burn::module::Module;
use burn::nn::pool::MaxPool2dConfig;
use burn::tensor::Tensor;
use cni_ops::{Chain, Epilogue, Value};

/// The order of the layers of a network and of its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Residual blocks of convolution, batch norm and activation (He et al., CVPR 2016).
    PostActivation,
    /// Residual blocks of batch norm, activation and convolution (He et al., ECCV 2016).
    PreActivation,
    /// Blocks without a shortcut, whose first convolution is followed by a pooling.
    Pooled,
}

/// A block of two 3x3 convolutions: a residual one, with batch norm after (He et al., CVPR 2016) or
/// before each of them (He et al., ECCV 2016), or one of an airbench network, which halves the
/// image between them and has no shortcut.
#[derive(Module, Debug)]
pub struct Block {
    /// First convolution; it carries the stride.
    pub conv1: NoisyConv2d,
    /// The norm of the first convolution.
    pub bn1: Norm,
    /// Second convolution.
    pub conv2: NoisyConv2d,
    /// The norm of the second convolution.
    pub bn2: Norm,
    /// The learned shortcut, if the shape changes and the shortcut is a projection.
    pub downsample: Option<Downsample>,
    #[module(skip)]
    pub(super) form: Form,
    #[module(skip)]
    pub(super) activation: Activation,
    /// Stride of a shortcut without parameters, and the channels it adds before and behind its own.
    pub(super) pad: Option<[usize; 3]>,
}

/// Shortcut B: a 1x1 convolution, and batch norm except in pre-activation blocks.
#[derive(Module, Debug)]
pub struct Downsample {
    /// The 1x1 convolution.
    pub conv: NoisyConv2d,
    /// Its norm.
    pub bn: Option<Norm>,
}

impl Block {
    /// `[batch, channels_in, height, width]` to
    /// `[batch, channels_out, height / stride, width / stride]`; a block of an airbench network
    /// halves height and width, rounded down.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut chain = Chain::new();
        let input = chain.input();
        self.chain(&mut chain, input);
        chain.run(x)
    }

    /// The block as a part of a chain.
    pub fn chain<'a>(&'a self, chain: &mut Chain<'a>, x: Value) -> Value {
        let Self { conv1, bn1, conv2, bn2, activation, .. } = self;
        match self.form {
            Form::PostActivation => {
                let out = activation
                    .after(chain, None, |c, after| Norm::chain_conv(Some(bn1), conv1, c, x, after));
                let shortcut = Some(self.shortcut(chain, x));
                activation.after(chain, shortcut, |chain, after| {
                    Norm::chain_conv(Some(bn2), conv2, chain, out, after)
                })
            }
            Form::PreActivation => {
                let out = activation.after(chain, None, |chain, after| bn1.chain(chain, x, after));
                // A projection starts from the activated input, an identity from the input itself.
                let shortcut = match self.downsample {
                    Some(_) => self.shortcut(chain, out),
                    None => self.shortcut(chain, x),
                };
                let out = activation.after(chain, None, |c, after| {
                    Norm::chain_conv(Some(bn2), conv1, c, out, after)
                });
                conv2.chain(chain, None, out, Epilogue::add(shortcut))
            }
            Form::Pooled => {
                let out = conv1.chain(chain, None, x, Epilogue::default());
                let pool = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init();
                let out = chain.pooling(out, move |x| pool.forward(x));
                let out =
                    activation.after(chain, None, |chain, after| bn1.chain(chain, out, after));
                activation.after(chain, None, |c, after| {
                    Norm::chain_conv(Some(bn2), conv2, c, out, after)
                })
            }
        }
    }

    fn shortcut<'a>(&'a self, chain: &mut Chain<'a>, x: Value) -> Value {
        match (&self.downsample, self.pad) {
            (Some(Downsample { conv, bn }), _) => {
                Norm::chain_conv(bn.as_ref(), conv, chain, x, Epilogue::default())
            }
            (None, Some([stride, before, behind])) => chain.subsample(x, stride, [before, behind]),
            (None, None) => x,
        }
    }
}
