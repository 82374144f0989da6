//! Why a candidate is not tried.

use std::fmt;

use domain::{Money, Timestamp};

use crate::condition::{Condition, OutReason, Standing};

/// Why a candidate is not tried.
#[derive(Debug, Clone, PartialEq)]
pub enum Rejection {
    /// The request goes on from a result of another account.
    OtherBasis,
    /// It is not at the maker of the model, and the client insists on that.
    NotOfficial,
    /// The client, or its key, allows only other accounts.
    NotAllowed,
    /// It is not in the region that is wanted.
    OtherRegion {
        /// Which.
        wanted: String,
    },
    /// It has no price for this request, and prices count.
    NoPrice,
    /// It was not part of what the task was quoted.
    NotQuoted,
    /// It costs more than is left.
    TooExpensive {
        /// What it costs.
        price: Money,
        /// What may be spent.
        left: Money,
    },
    /// It cannot express the request.
    Incapable(String),
    /// It has failed too often.
    Ejected {
        /// When it may be tried.
        until: Timestamp,
    },
    /// It refused us.
    Out {
        /// Why.
        reason: OutReason,
        /// When it is asked again.
        until: Timestamp,
    },
    /// It asked us to wait.
    Paused {
        /// For how long.
        until: Timestamp,
    },
    /// The operator wants it to take no more.
    Drained,
    /// It has no room.
    Full,
}

impl Rejection {
    /// Whether it is a matter of time.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::Ejected { .. } | Self::Out { .. } | Self::Paused { .. } | Self::Drained | Self::Full
        )
    }

    /// When it passes, if that is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Ejected { until } | Self::Out { until, .. } | Self::Paused { until } => Some(*until),
            _ => None,
        }
    }

    /// What keeps a candidate from being tried.
    pub(crate) fn of(condition: &Condition) -> Option<Self> {
        match condition.standing {
            _ if condition.cannot.is_some() => condition.cannot.clone().map(Self::Incapable),
            Standing::Ejected { until } => Some(Self::Ejected { until }),
            Standing::Out { reason, until } => Some(Self::Out { reason, until }),
            Standing::Paused { until } => Some(Self::Paused { until }),
            Standing::Drained => Some(Self::Drained),
            Standing::Ready | Standing::Probe if condition.is_full => Some(Self::Full),
            Standing::Ready | Standing::Probe => None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherBasis => f.write_str("another account has the result to go on from"),
            Self::NotOfficial => f.write_str("it is not at the maker of the model"),
            Self::NotAllowed => f.write_str("it is not among the accounts that are allowed"),
            Self::OtherRegion { wanted } => write!(f, "it is not in the region {wanted}"),
            Self::NoPrice => f.write_str("it has no price for this request"),
            Self::NotQuoted => f.write_str("it was not part of the quote"),
            Self::TooExpensive { price, left } => write!(f, "it costs {price}, and {left} is left"),
            Self::Incapable(why) => f.write_str(why),
            Self::Ejected { .. } => f.write_str("it has failed too often lately"),
            Self::Out { reason: OutReason::Credential, .. } => f.write_str("it refuses our credential"),
            Self::Out { reason: OutReason::Money, .. } => f.write_str("it has no money left"),
            Self::Paused { .. } => f.write_str("it asked us to wait"),
            Self::Drained => f.write_str("the operator has drained it"),
            Self::Full => f.write_str("it has no room"),
        }
    }
}
