//! Names of things. All are opaque strings to clients; none is made here, because making one needs randomness.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// The public id of a task: a UUID of version 7 in its usual text form. Clients treat it as opaque.
    TaskId
}
id! {
    /// Who a task belongs to: the id of a client key.
    OwnerId
}
id! {
    /// The operator's name for one paid access to a provider.
    AccountName
}
id! {
    /// The name of stored media bytes: 128 random bits in hexadecimal, because knowing it is the right to read it.
    AssetId
}
