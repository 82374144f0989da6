//! What would become of a request, without making it: which accounts would be tried, in which order and why, what each
//! would be sent, and why the others would not be.

mod explanation;
mod question;

use std::time::Duration;

use domain::{
    Access, Call, Draft, DraftMedia, Failure, FailureKind, GenerationRequest, Input, Media, ModelSpec, Money,
    Preference,
};
use http::HeaderValue;
use routing::{Asked, Candidate, Condition, Plan, Rejection};
use translation::SubmitContext;
use translation::fixture::write_call;

pub(crate) use explanation::millis;
pub use explanation::{By, Considered, Decided, Explanation, LeftOut, ModelShown, Outcome, Refused, Way};
pub use question::Question;

use crate::{Setup, create, localize};

/// How the accounts are while somebody asks.
pub(crate) struct Circumstances<'a> {
    /// How each candidate is for a task that costs so much.
    pub(crate) condition: &'a dyn Fn(&Candidate, Money) -> Condition,
    /// Whose turn it is, by the public model.
    pub(crate) turn: &'a dyn Fn(&str) -> u64,
    /// Whether that is what a running gateway knows.
    pub(crate) are_live: bool,
}

/// What `setup` makes of the request, where the gateway is reached at `base_url`. How accounts do at the moment is not
/// known here: all are taken to be well, with room. The failure is that of a request that asks for what does not exist.
pub fn explain(setup: &Setup, base_url: &str, question: &Question) -> Result<Explanation, Failure> {
    let well = Circumstances { condition: &|_, _| Condition::default(), turn: &|_| 0, are_live: false };
    explain_under(&well, (setup, base_url), question)
}

/// The same under these circumstances.
pub(crate) fn explain_under(
    circumstances: &Circumstances<'_>,
    (setup, base_url): (&Setup, &str),
    question: &Question,
) -> Result<Explanation, Failure> {
    let access = question.access(setup)?;
    let draft = question.draft()?;
    let model = setup.catalogue.resolve_within(&draft, &access)?;
    let Some(route) = setup.router.route_of(&model.name) else {
        let text = format!("model: \"{}\" is not served by this gateway", model.name);
        return Err(Failure::new(FailureKind::ModelNotFound, text));
    };
    let request = request(&draft, model, &access, base_url);
    let quoted = create::quote(setup, &request);
    let is_free = quoted.as_ref().is_ok_and(|quote| quote.prices.is_empty());
    let sends = Sends { setup, base_url, request: &request, is_free };
    let known = |candidate: &Candidate| {
        (circumstances.condition)(candidate, candidate.price(&request).unwrap_or(Money::ZERO))
    };
    let condition =
        |candidate: &Candidate| Condition { cannot: sends.call(candidate).err(), ..known(candidate) };
    let turn = (circumstances.turn)(&model.name);
    let seed = question.seed.as_deref().map_or(0, routing::seed);
    let asked = Asked { quote: quoted.as_ref().ok(), turn, ..Asked::new(&request, seed) };
    let plan = setup.router.plan(&asked, &condition);
    let way = |candidate: &Candidate| sends.way(candidate, known(candidate).time_to_result);
    let candidates = plan.candidates.iter().map(|planned| Considered {
        way: way(&planned.candidate),
        reason: explanation::reason(&planned.reason),
        call: sends.call(&planned.candidate).unwrap_or_default(),
    });
    let at_accept = setup.router.plan(&Asked::new(&request, seed), &|_| Condition::default());
    let rejected = plan.rejected.iter().map(|rejected| {
        let why = if rejected.why == Rejection::NotQuoted {
            unquoted(&at_accept, &rejected.candidate)
        } else {
            &rejected.why
        };
        LeftOut::of(way(&rejected.candidate), why)
    });
    Ok(Explanation {
        model: ModelShown::of(draft.model.as_deref(), model, route),
        outcome: outcome(&plan, quoted.is_err()),
        conditions_are_live: circumstances.are_live,
        strategy: strategy(&plan, &draft.preference, &access.preference),
        price_max: price_max(&plan, &draft.preference, &access.preference),
        attempts_max: plan.policy.attempts_max,
        policy_failover: plan.policy.policy_failover,
        preference: request.preference.to_string(),
        turn,
        seed: question.seed.clone(),
        reserved: quoted.as_ref().ok().map(|quote| quote.reserved),
        candidates: candidates.collect(),
        rejected: rejected.collect(),
        refused: quoted.as_ref().err().map(Refused::of),
    })
}

