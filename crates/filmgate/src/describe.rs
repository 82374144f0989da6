//! `filmgate openapi`: descriptions of what the gateway serves.

use std::process::ExitCode;

use crate::cli::Described;

/// Prints the description, as `docs/openapi/` has it.
pub(crate) fn run(described: Described) -> anyhow::Result<ExitCode> {
    let document = match described {
        Described::Admin => frontend::admin::openapi(),
        Described::V2 => translation::apis::v2::openapi(env!("CARGO_PKG_VERSION")),
    };
    println!("{document:#}");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_descriptions_in_the_repository_are_up_to_date() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi");
        for (file, document) in [
            ("admin.json", frontend::admin::openapi()),
            ("v2.json", translation::apis::v2::openapi(env!("CARGO_PKG_VERSION"))),
        ] {
            let kept = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
            assert!(kept == format!("{document:#}\n"), "docs/openapi/{file} is stale: cargo xtask schema");
        }
    }
}
