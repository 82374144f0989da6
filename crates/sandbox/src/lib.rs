//! Upstreams that do not exist: a server that speaks providers' APIs over HTTP, renders real small media, injects
//! faults, and keeps a ledger of what it accepted. Nothing here is shared with the codecs that it tests, so that one
//! misreading of an API cannot hide in both.
//!
//! `server` takes connections, `call` is the path of one call, `apis` holds one file for each API (pure),
//! `faults` the grammar of what shall go wrong (pure), `task` how an accepted task stands at a moment (pure),
//! `ledger` what was accepted (durable), `media` the results, `callback` tells those whom a submit names of the end.
//!
//! | path | what it is |
//! |---|---|
//! | `POST /api/v1/veo/generate`, `GET /api/v1/veo/record-info?taskId=` | kie's Veo API |
//! | `POST /v2/{scope}/generations`, `GET /v2/{scope}/generations/{task_id}` | the `/v2` contract, as an upstream |
//! | `POST /v1/{videos,images,audios}/generations`, `GET /v1/tasks/{task_id}` | EvoLink's API; behind `/apimart` APIMart's |
//! | `POST /v1/videos`, `GET` and `DELETE /v1/videos/{id}`, `GET .../content`, `POST .../remix`, `GET /v1/videos`; behind `/openai` `POST /v1/images/generations`, `/v1/images/edits`; `POST /v1/audio/speech` | OpenAI's media API |
//! | `POST /v1/models/{owner}/{name}/predictions`, `POST /v1/predictions`, `GET /v1/predictions/{id}` | Replicate's Veo models; `GET /v1/predictions` lists |
//! | `POST /v1beta/models/{model}:predictLongRunning`, `GET /v1beta/models/{model}/operations/{id}`, `GET /v1beta/files/{id}:download` | Veo through the Gemini API |
//! | `POST /v1/projects/{p}/locations/{l}/publishers/google/models/{model}:predictLongRunning` and `:fetchPredictOperation` | Veo through Vertex AI; also without the place |
//! | `GET /media/{task_id}.{mp4,png,wav}` | the result of a finished task; `Range` works; no key needed |
//! | `GET /sandbox/ledger` | `{"entries":[...],"calls":{...},"faults":{...}}`; no key needed |
//!
//! Each API is also there behind its name (`/kie/api/v1/...`): some have the same paths.

mod apis;
mod call;
mod callback;
mod desk;
mod faults;
mod form;
mod ledger;
mod media;
mod moment;
mod range;
mod reply;
mod sandbox;
mod server;
mod task;

pub use faults::{FaultError, Faults};
pub use ledger::LedgerError;
pub use sandbox::{Sandbox, SandboxError, Settings};
