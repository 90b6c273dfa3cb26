//! How many calls a node answered by a receipt, as its events tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The events of a node that say that a receipt answered.
const TARGET: &str = "registry_runtime::receipt";

/// A count that its [`layer`](Self::layer) keeps.
#[derive(Clone, Debug, Default)]
pub struct Receipts(Arc<AtomicU64>);

impl Receipts {
    /// What a subscriber needs to keep the count. It looks at nothing else, so the other events cost what they cost without it.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        self.clone().with_filter(Targets::new().with_target(TARGET, LevelFilter::DEBUG))
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S: tracing::Subscriber> Layer<S> for Receipts {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn only_what_receipts_answered_counts() {
        let receipts = Receipts::default();
        with_default(tracing_subscriber::registry().with(receipts.layer()), || {
            tracing::debug!(target: TARGET, "a receipt answers");
            tracing::debug!("something else");
            tracing::error!(target: "registry_runtime::command", "something else");
        });
        assert_eq!(receipts.get(), 1);
    }
}
