//! What the SDK's failures mean to the caller.

use std::error::Error;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
};

use crate::model::Problem;

/// A call that failed for good, after the SDK's own retries. Whatever is not plainly our mistake can be tried again.
pub(super) fn problem<E, R>(error: SdkError<E, R>) -> Problem
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let ours = matches!(
        error.as_service_error().and_then(ProvideErrorMetadata::code),
        Some("ValidationException" | "ResourceNotFoundException" | "AccessDeniedException")
    );
    if ours {
        Problem::internal(error)
    } else {
        Problem::unavailable(error)
    }
}

/// An item that cannot be read as what it should be.
pub(super) fn unreadable(error: serde_dynamo::Error) -> Problem {
    Problem::internal(error)
}

/// Which conditions of a transaction failed, by position; empty if it failed for another reason.
pub(super) fn failed_conditions<R>(error: &SdkError<TransactWriteItemsError, R>) -> Vec<usize> {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error()
    else {
        return Vec::new();
    };
    let reasons = canceled.cancellation_reasons().iter().enumerate();
    reasons
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(index, _)| index)
        .collect()
}
