//! Why the store could not do what it was asked.

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
};

/// Why the store could not do what it was asked. What a rule refuses is not among it: see [`ledger::Refusal`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key was used before, for something else.
    #[error("the idempotency key was used for another request: take a new key for each thing that you do")]
    IdempotencyMismatch,
    /// There is no such top-up request.
    #[error("there is no such top-up")]
    TopupNotFound,
    /// There is no such group.
    #[error("there is no such group: it has to be written before")]
    GroupNotFound,
    /// A document is larger than it may be.
    #[error("{0}")]
    TooLarge(String),
    /// A list's cursor is none that this list gave.
    #[error("the cursor is none that this list gave")]
    InvalidCursor,
    /// Others kept changing the same account; nothing moved.
    #[error("the account is changed by too many at once")]
    Conflict,
    /// The document was changed since it was read; nothing was written.
    #[error("the document is at version {current}")]
    VersionMismatch {
        /// Its version now.
        current: u64,
    },
    /// So much was booked since the books were last closed that nothing adds it up at once.
    #[error("the books of these days are being closed; ask again in some minutes")]
    NotClosed,
    /// DynamoDB asked to slow down for longer than we wait; nothing moved, or the same key tells.
    #[error("the database is throttling: {0}")]
    Throttled(String),
    /// DynamoDB could not be reached or did not answer; nothing moved, or the same key tells.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// A stored item cannot be read: written by a newer version, or damaged.
    #[error("item {item} cannot be read: {reason}")]
    Corrupt {
        /// Its key.
        item: String,
        /// What is wrong with it.
        reason: String,
    },
    /// DynamoDB refused the request itself, as when the table or the right to it is missing.
    #[error("the database refused: {0}")]
    Refused(String),
}

impl Error {
    /// Whether it is worth trying again as it is. What the database refuses, such as for a missing right, is among it: that is
    /// ours to mend, and no word on the account.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Conflict | Self::Throttled(_) | Self::Unavailable(_) | Self::Refused(_))
    }

    /// Says why an answer from DynamoDB is no success.
    pub(crate) fn from_sdk<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
        let text = DisplayErrorContext(&error).to_string();
        match (&error, code.as_deref()) {
            (SdkError::ConstructionFailure(_), _) => Self::Refused(text),
            (
                _,
                Some(
                    "ThrottlingException"
                    | "ProvisionedThroughputExceededException"
                    | "RequestLimitExceeded"
                    | "LimitExceededException",
                ),
            ) => Self::Throttled(text),
            (SdkError::ServiceError(_), Some("ResourceNotFoundException")) => Self::Refused(format!(
                "there is no such table: is its name right, and the region, and the account? ({text})"
            )),
            // Whatever it is called, by the database or by what stands before it: it failed, and did not refuse.
            (SdkError::ServiceError(failed), _) if failed.raw().status().is_server_error() => {
                Self::Unavailable(text)
            }
            (SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_), _) => {
                Self::Unavailable(text)
            }
            (SdkError::ServiceError(_), None) => Self::Unavailable(text),
            _ => Self::Refused(text),
        }
    }
}
