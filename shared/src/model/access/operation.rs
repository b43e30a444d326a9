//! Everything that can be asked of the API: one operation per route.

macro_rules! operations {
    ($($operation:ident $function:literal $method:ident $path:literal;)*) => {
        /// What a request asks for. The order is that of the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $(#[doc = concat!("`", stringify!($method), " ", $path, "`")] $operation,)*
        }

        impl Operation {
            pub const ALL: &[Self] = &[$(Self::$operation,)*];

            /// The function that answers it: its package, and its folder with `-` for `/`.
            pub const fn function(self) -> &'static str {
                match self { $(Self::$operation => $function,)* }
            }

            /// In capitals.
            pub const fn method(self) -> &'static str {
                match self { $(Self::$operation => stringify!($method),)* }
            }

            /// The one that a route of the gateway is: `GET /integrations/{name}`.
            pub fn of_route(route: &str) -> Option<Self> {
                let (method, path) = route.split_once(' ')?;
                let is_it = |operation: &&Self| operation.method() == method && operation.path() == path;
                Self::ALL.iter().find(is_it).copied()
            }

            /// As the template has it, parameters in braces.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$operation => $path,)* }
            }
        }
    };
}

operations! {
    IntegrationsCreate    "integrations-create"    POST   "/integrations";
    IntegrationsList      "integrations-list"      GET    "/integrations";
    IntegrationsGet       "integrations-get"       GET    "/integrations/{name}";
    IntegrationsUpdate    "integrations-update"    PATCH  "/integrations/{name}";
    IntegrationsDelete    "integrations-delete"    DELETE "/integrations/{name}";
    IntegrationsResolve   "integrations-resolve"   GET    "/integrations/{name}/resolve";
    MappingsList          "mappings-list"          GET    "/integrations/{name}/mappings";
    MappingsGet           "mappings-get"           GET    "/integrations/{name}/mappings/{organization_id}";
    MappingsPut           "mappings-put"           PUT    "/integrations/{name}/mappings/{organization_id}";
    MappingsDelete        "mappings-delete"        DELETE "/integrations/{name}/mappings/{organization_id}";
    MappingsImport        "mappings-import"        POST   "/integrations/{name}/mappings/import";
    ConnectionsCreate     "connections-create"     POST   "/connections";
    ConnectionsList       "connections-list"       GET    "/connections";
    ConnectionsGet        "connections-get"        GET    "/connections/{name}";
    ConnectionsUpdate     "connections-update"     PATCH  "/connections/{name}";
    ConnectionsDelete     "connections-delete"     DELETE "/connections/{name}";
    ConnectionsAuthorize  "connections-authorize"  POST   "/connections/{name}/authorize";
    ConnectionsToken      "connections-token"      GET    "/connections/{name}/token";
    ConnectionsRefresh    "connections-refresh"    POST   "/connections/{name}/refresh";
    ConnectionsDisconnect "connections-disconnect" POST   "/connections/{name}/disconnect";
    ConnectionsImport     "connections-import"     POST   "/connections/{name}/import";
    ConnectionsDiagnose   "connections-diagnose"   POST   "/connections/{name}/diagnose";
    ConnectOffer          "oauth-connect"          GET    "/connect/{ticket}";
    ConnectContinue       "oauth-connect"          POST   "/connect/{ticket}";
    CallbackNamed         "oauth-callback"         GET    "/oauth/callback/{connection}";
    CallbackShared        "oauth-callback"         GET    "/api/oauth/callback";
    ConfirmSwitch         "oauth-confirm"          POST   "/oauth/confirm";
    OrganizationsCreate   "organizations-create"   POST   "/organizations";
    OrganizationsList     "organizations-list"     GET    "/organizations";
    OrganizationsDelete   "organizations-delete"   DELETE "/organizations/{id}";
    KeysCreate            "keys-create"            POST   "/keys";
    KeysList              "keys-list"              GET    "/keys";
    KeysRevoke            "keys-revoke"            DELETE "/keys/{id}";
    ProvidersList         "providers-list"         GET    "/providers";
    Openapi               "openapi"                GET    "/openapi.json";
}
