//! The query of a request, read by what its path knows.

use domain::Failure;
use serde_json::Value;

use super::Members;
use crate::percent;

/// A parameter of a query.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: String,
    /// What it may be, as a JSON Schema.
    pub(super) schema: Value,
    /// Whether it must be there.
    pub(super) is_required: bool,
}

/// Letters of an unknown name that are repeated to whoever sent it.
const SHOWN_CHARS_MAX: usize = 64;

/// The parameters of `query`, each known and there once at most; whole numbers as numbers, the rest as text.
pub(super) fn parse(query: &str, known: &[Parameter]) -> Result<Members, Failure> {
    let mut members = Members::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            let name: String = name.chars().take(SHOWN_CHARS_MAX).collect();
            return Err(Failure::invalid(&name, format!("{name}: it is not well-formed")));
        };
        let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
            return Err(unknown(&name, known));
        };
        let value = if parameter.schema["type"] == "integer" { number(&name, &value)? } else { value.into() };
        if members.insert(name.clone(), value).is_some() {
            return Err(Failure::invalid(&name, format!("{name}: it is there more than once")));
        }
    }
    Ok(members)
}

fn unknown(name: &str, known: &[Parameter]) -> Failure {
    let name: String = name.chars().take(SHOWN_CHARS_MAX).collect();
    let names: Vec<&str> = known.iter().map(|parameter| parameter.name.as_str()).collect();
    let there_are = match names.as_slice() {
        [] => "there are none here".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    Failure::invalid(&name, format!("{name}: unknown parameter; {there_are}"))
}

fn number(name: &str, value: &str) -> Result<Value, Failure> {
    let number: Result<i64, _> = value.parse();
    number.map(Value::from).map_err(|_| Failure::invalid(name, format!("{name}: expected a whole number")))
}

/// Unlike in a path, a plus is a space.
fn decode(text: &str) -> Option<String> {
    percent::decode(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn known() -> Vec<Parameter> {
        let parameter = |name: &str, kind: &str| Parameter {
            name: name.to_owned(),
            schema: json!({ "type": kind }),
            is_required: false,
        };
        vec![parameter("model", "string"), parameter("max", "integer")]
    }

    #[test]
    fn known_parameters_are_read() {
        let read = |query| Value::Object(parse(query, &known()).unwrap());
        assert_eq!(read(""), json!({}));
        assert_eq!(read("&model=a+b%2B%c3%a9&&max=7"), json!({ "model": "a b+é", "max": 7 }));
        assert_eq!(read("model"), json!({ "model": "" }));
        assert_eq!(read("model=a=b"), json!({ "model": "a=b" }));
    }

    #[test]
    fn the_parameter_at_fault_is_named() {
        for (query, field) in [
            ("limit=3", "limit"),
            ("max=3&Max=3", "Max"),
            ("max=3&max=3", "max"),
            ("max=", "max"),
            ("max=3.0", "max"),
            ("max=99999999999999999999", "max"),
            ("model=%ff", "model"),
            ("model=%4", "model"),
            ("%ff=1", "%ff"),
        ] {
            assert_eq!(parse(query, &known()).unwrap_err().field.as_deref(), Some(field), "{query}");
        }
        let long = parse(&"x".repeat(9000), &known()).unwrap_err();
        assert!(long.public.len() < 200, "{long}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(query in "[a-z&=%+0-9é\\x00-\\x7f]{0,40}") {
            match parse(&query, &known()) {
                Ok(members) => prop_assert!(members.keys().all(|name| ["model", "max"].contains(&name.as_str()))),
                Err(failure) => prop_assert!(failure.field.is_some()),
            }
        }

        #[test]
        fn what_is_encoded_is_read_back(model in ".{0,30}", max in any::<i64>()) {
            let encoded: String = model.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let read = parse(&format!("max={max}&model={encoded}"), &known()).unwrap();
            prop_assert_eq!(Value::Object(read), json!({ "max": max, "model": model }));
        }
    }
}
