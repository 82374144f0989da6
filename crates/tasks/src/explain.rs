//! What would become of a request, without making it: which accounts would be tried, in which order, what each would be
//! sent, and why the others would not be.

use domain::{
    AccountName, Call, Draft, DraftMedia, Failure, FailureKind, GenerationRequest, Input, Media, Money, Quote,
};
use routing::{Asked, Candidate, Condition};
use translation::SubmitContext;

use crate::{Setup, localize};

/// One account that was considered.
#[derive(Debug)]
pub struct Considered {
    /// The account.
    pub account: AccountName,
    /// Its provider.
    pub provider: String,
    /// The provider's own name of the model.
    pub upstream_model: String,
    /// What it costs; absent if that cannot be told.
    pub price: Option<Money>,
    /// What it would be sent, without what proves who we are; or why it cannot be asked.
    pub verdict: Result<Box<Call>, String>,
}

/// The accounts that would be tried for `draft`, in order. Media in the request itself is taken for URLs. The failure is
/// that of the request.
pub fn explain(setup: &Setup, base_url: &str, draft: &Draft) -> Result<Vec<Considered>, Failure> {
    let model = setup.catalogue.resolve(draft)?;
    if !setup.router.serves(&model.name) {
        let text = format!("model: \"{}\" is not served by this gateway", model.name);
        return Err(Failure::new(FailureKind::ModelNotFound, text));
    }
    let media = |media: &DraftMedia| match media {
        DraftMedia::Url(url) => Media::Url(url.clone()),
        DraftMedia::Inline(_) => Media::Url(format!("{base_url}/assets/...")),
    };
    let inputs = draft.inputs.iter().zip(model.roles(&draft.inputs));
    let request = GenerationRequest {
        inputs: inputs.map(|(input, role)| Input { role, media: media(&input.media) }).collect(),
        output: draft.output.clone(),
        preference: draft.preference.clone(),
        vendor: draft.vendor.clone(),
        ..GenerationRequest::new(model.scope, &model.name, &draft.prompt)
    };
    let plan = setup.router.plan(&Asked::new(&request, 0), &|_| Condition::default());
    let quote = plan.quote(&request);
    let each = plan.candidates.into_iter().map(|planned| planned.candidate);
    Ok(each.map(|candidate| consider(candidate, (setup, base_url), quote.as_ref(), &request)).collect())
}

fn consider(
    Candidate { account: name, upstream_model, .. }: Candidate,
    (setup, base_url): (&Setup, &str),
    quote: Option<&Quote>,
    request: &GenerationRequest,
) -> Considered {
    let account = setup.accounts.get(&name);
    let provider = account.map(|account| account.provider.clone()).unwrap_or_default();
    let verdict = translation::provider(&provider).ok_or_else(|| "it is not configured".to_owned());
    let price = quote.and_then(|quote| quote.price(&name, &upstream_model));
    let verdict = verdict.and_then(|provider| {
        if price.is_none() {
            return Err("it has no price for this request".to_owned());
        }
        let outline = localize::outline(request, provider, &upstream_model);
        let context = SubmitContext::new(&upstream_model, base_url);
        provider.encode_submit(&outline, &context).map(Box::new).map_err(|error| error.to_string())
    });
    Considered { account: name, provider, upstream_model, price, verdict }
}
