//! A request as a handler reads it.

use std::{collections::HashMap, net::IpAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use lambda_runtime::LambdaEvent;
use serde_json::{Map, Value};

use super::{audit::Act, caller, event::Event, schedule::deadline};
use crate::{
    app::{Deadline, about::About, page::PageRequest},
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
    path: HashMap<String, String>,
    query: Vec<(String, String)>,
    headers: HashMap<String, String>,
    cookies: Vec<String>,
    body: Vec<u8>,
    deadline: Deadline,
    method_is_post: bool,
    about: About,
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
    pub(super) fn from_event(event: LambdaEvent<Event>, environment: &Environment) -> Self {
        let LambdaEvent { payload: event, context: invocation } = event;
        let context = event.request_context;
        let caller = context.authorizer.and_then(|authorizer| caller::from_context(&authorizer.lambda?));
        let own_origin = || format!("https://{}", context.domain_name);
        let body = match (event.body.unwrap_or_default(), event.is_base64_encoded) {
            (text, false) => text.into_bytes(),
            // What is no base64 is no JSON and no form either.
            (text, true) => STANDARD.decode(&text).unwrap_or_else(|_| text.into_bytes()),
        };
        Self {
            caller,
            source: context.http.source_ip.parse().ok(),
            route: context.route_key,
            request_id: context.request_id,
            public_url: environment.public_url.clone().unwrap_or_else(own_origin),
            path: event.path_parameters.unwrap_or_default(),
            query: url::form_urlencoded::parse(event.raw_query_string.as_bytes()).into_owned().collect(),
            headers: event.headers,
            cookies: event.cookies.unwrap_or_default(),
            body,
            deadline: deadline(&invocation),
            method_is_post: context.http.method == "POST",
            about: About::default(),
        }
    }

    /// What the audit trail will say of this request, if it is an act, or may turn out to be one.
    pub(super) fn act(&self) -> Option<Act> {
        let operation = Operation::of_route(&self.route).filter(|operation| Act::may_be(*operation))?;
        Some(Act::of(operation, self, self.caller.as_ref()))
    }

    /// For a key that may not be used now, or from there, whatever was asked for with it.
    pub(super) fn turned_away(&self) -> Act {
        Act::authenticate(self.caller.as_ref(), self.source)
    }

    /// What is told of it as it becomes known.
    pub fn about(&self) -> &About {
        &self.about
    }

    pub(super) fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Whether the key, if the route wants one, may be used now and from there.
    pub(super) fn check_key(&self) -> Result<(), Problem> {
        let check = |caller| caller::check(caller, self.source, Timestamp::now());
        self.caller.as_ref().map_or(Ok(()), check)
    }

    /// Whether the key of a session, which came with the cookie and not through the authorizer, may be used now and from there.
    pub fn check_session(&self, caller: &Caller) -> Result<(), Problem> {
        caller::check(caller, self.source, Timestamp::now())
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
        // Of what is about no scope in particular, a line would name the caller's own, which it does anyway.
        if matches!(Row::of(operation).scope_from, ScopeFrom::Query | ScopeFrom::Path) {
            self.about.of_scope(scope);
        }
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
        let named =
            organization.map(Scope::Organization).map_or_else(|| caller.scope(self.query("scope")), Ok);
        self.about.of_scope(named?);
        Ok((caller, caller.permitted_grant(operation, self.query("scope"), organization)?))
    }

    /// A part of the path, decoded by the gateway.
    pub fn path(&self, name: &str) -> Option<&str> {
        self.path.get(name).map(String::as_str)
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

    /// All of the query, decoded, in order.
    pub fn queries(&self) -> &[(String, String)] {
        &self.query
    }

    /// The first of that name.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
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
        let bytes = self.body.as_slice();
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

    /// All fields of a posted HTML form, decoded, in order.
    pub fn form_fields(&self) -> Result<Vec<(String, String)>, Problem> {
        let bytes = self.body.as_slice();
        if bytes.len() > MAX_BODY {
            return Err(Problem::new(Code::BodyTooLarge, format!("The form has {} bytes.", bytes.len())));
        }
        Ok(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// A field of a posted HTML form.
    pub fn form(&self, name: &str) -> Option<String> {
        self.form_fields().ok()?.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Whether the browser says, or does not deny, that a page of ours sent this: browsers send an Origin with every POST.
    pub fn is_from_our_page(&self) -> bool {
        self.header("origin").is_none_or(|origin| origin == self.public_url())
    }

    /// `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        let lines = self.cookies.iter().flat_map(|line| line.split(';'));
        let mut pairs = lines.filter_map(|pair| pair.trim().split_once('='));
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{
        collection::{btree_map, vec},
        option,
        prelude::*,
    };
    use serde_json::json;

    use super::*;
    use crate::arbitrary::{self, SECRET, mutated, text};

    fn read(event: Value) -> Request {
        let event: Event = serde_json::from_value(event).unwrap();
        Request::from_event(LambdaEvent::new(event, Default::default()), &Environment::default())
    }

    fn asking(query: &str) -> Request {
        read(json!({"rawQueryString": query}))
    }

    fn sending(body: &[u8]) -> Request {
        read(json!({"body": STANDARD.encode(body), "isBase64Encoded": true}))
    }

    /// What API Gateway makes of a stranger's request: its texts are anyone's, its shape is not.
    fn event() -> impl Strategy<Value = Value> {
        let texts = || btree_map(prop_oneof![text(), "[a-z-]{1,12}"], text(), 0..5);
        let context = (text(), text(), text(), text(), option::of(arbitrary::json()));
        let context = context.prop_map(|(host, method, ip, id, caller)| {
            let authorizer = caller.filter(Value::is_object).map(|caller| json!({"lambda": caller}));
            json!({
                "domainName": host, "requestId": id, "routeKey": "$default", "authorizer": authorizer,
                "http": {"method": method, "sourceIp": ip, "path": host, "userAgent": host},
            })
        });
        let rest = (text(), texts(), vec(text(), 0..4), texts(), option::of(text()), any::<bool>());
        (context, rest).prop_map(|(context, (query, headers, cookies, path, body, encoded))| {
            json!({
                "version": "2.0", "rawPath": "/x", "rawQueryString": query, "headers": headers, "cookies": cookies,
                "pathParameters": path, "requestContext": context, "body": body, "isBase64Encoded": encoded,
            })
        })
    }

    /// A refusal of what was asked is the caller's to mend, and repeats nothing of it.
    fn check_refusal(problem: &Problem) -> Result<(), TestCaseError> {
        let codes = [Code::InvalidInput, Code::MalformedBody, Code::StaleRevision, Code::NotFound];
        prop_assert!(codes.contains(&problem.code), "{problem}");
        prop_assert!(
            !format!("{problem} {:?} {}", problem.errors, problem.fix).contains(SECRET),
            "{problem}"
        );
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_comes_through_the_gateway_can_be_asked_everything(event in event(), name in text()) {
            let request = read(event);
            // None of these texts is the context of a caller, and nobody is one without it.
            prop_assert_eq!(request.caller().unwrap_err().code, Code::Internal);
            let debugged = format!("{request:?}");
            prop_assert!(!debugged.contains(SECRET) || request.request_id().contains(SECRET), "{}", debugged);
            let _ = (request.query(&name), request.header(&name), request.cookie(&name), request.form(&name), request.path(&name));
            let refused = [
                request.name("integration").err(), request.api_key().err(), request.organization().err(), request.integration().err(),
                request.query_organization().err(), request.flag(&name).err(), request.if_match().err(), request.page().err(),
                request.json().err(),
            ];
            for problem in refused.iter().flatten() {
                prop_assert!(problem.errors.iter().any(|error| error.field == name) || check_refusal(problem).is_ok(), "{problem}");
            }
        }

        #[test]
        fn a_query_is_read_as_it_was_written(pairs in vec((text(), text()), 0..5)) {
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let request = asking(&query);
            for (name, _) in &pairs {
                let first = pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
                prop_assert_eq!(request.query(name), first);
            }
        }

        #[test]
        fn a_cookie_is_found_among_others(pairs in vec(("[a-z]{1,4}", "[!-:<-~]{0,12}"), 1..5), together: bool) {
            let texts: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let cookies = if together { vec![texts.join("; ")] } else { texts };
            let request = read(json!({"cookies": cookies}));
            for (name, _) in &pairs {
                let first = pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
                prop_assert_eq!(request.cookie(name), first);
            }
        }

        #[test]
        fn a_body_is_an_object_or_malformed_and_is_not_repeated(
            body in mutated(arbitrary::json().prop_map(|value| json!({"a": value, "b": SECRET}).to_string().into_bytes())),
        ) {
            match sending(&body).json() {
                Ok(fields) if fields.is_empty() => {}
                Ok(fields) => prop_assert_eq!(Value::Object(fields), serde_json::from_slice::<Value>(&body).unwrap()),
                Err(problem) => {
                    prop_assert_eq!(problem.code, Code::MalformedBody);
                    check_refusal(&problem)?;
                }
            }
        }

        #[test]
        fn only_a_revision_in_quotes_is_an_etag(text in prop_oneof![text(), "\"?[0-9]{0,21}\"?", "W/\"[0-9]\""]) {
            let request = read(json!({"headers": {"if-match": text}}));
            let inner = text.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            match request.if_match() {
                Ok(None) => prop_assert_eq!(text.trim(), "*"),
                Ok(Some(revision)) => prop_assert_eq!(inner.and_then(|text| text.parse().ok()), Some(revision)),
                Err(problem) => prop_assert_eq!(problem.code, Code::StaleRevision),
            }
        }

        #[test]
        fn a_page_is_of_1_to_200(limit in prop_oneof![text(), any::<i64>().prop_map(|limit| limit.to_string()), (0..300_i32).prop_map(|limit| limit.to_string())]) {
            let query: BTreeMap<&str, &str> = BTreeMap::from([("limit", limit.as_str())]);
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
            match asking(&query).page() {
                Ok(page) => {
                    prop_assert!((1..=200).contains(&page.limit) && limit.parse() == Ok(page.limit));
                    prop_assert_eq!(page.cursor, None);
                }
                Err(problem) => prop_assert_eq!(&problem.errors[0].field, "limit"),
            }
        }
    }

    #[test]
    fn a_body_that_is_too_large_is_refused_before_it_is_read() {
        let largest = |size: usize| sending(&vec![b' '; size]).json().map_err(|problem| problem.code);
        assert_eq!(largest(MAX_BODY), Ok(Map::new()));
        assert_eq!(largest(MAX_BODY + 1), Err(Code::BodyTooLarge));
    }

    #[test]
    fn what_the_gateway_leaves_out_is_empty() {
        let request = read(json!({"pathParameters": null, "cookies": null, "body": null}));
        assert_eq!(request.json().unwrap(), Map::new());
        assert_eq!((request.path("name"), request.cookie("a")), (None, None));
    }
}
