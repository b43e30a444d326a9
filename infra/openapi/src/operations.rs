//! What each operation takes, and the ways in which it ends. Codes are those that this operation can have, no more.

use bifrost::{
    app::{
        api_keys::ApiKeyView,
        connect::{ConnectLink, ImportedGrant, LinkRequest},
        connections::ConnectionView,
        disconnect::Disconnected,
        edit_mapping::{ImportRequest, Imported},
        integrations::IntegrationView,
        mappings::MappingView,
        resolve::Resolved,
        token::{RefreshRequest, Token},
    },
    edge::answer::List,
    model::{
        ApiKeyId, Code, Name, OrganizationId, Scope, Timestamp,
        access::Operation,
        api_key::{NewApiKey, root_caller},
        brought::BroughtGrant,
        config::{ConfigSchema, StoredConfig},
        connection::NewConnection,
        description::{Described, ReadField, fields_read},
        diagnose::Diagnosis,
        input::{EntityId, Input},
        integration::NewIntegration,
        mapping::NewMapping,
        organization::Organization,
        preset::Preset,
        url_template::Rules,
    },
};
use serde_json::{Map, Value, json};

use crate::{describe::Description, schemas::Schemas};

const INTEGRATIONS: &str = "Integrations";
const MAPPINGS: &str = "Mappings";
const CONNECTIONS: &str = "Connections";
const SIGNING_IN: &str = "Signing in";
const ORGANIZATIONS: &str = "Organizations";
const KEYS: &str = "Keys";
const REFERENCE: &str = "Reference";

/// Why there is no usable token.
const NO_TOKEN: &[Code] = &[
    Code::IntegrationRequired,
    Code::PlaceholderUnresolved,
    Code::NotConnected,
    Code::Reauthorize,
    Code::ClientRejected,
    Code::ProviderUnavailable,
    Code::ProviderRefused,
    Code::RefreshInProgress,
];

