//! CloudFormation's intrinsic functions and conditions.
//!
//! Values are resolved when a property is read, so an intrinsic in a part of the template that has no local effect
//! need not make sense here; its name is checked all the same ([`check`]).

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Place, TemplateError, names, parameters};

const KNOWN: &[&str] = &[
    "Ref",
    "Condition",
    "Fn::GetAtt",
    "Fn::Sub",
    "Fn::If",
    "Fn::Equals",
    "Fn::Not",
    "Fn::And",
    "Fn::Or",
    "Fn::Join",
    "Fn::Select",
    "Fn::Split",
    "Fn::FindInMap",
];

/// Networks are made of these, and have no local effect.
const OF_NETWORKS: &[&str] = &["Fn::Cidr", "Fn::GetAZs"];

/// Deeper than any honest template; a reference that leads back to itself ends here.
const DEEPEST: u32 = 64;

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) struct Values<'a> {
    document: &'a Value,
    parameters: BTreeMap<String, Value>,
    depth: Cell<u32>,
}

impl<'a> Values<'a> {
    pub(super) fn of(document: &'a Value, given: &BTreeMap<String, String>) -> Result<Self> {
        Ok(Self { document, parameters: parameters::values(document, given)?, depth: Cell::new(0) })
    }

    /// The value that a piece of the template stands for; `None` is `AWS::NoValue`.
    pub(super) fn resolve(&self, node: &Value, place: &Place) -> Result<Option<Value>> {
        if self.depth.get() > DEEPEST {
            return Err(TemplateError::at(place, "refers to itself"));
        }
        self.depth.set(self.depth.get() + 1);
        let resolved = self.resolve_here(node, place);
        self.depth.set(self.depth.get() - 1);
        resolved
    }

    fn resolve_here(&self, node: &Value, place: &Place) -> Result<Option<Value>> {
        if let Some((name, argument)) = intrinsic(node) {
            return self.call(name, argument, &place.key(name));
        }
        match node {
            Value::Array(items) => {
                let mut resolved = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    resolved.extend(self.resolve(item, &place.index(index))?);
                }
                Ok(Some(Value::Array(resolved)))
            }
            Value::Object(entries) => {
                let mut resolved = Map::new();
                for (key, value) in entries {
                    if let Some(value) = self.resolve(value, &place.key(key))? {
                        resolved.insert(key.clone(), value);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
            plain => Ok(Some(plain.clone())),
        }
    }

    fn call(&self, name: &str, argument: &Value, place: &Place) -> Result<Option<Value>> {
        match name {
            "Ref" => self.reference(text_of(argument, place)?, place),
            "Fn::GetAtt" => self.attribute_of(argument, place).map(Some),
            "Fn::Sub" => self.substitute(argument, place).map(Some),
            "Fn::If" => {
                let [condition, yes, no] = three(argument, place)?;
                let holds = self.condition(text_of(condition, place)?, place)?;
                self.resolve(if holds { yes } else { no }, place)
            }
            "Fn::Join" => {
                let [separator, items] = two(argument, place)?;
                let items = self.texts(items, place)?;
                Ok(Some(Value::String(items.join(text_of(separator, place)?))))
            }
            "Fn::Split" => {
                let [separator, text] = two(argument, place)?;
                let text = self.text(text, place)?;
                Ok(Some(text.split(text_of(separator, place)?).map(Value::from).collect()))
            }
            "Fn::Select" => {
                let [index, items] = two(argument, place)?;
                let index = self.text(index, place)?.parse::<usize>().ok();
                let items = self.texts(items, place)?;
                let item = index.and_then(|index| items.get(index));
                item.map(|item| Some(Value::from(item.as_str())))
                    .ok_or_else(|| TemplateError::at(place, "selects an item that is not there"))
            }
            "Fn::FindInMap" => {
                let [map, first, second] = three(argument, place)?;
                let path = [
                    "Mappings",
                    &self.text(map, place)?,
                    &self.text(first, place)?,
                    &self.text(second, place)?,
                ]
                .iter()
                .try_fold(self.document, |node, key| node.get(key));
                path.cloned().map(Some).ok_or_else(|| TemplateError::at(place, "is not in the Mappings"))
            }
            "Condition" | "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => {
                self.truth_of_call(name, argument, place).map(|truth| Some(Value::Bool(truth)))
            }
            unknown => Err(unknown_intrinsic(unknown, place)),
        }
    }

    /// Whether a condition of the `Conditions` section holds.
    pub(super) fn condition(&self, name: &str, place: &Place) -> Result<bool> {
        let Some(definition) = self.document.get("Conditions").and_then(|conditions| conditions.get(name))
        else {
            return Err(TemplateError::at(place, format!("there is no condition {name}")));
        };
        match self.resolve(definition, &Place::default().key("Conditions").key(name))? {
            Some(Value::Bool(truth)) => Ok(truth),
            _ => Err(TemplateError::at(place, format!("{name} is neither true nor false"))),
        }
    }

    fn truth_of_call(&self, name: &str, argument: &Value, place: &Place) -> Result<bool> {
        match name {
            "Condition" => self.condition(text_of(argument, place)?, place),
            "Fn::Equals" => {
                let [left, right] = two(argument, place)?;
                Ok(self.text(left, place)? == self.text(right, place)?)
            }
            _ => {
                let mut truths = Vec::new();
                for (index, item) in list(argument, place)?.iter().enumerate() {
                    let place = place.index(index);
                    match self.resolve(item, &place)? {
                        Some(Value::Bool(truth)) => truths.push(truth),
                        _ => return Err(TemplateError::at(&place, "is neither true nor false")),
                    }
                }
                match (name, truths.as_slice()) {
                    ("Fn::Not", [truth]) => Ok(!truth),
                    ("Fn::Not", _) => Err(TemplateError::at(place, "takes one condition")),
                    ("Fn::And", truths) => Ok(truths.iter().all(|truth| *truth)),
                    (_, truths) => Ok(truths.iter().any(|truth| *truth)),
                }
            }
        }
    }

    fn reference(&self, name: &str, place: &Place) -> Result<Option<Value>> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = parameters::pseudo(name) {
            return Ok(Some(Value::from(value)));
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        names::reference(self, self.resource(name, place)?, name, place)
            .map(|value| Some(Value::String(value)))
    }

    fn attribute_of(&self, argument: &Value, place: &Place) -> Result<Value> {
        let [resource, attribute] = two(argument, place)?;
        let (resource, attribute) = (text_of(resource, place)?, self.text(attribute, place)?);
        names::attribute(self, self.resource(resource, place)?, resource, &attribute, place)
            .map(Value::String)
    }

    fn resource(&self, name: &str, place: &Place) -> Result<&Value> {
        self.document
            .get("Resources")
            .and_then(|resources| resources.get(name))
            .ok_or_else(|| TemplateError::at(place, format!("there is no parameter or resource {name}")))
    }

    fn substitute(&self, argument: &Value, place: &Place) -> Result<Value> {
        let nothing = Value::Object(Map::new());
        let (pattern, variables) = match argument {
            Value::String(pattern) => (pattern.as_str(), &nothing),
            _ => {
                let [pattern, variables] = two(argument, place)?;
                (text_of(pattern, place)?, variables)
            }
        };
        let mut result = String::new();
        let mut rest = pattern;
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else {
                return Err(TemplateError::at(place, "has a ${ that never closes"));
            };
            let name = &rest[start + 2..start + length];
            result.push_str(&rest[..start]);
            // `${!Literal}` is how a template writes `${Literal}` itself.
            match name.strip_prefix('!') {
                Some(literal) => result.push_str(&format!("${{{literal}}}")),
                None => result.push_str(&self.variable(name.trim(), variables, place)?),
            }
            rest = &rest[start + length + 1..];
        }
        result.push_str(rest);
        Ok(Value::String(result))
    }

