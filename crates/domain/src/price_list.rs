//! What one way to serve a model costs, as its operator wrote it: rules, of which the first that fits a request counts.

use serde_json::Value;

use crate::{GenerationRequest, Money, Scope};

/// Rules in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceList(Vec<PriceRule>);

/// One price, and the requests that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRule {
    /// Which requests.
    pub when: PriceCondition,
    /// How much.
    pub rate: Rate,
}

/// What a request must say. Absent parts ask for nothing; a request that does not say what a part asks for does not fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceCondition {
    /// Lower case.
    pub resolution: Option<String>,
    /// Lower case.
    pub quality: Option<String>,
    /// The `mode` among the fields that only the client's own API knows.
    pub mode: Option<String>,
    /// Whether with sound.
    pub audio: Option<bool>,
    /// How many results.
    pub count: Option<u32>,
}

/// A price for each result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Whatever it is like.
    PerCall(Money),
    /// By its length.
    PerSecond {
        /// For one second.
        price: Money,
        /// How many count where the request does not say.
        seconds: u32,
    },
    /// By its size; a megapixel is a million.
    PerMegapixel {
        /// For a million pixels.
        price: Money,
        /// How many pixels count where the request does not say.
        pixels: u64,
    },
}

/// An exact quotient: the pixels of an aspect ratio rarely come out even.
type Quotient = (u64, u64);

impl PriceList {
    /// Tried in this order.
    pub fn new(rules: Vec<PriceRule>) -> Self {
        Self(rules)
    }

    /// What `request` costs; `None` if no rule fits it, or the amount is beyond the bounds of [`Money`].
    pub fn price(&self, request: &GenerationRequest) -> Option<Money> {
        let rule = self.0.iter().find(|rule| rule.when.fits(request))?;
        let count = u64::from(request.output.count.unwrap_or(1).max(1));
        let (price, (units, of)) = match rule.rate {
            Rate::PerCall(price) => (price, (1, 1)),
            Rate::PerSecond { price, seconds } => {
                (price, (u64::from(request.output.duration_s.unwrap_or(seconds)), 1))
            }
            Rate::PerMegapixel { price, pixels } => {
                let (pixels, of) = pixels_of(request).unwrap_or((pixels, 1));
                (price, (pixels, of.checked_mul(1_000_000)?))
            }
        };
        price.checked_scale(units.checked_mul(count)?, of)
    }
}

impl PriceCondition {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn fits(&self, request: &GenerationRequest) -> bool {
        let output = &request.output;
        let mode = request.vendor.as_ref().and_then(|vendor| vendor.fields.get("mode"));
        is_said(self.resolution.as_deref(), output.resolution.as_deref())
            && is_said(self.quality.as_deref(), output.quality.as_deref())
            && is_said(self.mode.as_deref(), mode.and_then(Value::as_str))
            && is_said(self.audio.as_ref(), output.audio.as_ref())
            && is_said(self.count.as_ref(), output.count.as_ref())
    }
}

fn is_said<T: PartialEq + ?Sized>(wanted: Option<&T>, said: Option<&T>) -> bool {
    wanted.is_none() || wanted == said
}

/// The pixels of one picture, if the request tells: by its size, or else by its resolution and aspect ratio (16:9 if it
/// does not say). `1k`, `2k`, `4k` of an image are squares of so many times 1024, whatever their ratio.
fn pixels_of(request: &GenerationRequest) -> Option<Quotient> {
    let output = &request.output;
    if let Some((width, height)) = output.size.as_deref().and_then(|size| pair(size, ['x', '*'])) {
        return Some((width * height, 1));
    }
    let resolution = output.resolution.as_deref()?;
    let thousands = resolution.strip_suffix('k').and_then(|number| number.parse::<u32>().ok());
    let side = match (thousands.map(u64::from), request.scope) {
        (Some(thousands), Scope::Images) => {
            let side = thousands * 1024;
            return Some((side.checked_mul(side)?, 1));
        }
        (Some(2), _) => 1440,
        (Some(thousands), _) => thousands * 540,
        (None, _) => u64::from(resolution.strip_suffix('p')?.parse::<u32>().ok()?),
    };
    let ratio = output.aspect_ratio.as_deref().and_then(|ratio| pair(ratio, [':', 'x']));
    let (width, height) = ratio.unwrap_or((16, 9));
    let (long, short) = (width.max(height), width.min(height));
    Some((side.checked_mul(side)?.checked_mul(long)?, short))
}

