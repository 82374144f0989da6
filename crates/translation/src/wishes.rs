//! What only some APIs can express. A call that would leave such a wish out is refused with the wish named, so that
//! another account can serve it.

use domain::{Derivation, GenerationRequest, Role, Scope};

use crate::Unsupported;

/// A wish beyond the prompt, images and videos, the shape, the length and the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// More than one result.
    Several,
    /// What must not be seen or heard.
    NegativePrompt,
    /// A clip with sound. Where every clip has some, it is known.
    Sound,
    /// A clip without sound.
    Silence,
    /// How much work goes into an image; `auto` is no wish.
    Quality,
    /// A file format; that of a clip is always `mp4`.
    Format,
    /// Who speaks.
    Voice,
    /// Sound to go with the result.
    AudioInput,
    /// Where an image may be changed.
    Mask,
    /// Another one like an earlier result.
    Remix,
    /// An earlier result with more lines.
    Upscale,
}

const ALL: [Wish; 11] = [
    Wish::Several,
    Wish::NegativePrompt,
    Wish::Sound,
    Wish::Silence,
    Wish::Quality,
    Wish::Format,
    Wish::Voice,
    Wish::AudioInput,
    Wish::Mask,
    Wish::Remix,
    Wish::Upscale,
];

/// Refuses the first wish of `request` that is not among the `known` ones of an API or model; `whose` is its name in
/// the reason.
pub(crate) fn refuse_all_but(
    known: &[Wish],
    request: &GenerationRequest,
    whose: &str,
) -> Result<(), Unsupported> {
    match ALL.into_iter().find(|wish| !known.contains(wish) && wish.is_in(request)) {
        Some(wish) => Err(Unsupported { field: wish.field(), reason: format!("{whose} {}", wish.refusal()) }),
        None => Ok(()),
    }
}

impl Wish {
    fn is_in(self, request: &GenerationRequest) -> bool {
        let output = &request.output;
        let is_clip = request.scope == Scope::Videos;
        let has = |role| request.inputs.iter().any(|input| input.role == role);
        let derives = |wanted| request.basis.as_ref().is_some_and(|basis| basis.derivation == wanted);
        match self {
            Self::Several => output.count.is_some_and(|count| count > 1),
            Self::NegativePrompt => output.negative_prompt.is_some(),
            Self::Sound => is_clip && output.audio == Some(true),
            Self::Silence => is_clip && output.audio == Some(false),
            Self::Quality => output.quality.as_deref().is_some_and(|quality| quality != "auto"),
            Self::Format => output.format.as_deref().is_some_and(|format| !is_clip || format != "mp4"),
            Self::Voice => output.voice.is_some(),
            Self::AudioInput => has(Role::Audio),
            Self::Mask => has(Role::Mask),
            Self::Remix => derives(Derivation::Remix),
            Self::Upscale => derives(Derivation::Upscale),
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Several => "count",
            Self::NegativePrompt => "negative_prompt",
            Self::Sound | Self::Silence => "audio",
            Self::Quality => "quality",
            Self::Format => "format",
            Self::Voice => "voice",
            Self::AudioInput => "audios",
            Self::Mask => "mask",
            Self::Remix | Self::Upscale => "basis",
        }
    }

    fn refusal(self) -> &'static str {
        match self {
            Self::Several => "makes one result at a time",
            Self::NegativePrompt => "takes no negative prompt",
            Self::Sound => "is not known here to make sound",
            Self::Silence => "cannot be told to make no sound",
            Self::Quality => "has no choice of quality",
            Self::Format => "has no choice of file formats",
            Self::Voice => "has no choice of voices",
            Self::AudioInput => "takes no audio",
            Self::Mask => "takes no mask",
            Self::Remix => "cannot make another one of an earlier result",
            Self::Upscale => "cannot enlarge an earlier result",
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{AccountName, Basis, Input, Media, TaskId};

    use super::*;

    fn wishes() -> Vec<(Wish, GenerationRequest)> {
        ALL.into_iter()
            .map(|wish| {
                let mut request = GenerationRequest::new(Scope::Videos, "m", "a cat");
                let output = &mut request.output;
                let input = |role| Input { role, media: Media::Url("https://example.com/a".to_owned()) };
                let basis = |derivation| Basis {
                    task: TaskId::new("t"),
                    index: 0,
                    derivation,
                    account: AccountName::new("blue"),
                    handle: "h".to_owned(),
                };
                match wish {
                    Wish::Several => output.count = Some(2),
                    Wish::NegativePrompt => output.negative_prompt = Some("rain".to_owned()),
                    Wish::Sound => output.audio = Some(true),
                    Wish::Silence => output.audio = Some(false),
                    Wish::Quality => output.quality = Some("high".to_owned()),
                    Wish::Format => output.format = Some("webm".to_owned()),
                    Wish::Voice => output.voice = Some("alloy".to_owned()),
                    Wish::AudioInput => request.inputs.push(input(Role::Audio)),
                    Wish::Mask => request.inputs.push(input(Role::Mask)),
                    Wish::Remix => request.basis = Some(basis(Derivation::Remix)),
                    Wish::Upscale => request.basis = Some(basis(Derivation::Upscale)),
                }
                (wish, request)
            })
            .collect()
    }

    #[test]
    fn a_wish_is_refused_unless_it_is_known() {
        for (wish, request) in wishes() {
            assert_eq!(refuse_all_but(&[wish], &request, "it"), Ok(()), "{wish:?}");
            let refused = refuse_all_but(&[], &request, "it").unwrap_err();
            assert_eq!(refused.field, wish.field());
            let others: Vec<Wish> = ALL.into_iter().filter(|other| *other != wish).collect();
            assert!(refuse_all_but(&others, &request, "it").is_err(), "{wish:?}");
        }
    }

    #[test]
    fn what_every_api_does_is_no_wish() {
        let mut request = GenerationRequest::new(Scope::Videos, "m", "a cat");
        request.output.count = Some(1);
        request.output.quality = Some("auto".to_owned());
        request.output.format = Some("mp4".to_owned());
        assert_eq!(refuse_all_but(&[], &request, "it"), Ok(()));
        request.scope = Scope::Images;
        assert_eq!(refuse_all_but(&[], &request, "it").unwrap_err().field, "format");
    }
}