/// The request as it would be accepted. Media in the request itself is taken for URLs.
fn request(draft: &Draft, model: &ModelSpec, access: &Access, base_url: &str) -> GenerationRequest {
    let media = |media: &DraftMedia| match media {
        DraftMedia::Url(url) => Media::Url(url.clone()),
        DraftMedia::Inline(_) => Media::Url(format!("{base_url}/assets/...")),
    };
    let inputs = draft.inputs.iter().zip(model.roles(&draft.inputs));
    GenerationRequest {
        inputs: inputs.map(|(input, role)| Input { role, media: media(&input.media) }).collect(),
        output: draft.output.clone(),
        preference: draft.preference.clone().within(&access.preference),
        vendor: draft.vendor.clone(),
        ..GenerationRequest::new(model.scope, &model.name, &draft.prompt)
    }
}

/// Why a candidate is not part of the quote of this very request: it was left out then, or has no price.
fn unquoted<'a>(at_accept: &'a Plan, candidate: &Candidate) -> &'a Rejection {
    let rejected = at_accept.rejected.iter().find(|rejected| *rejected.candidate == *candidate);
    rejected.map_or(&Rejection::NoPrice, |rejected| &rejected.why)
}

fn outcome(plan: &Plan, is_refused: bool) -> Outcome {
    match (is_refused, plan.candidates.is_empty(), plan.is_possible()) {
        (true, _, _) => Outcome::Refused,
        (false, false, _) => Outcome::Tried,
        (false, true, true) => Outcome::Waits,
        (false, true, false) => Outcome::Fails,
    }
}

/// The order that counts, and who decided it.
fn strategy(plan: &Plan, wanted: &Preference, key: &Preference) -> Decided<&'static str> {
    let by = match (wanted.strategy, key.strategy) {
        (Some(_), _) => By::Request,
        (None, Some(_)) => By::Key,
        (None, None) => By::Route,
    };
    Decided { value: plan.strategy.as_str(), by }
}

/// The bound of the price that counts, which is the tightest, and who set it.
fn price_max(plan: &Plan, wanted: &Preference, key: &Preference) -> Option<Decided<Money>> {
    let bounds =
        [(wanted.price_max, By::Request), (key.price_max, By::Key), (plan.policy.price_max, By::Route)];
    let bounds = bounds.into_iter().filter_map(|(bound, by)| bound.map(|value| Decided { value, by }));
    bounds.min_by_key(|bound| bound.value)
}

/// What accounts would be sent.
struct Sends<'a> {
    setup: &'a Setup,
    base_url: &'a str,
    request: &'a GenerationRequest,
    /// Whether nobody counts what it costs.
    is_free: bool,
}

impl Sends<'_> {
    fn way(&self, candidate: &Candidate, time_to_result: Option<Duration>) -> Way {
        Way {
            account: candidate.account.clone(),
            provider: self.provider_name(candidate),
            upstream_model: candidate.upstream_model.clone(),
            official: candidate.official,
            regions: candidate.regions.to_vec(),
            tier: candidate.tier,
            weight: candidate.weight,
            price: candidate.price(self.request).or_else(|| self.is_free.then_some(Money::ZERO)),
            time_to_result_ms: time_to_result.map(millis),
        }
    }

    fn provider_name(&self, candidate: &Candidate) -> String {
        self.setup
            .accounts
            .get(&candidate.account)
            .map(|account| account.provider.clone())
            .unwrap_or_default()
    }

    /// The call as text, without what proves who we are: that is added to a call when it is sent, and is masked besides.
    fn call(&self, candidate: &Candidate) -> Result<String, String> {
        let provider = translation::provider(&self.provider_name(candidate)).ok_or("it is not configured")?;
        let outline = localize::outline(self.request, provider, &candidate.upstream_model);
        let context = SubmitContext::new(&candidate.upstream_model, self.base_url);
        let call = provider.encode_submit(&outline, &context).map_err(|error| error.to_string())?;
        Ok(shown(call))
    }
}

/// The text of a call without the headers that no log prints either.
fn shown(mut call: Call) -> String {
    for value in call.headers.values_mut().filter(|value| value.is_sensitive()) {
        *value = HeaderValue::from_static("(hidden)");
    }
    write_call(&call)
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn a_secret_header_is_hidden() {
        let text = shown(Call::get("/a").with_secret(header::AUTHORIZATION, "Bearer hunter2"));
        assert!(text.contains("authorization: (hidden)") && !text.contains("hunter2"), "{text}");
    }
}
