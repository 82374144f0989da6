//! What is written about the configuration by itself: the JSON Schema, and a reference file made from it.

use serde_json::{Map, Value};

use crate::file::File;

const HEAD: &str = "\
# yaml-language-server: $schema=filmgate.schema.json
## Every key of filmgate's configuration, with its default.
## Written by `cargo xtask schema` from the doc comments of crates/config; do not edit.
## Lines with ## explain. Lines with # show by example what has no default.
";

/// The JSON Schema of a config file, draft 2020-12.
pub fn schema() -> Value {
    schemars::schema_for!(File).to_value()
}

/// A config file with every key, its documentation and its default. It loads, and means the same as an empty one.
pub fn reference() -> String {
    let schema = schema();
    let forms = Forms { schema: &schema };
    let lines = forms.settings(&schema, Style::Live);
    format!("{HEAD}{}\n", lines.join("\n"))
}

/// The files of the repository that are made from the doc comments: their paths and their texts.
pub fn generated_files() -> [(&'static str, String); 2] {
    [
        ("config/filmgate.schema.json", format!("{:#}\n", schema())),
        ("config/filmgate.reference.yaml", reference()),
    ]
}

/// Whether settings are in force, or part of an example that is commented out as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Live,
    Example,
}

/// What a property can be.
enum Shape<'a> {
    Section(&'a Value),
    List(&'a Value),
    Scalar(&'a Value),
}

struct Forms<'a> {
    schema: &'a Value,
}

impl<'a> Forms<'a> {
    /// The lines for all properties of `object`.
    fn settings(&self, object: &'a Value, style: Style) -> Vec<String> {
        let none = Map::new();
        let properties = object["properties"].as_object().unwrap_or(&none).clone();
        let mut lines = Vec::new();
        for key in properties.keys() {
            if style == Style::Live {
                lines.push(String::new());
            }
            let property = &object["properties"][key];
            lines.extend(self.notes(property, is_required(object, key)));
            lines.extend(self.setting(key, property, style));
        }
        lines
    }

    fn setting(&self, key: &str, property: &'a Value, style: Style) -> Vec<String> {
        match (self.shape(property), style) {
            (Shape::Section(section), Style::Live) if property.get("default").is_some() => {
                under(key, self.settings(section, Style::Live))
            }
            (Shape::Section(section), _) => {
                self.example(under(key, self.settings(section, Style::Example)), style)
            }
            (Shape::List(item), _) => {
                self.example(under(key, item_of(self.settings(item, Style::Example))), style)
            }
            (Shape::Scalar(scalar), _) => match (example_of(property, scalar), property.get("default")) {
                (_, Some(value)) if style == Style::Live => vec![format!("{key}: {}", yaml(value))],
                (Some(value), _) | (None, Some(value)) => {
                    self.example(vec![format!("{key}: {}", yaml(value))], style)
                }
                (None, None) => self.example(vec![format!("{key}:")], style),
            },
        }
    }

    /// Comments lines out, unless that is done already by what surrounds them.
    fn example(&self, lines: Vec<String>, style: Style) -> Vec<String> {
        match style {
            Style::Live => prefixed("# ", lines),
            Style::Example => lines,
        }
    }

    fn notes(&self, property: &'a Value, required: bool) -> Vec<String> {
        let form = self.form(property);
        let text = property["description"].as_str().or(form["description"].as_str()).unwrap_or_default();
        let mut notes = text.lines().map(str::to_owned).collect::<Vec<_>>();
        let choices = choices(form);
        if !choices.is_empty() {
            notes.push(format!("One of: {}.", choices.join(", ")));
        }
        if required {
            notes.push("Required.".to_owned());
        }
        prefixed("## ", notes)
    }

    fn shape(&self, property: &'a Value) -> Shape<'a> {
        let form = self.form(property);
        let item = self.form(&form["items"]);
        if form.get("properties").is_some() {
            Shape::Section(form)
        } else if item.get("properties").is_some() {
            Shape::List(item)
        } else {
            Shape::Scalar(form)
        }
    }

    /// Follows references, and leaves out that an optional value may be null.
    fn form(&self, property: &'a Value) -> &'a Value {
        if let Some(name) = property["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
            return self.form(&self.schema["$defs"][name]);
        }
        let of = property["anyOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"));
        match of {
            Some(one) if property.get("type").is_none() => self.form(one),
            _ => property,
        }
    }
}

fn is_required(object: &Value, key: &str) -> bool {
    object["required"].as_array().is_some_and(|names| names.iter().any(|name| name == key))
}

fn example_of<'a>(property: &'a Value, form: &'a Value) -> Option<&'a Value> {
    property["examples"].get(0).or_else(|| form["examples"].get(0))
}

fn choices(form: &Value) -> Vec<&str> {
    let listed = form["enum"].as_array().into_iter().flatten();
    let described = form["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]);
    listed.chain(described).filter_map(Value::as_str).collect()
}

fn under(key: &str, lines: Vec<String>) -> Vec<String> {
    std::iter::once(format!("{key}:")).chain(prefixed("  ", lines)).collect()
}

/// Makes one item of a list: the first setting gets the dash.
fn item_of(mut lines: Vec<String>) -> Vec<String> {
    let first = lines.iter().position(|line| !line.starts_with('#')).unwrap_or(0);
    for (index, line) in lines.iter_mut().enumerate() {
        line.insert_str(0, if index == first { "- " } else { "  " });
    }
    lines
}

fn prefixed(prefix: &str, lines: Vec<String>) -> Vec<String> {
    let prefix = |line: String| if line.is_empty() { line } else { format!("{prefix}{line}") };
    lines.into_iter().map(prefix).collect()
}

/// A value in YAML: plain where that is plainly text, else as JSON, which YAML includes.
fn yaml(value: &Value) -> String {
    match value.as_str() {
        Some(text)
            if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./:-".contains(c)) =>
        {
            text.to_owned()
        }
        _ => value.to_string(),
    }
}
