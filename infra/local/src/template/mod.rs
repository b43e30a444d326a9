//! The SAM template, read into what one machine needs of it: functions, routes, tables, keys, secrets, schedules.
//!
//! Strict on purpose. What this module understands takes effect; what deliberately has none is listed in
//! `ignored`, each with a reason; everything else is an error that names its place in the template. A stack that
//! starts has therefore left nothing out in silence.

mod events;
mod globals;
mod ignored;
mod intrinsics;
mod model;
mod names;
mod parameters;
mod parse;
mod policies;
mod properties;
mod resources;
mod storage;

use std::collections::BTreeMap;
use std::fmt;

pub use model::{
    Authorizer, Condition, Function, Index, Key, Logging, Method, Operator, Route, Schedule, Secret,
    Statement, Table, Template,
};
pub(crate) use names::{ACCOUNT, REGION, arn, secret_arn};

/// What the template was meant to say, where it doesn't. `place` is a path such as `Resources.Api.Properties.Auth`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TemplateError {
    pub place: String,
    pub problem: String,
}

impl TemplateError {
    fn at(place: &Place, problem: impl Into<String>) -> Self {
        Self { place: place.to_string(), problem: problem.into() }
    }
}

/// Reads a template's text with `parameters` in place of its defaults.
///
/// A parameter that the template does not declare is an error, as it is at deployment.
pub fn read(text: &str, parameters: &BTreeMap<String, String>) -> Result<Template, TemplateError> {
    let document = parse::parse(text)?;
    let values = intrinsics::Values::of(&document, parameters)?;
    resources::collect(&document, &values)
}

/// Whether the template asks for this parameter.
pub fn declares(text: &str, parameter: &str) -> Result<bool, TemplateError> {
    Ok(parse::parse(text)?.pointer("/Parameters").is_some_and(|declared| declared.get(parameter).is_some()))
}

/// A place in the template, for error messages.
#[derive(Clone, Debug, Default)]
struct Place(String);

impl Place {
    fn key(&self, key: &str) -> Self {
        if self.0.is_empty() { Self(key.to_owned()) } else { Self(format!("{}.{key}", self.0)) }
    }

    fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "the template" } else { &self.0 })
    }
}

/// The template that the crate's tests run on.
#[cfg(test)]
pub(crate) fn fixture() -> Template {
    match read(include_str!("../../tests/fixture/template.yaml"), &BTreeMap::new()) {
        Ok(template) => template,
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests;