pub(crate) fn describe(operation: Operation, schemas: &mut Schemas) -> Description {
    let s = schemas;
    match operation {
        Operation::IntegrationsCreate => {
            let body = s.body("NewIntegration", &integration_fields());
            let made = Description::of(s, INTEGRATIONS, "Makes an integration. Admins only.");
            made.body(body, true)
                .fails(&[Code::NameTaken])
                .with_tables()
                .with_secrets()
                .answers::<IntegrationView>(s, 201, "It was made.", etag())
        }
        Operation::IntegrationsList => Description::of(s, INTEGRATIONS, "Lists integrations. Any caller.")
            .page()
            .with_tables()
            .answers::<List<IntegrationView>>(s, 200, "A page of them, in the order of their names.", json!({})),
        Operation::IntegrationsGet => integration(s, "Shows an integration. Any caller.")
            .with_tables()
            .answers::<IntegrationView>(s, 200, "The integration.", etag()),
        Operation::IntegrationsUpdate => {
            let body = s.patch("IntegrationPatch", &integration_fields());
            integration(s, "Changes an integration by merge patch (RFC 7396). Admins only.")
                .if_match()
                .flag("force", "Let go of stored values that the new config_schema has no place for.")
                .body(body, true)
                .fails(&[Code::ValuesStranded])
                .with_tables()
                .with_secrets()
                .answers::<IntegrationView>(s, 200, "It as it is now.", etag())
        }
        Operation::IntegrationsDelete => {
            integration(s, "Deletes an integration and its mappings. Admins only.")
                .if_match()
                .with_tables()
                .answers_nothing("It is gone.")
        }
        Operation::IntegrationsResolve => scoped(
            integration(s, "What a workflow needs to call the API for a scope: config, entity id, fresh token."),
        )
        .with_tables()
        .with_secrets()
        .answers::<Resolved>(
            s,
            200,
            "Trouble with OAuth never fails this: `oauth.access_token` is null then, and `oauth.problem` says why.",
            json!({}),
        ),
        Operation::MappingsList => {
            let mut entity_id = s.of::<EntityId>();
            entity_id["minLength"] = 1.into();
            of_integration(s, MAPPINGS, "Lists an integration's mappings. Provider callers see all, others their own.")
                .page()
                .query("entity_id", entity_id, "Only the mapping to this entity.")
                .with_tables()
                .answers::<List<MappingView>>(s, 200, "A page of them. A moment behind.", json!({}))
        }
        Operation::MappingsGet => mapping(s, "Shows an organization's mapping.")
            .with_tables()
            .answers::<MappingView>(s, 200, "The mapping.", etag()),
        Operation::MappingsPut => {
            let fields = fields_read(|| {
                NewMapping::from_input(Map::new(), &ConfigSchema::default(), &StoredConfig::default())
            });
            let body = s.body("NewMapping", &fields);
            let summary = "Writes a mapping: secrets left out, or sent as they were shown, stay. Provider callers; a managed user its config.";
            mapping(s, summary)
                .if_match()
                .body(body, false)
                .fails(&[Code::EntityTaken])
                .with_tables()
                .with_secrets()
                .answers::<MappingView>(s, 200, "It was replaced.", etag())
                .answers::<MappingView>(s, 201, "It is new.", etag())
        }
        Operation::MappingsDelete => mapping(s, "Deletes a mapping. Provider callers only.")
            .if_match()
            .with_tables()
            .answers_nothing("It is gone."),
        Operation::MappingsImport => {
            let body = s.body("MappingsImport", &fields_read(|| ImportRequest::from_input(Map::new())));
            let summary = "Writes up to 500 mappings, each on its own: a row is a mapping with its organization_id. Admins only.";
            of_integration(s, MAPPINGS, summary)
                .body(body, true)
                .with_tables()
                .answers::<Imported>(s, 200, "What became of each row, in the order they came.", json!({}))
        }
        Operation::ConnectionsCreate => {
            let body = s.body("NewConnection", &connection_fields());
            let made = Description::of(s, CONNECTIONS, "Makes a connection in a scope. Who may edit there.");
            // There may be no such organization.
            scoped(made)
                .body(body, true)
                .fails(&[Code::NotFound, Code::NameTaken])
                .with_tables()
                .with_secrets()
                .answers::<ConnectionView>(s, 201, "It was made.", etag())
        }
        Operation::ConnectionsList => {
            let listed = Description::of(s, CONNECTIONS, "Lists a scope's connections. Who may edit there.");
            scoped(listed)
                .page()
                .with_tables()
                .answers::<List<ConnectionView>>(s, 200, "A page of them, in the order of their names.", json!({}))
        }
        Operation::ConnectionsGet => connection(s, "Shows one of a scope's connections. Who may edit there.")
            .with_tables()
            .answers::<ConnectionView>(s, 200, "The connection.", etag()),
        Operation::ConnectionsUpdate => {
            let body = s.patch("ConnectionPatch", &connection_fields());
            connection(s, "Changes a connection by merge patch (RFC 7396). Who may edit there.")
                .if_match()
                .body(body, true)
                .with_tables()
                .with_secrets()
                .answers::<ConnectionView>(s, 200, "It as it is now.", etag())
        }
        Operation::ConnectionsDelete => {
            connection(s, "Deletes a connection and its grants, which are revoked. Who may edit there.")
                .if_match()
                .flag("force", "Even while integrations use it.")
                .fails(&[Code::InUse])
                .with_tables()
                .answers_nothing("It is gone.")
        }
        Operation::ConnectionsAuthorize => {
            let body = s.body("NewConnectLink", &link_fields());
            with_integration(connection(s, "Makes a link for signing in. Who may connect for that scope."))
                .body(body, false)
                .fails(&[Code::WrongFlow, Code::PlaceholderUnresolved])
                .with_tables()
                .answers::<ConnectLink>(s, 201, "The link, for whoever signs in.", json!({}))
        }
        Operation::ConnectionsToken => {
            let min_ttl = json!({"type": "integer", "minimum": 0, "maximum": u64::MAX});
            with_integration(connection(s, "A connection's access token, fresh. Whoever may use it."))
                .query("min_ttl", min_ttl, "How many seconds it must still be good for; half its lifetime at most.")
                .fails(NO_TOKEN)
                .with_tables()
                .with_secrets()
                .answers::<Token>(s, 200, "The token.", json!({}))
        }
        Operation::ConnectionsRefresh => {
            let body = s.body("RefreshRequest", &fields_read(|| RefreshRequest::from_input(Map::new())));
            let summary = "A token other than the one that the API refused: refreshed once, however many ask.";
            with_integration(connection(s, summary))
                .body(body, false)
                .fails(NO_TOKEN)
                .with_tables()
                .with_secrets()
                .answers::<Token>(s, 200, "The token.", json!({}))
        }
        Operation::ConnectionsDisconnect => {
            let id = s.of::<OrganizationId>();
            let whose = "Whose own grant on the global connection it is; left out, the scope's own connection's.";
            connection(s, "Forgets a grant, and revokes it at the provider. Who may connect for that scope.")
                .query("organization_id", id, whose)
                .with_tables()
                .answers::<Disconnected>(s, 200, "It is forgotten.", json!({}))
        }
        Operation::ConnectionsImport => {
            let body = s.body("GrantImport", &fields_read(|| BroughtGrant::from_input(Map::new(), Timestamp::now())));
            let summary = "Brings a grant along from another system, so that nobody must sign in again. Nothing is exchanged: turn the other system off before this one refreshes. Who may connect for that scope.";
            let id = s.of::<OrganizationId>();
            let whose = "Whose own grant on the global connection it becomes; left out, the scope's own connection's.";
            with_integration(connection(s, summary))
                .query("organization_id", id, whose)
                .body(body, true)
                .fails(&[Code::WrongFlow, Code::PlaceholderUnresolved, Code::AlreadyConnected])
                .with_tables()
                .with_secrets()
                .answers::<ImportedGrant>(
                    s,
                    200,
                    "The connection as it is now; of an organization's own grant on a global one, that grant.",
                    json!({}),
                )
        }
        Operation::ConnectionsDiagnose => {
            let summary = "Looks at everything that a connection needs, here and at its provider. Who may edit there.";
            connection(s, summary)
                .with_tables()
                .answers::<Diagnosis>(s, 200, "What was found, check by check; nothing is changed or spent.", json!({}))
        }
        Operation::ConnectOffer => ticket(s, "The page of a connect link: what is about to be connected.")
            .pages(&[(200, "What is about to be connected, and a button."), LINK_INVALID])
            .pages(CANNOT),
        Operation::ConnectContinue => ticket(s, "On to the provider, from the page of a connect link.")
            .form(json!({"type": "object", "required": ["form_token"], "properties": {"form_token": {"type": "string"}}}))
            .pages(&[
                (303, "To the provider."),
                (403, "The form does not come from the page that this browser was shown."),
                LINK_INVALID,
            ])
            .pages(CANNOT),
        Operation::CallbackNamed => {
            let segment = json!({"type": "string"});
            let described = Description::open(s, SIGNING_IN, "Where a provider sends the browser.");
            arrival(described.path("connection", segment, "The name of the connection, and of an organization's also its id."))
        }
        Operation::CallbackShared => arrival(Description::open(
            s,
            SIGNING_IN,
            "The same, for connections that share a redirect URI.",
        )),
        Operation::ConfirmSwitch => {
            let summary = "From the page of a sign-in as someone else: whether it is meant.";
            let text = || json!({"type": "string"});
            Description::open(s, SIGNING_IN, summary)
                .form(json!({
                    "type": "object", "required": ["state", "form_token", "decision"],
                    "properties": {
                        "state": text(), "form_token": text(), "instead_of": text(),
                        "decision": {"enum": ["keep", "switch"]},
                    },
                }))
                .pages(&[
                    (200, "It is connected, or was left as it was; or someone else connected it meanwhile, and that is asked."),
                    (303, "It is connected: back to `return_to`."),
                    (403, "The form does not come from the page that this browser was shown."),
                    (410, "This sign-in is over, or is not this browser's."),
                ])
                .pages(CANNOT)
        }
        Operation::OrganizationsCreate => {
            let fields = fields_read(|| Organization::from_input(Map::new(), Timestamp::now()));
            let body = s.body("NewOrganization", &fields);
            Description::of(s, ORGANIZATIONS, "Makes an organization. Admins only.")
                .body(body, true)
                .fails(&[Code::NameTaken])
                .with_tables()
                .answers::<Organization>(s, 201, "It was made.", json!({}))
        }
        Operation::OrganizationsList => Description::of(s, ORGANIZATIONS, "Lists organizations. Admins only.")
            .page()
            .with_tables()
            .answers::<List<Organization>>(s, 200, "A page of them, in the order of their ids.", json!({})),
        Operation::OrganizationsDelete => {
            Description::of(s, ORGANIZATIONS, "Deletes an organization and all that is its own. Admins only.")
                .id::<OrganizationId>(s, "id", "The organization's id.")
                .with_tables()
                .answers_nothing("It is gone.")
        }
        Operation::KeysCreate => {
            let fields = fields_read(|| NewApiKey::from_input(Map::new(), &root_caller(), Timestamp::now()));
            let body = s.body("NewKey", &fields);
            let summary = "Makes a key, shown this once. Admins; a user for role workflow in its own organization.";
            Description::of(s, KEYS, summary)
                .body(body, true)
                .fails(&[Code::NotFound, Code::Conflict])
                .with_tables()
                .answers::<ApiKeyView>(s, 201, "The key.", json!({}))
        }
        Operation::KeysList => {
            let summary = "Lists a scope's keys. Admins; a user those for role workflow in its own organization.";
            scoped(Description::of(s, KEYS, summary))
                .page()
                .with_tables()
                .answers::<List<ApiKeyView>>(s, 200, "A page of them. A moment behind.", json!({}))
        }
        Operation::KeysRevoke => {
            let summary =
                "Revokes a key and those it made. Admins; a user those for role workflow in its own organization.";
            Description::of(s, KEYS, summary)
                .id::<ApiKeyId>(s, "id", "The key's id.")
                .with_tables()
                .answers_nothing("It is revoked.")
        }
        Operation::ProvidersList => {
            Description::of(s, REFERENCE, "Lists what is known of providers. Any caller.")
                .page()
                .answers::<List<Preset>>(s, 200, "A page of them.", json!({}))
        }
        Operation::Openapi => Description::open(s, REFERENCE, "This description. Anyone.")
            .answers_with(
                200,
                json!({
                    "description": "OpenAPI 3.1.",
                    "headers": {
                        "ETag": {"required": true, "schema": {"type": "string"}},
                        "Cache-Control": {"required": true, "schema": {"type": "string"}},
                    },
                    "content": {"application/json": {"schema": {
                        "type": "object", "required": ["openapi", "info", "paths"],
                        "properties": {"openapi": {"const": "3.1.0"}},
                    }}},
                }),
            )
            .answers_with(304, json!({"description": "It is the one that If-None-Match names."})),
    }
}

