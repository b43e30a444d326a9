//! The physical names and ARNs that CloudFormation would have made up.
//!
//! All of them follow from the template alone, so they are the same at every start and nothing has to remember
//! which key or secret belonged to which resource.

use ring::digest;

pub(crate) const ACCOUNT: &str = "000000000000";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const STACK: &str = "bifrost-local";

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
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..32]
    )
}

pub(super) fn arn(service: &str, resource: &str) -> String {
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
