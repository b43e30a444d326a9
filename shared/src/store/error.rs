//! What the SDK's failures mean to the caller.

use std::error::Error;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{transact_write_items::TransactWriteItemsError, update_item::UpdateItemError},
};

use super::item::Item;
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
    if ours { Problem::internal(error) } else { Problem::unavailable(error) }
}

/// For an update whose condition did not hold: the item as it is instead, if there is one and it was asked for.
pub(super) fn found_instead<R>(error: SdkError<UpdateItemError, R>) -> Result<Option<Item>, Problem>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(failed.item().cloned()),
        _ => Err(problem(error)),
    }
}

/// Whether a single write failed only because a transaction was at the same item. The SDK does not try again by itself.
pub(super) fn met_a_transaction<E, R>(error: &SdkError<E, R>) -> bool
where
    E: ProvideErrorMetadata,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    code == Some("TransactionConflictException")
}

/// An item that cannot be read as what it should be.
pub(super) fn unreadable(error: serde_dynamo::Error) -> Problem {
    Problem::internal(error)
}

/// Which conditions of a transaction failed, by position; empty if it failed for another reason.
pub(super) fn failed_conditions<R>(error: &SdkError<TransactWriteItemsError, R>) -> Vec<usize> {
    let reasons = cancellation_codes(error).enumerate();
    reasons.filter(|(_, code)| *code == Some("ConditionalCheckFailed")).map(|(index, _)| index).collect()
}

/// Whether a transaction failed only because another one was at the same items.
pub(super) fn is_conflict<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    cancellation_codes(error).any(|code| code == Some("TransactionConflict"))
}

fn cancellation_codes<R>(error: &SdkError<TransactWriteItemsError, R>) -> impl Iterator<Item = Option<&str>> {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
            canceled.cancellation_reasons()
        }
        _ => &[],
    };
    reasons.iter().map(|reason| reason.code())
}
