//! One thing that can be asked of the operator's API: what it is called, what it needs, and what answers it. The types of
//! what is read and answered are those that the description of the API is made from.

use std::pin::Pin;

use bytes::Bytes;
use domain::{AdminScope, Failure};
use http::Method;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tasks::{Grant, Operator};

use super::Members;
use super::query::Parameter;
use super::refused::Refused;

/// What is done.
type Call = Box<dyn Fn(Ask) -> Doing + Send + Sync>;
type Doing = Pin<Box<dyn Future<Output = Result<Value, Refused>> + Send>>;
/// Makes a schema.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One thing that can be asked.
pub(super) struct Route {
    pub(super) method: Method,
    /// With names in braces.
    pub(super) path: &'static str,
    /// What a credential needs.
    pub(super) scope: AdminScope,
    /// What the description and the log call it.
    pub(super) name: &'static str,
    /// One sentence.
    pub(super) about: &'static str,
    /// What its query may have.
    pub(super) parameters: Vec<Parameter>,
    /// What its body is, if it has one.
    pub(super) body: Option<Shape>,
    /// What it answers.
    pub(super) reply: Shape,
    /// Where an answer names what was made, for the log; a JSON pointer.
    pub(super) subject_at: &'static str,
    pub(super) call: Call,
}

/// A request whose credential is good for it.
pub(super) struct Ask {
    pub(super) operator: Operator,
    pub(super) grant: Grant,
    pub(super) params: Params,
    pub(super) query: Members,
    pub(super) body: Bytes,
}

/// The same, read.
pub(super) struct Asked<Q = Nothing, B = Nothing> {
    pub(super) operator: Operator,
    pub(super) grant: Grant,
    pub(super) params: Params,
    pub(super) query: Q,
    pub(super) body: B,
}

/// No query, or no body.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What the names in a path stand for.
#[derive(Debug, Clone)]
pub(super) struct Params(pub(super) Vec<(String, String)>);

/// A route to be.
pub(super) struct Outline {
    method: Method,
    path: &'static str,
    scope: AdminScope,
    name: &'static str,
    about: &'static str,
    subject_at: &'static str,
}

impl Params {
    /// What the only name in the path stands for.
    pub(super) fn one(&self) -> &str {
        self.0.first().map_or("", |(_, value)| value)
    }

    /// What the request is about, for the log.
    pub(super) fn subject(&self) -> String {
        self.0.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("/")
    }
}

/// Something to be read.
pub(super) fn get(path: &'static str, scope: AdminScope, name: &'static str, about: &'static str) -> Outline {
    Outline { method: Method::GET, path, scope, name, about, subject_at: "/none" }
}

/// Something to be done.
pub(super) fn post(
    path: &'static str,
    scope: AdminScope,
    name: &'static str,
    about: &'static str,
) -> Outline {
    Outline { method: Method::POST, ..get(path, scope, name, about) }
}

impl Outline {
    /// The log takes the name of what was made from there in the answer.
    pub(super) fn names(self, subject_at: &'static str) -> Self {
        Self { subject_at, ..self }
    }

    /// The route, which `answer` answers.
    pub(super) fn by<Q, B, T, F>(
        self,
        answer: impl Fn(Asked<Q, B>) -> F + Copy + Send + Sync + 'static,
    ) -> Route
    where
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        B: DeserializeOwned + JsonSchema + Send + 'static,
        T: Serialize + JsonSchema,
        F: Future<Output = Result<T, Refused>> + Send + 'static,
    {
        let has_body = self.method != Method::GET && B::schema_name() != Nothing::schema_name();
        let call = move |ask: Ask| -> Doing {
            Box::pin(async move {
                let told = answer(read(ask, has_body)?).await?;
                Ok(serde_json::to_value(told).map_err(|error| Failure::internal(error.to_string()))?)
            })
        };
        let Self { method, path, scope, name, about, subject_at } = self;
        let body: Shape = |generator| generator.subschema_for::<B>();
        Route {
            method,
            path,
            scope,
            name,
            about,
            parameters: parameters::<Q>(),
            body: has_body.then_some(body),
            reply: |generator| generator.subschema_for::<T>(),
            subject_at,
            call: Box::new(call),
        }
    }
}

impl Route {
    /// Whether the log is to say who asked for it. A token is made, though no scope beyond one's own is needed.
    pub(super) fn changes_something(&self) -> bool {
        self.method != Method::GET && !self.scope.is_read()
    }
}

fn read<Q: DeserializeOwned, B: DeserializeOwned>(ask: Ask, has_body: bool) -> Result<Asked<Q, B>, Failure> {
    let Ask { operator, grant, params, query, body } = ask;
    let query = serde_path_to_error::deserialize(Value::Object(query)).map_err(|error| wrong(&error))?;
    // Where there is nothing to say, nothing may be said.
    let text = if body.is_empty() && !has_body { b"{}" } else { body.as_ref() };
    let mut text = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut text).map_err(|error| wrong(&error))?;
    text.end().map_err(|error| Failure::invalid("body", format!("body: {error}")))?;
    Ok(Asked { operator, grant, params, query, body: read })
}

fn wrong(error: &serde_path_to_error::Error<serde_json::Error>) -> Failure {
    let path = error.path().to_string();
    let field = if path == "." { "body" } else { &path };
    Failure::invalid(field, format!("{field}: {}", error.inner()))
}

/// What a query of that type may have.
fn parameters<Q: JsonSchema>() -> Vec<Parameter> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.contract = Contract::Deserialize;
    });
    let schema = settings.into_generator().into_root_schema_for::<Q>().to_value();
    let is_required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let parameter = |(name, schema): (String, Value)| {
        let is_required = is_required(&name);
        Parameter { name, schema: present(schema), is_required }
    };
    properties.into_iter().map(parameter).collect()
}

/// The schema of a value that is there: a parameter can be absent, and never null.
fn present(mut schema: Value) -> Value {
    let not_null = |one: &Value| !one.is_null() && one != "null" && one["type"] != "null";
    for key in ["type", "enum", "anyOf"] {
        if let Some(Value::Array(all)) = schema.get_mut(key) {
            all.retain(not_null);
        }
    }
    if let Some([only]) = schema["type"].as_array().map(Vec::as_slice) {
        schema["type"] = only.clone();
    }
    if let (Some([Value::Object(only)]), Some(outer)) =
        (schema["anyOf"].as_array().cloned().as_deref(), schema.as_object_mut())
    {
        outer.remove("anyOf");
        outer.extend(only.clone());
    }
    if let Some(members) = schema.as_object_mut() {
        members.retain(|key, value| key != "default" || !value.is_null());
    }
    schema
}

#[cfg(test)]
mod tests {
    use tasks::{DeliveryQuery, TaskQuery};

    use super::*;

    #[test]
    fn the_parameters_of_a_query_are_those_of_its_type() {
        let of_tasks = parameters::<TaskQuery>();
        let named = |name: &str| of_tasks.iter().find(|one| one.name == name).unwrap().schema.clone();
        assert_eq!(named("max")["type"], "integer");
        assert_eq!(named("model")["type"], "string");
        assert_eq!(named("state")["enum"].as_array().unwrap().len(), 9, "{}", named("state"));
        assert!(of_tasks.iter().all(|one| !one.is_required && one.schema["description"].is_string()));
        assert_eq!(parameters::<DeliveryQuery>()[0].schema["default"], "dead");
        assert!(parameters::<Nothing>().is_empty());
    }
}
