//! Where secrets come from: a config file only says where they are.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::FILE_BYTES_MAX;
use crate::text::TextVisitor;

/// The world outside the file; tests bring their own.
pub trait Environment {
    /// The value of an environment variable, if it is set and is text.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file, or why it cannot be read.
    fn file(&self, path: &Path) -> Result<String, String>;
}

/// The process's own environment and file system. Relative paths start at the working directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
            .map_err(|error| error.to_string())?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("it is larger than {FILE_BYTES_MAX} bytes"));
        }
        Ok(text)
    }
}

/// Where a secret is. Never the secret itself: what does not look like a reference is refused unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// In an environment variable of that name.
    Env(String),
    /// In a file, as its only line.
    File(PathBuf),
}

impl SecretRef {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("env", name) if !name.is_empty() => Some(Self::Env(name.to_owned())),
            ("file", path) if !path.is_empty() => Some(Self::File(PathBuf::from(path))),
            _ => None,
        }
    }

    /// The secret without the white space around it, or why it cannot be had.
    pub(crate) fn resolve(&self, environment: &dyn Environment) -> Result<String, String> {
        let text = match self {
            Self::Env(name) => {
                environment.variable(name).ok_or_else(|| format!("environment variable {name} is not set"))?
            }
            Self::File(path) => environment
                .file(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
        };
        match text.trim() {
            "" => Err(format!("{self} is empty")),
            secret if secret.chars().all(|c| c.is_ascii_graphic()) => Ok(secret.to_owned()),
            key_file if is_key_file(key_file) => Ok(key_file.to_owned()),
            _ => Err(format!("{self} holds characters that a header cannot carry")),
        }
    }
}

/// Whether a text is a key file in JSON. No header carries it: whoever gets it signs with what is in it.
fn is_key_file(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text)
        .is_ok_and(|fields| fields.contains_key("private_key"))
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor {
            expected: "a reference to a secret, env:NAME or file:PATH, never the secret itself",
            parse: Self::parse,
        })
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretRef".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(env|file):.+$" })
    }
}

/// Where a URL is that may hold a password; one without may stand here itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlRef {
    /// The URL, without a user or a password.
    Plain(String),
    /// Where it is.
    Secret(SecretRef),
}

impl UrlRef {
    fn parse(text: &str) -> Option<Self> {
        // What follows a "?" may be a password as well.
        let is_plain = || (text.contains("://") || text.starts_with("unix:")) && !text.contains(['@', '?']);
        let secret = SecretRef::parse(text).map(Self::Secret);
        secret.or_else(|| is_plain().then(|| Self::Plain(text.to_owned())))
    }

    /// The URL, or why it cannot be had.
    pub(crate) fn resolve(&self, environment: &dyn Environment) -> Result<String, String> {
        match self {
            Self::Plain(url) => Ok(url.clone()),
            Self::Secret(secret) => secret.resolve(environment),
        }
    }
}

impl<'de> Deserialize<'de> for UrlRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor {
            expected: "a URL without a user or a password, or where one is, env:NAME or file:PATH",
            parse: Self::parse,
        })
    }
}

impl Serialize for UrlRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(url) => serializer.serialize_str(url),
            Self::Secret(secret) => secret.serialize(serializer),
        }
    }
}

impl JsonSchema for UrlRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UrlRef".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^((env|file):.+|unix:[^@?]+|[a-z+]+://[^@?]+)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_place_of_a_reference_is_not_a_reference() {
        assert_eq!(SecretRef::parse("sk-live-123"), None);
        assert_eq!(SecretRef::parse("env:"), None);
        assert_eq!(SecretRef::parse("ENV:KEY"), None);
        assert_eq!(SecretRef::parse("env:KEY"), Some(SecretRef::Env("KEY".into())));
    }

    #[test]
    fn a_key_file_may_have_lines_and_nothing_else_may() {
        struct One(&'static str);

        impl Environment for One {
            fn variable(&self, _: &str) -> Option<String> {
                Some(self.0.to_owned())
            }

            fn file(&self, _: &Path) -> Result<String, String> {
                Err("there are no files".to_owned())
            }
        }

        let resolved = |text| SecretRef::Env("KEY".into()).resolve(&One(text));
        let file = "{\n  \"private_key\": \"-----BEGIN PRIVATE KEY-----\\nAAAA\\n\"\n}";
        assert_eq!(resolved(file), Ok(file.to_owned()));
        for other in ["two lines\nof text", "{ \"key\": 1 }", "[1, 2]", "{ broken"] {
            let refused = resolved(other).unwrap_err();
            assert!(refused.contains("characters that a header cannot carry"), "{other}");
        }
    }

    #[test]
    fn a_file_gives_its_text_without_the_newline() {
        let file = std::env::temp_dir().join(format!("filmgate-secret-{}", std::process::id()));
        std::fs::write(&file, "hunter2\n").unwrap();
        let secret = SecretRef::File(file.clone()).resolve(&ProcessEnvironment);
        std::fs::remove_file(file).unwrap();
        assert_eq!(secret, Ok("hunter2".into()));
    }
}
