//! What a client is told when no account may ever take its request: something that it can act on, and no account's name.

use domain::{Failure, FailureKind, Money};
use routing::{Plan, Rejection};

/// The refusal of a request that is not possible by `plan`. Whatever of it is a matter of wishes and bounds is the
/// client's to change, so it is no failure of ours; nothing is gained by sending the same again.
pub(crate) fn of(plan: &Plan) -> Failure {
    let mut reasons: Vec<String> = Vec::new();
    let mut cheapest: Option<(Money, Money)> = None;
    for rejected in &plan.rejected {
        match &rejected.why {
            Rejection::TooExpensive { price, left } => {
                cheapest = Some(cheapest.map_or((*price, *left), |known| known.min((*price, *left))));
            }
            other => reasons.extend(reason(other).filter(|reason| !reasons.contains(reason))),
        }
    }
    reasons.extend(
        cheapest.map(|(price, left)| {
            format!("costs too much: {price} at least, where at most {left} may be spent")
        }),
    );
    if reasons.is_empty() {
        let text = "no account may take this request";
        let all: Vec<String> = plan.rejected.iter().map(|rejected| rejected.why.to_string()).collect();
        return Failure::new(FailureKind::NoRoute, text).with_internal(all.join("; "));
    }
    let text = format!(
        "nobody may serve this request as it is wanted and as its key allows: each provider {}",
        reasons.join(", or ")
    );
    Failure::new(FailureKind::InvalidRequest, text)
}

/// What is to be said of every provider that is left out like this; nothing where no wish is the reason.
fn reason(why: &Rejection) -> Option<String> {
    match why {
        Rejection::NotOfficial => Some("is not the maker of the model".to_owned()),
        Rejection::NotAllowed => Some("is none of those that are allowed".to_owned()),
        Rejection::OtherRegion { wanted } => Some(format!("is not in the region {wanted}")),
        Rejection::NoPrice => Some("has no price for it".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::{AccountName, Strategy};
    use routing::{Candidate, Policy, Rejected};

    use super::*;

    fn refusal(why: &[Rejection]) -> Failure {
        let rejected = why.iter().map(|why| Rejected {
            candidate: Candidate::new(AccountName::new("secret-name"), "m").into(),
            why: why.clone(),
        });
        let rejected = rejected.collect();
        let strategy = Strategy::Priority;
        of(&Plan { policy: Policy::default(), strategy, candidates: vec![], rejected })
    }

    #[test]
    fn a_client_learns_what_to_change_and_no_name() {
        let money = |text| Money::parse(text).unwrap();
        let expensive = |price| Rejection::TooExpensive { price: money(price), left: money("0.1") };
        let refused = refusal(&[
            Rejection::OtherRegion { wanted: "eu".into() },
            expensive("0.4"),
            expensive("0.3"),
            Rejection::OtherRegion { wanted: "eu".into() },
        ]);
        assert_eq!(refused.kind, FailureKind::InvalidRequest);
        assert_eq!(
            refused.public,
            "nobody may serve this request as it is wanted and as its key allows: each provider is not in the region \
             eu, or costs too much: 0.3 at least, where at most 0.1 may be spent"
        );
        assert!(!refused.to_string().contains("secret-name"));
    }

    #[test]
    fn what_no_wish_can_change_is_ours() {
        for why in [&[][..], &[Rejection::OtherBasis], &[Rejection::Incapable("duration".into())]] {
            assert_eq!(refusal(why).kind, FailureKind::NoRoute);
        }
    }
}
