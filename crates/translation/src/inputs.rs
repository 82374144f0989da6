//! The media in a client's body: which fields bring it, and as what.

use domain::{DraftInput, DraftMedia, Failure, Role};

use crate::fields::{Fields, Item};
use crate::media::decode_media;

/// The images of all the fields `names`; where two of them bring the same one, it counts once. `role` is the client's
/// own word; without one the model decides.
pub(crate) fn images(
    fields: &mut Fields<'_>,
    names: &[&str],
    role: Option<Role>,
) -> Result<Vec<DraftInput>, Failure> {
    let mut items: Vec<Item<'_>> = Vec::new();
    for name in names {
        let mut found = fields.texts(name)?;
        found.retain(|item| !items.iter().any(|known| known.text == item.text));
        items.append(&mut found);
    }
    items
        .into_iter()
        .map(|Item { field, text }| {
            let media = decode_media(&field, &text)?;
            Ok(DraftInput { role, field, media })
        })
        .collect()
}

/// The videos of the field `name`: by reference only, since they are too large for a body.
pub(crate) fn videos(fields: &mut Fields<'_>, name: &str) -> Result<Vec<DraftInput>, Failure> {
    fields
        .texts(name)?
        .into_iter()
        .map(|Item { field, text }| match decode_media(&field, &text)? {
            DraftMedia::Inline(_) => {
                let text = format!("{field}: videos are possible as http(s) URLs only");
                Err(Failure::invalid(field, text))
            }
            media => Ok(DraftInput { role: Some(Role::Video), field, media }),
        })
        .collect()
}

/// The sounds of the field `name`.
pub(crate) fn sounds(fields: &mut Fields<'_>, name: &str) -> Result<Vec<DraftInput>, Failure> {
    fields
        .texts(name)?
        .into_iter()
        .map(|Item { field, text }| {
            let media = decode_media(&field, &text)?;
            Ok(DraftInput { role: Some(Role::Audio), field, media })
        })
        .collect()
}
