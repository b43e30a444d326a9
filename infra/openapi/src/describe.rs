//! How one operation is described: each part brings the ways in which it can fail.

use std::collections::{BTreeMap, BTreeSet};

use bifrost::{
    edge::{
        DEFAULT_LIMIT, MAX_LIMIT,
        answer::{self, ProblemBody},
    },
    model::{
        Code,
        access::{
            Operation,
            matrix::{COLUMNS, Outcome, RELATIONS, Row},
        },
        description::Described,
    },
};
use serde_json::{Value, json};

use crate::{operation_id, schemas::Schemas};

/// An operation's description as it grows.
pub(crate) struct Description {
    summary: &'static str,
    tag: &'static str,
    open: bool,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    codes: BTreeSet<&'static str>,
    /// What people look at has the same statuses, but says them on a page.
    pages: bool,
    problem: Value,
}

impl Description {
    /// Of an operation that takes a key.
    pub(crate) fn of(schemas: &mut Schemas, tag: &'static str, summary: &'static str) -> Self {
        let open = Self::open(schemas, tag, summary);
        Self { open: false, ..open }.fails(&[Code::KeyExpired, Code::NetworkForbidden])
    }

    /// Of an operation that anyone may ask for.
    pub(crate) fn open(schemas: &mut Schemas, tag: &'static str, summary: &'static str) -> Self {
        Self {
            summary,
            tag,
            open: true,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            codes: BTreeSet::new(),
            pages: false,
            problem: schemas.of::<ProblemBody<'_>>(),
        }
    }

    pub(crate) fn fails(mut self, codes: &[Code]) -> Self {
        self.codes.extend(codes.iter().map(|code| code.as_str()));
        self
    }

    /// As the table of who may ask what refuses it.
    pub(crate) fn refused_by_the_table(mut self, operation: Operation) -> Self {
        for (kind, role) in COLUMNS {
            for relation in RELATIONS {
                self = match Row::of(operation).outcome(kind, role, relation) {
                    Outcome::Forbidden => self.fails(&[Code::Forbidden]),
                    Outcome::ScopeForbidden => self.fails(&[Code::ScopeForbidden]),
                    Outcome::Hidden => self.fails(&[Code::NotFound]),
                    Outcome::Allowed | Outcome::NoSuchCase => self,
                };
            }
        }
        self
    }

    /// Reads or writes the tables.
    pub(crate) fn with_tables(self) -> Self {
        self.fails(&[Code::Unavailable, Code::Internal])
    }

    /// Seals or opens secrets.
    pub(crate) fn with_secrets(self) -> Self {
        self.fails(&[Code::SecretUnavailable])
    }