/// Two positive numbers.
fn pair(text: &str, separators: [char; 2]) -> Option<Quotient> {
    let (left, right) = text.split_once(separators)?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0).map(u64::from);
    Some((number(left)?, number(right)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{OutputSpec, Vendor};

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn flat(price: &str) -> PriceRule {
        PriceRule { when: PriceCondition::default(), rate: Rate::PerCall(money(price)) }
    }

    fn by(rate: Rate) -> PriceList {
        PriceList::new(vec![PriceRule { when: PriceCondition::default(), rate }])
    }

    fn request(scope: Scope, output: OutputSpec) -> GenerationRequest {
        GenerationRequest { output, ..GenerationRequest::new(scope, "m", "a cat") }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let condition = |when| PriceRule { when, ..flat("9") };
        let conditions = [
            PriceCondition { resolution: Some("4k".into()), ..PriceCondition::default() },
            PriceCondition { quality: Some("high".into()), ..PriceCondition::default() },
            PriceCondition { mode: Some("pro".into()), ..PriceCondition::default() },
            PriceCondition { audio: Some(false), ..PriceCondition::default() },
            PriceCondition { count: Some(1), ..PriceCondition::default() },
        ];
        let rules = conditions.map(condition).into_iter().chain([flat("1"), flat("2")]).collect();
        let list = PriceList::new(rules);
        let said = |output| list.price(&request(Scope::Videos, output));
        let silent = OutputSpec::default();
        assert_eq!(said(silent.clone()), Some(money("1")), "what is not said fits no condition");
        assert_eq!(said(OutputSpec { audio: Some(true), ..silent.clone() }), Some(money("1")));
        for output in [
            OutputSpec { resolution: Some("4k".into()), ..silent.clone() },
            OutputSpec { quality: Some("high".into()), ..silent.clone() },
            OutputSpec { audio: Some(false), ..silent.clone() },
            OutputSpec { count: Some(1), ..silent.clone() },
        ] {
            assert_eq!(said(output.clone()), Some(money("9")), "{output:?}");
        }
        let fields = serde_json::json!({"mode": "pro"}).as_object().cloned().unwrap();
        let vendor = Some(Vendor { api: "x".into(), fields });
        let with_mode = GenerationRequest { vendor, ..request(Scope::Videos, silent.clone()) };
        assert_eq!(list.price(&with_mode), Some(money("9")));
        assert_eq!(PriceList::new(vec![]).price(&request(Scope::Videos, silent)), None);
    }

    #[test]
    fn length_is_the_requests_or_else_the_rules() {
        let list = by(Rate::PerSecond { price: money("0.60"), seconds: 8 });
        let lasting = |duration_s, count| {
            list.price(&request(Scope::Videos, OutputSpec { duration_s, count, ..OutputSpec::default() }))
        };
        assert_eq!(lasting(None, None), Some(money("4.8")));
        assert_eq!(lasting(Some(5), None), Some(money("3")));
        assert_eq!(lasting(Some(5), Some(3)), Some(money("9")));
        assert_eq!(lasting(Some(u32::MAX), Some(u32::MAX)), None, "beyond the bounds");
    }

    #[test]
    fn pixels_are_those_of_the_size_or_the_resolution_or_else_the_rules() {
        let list = by(Rate::PerMegapixel { price: money("1"), pixels: 1_000_000 });
        let price = |scope, size: Option<&str>, resolution: Option<&str>, ratio: Option<&str>| {
            let output = OutputSpec {
                size: size.map(str::to_owned),
                resolution: resolution.map(str::to_owned),
                aspect_ratio: ratio.map(str::to_owned),
                ..OutputSpec::default()
            };
            list.price(&request(scope, output)).unwrap().to_string()
        };
        let (images, videos) = (Scope::Images, Scope::Videos);
        for (scope, size, resolution, ratio, expected) in [
            (images, None, None, None, "1"),
            (images, Some("1024x1024"), Some("4k"), None, "1.048576"),
            (images, Some("1024*768"), None, None, "0.786432"),
            (images, Some("auto"), None, None, "1"),
            (images, Some("0x9"), None, None, "1"),
            (images, None, Some("2k"), Some("9:16"), "4.194304"),
            (videos, None, Some("1080p"), None, "2.0736"),
            (videos, None, Some("720p"), Some("1:1"), "0.5184"),
            (videos, None, Some("720p"), Some("9:16"), "0.9216"),
            (videos, None, Some("2k"), None, "3.6864"),
            (videos, None, Some("4k"), Some("16:9"), "8.2944"),
            (videos, None, Some("1000p"), Some("3:1"), "3"),
            (videos, None, Some("high"), None, "1"),
        ] {
            assert_eq!(price(scope, size, resolution, ratio), expected, "{size:?} {resolution:?} {ratio:?}");
        }
    }

    proptest! {
        #[test]
        fn a_price_is_exact_or_rounded_up_once(
            billionths in 0_i64..1_000_000_000_000,
            (width, height, count) in (1_u32..20_000, 1_u32..20_000, 1_u32..20),
        ) {
            let list = by(Rate::PerMegapixel { price: Money::from_billionths(billionths), pixels: 1 });
            let size = Some(format!("{width}x{height}"));
            let output = OutputSpec { size, count: Some(count), ..OutputSpec::default() };
            let exact = i128::from(billionths) * i128::from(width) * i128::from(height) * i128::from(count);
            let price = list.price(&request(Scope::Images, output)).map(Money::billionths);
            let rounded_up = (exact + 999_999) / 1_000_000;
            prop_assert_eq!(price, i64::try_from(rounded_up).ok());
        }

        #[test]
        fn no_request_makes_a_price_panic_or_turn_negative(
            billionths in 0..=i64::MAX,
            said in ("[0-9]{0,11}[pkx:*]?[0-9]{0,11}", "[0-9]{0,11}[pk]", "[0-9]{0,11}:[0-9]{0,11}"),
            (duration_s, count) in any::<(Option<u32>, Option<u32>)>(),
            images in any::<bool>(),
        ) {
            let (size, resolution, ratio) = said;
            let scope = if images { Scope::Images } else { Scope::Videos };
            let output = OutputSpec {
                size: Some(size),
                resolution: Some(resolution),
                aspect_ratio: Some(ratio),
                duration_s,
                count,
                ..OutputSpec::default()
            };
            let price = Money::from_billionths(billionths);
            for rate in [
                Rate::PerCall(price),
                Rate::PerSecond { price, seconds: u32::MAX },
                Rate::PerMegapixel { price, pixels: u64::MAX },
            ] {
                let price = by(rate).price(&request(scope, output.clone()));
                prop_assert!(price.is_none_or(|price| price >= Money::ZERO));
            }
        }
    }
}