    fn variable(&self, name: &str, variables: &Value, place: &Place) -> Result<String> {
        if let Some(value) = variables.get(name) {
            return self.text(value, place);
        }
        match name.split_once('.') {
            Some((resource, attribute)) => {
                self.attribute_of(&Value::from(vec![resource, attribute]), place).map(|value| as_text(&value))
            }
            None => Ok(self.reference(name, place)?.map(|value| as_text(&value)).unwrap_or_default()),
        }
    }

    /// A value that has to be one piece of text; numbers and booleans are written out.
    pub(super) fn text(&self, node: &Value, place: &Place) -> Result<String> {
        match self.resolve(node, place)? {
            Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => Ok(as_text(&value)),
            _ => Err(TemplateError::at(place, "is not text")),
        }
    }

    fn texts(&self, node: &Value, place: &Place) -> Result<Vec<String>> {
        match self.resolve(node, place)? {
            Some(Value::Array(items)) => Ok(items.iter().map(as_text).collect()),
            _ => Err(TemplateError::at(place, "is not a list")),
        }
    }
}

/// Refuses intrinsics of unknown name in a part of the template that is not going to be resolved.
pub(super) fn check(node: &Value, place: &Place) -> Result<()> {
    let is_known = |name: &str| KNOWN.contains(&name) || OF_NETWORKS.contains(&name);
    if let Some((name, _)) = intrinsic(node).filter(|(name, _)| !is_known(name)) {
        return Err(unknown_intrinsic(name, place));
    }
    match node {
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| check(item, &place.index(index)))
        }
        Value::Object(entries) => entries.iter().try_for_each(|(key, value)| check(value, &place.key(key))),
        _ => Ok(()),
    }
}

/// An object with one entry that is named like a function. A policy statement's `Condition` holds an object and is
/// told apart by that.
fn intrinsic(node: &Value) -> Option<(&str, &Value)> {
    let entries = node.as_object().filter(|entries| entries.len() == 1)?;
    let (name, argument) = entries.iter().next()?;
    let condition = name == "Condition" && argument.is_string();
    (name == "Ref" || condition || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

fn unknown_intrinsic(name: &str, place: &Place) -> TemplateError {
    TemplateError::at(place, format!("the local stack doesn't know the intrinsic function {name}"))
}

pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn text_of<'v>(value: &'v Value, place: &Place) -> Result<&'v str> {
    value.as_str().ok_or_else(|| TemplateError::at(place, "is not text"))
}

fn list<'v>(value: &'v Value, place: &Place) -> Result<&'v [Value]> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| TemplateError::at(place, "is not a list"))
}

fn two<'v>(value: &'v Value, place: &Place) -> Result<[&'v Value; 2]> {
    match list(value, place)? {
        [first, second] => Ok([first, second]),
        _ => Err(TemplateError::at(place, "takes two values")),
    }
}

fn three<'v>(value: &'v Value, place: &Place) -> Result<[&'v Value; 3]> {
    match list(value, place)? {
        [first, second, third] => Ok([first, second, third]),
        _ => Err(TemplateError::at(place, "takes three values")),
    }
}
