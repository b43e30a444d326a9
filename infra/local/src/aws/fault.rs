//! Faults on demand: what a test can make of a call to AWS.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use uuid::Uuid;

use crate::checkpoint::Checkpoint;

/// A call that is about to be performed.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `DynamoDB`, `KMS` or `SecretsManager`.
    pub service: &'static str,
    pub operation: &'a str,
    /// Package name of the function that calls.
    pub function: &'a str,
    /// Which process of the function, to be handed to [`crate::Stack::kill_instance`]; nil for anybody else.
    pub instance: Uuid,
    /// How many calls of this operation the function has made before, over all its instances.
    pub earlier: u64,
    /// The request as it was sent, JSON.
    pub body: &'a [u8],
}

#[derive(Clone, Debug)]
pub enum Fault {
    /// Not performed, and refused in this way.
    Refuse { status: StatusCode, kind: String },
    /// Not performed, because someone else's transaction is said to be at the same items.
    Conflict,
    /// Performed, but the caller is told 500.
    LoseAnswer,
    /// Performed after this time.
    Delay(Duration),
    /// Performed when this lets it pass, and answered when it does so again.
    Checkpoint(Checkpoint),
}

/// Asked about every call.
pub type Hook = Arc<dyn Fn(&Call<'_>) -> Option<Fault> + Send + Sync>;

impl Fault {
    /// Something went wrong inside AWS; the SDK tries again.
    pub fn internal() -> Self {
        Self::Refuse { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "InternalServerError".to_owned() }
    }

    /// Too many calls; the SDK tries again, more slowly.
    pub fn throttled() -> Self {
        Self::Refuse { status: StatusCode::BAD_REQUEST, kind: "ThrottlingException".to_owned() }
    }

    /// A request that can't be right; the SDK does not try it again.
    pub fn invalid() -> Self {
        Self::Refuse { status: StatusCode::BAD_REQUEST, kind: "ValidationException".to_owned() }
    }

    /// DynamoDB's word for one table that gets more than it was made for.
    pub fn throughput_exceeded() -> Self {
        let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        Self::Refuse { status: StatusCode::BAD_REQUEST, kind: kind.to_owned() }
    }
}
