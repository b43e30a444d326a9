//! What Lambda gives every function to start with.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// Nothing is called before there is work, so that credentials need not be good.
const GIVEN: [(&str, &str); 12] = [
    ("AWS_ACCESS_KEY_ID", "AKIABENCHBENCHBENCHB"),
    ("AWS_DEFAULT_REGION", "eu-west-1"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
    ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_SECRET_ACCESS_KEY", "bench"),
    ("AWS_SESSION_TOKEN", "bench"),
];

/// With what the template sets beside.
pub(crate) fn environment(of_template: &BTreeMap<String, String>) -> Vec<(OsString, OsString)> {
    let set = of_template.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    GIVEN.into_iter().chain(set).map(|(name, value)| (name.into(), value.into())).collect()
}
