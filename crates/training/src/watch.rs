//! Numbers of a model that a run follows.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Numbers by name.
pub(crate) type Watched = BTreeMap<String, f64>;

/// Reads numbers off a model.
pub(crate) type Read<N> = Arc<dyn Fn(&N) -> Watched + Send + Sync>;

/// Reads the numbers of each epoch's model. Its clones share them.
///
/// Validation shows it the model, and the checkpoint that follows takes the numbers: Burn shows a
/// checkpoint only the model's record. The type of the model is erased for the reason that it is in
/// [`Forward`](crate::trainee::Forward).
#[derive(Clone)]
pub(crate) struct Watch {
    read: Read<dyn Any>,
    seen: Arc<Mutex<Option<Watched>>>,
}

impl Watch {
    /// Without anything to read it has no numbers.
    pub fn new<N: 'static>(read: Option<Read<N>>) -> Self {
        let read = move |net: &dyn Any| {
            let net = net.downcast_ref::<N>();
            let net = net.expect("a watch is shown the model it was made for");
            read.as_ref().map(|read| read(net)).unwrap_or_default()
        };
        Self { read: Arc::new(read), seen: Arc::default() }
    }

    /// Reads the numbers, unless those it has were not taken yet. What is not finite is left out.
    pub fn look<N: 'static>(&self, net: &N) {
        self.lock().get_or_insert_with(|| {
            (self.read)(net).into_iter().filter(|(_, value)| value.is_finite()).collect()
        });
    }

    /// The numbers of the model that was looked at since the last call.
    pub fn take(&self) -> Watched {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Watched>> {
        self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
