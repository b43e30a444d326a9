//! Who may do what: callers, their roles, and the rules.
//!
//! [`matrix`] holds the one table of who may ask what for which scope; what is finer than that are methods of
//! [`Caller`] here. Refusals come in this order: the key itself (expired, or used from elsewhere; see `edge`), a scope
//! that is none (422), a scope of others (403 `scope-forbidden`), the role (403 `forbidden`). All of it is decided
//! before anything is looked up, so that no refusal tells what there is.

pub mod matrix;
mod operation;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Code, OrganizationId, Problem, Scope, Timestamp, oidc::CALLER_PREFIX};
use matrix::{Outcome, Row, ScopeFrom};
pub use operation::Operation;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, in any scope.
    Admin,
    /// A person: looks after its own organization's connections.
    User,
    /// A running automation: uses what others set up.
    Workflow,
}

/// Which secrets beyond access tokens a key may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretReach {
    #[default]
    None,
    /// What its own scope owns.
    Own,
    /// Whatever its look-ups reach, a global connection's included.
    Reached,
}

/// Who is asking: what the authorizer found out about the key or the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The key's id, or `root`; or who signed in, see [`Caller::person`].
    pub key_id: String,
    pub role: Role,
    /// The platform, or the organization of the key or the person.
    pub home: Scope,
    /// Belongs to the platform or to a provider organization.
    pub is_provider: bool,
    pub secret_reach: SecretReach,
    pub expires_at: Option<Timestamp>,
    /// Where the key may be used from; anywhere if empty.
    pub allowed_cidrs: Vec<IpNet>,
}

/// Whose connection, and whose grant on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantPlace {
    pub owner: Scope,
    pub scope: Scope,
}

impl Caller {
    /// What the issuer tells people apart by, for a caller who signed in and has no key.
    pub fn person(&self) -> Option<&str> {
        self.key_id.strip_prefix(CALLER_PREFIX)
    }

    /// The scope that a request names, or the caller's own. Whether it may be named is for [`Caller::permitted`] to say.
    pub fn scope(&self, named: Option<&str>) -> Result<Scope, Problem> {
        let Some(named) = named else { return Ok(self.home) };
        named.parse().map_err(|_| Problem::invalid("scope", "must be \"global\" or an organization's UUID"))
    }

    /// Refuses what the table does not allow. Asked before anything is looked up.
    pub fn permitted(&self, operation: Operation, scope: Scope) -> Result<(), Problem> {
        match self.outcome(operation, scope) {
            Outcome::Allowed => Ok(()),
            Outcome::ScopeForbidden => {
                let detail = format!("Your key belongs to another scope than {scope}.");
                Err(Problem::new(Code::ScopeForbidden, detail))
            }
            Outcome::Hidden => Err(Problem::new(Code::NotFound, "Your key sees nothing there.")),
            Outcome::Forbidden | Outcome::NoSuchCase => {
                let (function, role) = (operation.function(), self.role.as_str());
                let detail = match Row::of(operation).scope_from {
                    ScopeFrom::Nothing => format!("A key with the role {role} may not call {function}."),
                    _ => format!("A key with the role {role} may not call {function} for {scope}."),
                };
                Err(Problem::forbidden(detail))
            }
        }
    }

    /// Whether the table allows it.
    pub fn may(&self, operation: Operation, scope: Scope) -> bool {
        self.outcome(operation, scope) == Outcome::Allowed
    }

    /// Where the grant is that a request is about, which may ask for an organization's own on a global connection.
    pub fn permitted_grant(
        &self,
        operation: Operation,
        named: Option<&str>,
        organization: Option<OrganizationId>,
    ) -> Result<GrantPlace, Problem> {
        let named = self.scope(named)?;
        let place = match organization {
            None => GrantPlace { owner: named, scope: named },
            Some(id) => GrantPlace { owner: Scope::Global, scope: Scope::Organization(id) },
        };
        // A scope of others is refused even where it makes no difference.
        let foreign = self.outcome(operation, named) == Outcome::ScopeForbidden;
        self.permitted(operation, if foreign { named } else { place.scope })?;
        Ok(place)
    }
}

