//! What is right in a file and may surprise.

use crate::file::File;
use crate::findings::Findings;
use crate::settings::Route;

/// Notes where a ceiling of the price closes routes whose accounts have no price.
pub(super) fn on_ceilings(file: &File, routes: &[Route], findings: &mut Findings<'_>) {
    let is_free = |route: &&Route| route.hops.iter().all(|hop| hop.price.is_none());
    for (index, entry) in file.routes.iter().enumerate().filter(|(_, entry)| entry.price_max.is_some()) {
        let route = routes.iter().find(|route| entry.model.as_ref() == Some(&route.model));
        if route.filter(is_free).is_some() {
            let text = "no account here has a price, so none is ever used: nobody could tell what it costs";
            findings.note(&format!("routes[{index}].price_max"), text);
        }
    }
    for (index, key) in file.keys.iter().enumerate().filter(|(_, key)| key.price_max.is_some()) {
        let may_use = |model: &String| key.models.as_ref().is_none_or(|models| models.contains(model));
        let free = routes.iter().filter(is_free).map(|route| &route.model).filter(|model| may_use(model));
        let free: Vec<&str> = free.map(String::as_str).collect();
        if !free.is_empty() {
            let text =
                format!("accounts have no price for {}: this key is never served these", free.join(", "));
            findings.note(&format!("keys[{index}].price_max"), text);
        }
    }
}