const LINK_INVALID: (u16, &str) = (410, "The link does not work any more.");

/// What can be in the way of any page.
const CANNOT: &[(u16, &str)] = &[
    (409, "The connection does not allow it now."),
    (500, "Something is wrong on our side."),
    (503, "Something that this depends on does not answer."),
];

fn etag() -> Value {
    json!({"ETag": {
        "required": true, "schema": {"type": "string", "pattern": "^\"[0-9]+\"$"},
        "description": "For If-Match: the revision that people's changes move.",
    }})
}

fn integration_fields() -> Vec<ReadField> {
    fields_read(|| NewIntegration::from_input(Map::new()))
}

fn connection_fields() -> Vec<ReadField> {
    fields_read(|| NewConnection::from_input(Map::new(), Rules { allow_http_loopback: false }, true))
}

fn link_fields() -> Vec<ReadField> {
    fields_read(|| {
        let mut input = Input::new(Map::new());
        LinkRequest::organization(&mut input).and_then(|_| LinkRequest::from_input(input, &[]))
    })
}

fn integration(schemas: &mut Schemas, summary: &'static str) -> Description {
    of_integration(schemas, INTEGRATIONS, summary)
}

fn of_integration(schemas: &mut Schemas, tag: &'static str, summary: &'static str) -> Description {
    Description::of(schemas, tag, summary)
        .named::<Name>(schemas, "The integration's name, in any spelling of it.")
}

