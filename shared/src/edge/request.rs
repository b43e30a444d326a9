//! A request as a handler reads it.

use std::net::IpAddr;

use lambda_http::{
    Body, RequestExt, aws_lambda_events::query_map::QueryMap, http::HeaderMap, request::RequestContext,
};
use serde_json::{Map, Value};

use super::{caller, schedule::deadline};
use crate::{
    app::{Deadline, page::PageRequest},
    environment::Environment,
    model::{
        ApiKeyId, Code, Id, Name, OrganizationId, Problem, Scope, Timestamp,
        access::{
            Caller, GrantPlace, Operation,
            matrix::{Row, ScopeFrom},
        },
    },
};

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 256 * 1024;
/// How many items a page has unless another number is asked for, and at most.
pub const DEFAULT_LIMIT: usize = 50;
pub const MAX_LIMIT: usize = 200;

/// One request through the gateway.
pub struct Request {
    caller: Option<Caller>,
    source: Option<IpAddr>,
    route: String,
    request_id: String,
    public_url: String,
    path: QueryMap,
    query: QueryMap,
    headers: HeaderMap,
    body: Body,
    deadline: Deadline,
    method_is_post: bool,
}

// Not derived: headers, path and body hold keys, tickets and codes.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("route", &self.route)
            .field("id", &self.request_id)
            .finish_non_exhaustive()
    }
}

