//! What a sign-in leaves between its steps: the link that was given out, and the state that the provider sends back.
//! Both are found by the SHA-256 of a random value that is stored nowhere. Both go by TTL; because DynamoDB takes its
//! time with that, expiry is also compared in code.

use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure};
use serde::{Deserialize, Serialize};

use super::{
    ItemKey, Store,
    cleanups::{Cleanup, Deleted},
    error::{found_instead, problem},
    item::{attribute, from_item, number, text, to_item},
    transaction::{Condition, Refused, Transaction},
};
use crate::model::{
    Code, ConnectionId, Incarnation, Name, Problem, Scope, Sealed, Timestamp, grant::Grant,
    identity::Identity,
};

/// A link that was given out: who asked for which connection to be connected, for whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    pub connection_id: ConnectionId,
    pub connection_name: Name,
    /// Who owns the connection.
    pub owner: Scope,
    /// Whose grant it will be.
    pub grant_scope: Scope,
    /// The id of the key that asked.
    pub asked_by: String,
    pub return_to: Option<String>,
    /// Fills the placeholders of the connection's URLs.
    #[serde(default)]
    pub url_values: std::collections::BTreeMap<String, String>,
    pub redirect_uri: String,
    /// Whether the sign-in takes place on another device (RFC 8628).
    #[serde(default)]
    pub device: bool,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Set by the sign-in that succeeded.
    pub used_at: Option<Timestamp>,
}

/// A sign-in on its way through the provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallbackState {
    /// The hash of the ticket, which holds the rest.
    pub ticket: String,
    /// The hash of the cookie that the browser must bring back.
    pub cookie_hash: String,
    pub connection_revision: u64,
    /// The PKCE verifier, sealed in the grant's scope.
    pub verifier: Option<Sealed>,
    /// Where it takes place on another device.
    #[serde(default)]
    pub device: Option<DeviceSignIn>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Set by the callback that consumed it.
    pub used_at: Option<Timestamp>,
    /// Which callback that was.
    #[serde(default)]
    pub used_by: Option<String>,
    /// The grant that it would have become, while it is not clear that it may replace the one there is. Its tokens are
    /// sealed for the item that they are meant for.
    #[serde(default)]
    pub held: Option<Grant>,
    /// What came of it, for whoever reloads the page.
    pub outcome: Option<String>,
}

/// A sign-in that someone else's page takes, while ours asks whether it is done (RFC 8628 section 3.2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceSignIn {
    /// The device code, sealed in the grant's scope.
    pub code: Sealed,
    pub user_code: String,
    pub verification_uri: String,
    pub verification_uri_complete: Option<String>,
    /// Seconds between two questions.
    pub interval: u64,
    /// No question before.
    pub ask_at: Timestamp,
}

impl Store {
    /// Kept `until` after it expires, for the sign-ins that it began.
    pub async fn create_ticket(&self, hash: &str, ticket: &Ticket, until: Timestamp) -> Result<(), Problem> {
        self.put_passing(&ItemKey::ticket(hash), ticket, until).await
    }

    pub async fn ticket(&self, hash: &str) -> Result<Option<Ticket>, Problem> {
        self.get(&ItemKey::ticket(hash)).await
    }

    /// Uses a ticket up, for a sign-in that wrote nothing else. (One that brought tokens does so in the same transaction
    /// as it writes them.)
    pub async fn use_ticket(&self, hash: &str, now: Timestamp) -> Result<(), Problem> {
        let request = self.client.update_item().table_name(&self.data);
        request
            .set_key(Some(ItemKey::ticket(hash).attributes()))
            .update_expression("SET used_at = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", text(now.to_string()))
            .send()
            .await
            .map_err(problem)?;
        Ok(())
    }

    pub async fn create_callback_state(&self, hash: &str, state: &CallbackState) -> Result<(), Problem> {
        self.put_passing(&ItemKey::callback_state(hash), state, state.expires_at).await
    }

    pub async fn callback_state(&self, hash: &str) -> Result<Option<CallbackState>, Problem> {
        self.get(&ItemKey::callback_state(hash)).await
    }