fn mapping(schemas: &mut Schemas, summary: &'static str) -> Description {
    of_integration(schemas, MAPPINGS, summary).id::<OrganizationId>(
        schemas,
        "organization_id",
        "The organization's id.",
    )
}

fn connection(schemas: &mut Schemas, summary: &'static str) -> Description {
    let named = Description::of(schemas, CONNECTIONS, summary)
        .named::<Name>(schemas, "The connection's name, in any spelling of it.");
    scoped(named)
}

fn scoped(description: Description) -> Description {
    let scope = <Scope as Described>::json_schema(&mut schemars::SchemaGenerator::default()).to_value();
    description.query("scope", scope, "Left out: the caller's own. Others are for provider callers.")
}

fn with_integration(description: Description) -> Description {
    let name = <Name as Described>::json_schema(&mut schemars::SchemaGenerator::default()).to_value();
    description.query("integration", name, "The integration whose mapping fills the placeholders in URLs.")
}

fn ticket(schemas: &mut Schemas, summary: &'static str) -> Description {
    Description::open(schemas, SIGNING_IN, summary).path(
        "ticket",
        json!({"type": "string"}),
        "From the `connect_url` that authorize answered.",
    )
}

fn arrival(description: Description) -> Description {
    let text = || json!({"type": "string"});
    let mut described = description;
    for (name, what) in [
        ("state", "As it was sent to the provider (RFC 6749 section 4.1.2)."),
        ("code", "The authorization code."),
        ("error", "Why there is no code (RFC 6749 section 4.1.2.1)."),
        ("error_description", "The same, in the provider's words."),
        ("iss", "Which provider this is (RFC 9207)."),
    ] {
        described = described.free_query(name, text(), what);
    }
    described
        .pages(&[
            (
                200,
                "It is connected; or someone else signed in than before, and whether that is meant is asked.",
            ),
            (303, "It is connected: back to `return_to`."),
            (410, "This sign-in is over, or is not this browser's."),
        ])
        .pages(CANNOT)
}
