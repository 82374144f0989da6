//! The registry: one `mod` line and one line per face for each API.

pub mod kie;
pub mod v2;

use crate::{Dialect, Provider};

/// The APIs that clients may speak. Where two claim a path, the earlier wins.
pub static DIALECTS: &[&dyn Dialect] = &[&v2::V2];

/// The APIs that we speak to upstreams.
pub static PROVIDERS: &[&dyn Provider] = &[&kie::Kie, &v2::V2];

/// The dialect of that name.
pub fn dialect(name: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().copied().find(|dialect| dialect.name() == name)
}

/// The provider of that name.
pub fn provider(name: &str) -> Option<&'static dyn Provider> {
    PROVIDERS.iter().copied().find(|provider| provider.name() == name)
}