impl Request {
    pub(super) fn from_event(event: lambda_http::Request, environment: &Environment) -> Self {
        let context = match event.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.clone(),
            _ => Default::default(),
        };
        let caller = context.authorizer.and_then(|authorizer| caller::from_context(&authorizer.fields));
        let own_origin = || format!("https://{}", context.domain_name.unwrap_or_default());
        Self {
            caller,
            source: context.http.source_ip.and_then(|address| address.parse().ok()),
            route: context.route_key.unwrap_or_default(),
            request_id: context.request_id.unwrap_or_default(),
            public_url: environment.public_url.clone().unwrap_or_else(own_origin),
            path: event.path_parameters(),
            query: event.query_string_parameters(),
            deadline: event.lambda_context_ref().map_or(Deadline::after(Default::default()), deadline),
            method_is_post: event.method() == lambda_http::http::Method::POST,
            headers: event.headers().clone(),
            body: event.into_body(),
        }
    }

    /// Whether the key, if the route wants one, may be used now and from there.
    pub(super) fn check_key(&self) -> Result<(), Problem> {
        let check = |caller| caller::check(caller, self.source, Timestamp::now());
        self.caller.as_ref().map_or(Ok(()), check)
    }

    /// Who is asking. What the caller may do is for [`Request::permitted`] to say, or where only the body tells the
    /// scope, for what reads it.
    pub fn caller(&self) -> Result<&Caller, Problem> {
        let missing = || Problem::internal("the authorizer's context is missing or incomplete");
        self.caller.as_ref().ok_or_else(missing)
    }

    /// Who is asking, and for which scope, if the caller is permitted to.
    pub fn permitted(&self, operation: Operation) -> Result<(&Caller, Scope), Problem> {
        let caller = self.caller()?;
        let scope = match Row::of(operation).scope_from {
            ScopeFrom::Query => caller.scope(self.query("scope"))?,
            ScopeFrom::Path => Scope::Organization(self.organization()?),
            // Who may not revoke its own organization's keys need not be told which others there are.
            ScopeFrom::Nothing | ScopeFrom::Key => caller.home,
            ScopeFrom::NoCaller | ScopeFrom::Grant | ScopeFrom::NewKey => {
                return Err(Problem::internal("the address of such a request does not tell its scope"));
            }
        };
        caller.permitted(operation, scope)?;
        Ok((caller, scope))
    }

    /// The same for a request about a grant: `organization` asks for that organization's own on a global connection.
    pub fn permitted_grant(
        &self,
        operation: Operation,
        organization: Option<OrganizationId>,
    ) -> Result<(&Caller, GrantPlace), Problem> {
        let caller = self.caller()?;
        Ok((caller, caller.permitted_grant(operation, self.query("scope"), organization)?))
    }

    /// A part of the path, decoded by the gateway.
    pub fn path(&self, name: &str) -> Option<&str> {
        self.path.first(name)
    }

    /// The `{name}` in the path. A text that can't be a name names nothing.
    pub fn name(&self, what: &str) -> Result<Name, Problem> {
        let text = self.path("name").unwrap_or_default();
        Name::parse(text).map_err(|_| Problem::not_found(what, "of that name"))
    }

    /// The `{id}` of an organization in the path.
    pub fn organization_itself(&self) -> Result<OrganizationId, Problem> {
        self.id_in_path()
    }

    /// The `{id}` of a key in the path.
    pub fn api_key(&self) -> Result<ApiKeyId, Problem> {
        self.id_in_path()
    }

    fn id_in_path<Kind>(&self) -> Result<Id<Kind>, Problem> {
        self.path("id").unwrap_or_default().parse().map_err(|_| Problem::invalid("id", "must be a UUID"))
    }

    /// The `{organization_id}` in the path.
    pub fn organization(&self) -> Result<OrganizationId, Problem> {
        let text = self.path("organization_id").unwrap_or_default();
        text.parse().map_err(|_| Problem::invalid("organization_id", "must be a UUID"))
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.first(name)
    }

    /// `?integration=`
    pub fn integration(&self) -> Result<Option<Name>, Problem> {
        let parse =
            |text: &str| Name::parse(text).map_err(|message| Problem::invalid("integration", message));
        self.query("integration").map(parse).transpose()
    }

    /// `?organization_id=`
    pub fn query_organization(&self) -> Result<Option<OrganizationId>, Problem> {
        let parse =
            |text: &str| text.parse().map_err(|_| Problem::invalid("organization_id", "must be a UUID"));
        self.query("organization_id").map(parse).transpose()
    }

    /// A yes or no in the query; left out means no.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.query(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(name, "must be true or false")),
        }
    }

    /// The revision that `If-Match` names (RFC 9110 section 13.1.1); `*` is any.
    pub fn if_match(&self) -> Result<Option<u64>, Problem> {
        let Some(text) = self.header("if-match").map(str::trim) else {
            return Ok(None);
        };
        if text == "*" {
            return Ok(None);
        }
        let revision =
            text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
        // A tag that we never gave matches nothing.
        revision
            .map(Some)
            .ok_or_else(|| Problem::new(Code::StaleRevision, "If-Match is not an ETag of ours."))
    }

    /// `?limit=` and `?cursor=`
    pub fn page(&self) -> Result<PageRequest<'_>, Problem> {
        let message = format!("must be a whole number from 1 to {MAX_LIMIT}");
        let limit = match self.query("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => match text.parse() {
                Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => limit,
                _ => return Err(Problem::invalid("limit", message)),
            },
        };
        Ok(PageRequest { limit, cursor: self.query("cursor") })
    }

    /// A whole number in the query.
    pub fn query_number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let parse = |text: &str| {
            text.parse().map_err(|_| Problem::invalid(name, "must be a whole number, 0 or greater"))
        };
        self.query(name).map(parse).transpose()
    }

    /// The body as a JSON object. An empty one counts as `{}`: what is missing in it is named field by field.
    pub fn json(&self) -> Result<Map<String, Value>, Problem> {
        let bytes: &[u8] = self.body.as_ref();
        if bytes.len() > MAX_BODY {
            return Err(Problem::new(Code::BodyTooLarge, format!("The body has {} bytes.", bytes.len())));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Map::new());
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(Problem::new(Code::MalformedBody, "The body is JSON, but no object.")),
            // serde_json's message tells line and column, and may quote the text around them.
            Err(error) => {
                let detail =
                    format!("The body is not JSON from line {}, column {} on.", error.line(), error.column());
                Err(Problem::new(Code::MalformedBody, detail))
            }
        }
    }

    /// A field of a posted HTML form.
    pub fn form(&self, name: &str) -> Option<String> {
        let bytes: &[u8] = self.body.as_ref();
        if bytes.len() > MAX_BODY {
            return None;
        }
        let mut fields = url::form_urlencoded::parse(bytes);
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.headers.get_all("cookie").into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The origin that people and providers reach us at.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    pub fn is_post(&self) -> bool {
        self.method_is_post
    }

    pub fn route(&self) -> &str {
        &self.route
    }

    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    pub fn deadline(&self) -> Deadline {
        self.deadline
    }
}
