//! What `Ref` and `GetAtt` give: the physical names and ARNs that CloudFormation would have made up.
//!
//! All of them follow from the template alone, so they are the same at every start and nothing has to remember
//! which key or secret belonged to which resource.

use ring::digest;
use serde_json::Value;

use super::intrinsics::Values;
use super::{Place, TemplateError, ignored};

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) const FUNCTION: &str = "AWS::Serverless::Function";
pub(super) const HTTP_API: &str = "AWS::Serverless::HttpApi";
pub(super) const TABLE: &str = "AWS::DynamoDB::Table";
pub(super) const KEY: &str = "AWS::KMS::Key";
pub(super) const ALIAS: &str = "AWS::KMS::Alias";
pub(super) const SECRET: &str = "AWS::SecretsManager::Secret";
pub(super) const PARAMETER: &str = "AWS::SSM::Parameter";
pub(super) const MANAGED_POLICY: &str = "AWS::IAM::ManagedPolicy";

pub(crate) const ACCOUNT: &str = "000000000000";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const STACK: &str = "bifrost-local";

/// What `Ref` gives for a resource.
pub(super) fn reference(values: &Values<'_>, resource: &Value, id: &str, place: &Place) -> Result<String> {
    match kind_of(resource) {
        HTTP_API => Ok(opaque(id, 10)),
        KEY => Ok(key_id(id)),
        SECRET => Ok(secret_arn(id, &name(values, resource, id, "Name", place)?)),
        FUNCTION => name(values, resource, id, "FunctionName", place),
        TABLE => name(values, resource, id, "TableName", place),
        ALIAS => name(values, resource, id, "AliasName", place),
        "AWS::Logs::LogGroup" => name(values, resource, id, "LogGroupName", place),
        _ => Ok(physical(id)),
    }
}

/// What `GetAtt` gives for a resource.
pub(super) fn attribute(
    values: &Values<'_>,
    resource: &Value,
    id: &str,
    attribute: &str,
    place: &Place,
) -> Result<String> {
    let kind = kind_of(resource);
    match (kind, attribute) {
        (FUNCTION, "Arn") => {
            Ok(arn("lambda", &format!("function:{}", reference(values, resource, id, place)?)))
        }
        (TABLE, "Arn") => Ok(arn("dynamodb", &format!("table/{}", reference(values, resource, id, place)?))),
        (KEY, "Arn") => Ok(arn("kms", &format!("key/{}", key_id(id)))),
        (KEY, "KeyId") => Ok(key_id(id)),
        (SECRET, "Id") => reference(values, resource, id, place),
        (PARAMETER, "Value") => name(values, resource, id, "Value", place),
        // Nobody can call what has no local counterpart, so any ARN that is plainly made up will do.
        _ if ignored::is_type_without_effect(kind) => Ok(arn("local", &format!("{id}/{attribute}"))),
        _ => Err(TemplateError::at(
            place,
            format!("the local stack doesn't know the attribute {attribute} of {kind}"),
        )),
    }
}

fn name(values: &Values<'_>, resource: &Value, id: &str, property: &str, place: &Place) -> Result<String> {
    match resource.get("Properties").and_then(|properties| properties.get(property)) {
        Some(given) => values.text(given, place),
        None => Ok(physical(id)),
    }
}

pub(super) fn kind_of(resource: &Value) -> &str {
    resource.get("Type").and_then(Value::as_str).unwrap_or_default()
}

/// The name of a resource that does not name itself.
pub(super) fn physical(logical_id: &str) -> String {
    format!("{STACK}-{logical_id}")
}

/// An opaque id of `length` lower-case letters and digits.
pub(super) fn opaque(logical_id: &str, length: usize) -> String {
    hex(logical_id).chars().take(length).collect()
}

/// A key id in the shape that KMS gives them.
pub(super) fn key_id(logical_id: &str) -> String {
    let hex = hex(logical_id);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

pub(crate) fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

/// A secret's ARN ends in characters that its name does not tell.
pub(crate) fn secret_arn(id: &str, name: &str) -> String {
    arn("secretsmanager", &format!("secret:{name}-{}", opaque(id, 6)))
}

fn hex(text: &str) -> String {
    digest::digest(&digest::SHA256, text.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
