//! Where a test stops something on its way: a function's call to AWS, or a request to the provider's token endpoint.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A side of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is here, and nothing of it is done.
    Arrived,
    /// All of it is done, and nothing is answered.
    Done,
}

/// Told of both sides of a request; what it returns is waited for. A sender that goes away while its request waits on
/// the first side takes it back, as when it had never been sent.
#[derive(Clone)]
pub struct Checkpoint(Arc<dyn Fn(Moment) -> Wait + Send + Sync>);

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Checkpoint {
    pub fn new<W>(told: impl Fn(Moment) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |moment| Box::pin(told(moment))))
    }

    pub(crate) async fn pass(&self, moment: Moment) {
        (self.0)(moment).await;
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checkpoint")
    }
}
