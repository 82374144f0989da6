//! `filmgate explain`: which accounts would serve a request, in which order, and what each would be sent.

use std::process::ExitCode;

use domain::{Draft, DraftInput, DraftMedia, Money, OutputSpec, Scope};
use tasks::{Considered, explain};
use translation::fixture::write_call;

use crate::cli::ExplainOptions;
use crate::{setup, source};

/// Where the gateway would be reached, if the config does not say.
const BASE_URL: &str = "http://127.0.0.1:8080";

pub(crate) fn run(options: &ExplainOptions) -> anyhow::Result<ExitCode> {
    let config = source::data_config(&options.data)?;
    let setup = setup::build(&config, config.sandbox.embed.then_some(setup::SANDBOX_URL))?;
    let base_url = config.server.public_url.as_deref().unwrap_or(BASE_URL);
    let draft = draft(options);
    let considered = explain(&setup, base_url, &draft);
    let considered = match considered {
        Ok(considered) => considered,
        Err(failure) => {
            println!("refused: {}", failure.public);
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut possible = 0;
    for (number, Considered { account, provider, upstream_model, price, verdict }) in (1..).zip(&considered) {
        let price = price.filter(|price| *price > Money::ZERO);
        let price = price.map(|price| format!(", {price} {}", config.ledger.currency)).unwrap_or_default();
        println!("{number}. {account} ({provider}, {upstream_model}{price})");
        match verdict {
            Ok(call) => {
                possible += 1;
                let text = write_call(call);
                text.lines().for_each(|line| println!("   {line}"));
            }
            Err(reason) => println!("   cannot be asked: {reason}"),
        }
    }
    if possible == 0 {
        println!("no account can serve this request");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn draft(options: &ExplainOptions) -> Draft {
    let image = |(index, url): (usize, &String)| DraftInput {
        role: None,
        field: format!("images[{index}]"),
        media: DraftMedia::Url(url.clone()),
    };
    Draft {
        scope: Scope::parse(&options.scope),
        model: options.model.clone(),
        prompt: options.prompt.clone(),
        inputs: options.images.iter().enumerate().map(image).collect(),
        output: OutputSpec {
            aspect_ratio: options.aspect_ratio.clone(),
            resolution: options.resolution.clone(),
            duration_s: options.duration,
            ..OutputSpec::default()
        },
        ..Draft::default()
    }
}
