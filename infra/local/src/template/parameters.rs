//! The template's parameters, with the values of this stack, and CloudFormation's pseudo parameters.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::intrinsics::as_text;
use super::names::{ACCOUNT, REGION, STACK};
use super::{Place, TemplateError, ignored};

/// Every declared parameter's value: the given one, else its default.
pub(super) fn values(
    document: &Value,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, TemplateError> {
    let place = Place::default().key("Parameters");
    let none = Map::new();
    let declared = document.get("Parameters").and_then(Value::as_object).unwrap_or(&none);
    if let Some(name) = given.keys().find(|name| !declared.contains_key(*name)) {
        return Err(TemplateError::at(&place, format!("there is no parameter {name}")));
    }
    let mut values = BTreeMap::new();
    for (name, declaration) in declared {
        let value = parameter(declaration, given.get(name), &place.key(name))?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}

fn parameter(declaration: &Value, given: Option<&String>, place: &Place) -> Result<Value, TemplateError> {
    ignored::check_parameter(declaration, place)?;
    let kind = declaration.get("Type").and_then(Value::as_str).unwrap_or_default();
    let value = match (given, declaration.get("Default")) {
        (Some(given), _) => given.clone(),
        (None, Some(default)) => as_text(default),
        (None, None) => {
            return Err(TemplateError::at(place, "has no default, and the local stack gives it no value"));
        }
    };
    match kind {
        "String" => Ok(Value::String(value)),
        // Kept as a number, so that a property that takes one gets one.
        "Number" => serde_json::from_str(&value)
            .ok()
            .filter(Value::is_number)
            .ok_or_else(|| TemplateError::at(place, format!("{value:?} is no number"))),
        "CommaDelimitedList" => Ok(value.split(',').map(|item| Value::from(item.trim())).collect()),
        other => Err(TemplateError::at(
            place,
            format!("the local stack doesn't know the parameter type {other:?}"),
        )),
    }
}

/// What every template can refer to without declaring it.
pub(super) fn pseudo(name: &str) -> Option<String> {
    Some(match name {
        "AWS::AccountId" => ACCOUNT.to_owned(),
        "AWS::Partition" => "aws".to_owned(),
        "AWS::Region" => REGION.to_owned(),
        "AWS::StackId" => format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/local"),
        "AWS::StackName" => STACK.to_owned(),
        "AWS::URLSuffix" => "amazonaws.com".to_owned(),
        _ => return None,
    })
}
