//! The description of the operator's API: OpenAPI 3.1, made from the table of its paths and the types behind them.

use http::Method;
use schemars::SchemaGenerator;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value, json};

use super::refused::ErrorBody;
use super::route::Route;
use super::table;

const ABOUT: &str = "\
What an operator of filmgate asks and does over the network. It is served on `server.admin_listen`, which clients must \
not reach. Credentials are `server.admin_key`, `server.admin_keys` and tokens derived from these; each call needs one \
scope of them, named beside it. Lists come in parts: `next` of an answer is `after` of the next request, and null at the \
end. Unknown parameters and fields are refused by name.";

/// The description.
pub fn document() -> Value {
    let mut shapes = Shapes::new();
    let mut paths = Map::new();
    for route in table::routes() {
        let operation = operation(&route, &mut shapes);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation;
    }
    let error = shapes.told.subschema_for::<ErrorBody>();
    let refused = json!({
        "description": "The request was refused.",
        "content": { "application/json": { "schema": error } },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "filmgate, the operator's API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:9090" }],
        "paths": paths,
        "components": {
            "schemas": shapes.all(),
            "responses": { "Refused": refused },
            "securitySchemes": { "operator": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// The schemas of what is told and of what is read. A type may be both; it looks the same then.
struct Shapes {
    told: SchemaGenerator,
    read: SchemaGenerator,
}

impl Shapes {
    fn new() -> Self {
        let generator = |contract| {
            let settings = SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
                settings.contract = contract;
            });
            settings.into_generator()
        };
        Self { told: generator(Contract::Serialize), read: generator(Contract::Deserialize) }
    }

    fn all(mut self) -> Map<String, Value> {
        let mut all = self.read.take_definitions(true);
        all.extend(self.told.take_definitions(true));
        all.sort_keys();
        all
    }
}

fn operation(route: &Route, shapes: &mut Shapes) -> Value {
    let names = route.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let of_path = names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let of_query = route.parameters.iter().map(|parameter| {
        let mut schema = parameter.schema.clone();
        let about = schema.as_object_mut().and_then(|members| members.shift_remove("description"));
        json!({
            "name": parameter.name,
            "in": "query",
            "required": parameter.is_required,
            "description": about,
            "schema": schema,
        })
    });
    let tag = route.path.split('/').nth(2).unwrap_or_default().trim_end_matches(".json");
    let mut operation = json!({
        "operationId": route.name,
        "tags": [tag],
        "summary": route.about,
        "description": format!("Needs the scope `{}`.", route.scope.as_str()),
        "security": [{ "operator": [route.scope.as_str()] }],
        "parameters": of_path.chain(of_query).collect::<Vec<_>>(),
        "responses": {
            "200": {
                "description": "It was done, or this is it.",
                "content": { "application/json": { "schema": (route.reply)(&mut shapes.told) } },
            },
            "default": { "$ref": "#/components/responses/Refused" },
        },
    });
    if let Some(body) = route.body.filter(|_| route.method == Method::POST) {
        let content = json!({ "application/json": { "schema": body(&mut shapes.read) } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}
