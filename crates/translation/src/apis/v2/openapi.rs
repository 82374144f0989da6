//! The description of the contract (OpenAPI 3.1) as this gateway answers it. What it answers is described by the structs
//! that answers are made from; what it reads is described as clients should write it, and more is read than that.

use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::wire::{Created, ErrorReply, TaskReply, status};

const ABOUT: &str = "\
Make videos, images and audio: create a task, then ask how it stands, wait for it, or follow its events. The answer to a \
create means that the task is stored durably. A poll never fails for what an upstream did.";

/// The description of that version.
pub fn openapi(version: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        settings.contract = Contract::Serialize;
    });
    let mut generator = settings.into_generator();
    let shapes = Shapes {
        created: shape::<Created>(&mut generator),
        task: shape::<TaskReply>(&mut generator),
        error: shape::<ErrorReply>(&mut generator),
    };
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Generation".to_owned(), generation());
    let scope = json!({
        "name": "scope", "in": "path", "required": true,
        "schema": { "type": "string", "enum": ["videos", "images", "audio"] },
    });
    let task_id =
        json!({ "name": "task_id", "in": "path", "required": true, "schema": { "type": "string" } });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "filmgate, the contract of clients",
            "version": version,
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:8080" }],
        "security": [{ "key": [] }],
        "paths": {
            "/v2/{scope}/generations": { "parameters": [scope], "post": create(&shapes) },
            "/v2/{scope}/generations/{task_id}": { "parameters": [scope, task_id], "get": poll(&shapes) },
            "/v2/{scope}/generations/{task_id}/events": { "parameters": [scope, task_id], "get": events(&shapes) },
        },
        "components": {
            "schemas": schemas,
            "responses": { "Refused": answer("The request was refused; nothing was accepted.", &shapes.error) },
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// References to the schemas of answers.
struct Shapes {
    created: Value,
    task: Value,
    error: Value,
}

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn create(shapes: &Shapes) -> Value {
    let key = json!({
        "name": "Idempotency-Key", "in": "header",
        "description": "A name of this request. The same name with the same request gets the same task.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
    });
    let accepted = json!({ "anyOf": [shapes.created, shapes.task] });
    let about = "The task is stored; of a create that waited, how it stands.";
    json!({
        "operationId": "create",
        "summary": "Makes a task.",
        "parameters": [wait(), key],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Generation" } } },
        },
        "responses": { "200": answer(about, &accepted), "default": refused() },
    })
}

fn poll(shapes: &Shapes) -> Value {
    json!({
        "operationId": "poll",
        "summary": "How a task stands. A failed task is 200 with the status FAILURE.",
        "parameters": [wait()],
        "responses": { "200": answer("How it stands.", &shapes.task), "default": refused() },
    })
}

fn events(shapes: &Shapes) -> Value {
    let seen = |name: &str, place: &str| {
        json!({
            "name": name, "in": place,
            "description": "The id of the last event that was seen.",
            "schema": { "type": "string" },
        })
    };
    let event = json!({
        "type": "object",
        "description": "One event.",
        "required": ["id", "event", "data"],
        "properties": {
            "id": { "type": "string", "description": "The version of the task; it rises." },
            "event": { "type": "string", "enum": status::ALL },
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": shapes.task,
            },
        },
    });
    json!({
        "operationId": "events",
        "summary": "How a task stands now, after each change, and at its end. The data of an event is the answer to a poll.",
        "parameters": [seen("last_event_id", "query"), seen("Last-Event-ID", "header")],
        "responses": {
            "200": {
                "description": "Server-sent events, until the task has ended.",
                "content": { "text/event-stream": { "schema": event } },
            },
            "204": { "description": "The end was seen." },
            "default": refused(),
        },
    })
}

fn wait() -> Value {
    json!({
        "name": "wait", "in": "query",
        "description": "Seconds that the answer may wait for the end of the task.",
        "schema": { "type": "integer", "minimum": 0 },
    })
}

fn refused() -> Value {
    json!({ "$ref": "#/components/responses/Refused" })
}

fn answer(about: &str, schema: &Value) -> Value {
    json!({ "description": about, "content": { "application/json": { "schema": schema } } })
}

/// What clients should write. An empty text counts as absent, and fields that are not here are passed on to an upstream
/// that speaks the same contract.
fn generation() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let switch = |about: &str| json!({ "type": "boolean", "description": about });
    let texts = |about: &str| json!({ "type": "array", "items": { "type": "string" }, "description": about });
    json!({
        "type": "object",
        "description": "What is to be made.",
        "required": ["prompt"],
        "properties": {
            "prompt": text("What it shows, or says."),
            "model": text("A name of GET /v1/models; the default of the scope if absent."),
            "images": texts("URLs, data URIs or base64."),
            "videos": texts("URLs."),
            "aspect_ratio": text("For instance 16:9."),
            "resolution": text("For instance 720p, 1080p, 4k."),
            "size": text("For instance 1024x1024."),
            "duration": { "type": "integer", "minimum": 1, "description": "Seconds." },
            "seed": { "type": "integer", "minimum": 0, "description": "The same seed may make the same thing again." },
            "watermark": switch("Whether it may carry one."),
            "enhance_prompt": switch("Whether the upstream may rewrite the prompt."),
            "enable_upsample": switch("Whether it is made larger afterwards."),
            "negative_prompt": text("What it does not show."),
            "generate_audio": switch("Whether a video has sound."),
            "n": { "type": "integer", "minimum": 1, "description": "How many images." },
            "quality": text("Of images."),
            "output_format": text("Of images: png, jpeg, webp."),
            "notify_hook": text("An https URL of your own that is told of the end."),
        },
    })
}

#[cfg(test)]
mod tests {
    use domain::{Call, Scope};

    use super::super::draft::decode_draft;
    use super::*;

    #[test]
    fn what_is_answered_is_described_by_what_is_sent() {
        let document = openapi("1");
        let task = &document["components"]["schemas"]["TaskReply"];
        let reply =
            serde_json::to_value(TaskReply { status: status::SUCCESS.into(), ..TaskReply::default() })
                .unwrap();
        for name in reply.as_object().unwrap().keys() {
            assert!(task["properties"][name].is_object(), "{name}: {task}");
        }
        assert_eq!(task["properties"]["data"]["anyOf"][1]["type"], "null", "{task}");
    }

    /// One of a type that it cannot be is refused by its name; what is not read would be passed on.
    #[test]
    fn every_field_that_is_described_is_one_that_the_dialect_reads() {
        let described = generation();
        for name in described["properties"].as_object().unwrap().keys() {
            let body = json!({ "prompt": "a cat", name: { "no": "such" } }).to_string();
            let call = Call::post_json("/v2/images/generations", body.into_bytes());
            let refused = decode_draft(Scope::Images, &call);
            assert!(refused.is_err_and(|failure| failure.field.is_some()), "{name} is not read");
        }
    }
}