    /// Consumes a state: one caller gets it, ever; the others `None`.
    pub async fn use_callback_state(
        &self,
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<CallbackState>, Problem> {
        let caller = uuid::Uuid::new_v4().to_string();
        let sent = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(ItemKey::callback_state(hash).attributes()))
            .update_expression("SET used_at = :now, used_by = :caller")
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(used_at) AND expires_at > :now",
            )
            .expression_attribute_values(":now", text(now.to_string()))
            .expression_attribute_values(":caller", text(&caller))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(answer) => answer.attributes.map(from_item).transpose(),
            Err(error) => {
                let Some(found) = found_instead(error)? else {
                    return Ok(None);
                };
                // The answer to an earlier try of the SDK was lost, but the try was not.
                let state: CallbackState = from_item(found)?;
                Ok(Some(state).filter(|state| state.used_by.as_ref() == Some(&caller)))
            }
        }
    }

    /// The right to ask the provider once, of whoever saw this time: the next question is for `next` and after, so many
    /// seconds apart. False if someone else asks.
    pub async fn claim_device_question(
        &self,
        hash: &str,
        seen: Timestamp,
        next: Timestamp,
        interval: u64,
    ) -> Result<bool, Problem> {
        let request = self.client.update_item().table_name(&self.data);
        let sent = request
            .set_key(Some(ItemKey::callback_state(hash).attributes()))
            .update_expression("SET device.ask_at = :next, device.#interval = :interval")
            .condition_expression("attribute_not_exists(used_at) AND device.ask_at = :seen")
            .expression_attribute_names("#interval", "interval")
            .expression_attribute_values(":seen", text(seen.to_string()))
            .expression_attribute_values(":next", text(next.to_string()))
            .expression_attribute_values(":interval", number(interval))
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) => found_instead(error).map(|_| false),
        }
    }

    /// Keeps what came of a state for whoever reloads the page.
    pub async fn settle_callback_state(&self, hash: &str, outcome: &str) -> Result<(), Problem> {
        let request = self.client.update_item().table_name(&self.data);
        request
            .set_key(Some(ItemKey::callback_state(hash).attributes()))
            .update_expression("SET outcome = :outcome REMOVE verifier")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":outcome", text(outcome))
            .send()
            .await
            .map_err(problem)?;
        Ok(())
    }

    /// Holds a new grant back with the state that its sign-in has used up: for a person `until` then, and for the cleaner
    /// a while longer.
    pub async fn hold_grant(
        &self,
        hash: &str,
        grant: &Grant,
        until: Timestamp,
        kept_until: Timestamp,
    ) -> Result<(), Problem> {
        let there = Condition::new(
            "attribute_exists(pk)",
            [
                (":held", attribute(grant)?),
                (":until", text(until.to_string())),
                (":expires_on", number(kept_until.unix_seconds())),
                (":now", text(grant.updated_at.to_string())),
            ],
        );
        // Whether or not its being used could be written: what holds tokens is not to bring others.
        let update = "SET held = :held, expires_at = :until, expires_on = :expires_on, \
                      used_at = if_not_exists(used_at, :now) REMOVE verifier";
        let cleanup = Cleanup { after: Deleted::SignIn(hash.to_owned()), deleted_at: until };
        let held = Transaction::new(self)
            .update(&ItemKey::callback_state(hash), update, there, Refused::ParentGone)?
            .and_clean_up(&cleanup)?
            .commit()
            .await?;
        let gone = || Problem::new(Code::Conflict, "The sign-in was forgotten before it came to its end.");
        held.map_err(|refused| refused.into_problem(gone()))
    }

    /// Adds who signed in to a grant that is held.
    pub async fn note_held_identity(&self, hash: &str, identity: &Identity) -> Result<(), Problem> {
        let request = self.client.update_item().table_name(&self.data);
        request
            .set_key(Some(ItemKey::callback_state(hash).attributes()))
            .update_expression("SET held.signed_in_as = :identity")
            .condition_expression("attribute_exists(held)")
            .expression_attribute_values(":identity", attribute(identity)?)
            .send()
            .await
            .map_err(problem)?;
        Ok(())
    }

    /// Takes away the grant that is held, and says what came of it. False if another has taken it.
    pub async fn take_held(&self, hash: &str, held: Incarnation, outcome: &str) -> Result<bool, Problem> {
        let caller = uuid::Uuid::new_v4().to_string();
        let request = self.client.update_item().table_name(&self.data);
        let sent = request
            .set_key(Some(ItemKey::callback_state(hash).attributes()))
            .update_expression("SET outcome = :outcome, taken_by = :caller REMOVE held")
            .condition_expression("held.incarnation = :held")
            .expression_attribute_values(":outcome", text(outcome))
            .expression_attribute_values(":held", text(held.to_string()))
            .expression_attribute_values(":caller", text(&caller))
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) => {
                // The answer to an earlier try of the SDK was lost, but the try was not.
                let found = found_instead(error)?;
                Ok(found.is_some_and(|found| found.get("taken_by") == Some(&text(&caller))))
            }
        }
    }

    async fn put_passing<T: Serialize>(
        &self,
        key: &ItemKey,
        value: &T,
        until: Timestamp,
    ) -> Result<(), Problem> {
        let mut item = to_item(key, value)?;
        item.insert("expires_on".to_owned(), number(until.unix_seconds()));
        // The key is the hash of 256 random bits: it can't be taken.
        self.put_new(item).await.map(drop)
    }
}
