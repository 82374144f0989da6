//! One step of a chore: says its name and how to run it alone, and stops the chore if it fails.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// Writes a line for whoever watches. That nobody may be there to read it is no reason to fail.
pub(crate) fn say(line: &str) {
    let _nobody_reads = writeln!(std::io::stdout().lock(), "{line}");
}

/// A command that is one step.
pub(crate) struct Step {
    name: &'static str,
    command: Command,
}

impl Step {
    /// A step that runs `words` in `root`.
    pub(crate) fn new(name: &'static str, root: &Path, words: &[&str]) -> Self {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(root);
        Self { name, command }
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let alone = self.alone();
        say(&format!("\n== {}: {alone}", self.name));
        let status =
            self.command.status().with_context(|| format!("step {}: cannot start {alone}", self.name))?;
        anyhow::ensure!(status.success(), "step {} failed ({status}); alone: {alone}", self.name);
        Ok(())
    }

    /// The line that runs this step in a shell.
    fn alone(&self) -> String {
        let set = self.command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let set = set.map(|(name, value)| format!("{}={}", name.display(), quoted(&value.to_string_lossy())));
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        set.chain(words.map(|word| quoted(&word.to_string_lossy()))).collect::<Vec<_>>().join(" ")
    }
}

fn quoted(word: &str) -> String {
    if word.contains(' ') { format!("'{word}'") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_tells_how_to_run_it_alone() {
        let step = Step::new("doc", Path::new("."), &["cargo", "doc"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(step.alone(), "RUSTDOCFLAGS='-D warnings' cargo doc");
    }

    #[test]
    fn a_failing_step_names_itself() {
        let error = Step::new("nothing", Path::new("."), &["false"]).run().unwrap_err();
        assert!(error.to_string().starts_with("step nothing failed"), "{error}");
    }
}
