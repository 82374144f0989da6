//! Text as PostgreSQL can hold it.

use std::borrow::Cow;

/// Without U+0000, which no column holds: it is replaced, the same way for what is stored and what is looked up. JSON needs
/// none of this, it comes escaped.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_column_holds_is_replaced() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
        assert!(matches!(storable("häßlich"), Cow::Borrowed("häßlich")));
    }
}
