//! Parameters of OAuth requests, read as RFC 6749 section 3.1 wants: none twice, and an empty one is an absent one.

use super::client::Refusal;

#[derive(Clone)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string or a form body.
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, Refusal> {
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(encoded) {
            if params.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::invalid_request(format!("the parameter {name} came twice")));
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        params.retain(|(_, value)| !value.is_empty());
        Ok(Self(params))
    }

    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.optional(name)
            .ok_or_else(|| Refusal::invalid_request(format!("the parameter {name} is missing")))
    }

    /// `scope`, split at single spaces (RFC 6749, section 3.3).
    pub(super) fn scopes(&self) -> Vec<String> {
        self.optional("scope")
            .map(|scope| scope.split(' ').filter(|s| !s.is_empty()).map(str::to_owned).collect())
            .unwrap_or_default()
    }

    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}
