//! Lists, a bounded part at a time.

use std::borrow::Cow;

use domain::Failure;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

/// The most of a list that one answer has.
pub(crate) const MAX: usize = 1000;
/// How much it has where nothing is said.
const USUAL: usize = 100;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PageQuery {
    /// What an answer called next.
    pub after: Option<String>,
    /// At most so many, from 1 to 1000; 100 if absent.
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<usize>,
}

/// What stands in lists.
pub trait Listed: Serialize + JsonSchema {
    /// What several of them are called; the name of the list in an answer.
    const PLURAL: &'static str;
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What it has.
    pub items: Vec<T>,
    /// Where to go on; absent at the end of the list. A part may be empty and not be the last.
    pub next: Option<String>,
}

/// How much somebody wants at a time.
pub(crate) fn size(max: Option<usize>) -> Result<usize, Failure> {
    let max = max.unwrap_or(USUAL);
    if (1..=MAX).contains(&max) {
        return Ok(max);
    }
    Err(Failure::invalid("max", format!("max: a number from 1 to {MAX}")))
}

/// The row of a list that is numbered, after which to go on.
pub(crate) fn number(after: Option<&str>) -> Result<i64, Failure> {
    let number = after.map_or(Ok(0), str::parse).ok().filter(|number| *number >= 0);
    number.ok_or_else(|| Failure::invalid("after", "after: what an answer called next"))
}

impl<T> Page<T> {
    /// The part of a whole list, sorted by names that are unique, that follows `after`.
    pub(crate) fn of_all(mut all: Vec<T>, after: Option<&str>, max: usize, name: fn(&T) -> &str) -> Self {
        all.sort_by(|one, other| name(one).cmp(name(other)));
        all.retain(|item| after.is_none_or(|after| name(item) > after));
        Self::of_more(all, max, |last| name(last).to_owned())
    }

    /// The first `max` of what may be more.
    pub(crate) fn of_more(mut items: Vec<T>, max: usize, name: impl Fn(&T) -> String) -> Self {
        let has_more = items.len() > max;
        items.truncate(max);
        let next = items.last().filter(|_| has_more).map(name);
        Self { items, next }
    }

    /// The same list of something else.
    pub(crate) fn map<U>(self, of: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(of).collect(), next: self.next }
    }
}

impl<T: Listed> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(T::PLURAL, &self.items)?;
        map.serialize_entry("next", &self.next)?;
        map.end()
    }
}

impl<T: Listed> JsonSchema for Page<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("PageOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({
            "type": "object",
            "properties": {
                T::PLURAL: { "type": "array", "items": items, "maxItems": MAX },
                "next": {
                    "type": ["string", "null"],
                    "description": "What to give as after to go on; null at the end. A part may be empty and not be the last.",
                },
            },
            "required": [T::PLURAL, "next"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: Option<&str>, max: usize) -> (Vec<String>, Option<String>) {
        let all = ["b", "d", "a", "c"].map(str::to_owned).to_vec();
        let Page { items, next } = Page::of_all(all, after, max, String::as_str);
        (items, next)
    }

    #[test]
    fn a_list_is_walked_to_its_end() {
        assert_eq!(page(None, 3), (vec!["a".into(), "b".into(), "c".into()], Some("c".into())));
        assert_eq!(page(Some("c"), 3), (vec!["d".into()], None));
        assert_eq!(page(None, 4).1, None, "a list that fits is whole");
        assert_eq!(page(Some("z"), 4), (vec![], None));
    }

    #[test]
    fn what_is_wanted_at_a_time_is_bounded() {
        assert!([Some(0), Some(MAX + 1)].into_iter().all(|max| size(max).is_err()));
        assert_eq!((size(None).unwrap(), size(Some(MAX)).unwrap()), (USUAL, MAX));
        assert!([Some("x"), Some("-1"), Some("")].into_iter().all(|after| number(after).is_err()));
        assert_eq!((number(None).unwrap(), number(Some("7")).unwrap()), (0, 7));
    }
}
