//! `filmgate explain`: which accounts would serve a request, in which order, and what each would be sent.

mod table;

use std::process::ExitCode;

use domain::Scope;
use tasks::{Explanation, Outcome, Question, explain};

use crate::cli::ExplainOptions;
use crate::{setup, source};

/// Where the gateway would be reached, if the config does not say.
const BASE_URL: &str = "http://127.0.0.1:8080";

pub(crate) fn run(options: &ExplainOptions) -> anyhow::Result<ExitCode> {
    let config = source::data_config(&options.data)?;
    let setup = setup::build(&config, config.sandbox.embed.then_some(setup::SANDBOX_URL))?;
    let base_url = config.server.public_url.as_deref().unwrap_or(BASE_URL);
    let explanation = match explain(&setup, base_url, &question(options)) {
        Ok(explanation) => explanation,
        Err(failure) => {
            println!("refused: {}", failure.public);
            return Ok(ExitCode::FAILURE);
        }
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&explanation)?);
    } else {
        print!("{}", table::of(&explanation, &config.ledger.currency));
    }
    Ok(exit_code(&explanation))
}

/// Whether the request would be served.
fn exit_code(explanation: &Explanation) -> ExitCode {
    match explanation.outcome {
        Outcome::Tried | Outcome::Waits => ExitCode::SUCCESS,
        Outcome::Fails | Outcome::Refused => ExitCode::FAILURE,
    }
}

fn question(options: &ExplainOptions) -> Question {
    Question {
        scope: Scope::parse(&options.scope).unwrap_or(Scope::Videos),
        model: options.model.clone(),
        prompt: options.prompt.clone(),
        images: options.images.clone(),
        aspect_ratio: options.aspect_ratio.clone(),
        resolution: options.resolution.clone(),
        duration: options.duration,
        key: options.key.clone(),
        route: options.route.clone(),
        seed: options.seed.clone(),
    }
}
