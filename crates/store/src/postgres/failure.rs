//! What goes wrong between us and the database.

use std::error::Error as _;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::StoreError;

/// Why a statement did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The database, or the way to it, has failed.
    #[error("{}", in_full(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// No answer came in time. The connection is given up.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// The session was given up before.
    #[error("the connection was given up")]
    GivenUp,
}

impl Failure {
    /// The code of the database's refusal, if it was one.
    pub(super) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            Self::Late(_) | Self::GivenUp => None,
        }
    }

    /// The unique constraint, or the unique index, that was violated.
    pub(super) fn violated(&self) -> Option<&str> {
        match self {
            Self::Postgres(error) => {
                let error = error.as_db_error().filter(|e| *e.code() == SqlState::UNIQUE_VIOLATION)?;
                Some(error.constraint().unwrap_or_default())
            }
            Self::Late(_) | Self::GivenUp => None,
        }
    }

    /// Whether the transaction would come to its end if it were done again: it had met others.
    pub(super) fn is_passing(&self) -> bool {
        let passing = [&SqlState::T_R_SERIALIZATION_FAILURE, &SqlState::T_R_DEADLOCK_DETECTED];
        self.code().is_some_and(|code| passing.contains(&code))
    }

    /// Whether nobody knows what the database did: it gave no answer, or said that it went away.
    pub(super) fn leaves_doubt(&self) -> bool {
        let Self::Postgres(error) = self else { return true };
        match error.code().map(SqlState::code) {
            Some(code) => code.starts_with("57P") || code.starts_with("08"),
            None => error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()),
        }
    }
}

/// Names the operation that a failure ended.
pub(super) fn failed(operation: &'static str) -> impl Fn(Failure) -> StoreError {
    move |failure| StoreError::Backend { operation, source: Box::new(failure) }
}

/// The failure behind an error of the store, if there is one.
pub(super) fn behind(error: &StoreError) -> Option<&Failure> {
    match error {
        StoreError::Backend { source, .. } => source.downcast_ref(),
        _ => None,
    }
}

/// The library's own text leaves out what the server said.
pub(super) fn in_full(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(refusal), _) => format!("{refusal} ({})", refusal.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
