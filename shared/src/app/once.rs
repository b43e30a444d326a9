//! Doing once what is asked for twice: by a second click, or by a page that is loaded again and sends its form again.

use std::time::Duration;

use super::Bifrost;
use crate::model::{Problem, secret::sha256_hex};

/// Longer than any session, and with it any form of it, lasts.
const KEPT: Duration = Duration::from_secs(24 * 3600);

impl Bifrost {
    /// Whether it is the first time that somebody asks for this. `asker` tells people apart, `what` their requests.
    pub async fn is_first(&self, asker: &str, what: &str) -> Result<bool, Problem> {
        self.store.mark_once(&hash(asker, what), KEPT).await
    }

    /// Nothing came of it: the next time is the first again.
    pub async fn was_not_done(&self, asker: &str, what: &str) -> Result<(), Problem> {
        self.store.unmark(&hash(asker, what)).await
    }
}

fn hash(asker: &str, what: &str) -> String {
    sha256_hex(&["once", asker, what])
}