/// What is finer than the table.
impl Caller {
    /// Client secrets and refresh tokens in answers, of connections and grants that `owner` has.
    pub fn reads_secrets_of(&self, owner: Scope) -> bool {
        match self.secret_reach {
            SecretReach::None => false,
            SecretReach::Own => owner == self.home,
            SecretReach::Reached => true,
        }
    }

    /// Sets `client_secret_ref`, `client_key_arn` and the shared callback, which reach beyond the scope that owns the
    /// connection.
    pub fn sets_platform_fields(&self) -> bool {
        self.role == Role::Admin
    }

    /// Says which tenant an organization is, which decides whose token comes out; others change `config` only, and
    /// not what fills a global connection's URLs.
    pub fn chooses_tenants(&self) -> bool {
        self.is_provider
    }

    /// Sees every organization's mappings in a list, and not its own alone.
    pub fn lists_all_mappings(&self) -> bool {
        self.is_provider
    }

    /// Makes, sees and revokes keys of this role, where the table lets it.
    pub fn manages_keys_with(&self, role: Role) -> bool {
        self.role == Role::Admin || role == Role::Workflow
    }
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Workflow => "workflow",
        }
    }

    /// What a key of this role can read without being told so.
    pub fn secret_reach(self) -> SecretReach {
        match self {
            Self::Admin => SecretReach::Reached,
            Self::User => SecretReach::Own,
            Self::Workflow => SecretReach::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OrganizationId;

    fn caller(role: Role, home: Scope, is_provider: bool) -> Caller {
        let secret_reach = role.secret_reach();
        Caller {
            key_id: "k".into(),
            role,
            home,
            is_provider,
            secret_reach,
            expires_at: None,
            allowed_cidrs: vec![],
        }
    }

    fn organization() -> Scope {
        Scope::Organization(OrganizationId::new())
    }

    #[test]
    fn without_a_scope_a_request_is_about_the_callers_own() {
        let own = organization();
        assert_eq!(caller(Role::Workflow, own, false).scope(None).unwrap(), own);
        assert_eq!(caller(Role::Admin, Scope::Global, true).scope(None).unwrap(), Scope::Global);
    }

    #[test]
    fn a_scope_that_is_no_scope_is_invalid_for_everyone() {
        let managed = caller(Role::User, organization(), false);
        for text in ["acme", "", "Global", "GLOBAL "] {
            assert_eq!(managed.scope(Some(text)).unwrap_err().code, Code::InvalidInput, "{text:?}");
        }
    }

    #[test]
    fn a_users_key_reads_no_secret_of_a_global_connection() {
        let own = organization();
        assert!(caller(Role::User, own, false).reads_secrets_of(own));
        assert!(!caller(Role::User, own, false).reads_secrets_of(Scope::Global));
        assert!(!caller(Role::Workflow, own, false).reads_secrets_of(own));
        assert!(caller(Role::Admin, own, true).reads_secrets_of(Scope::Global));
    }

    #[test]
    fn an_organizations_own_grant_on_a_global_connection_is_its_own_matter() {
        let own = OrganizationId::new();
        let user = caller(Role::User, Scope::Organization(own), false);
        let asked = |named: Option<&str>, organization| {
            let asked = user.permitted_grant(Operation::ConnectionsAuthorize, named, organization);
            asked.map_err(|problem| problem.code)
        };
        assert_eq!(
            asked(None, Some(own)),
            Ok(GrantPlace { owner: Scope::Global, scope: Scope::Organization(own) })
        );
        assert_eq!(asked(None, Some(OrganizationId::new())), Err(Code::ScopeForbidden));
        assert_eq!(asked(Some("global"), Some(own)), Err(Code::ScopeForbidden));
    }
}
