//! Lists for callers: a page, and a cursor to the next that they can neither read into nor bend.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;

use super::Bifrost;
use crate::{
    model::{Code, Problem, Scope, Sealed},
    store::{
        Page,
        page::{Listing, Position},
    },
};

/// The attribute under which positions are sealed, as if they were stored.
const CURSOR: &str = "cursor";

/// What a caller asks of a list.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// How many items at most.
    pub limit: usize,
    /// The `next_cursor` of the page before.
    pub cursor: Option<&'a str>,
}

impl Bifrost {
    /// The page of a list that the caller asks for.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        listing: Listing,
        request: PageRequest<'_>,
    ) -> Result<Page<T>, Problem> {
        let after = match request.cursor {
            Some(cursor) => Some(self.open_cursor(&listing, cursor).await?),
            None => None,
        };
        self.store.page(listing, request.limit, after).await
    }

    /// A position that a caller may keep: sealed, and bound to its list. Under a data key that may have ceased to be
    /// current, for it isn't kept for long.
    pub async fn cursor(&self, listing: &Listing, position: &Position) -> Result<String, Problem> {
        let position = serde_json::to_string(position).map_err(Problem::internal)?;
        let key = self.vault.recent(Scope::Global).await?;
        let sealed = key.seal(&listing.cursor_key(), CURSOR, &position.into())?;
        Ok(URL_SAFE_NO_PAD.encode(sealed.as_bytes()))
    }

    pub(super) async fn open_cursor(&self, listing: &Listing, cursor: &str) -> Result<Position, Problem> {
        let invalid =
            || Problem::invalid("cursor", "is not a next_cursor of this list; leave it out to begin anew");
        let sealed = URL_SAFE_NO_PAD.decode(cursor).map(Sealed::from_bytes).map_err(|_| invalid())?;
        let opened = self.vault.open(Scope::Global, &listing.cursor_key(), CURSOR, &sealed).await;
        match opened {
            Ok(position) => serde_json::from_str(position.expose()).map_err(|_| invalid()),
            Err(problem) if problem.code == Code::SecretUnavailable => Err(invalid()),
            Err(problem) => Err(problem),
        }
    }
}