    pub(crate) fn path(mut self, name: &str, schema: Value, description: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "schema": schema, "description": description,
        }));
        self
    }

    pub(crate) fn query(self, name: &str, schema: Value, description: &str) -> Self {
        self.free_query(name, schema, description).fails(&[Code::InvalidInput])
    }

    /// A text in the query that can't be wrong by itself.
    pub(crate) fn free_query(mut self, name: &str, schema: Value, description: &str) -> Self {
        self.parameters
            .push(json!({"name": name, "in": "query", "schema": schema, "description": description}));
        self
    }

    /// `{name}`. A text that can't be a name names nothing.
    pub(crate) fn named<T: Described>(self, schemas: &mut Schemas, description: &str) -> Self {
        let schema = schemas.of::<T>();
        self.path("name", schema, description).fails(&[Code::NotFound])
    }

    pub(crate) fn id<T: Described>(self, schemas: &mut Schemas, name: &str, description: &str) -> Self {
        let schema = schemas.of::<T>();
        self.path(name, schema, description).fails(&[Code::InvalidInput, Code::NotFound])
    }

    pub(crate) fn page(self) -> Self {
        let limit = json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT});
        self.query("limit", limit, "How many items a page has at most.").query(
            "cursor",
            json!({"type": "string"}),
            "The `next_cursor` of the page before.",
        )
    }

    pub(crate) fn flag(self, name: &str, description: &str) -> Self {
        self.query(name, json!({"type": "boolean", "default": false}), description)
    }

    /// Changes only what still is as it was read.
    pub(crate) fn if_match(mut self) -> Self {
        self.parameters.push(json!({
            "name": "If-Match", "in": "header", "schema": {"type": "string", "pattern": "^(\\*|\"[0-9]+\")$"},
            "description": "The ETag of what was read: if it has changed since, the answer is 412.",
        }));
        self.fails(&[Code::StaleRevision, Code::Conflict])
    }

    pub(crate) fn body(mut self, schema: Value, required: bool) -> Self {
        self.body = Some(json!({"required": required, "content": {"application/json": {"schema": schema}}}));
        self.fails(&[Code::MalformedBody, Code::BodyTooLarge, Code::InvalidInput])
    }

    /// A form that a browser sends.
    pub(crate) fn form(mut self, schema: Value) -> Self {
        self.body = Some(json!({
            "required": true, "content": {"application/x-www-form-urlencoded": {"schema": schema}},
        }));
        self
    }

    pub(crate) fn answers<T: Described>(
        mut self,
        schemas: &mut Schemas,
        status: u16,
        description: &str,
        headers: Value,
    ) -> Self {
        let mut headers = headers;
        headers["Cache-Control"] = json!({"required": true, "schema": {"const": "no-store"}, "description": "Answers may carry tokens."});
        let answer = json!({
            "description": description,
            "headers": headers,
            "content": {"application/json": {"schema": schemas.of::<T>()}},
        });
        self.answers.insert(status, answer);
        self
    }

    pub(crate) fn answers_nothing(self, description: &str) -> Self {
        self.answers_with(204, json!({"description": description}))
    }

    pub(crate) fn answers_with(mut self, status: u16, answer: Value) -> Self {
        self.answers.insert(status, answer);
        self
    }

    /// Everything is said on pages, what is wrong included.
    pub(crate) fn pages(mut self, statuses: &[(u16, &str)]) -> Self {
        self.pages = true;
        for (status, description) in statuses {
            let mut page = json!({
                "description": description,
                "headers": {
                    "Content-Security-Policy": {"required": true, "schema": {"type": "string"}},
                    "Cache-Control": {"required": true, "schema": {"const": "no-store"}},
                },
                "content": {"text/html": {"schema": {"type": "string"}}},
            });
            if *status == 303 {
                page["headers"]["Location"] =
                    json!({"required": true, "schema": {"type": "string", "format": "uri"}});
            }
            self.answers.insert(*status, page);
        }
        self
    }

    pub(crate) fn into_json(self, operation: Operation) -> Value {
        let mut answers: BTreeMap<String, Value> =
            self.answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
        for (status, codes) in by_status(&self.codes) {
            let answer = answers.entry(status.to_string()).or_insert_with(|| json!({}));
            answer["description"] = titles(&codes).into();
            let narrowed = json!({"type": "object", "properties": {"code": {"enum": codes}, "status": {"const": status}}});
            answer["content"]["application/problem+json"] =
                json!({"schema": {"allOf": [self.problem.clone(), narrowed]}});
            if codes.iter().any(|code| PASSING.contains(code)) {
                answer["headers"]["Retry-After"] = json!({"schema": {"type": "integer", "minimum": 1}, "description": "Seconds after which to try again."});
            }
        }
        let has_path_parameters = operation.path().contains('{');
        for (status, words, applies) in [
            (401, "There is no Authorization header.", !self.open),
            (403, "The key is unknown or revoked.", !self.open),
            (404, "There is no such route: a part of the path is empty.", has_path_parameters),
            (413, "The request is larger than the gateway takes.", self.body.is_some()),
            (429, "Too many requests.", true),
            (500, "Something is wrong on our side.", true),
            (503, "The answer took too long.", true),
        ] {
            if !applies {
                continue;
            }
            let answer = answers.entry(status.to_string()).or_insert_with(|| json!({}));
            let before = answer["description"].as_str().map(|text| format!("{text} ")).unwrap_or_default();
            answer["description"] = format!("{before}{words}").into();
            answer["content"]["application/json"] =
                json!({"schema": {"$ref": "#/components/schemas/GatewayMessage"}});
        }
        let mut described = json!({
            "operationId": operation_id(operation),
            "tags": [self.tag],
            "summary": self.summary,
            "responses": answers,
        });
        if !self.parameters.is_empty() {
            described["parameters"] = self.parameters.into();
        }
        if let Some(body) = self.body {
            described["requestBody"] = body;
        }
        if self.open {
            described["security"] = json!([]);
        }
        described
    }
}

/// Codes of what passes by itself.
const PASSING: [&str; 5] =
    ["unavailable", "refresh-in-progress", "provider-unavailable", "provider-refused", "client-rejected"];

fn by_status(codes: &BTreeSet<&'static str>) -> BTreeMap<u16, Vec<&'static str>> {
    let mut by_status: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for code in Code::ALL.iter().filter(|code| codes.contains(code.as_str())) {
        by_status.entry(answer::status(*code).as_u16()).or_default().push(code.as_str());
    }
    by_status
}

fn titles(codes: &[&str]) -> String {
    let known = Code::ALL.iter().filter(|code| codes.contains(&code.as_str()));
    known.map(|code| format!("{}.", code.title())).collect::<Vec<_>>().join(" ")
}
