//! Who may do what: callers, roles, scopes and verbs, and the rules between them.

mod operation;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Code, Problem, Scope, Timestamp};
pub use operation::Operation;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, in any scope. For provider callers only.
    Admin,
    /// A person: looks after its own organization's connections.
    User,
    /// A running automation: uses what others set up.
    Workflow,
}

/// What a caller wants to do with something that a scope owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Resolve, token, refresh.
    Use,
    /// See client secrets and refresh tokens in answers.
    ReadSecret,
    /// Create and change connections.
    Edit,
    /// Sign in to connections, and forget grants.
    Connect,
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

/// Who is asking: what the authorizer found out about the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The key's id, or `root`.
    pub key_id: String,
    pub role: Role,
    /// The platform, or the key's organization.
    pub home: Scope,
    /// Belongs to the platform or to a provider organization.
    pub is_provider: bool,
    pub secret_reach: SecretReach,
    pub expires_at: Option<Timestamp>,
    /// Where the key may be used from; anywhere if empty.
    pub allowed_cidrs: Vec<IpNet>,
}

impl Caller {
    /// The scope that a request is about, decided before anything is looked up.
    pub fn scope(&self, asked: Option<&str>) -> Result<Scope, Problem> {
        let Some(asked) = asked else { return Ok(self.home) };
        let scope: Scope = asked
            .parse()
            .map_err(|_| Problem::invalid("scope", "must be \"global\" or an organization's UUID"))?;
        if scope == self.home || self.is_provider {
            return Ok(scope);
        }
        Err(Problem::new(Code::ScopeForbidden, format!("Your key belongs to another scope than {scope}.")))
    }

    /// Whether this caller may apply `verb` to what `owner` owns.
    pub fn may(&self, verb: Verb, owner: Scope) -> bool {
        let own = owner == self.home;
        match verb {
            Verb::Use => true,
            Verb::ReadSecret => match self.secret_reach {
                SecretReach::None => false,
                SecretReach::Own => own,
                SecretReach::Reached => true,
            },
            Verb::Edit | Verb::Connect => match self.role {
                Role::Admin => true,
                // Its own organization: the platform is the admins'.
                Role::User => own && owner != Scope::Global,
                Role::Workflow => false,
            },
        }
    }

    pub fn require(&self, verb: Verb, owner: Scope) -> Result<(), Problem> {
        if self.may(verb, owner) {
            return Ok(());
        }
        let wanted = match verb {
            Verb::Use => "use",
            Verb::ReadSecret => "read the secrets of",
            Verb::Edit => "edit",
            Verb::Connect => "connect",
        };
        let role = self.role.as_str();
        Err(Problem::forbidden(format!(
            "A key with the role {role} may not {wanted} connections of {owner}."
        )))
    }

    pub fn require_admin(&self) -> Result<(), Problem> {
        match self.role {
            Role::Admin => Ok(()),
            role => {
                Err(Problem::forbidden(format!("This needs the role admin; the key's is {}.", role.as_str())))
            }
        }
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
    fn a_managed_caller_names_no_scope_but_its_own() {
        let own = organization();
        let managed = caller(Role::User, own, false);
        for foreign in [Scope::Global, organization()] {
            let refused = managed.scope(Some(&foreign.to_string())).unwrap_err();
            assert_eq!(refused.code, Code::ScopeForbidden);
        }
        assert_eq!(managed.scope(Some(&own.to_string())).unwrap(), own);
    }

    #[test]
    fn a_scope_that_is_no_scope_is_invalid_for_everyone() {
        let managed = caller(Role::User, organization(), false);
        assert_eq!(managed.scope(Some("acme")).unwrap_err().code, Code::InvalidInput);
        assert_eq!(managed.scope(Some("")).unwrap_err().code, Code::InvalidInput);
    }

    #[test]
    fn only_admins_edit_what_others_own_and_workflows_edit_nothing() {
        let own = organization();
        assert!(caller(Role::Admin, Scope::Global, true).may(Verb::Edit, own));
        assert!(caller(Role::User, own, false).may(Verb::Edit, own));
        assert!(!caller(Role::User, own, true).may(Verb::Edit, Scope::Global));
        assert!(!caller(Role::User, Scope::Global, true).may(Verb::Connect, Scope::Global));
        assert!(!caller(Role::Workflow, own, true).may(Verb::Connect, own));
    }

    #[test]
    fn a_users_key_reads_no_secret_of_a_global_connection() {
        let own = organization();
        assert!(caller(Role::User, own, false).may(Verb::ReadSecret, own));
        assert!(!caller(Role::User, own, false).may(Verb::ReadSecret, Scope::Global));
        assert!(!caller(Role::Workflow, own, false).may(Verb::ReadSecret, own));
    }
}
