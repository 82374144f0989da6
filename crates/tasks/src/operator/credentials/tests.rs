//! What the credentials of operators may do, and what no token can.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const KEY: &str = "a-key-of-an-operator-that-is-long";

fn scopes(words: &[&str]) -> AdminScopes {
    AdminScopes::parse(words.iter().copied()).unwrap()
}

fn operators(words: &[&str]) -> Operators {
    Operators::new([
        ("main".to_owned(), Credential::new(KEY), scopes(words)),
        ("other".to_owned(), Credential::new("another-key-of-an-operator"), scopes(&["all"])),
    ])
}

fn wish(words: &[&str], seconds: Option<u64>) -> NewToken {
    NewToken { name: "t".into(), scopes: words.iter().map(|word| (*word).to_owned()).collect(), seconds }
}

fn is_refused(operators: &Operators, presented: Option<&str>, now: Timestamp) -> bool {
    let refused = operators.authenticate(presented, now);
    refused.is_err_and(|failure| failure.kind == FailureKind::Unauthorized)
}

#[test]
fn only_a_good_key_is_one() {
    let operators = operators(&["tasks:read"]);
    let main = operators.authenticate(Some(KEY), NOW).unwrap();
    assert_eq!(
        (main.name.as_str(), main.scopes.to_string(), main.until),
        ("main", "tasks:read".into(), None)
    );
    assert_eq!(operators.authenticate(Some("another-key-of-an-operator"), NOW).unwrap().name, "other");
    let long = "x".repeat(PRESENTED_BYTES_MAX + 1);
    for wrong in [None, Some(""), Some(&KEY[1..]), Some(&KEY[..20]), Some(PREFIX), Some("fgt_."), Some(&long)]
    {
        assert!(is_refused(&operators, wrong, NOW), "{wrong:?}");
    }
    assert!(is_refused(&Operators::default(), Some(""), NOW), "without a key nobody is the operator");
}

#[test]
fn a_token_ends_with_its_time_and_with_its_credential() {
    let before = operators(&["tasks:read", "keys:read"]);
    let main = before.authenticate(Some(KEY), NOW).unwrap();
    let token = main.derive(&wish(&["tasks:read", "keys:read"], Some(60)), NOW).unwrap();
    let known = before.authenticate(Some(&token.token), NOW.plus(Duration::from_secs(59))).unwrap();
    assert_eq!(
        (known.name.as_str(), known.scopes.to_string()),
        ("main/t", "tasks:read keys:read".to_owned())
    );
    assert!(is_refused(&before, Some(&token.token), NOW.plus(Duration::from_secs(60))));

    let narrowed = operators(&["keys:read"]);
    let known = narrowed.authenticate(Some(&token.token), NOW).unwrap();
    assert_eq!(known.scopes.to_string(), "keys:read", "what the credential loses, its tokens lose");
    let changed = Operators::new([("main".to_owned(), Credential::new("changed"), AdminScopes::all())]);
    assert!(is_refused(&changed, Some(&token.token), NOW));
}

#[test]
fn a_token_cannot_be_changed() {
    let operators = operators(&["read"]);
    let token =
        operators.authenticate(Some(KEY), NOW).unwrap().derive(&wish(&["read"], None), NOW).unwrap().token;
    for at in PREFIX.len()..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        // The last letter of a signature holds bits that mean nothing; a decoder that takes them takes the same signature.
        assert!(is_refused(&operators, Some(&changed), NOW), "{at}");
    }
    let (claims, signature) = token.strip_prefix(PREFIX).unwrap().split_once('.').unwrap();
    let wider = URL_SAFE_NO_PAD.encode(r#"{"name":"main/t","scopes":["all"],"until_ms":9999999999999}"#);
    for forged in [
        format!("{PREFIX}{wider}.{signature}"),
        format!("{PREFIX}{claims}."),
        format!("{PREFIX}{claims}.{}", &signature[..20]),
        format!("{PREFIX}{claims}"),
    ] {
        assert!(is_refused(&operators, Some(&forged), NOW), "{forged}");
    }
}

#[test]
fn what_cannot_be_a_token_is_none() {
    let main = operators(&["tasks:read"]).authenticate(Some(KEY), NOW).unwrap();
    let derived = |wish: &NewToken| main.derive(wish, NOW);
    assert!(
        matches!(derived(&wish(&["tasks:write"], None)), Err(NotDerived::Wider(scopes)) if scopes.to_string() == "tasks:write")
    );
    let with_name = |name: &str| NewToken { name: name.into(), ..wish(&["tasks:read"], None) };
    for wrong in [
        wish(&[], None),
        wish(&["own"], None),
        wish(&["tasks:read"], Some(0)),
        wish(&["tasks:read"], Some(86_401)),
        wish(&["tasks:read"], Some(u64::MAX)),
        with_name(""),
        with_name("a/b"),
        with_name("a\nb"),
        with_name(&"x".repeat(65)),
    ] {
        assert!(matches!(derived(&wrong), Err(NotDerived::Invalid(_))), "{wrong:?}");
    }
    assert_eq!(derived(&wish(&["tasks:read"], None)).unwrap().until_ms, NOW.plus(LIFETIME_USUAL).as_millis());
}

fn words() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(&AdminScopes::WORDS[..]), 1..6)
}

proptest! {
    /// Whatever is asked for, in however many steps: nobody comes to do more than the first may, or for longer.
    #[test]
    fn scopes_only_shrink(of_key in words(), steps in prop::collection::vec((words(), 1..90_000u64, 0..4_000u64), 1..8)) {
        let operators = operators(&of_key);
        let mut holder = operators.authenticate(Some(KEY), NOW).unwrap();
        let mut now = NOW;
        for (asked, seconds, pause) in steps {
            let token = match holder.derive(&wish(&asked, Some(seconds)), now) {
                Ok(token) => token,
                Err(NotDerived::Wider(more)) => {
                    prop_assert!(!more.within(holder.scopes));
                    continue;
                }
                Err(NotDerived::Invalid(_)) => { prop_assert!(seconds > 86_400); continue }
            };
            prop_assert!(scopes(&asked).within(holder.scopes));
            prop_assert!(holder.until.is_none_or(|until| token.until_ms <= until.as_millis()));
            now = now.plus(Duration::from_secs(pause));
            match operators.authenticate(Some(&token.token), now) {
                Ok(next) => {
                    prop_assert!(next.scopes.within(holder.scopes) && next.scopes.within(scopes(&of_key)));
                    holder = next;
                }
                Err(_) => { prop_assert!(now.as_millis() >= token.until_ms); return Ok(()) }
            }
        }
    }
}
