//! Who may ask what, for which scope: the whole rule, as one table.
//!
//! What is finer than a row (fields of a body, which items of a list) are methods of [`super::Caller`].

use super::{Caller, Operation, Role};
use crate::model::Scope;

/// Where a caller belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Platform,
    /// A provider organization.
    Provider,
    /// Any other organization.
    Managed,
}

/// Whose scope a request is about, seen from the caller. The platform's own scope is the global one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Own,
    Global,
    /// Another organization's.
    Other,
}

/// What becomes of a request, as far as its caller decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Allowed,
    /// 403 `forbidden`: not with this role.
    Forbidden,
    /// 403 `scope-forbidden`: not from there, whatever the role.
    ScopeForbidden,
    /// 404 `not-found`: whether there is such a thing is not the caller's to know.
    Hidden,
    /// There is no such request or no such caller. Nobody gets through by it.
    NoSuchCase,
}

/// How a request says whose scope it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeFrom {
    /// There is no caller: whoever holds the link, or comes back from the provider.
    NoCaller,
    /// Not at all: it is about what all organizations share, or about organizations themselves.
    Nothing,
    /// `?scope=`, else the caller's own.
    Query,
    /// `{organization_id}` in the path.
    Path,
    /// Whose grant it is: `organization_id`, in the body or the query, else `?scope=`.
    Grant,
    /// Where the new key is to belong: `organization_id` or `platform` in the body, else the caller's own organization.
    NewKey,
    /// Where the key belongs that the path names.
    Key,
}

/// One operation's rule.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub scope_from: ScopeFrom,
    /// By column, then by relation.
    cells: [[Outcome; RELATIONS.len()]; COLUMNS.len()],
}

/// The columns of the table.
pub const COLUMNS: [(Kind, Role); 8] = [
    (Kind::Platform, Role::Admin),
    (Kind::Platform, Role::User),
    (Kind::Platform, Role::Workflow),
    (Kind::Provider, Role::Admin),
    (Kind::Provider, Role::User),
    (Kind::Provider, Role::Workflow),
    (Kind::Managed, Role::User),
    (Kind::Managed, Role::Workflow),
];

/// The places in a cell.
pub const RELATIONS: [Relation; 3] = [Relation::Own, Relation::Global, Relation::Other];

/// The table. A cell says what becomes of a request about the caller's own scope, the global one, another
/// organization's:
///
/// `+` allowed, `-` forbidden, `x` scope-forbidden, `?` not-found, `.` no such case
///
/// A managed caller that names a scope of others gets `x` whatever its role, so that a refusal tells nothing about
/// what is there. A scope that is none is invalid for everyone, before any of this.
#[rustfmt::skip]
const fn row(operation: Operation) -> Row {
    use Operation as O;
    use ScopeFrom::{Grant, Key, NewKey, NoCaller, Nothing, Path, Query};
    match operation {
        //                                        platform        provider        managed
        //                                        adm usr wfl     adm usr wfl     usr wfl
        O::IntegrationsCreate    => rule(Nothing,  "+.. -.. -..     +.. -.. -..     -.. -.."),
        O::IntegrationsList      => rule(Nothing,  "+.. +.. +..     +.. +.. +..     +.. +.."),
        O::IntegrationsGet       => rule(Nothing,  "+.. +.. +..     +.. +.. +..     +.. +.."),
        O::IntegrationsUpdate    => rule(Nothing,  "+.. -.. -..     +.. -.. -..     -.. -.."),
        O::IntegrationsDelete    => rule(Nothing,  "+.. -.. -..     +.. -.. -..     -.. -.."),
        O::IntegrationsResolve   => rule(Query,    "+.+ +.+ +.+     +++ +++ +++     +xx +xx"),

        O::MappingsList          => rule(Nothing,  "+.. +.. +..     +.. +.. +..     +.. +.."),
        O::MappingsGet           => rule(Path,     "..+ ..+ ..+     +.+ +.+ +.+     +.x +.x"),
        O::MappingsPut           => rule(Path,     "..+ ..+ ..+     +.+ +.+ +.+     +.x -.x"),
        O::MappingsDelete        => rule(Path,     "..+ ..+ ..+     +.+ +.+ +.+     -.x -.x"),
        O::MappingsImport        => rule(Nothing,  "+.. -.. -..     +.. -.. -..     -.. -.."),

        O::ConnectionsCreate     => rule(Query,    "+.+ -.- -.-     +++ +-- ---     +xx -xx"),
        O::ConnectionsList       => rule(Query,    "+.+ -.- -.-     +++ +-- ---     +xx -xx"),
        O::ConnectionsGet        => rule(Query,    "+.+ -.- -.-     +++ +-- ---     +xx -xx"),
        O::ConnectionsUpdate     => rule(Query,    "+.+ -.- -.-     +++ +-- ---     +xx -xx"),
        O::ConnectionsDelete     => rule(Query,    "+.+ -.- -.-     +++ +-- ---     +xx -xx"),
        O::ConnectionsAuthorize  => rule(Grant,    "+.+ -.- -.-     +++ +-- ---     +xx -xx"),
        O::ConnectionsToken      => rule(Query,    "+.+ +.+ +.+     +++ +++ +++     +xx +xx"),
        O::ConnectionsRefresh    => rule(Query,    "+.+ +.+ +.+     +++ +++ +++     +xx +xx"),
        O::ConnectionsDisconnect => rule(Grant,    "+.+ -.- -.-     +++ +-- ---     +xx -xx"),
        O::ConnectionsImport     => rule(Grant,    "+.+ -.- -.-     +++ +-- ---     +xx -xx"),
        O::ConnectionsDiagnose   => rule(Query,    "+.+ -.- -.-     +++ +-- ---     +xx -xx"),

        O::ConnectOffer          => rule(NoCaller, "... ... ...     ... ... ...     ... ..."),
        O::ConnectContinue       => rule(NoCaller, "... ... ...     ... ... ...     ... ..."),
        O::CallbackNamed         => rule(NoCaller, "... ... ...     ... ... ...     ... ..."),
        O::CallbackShared        => rule(NoCaller, "... ... ...     ... ... ...     ... ..."),
        O::ConfirmSwitch         => rule(NoCaller, "... ... ...     ... ... ...     ... ..."),

        O::OrganizationsCreate   => rule(Nothing,  "+.. -.. -..     +.. -.. -..     -.. -.."),
        O::OrganizationsList     => rule(Nothing,  "+.. -.. -..     +.. -.. -..     -.. -.."),
        O::OrganizationsDelete   => rule(Nothing,  "+.. -.. -..     +.. -.. -..     -.. -.."),

        O::KeysCreate            => rule(NewKey,   "+.+ -.- -.-     +++ +-- ---     +xx -xx"),
        O::KeysList              => rule(Query,    "+.+ -.- -.-     +++ +-- ---     +xx -xx"),
        O::KeysRevoke            => rule(Key,      "+.+ -.- -.-     +++ +?? ---     +?? ---"),

        O::ProvidersList         => rule(Nothing,  "+.. +.. +..     +.. +.. +..     +.. +.."),
        O::Openapi               => rule(NoCaller, "... ... ...     ... ... ...     ... ..."),
    }
}

/// Read by the compiler: a row that is no row does not build.
static MATRIX: [Row; Operation::ALL.len()] = {
    let mut rows = [row(Operation::ALL[0]); Operation::ALL.len()];
    let mut index = 0;
    while index < rows.len() {
        rows[index] = row(Operation::ALL[index]);
        index += 1;
    }
    rows
};

const fn rule(scope_from: ScopeFrom, text: &str) -> Row {
    let text = text.as_bytes();
    let mut cells = [[Outcome::NoSuchCase; RELATIONS.len()]; COLUMNS.len()];
    let (mut at, mut read) = (0, 0);
    while at < text.len() {
        let outcome = match text[at] {
            b'+' => Some(Outcome::Allowed),
            b'-' => Some(Outcome::Forbidden),
            b'x' => Some(Outcome::ScopeForbidden),
            b'?' => Some(Outcome::Hidden),
            b'.' => Some(Outcome::NoSuchCase),
            b' ' => None,
            _ => panic!("a cell holds + - x ? or ."),
        };
        if let Some(outcome) = outcome {
            cells[read / RELATIONS.len()][read % RELATIONS.len()] = outcome;
            read += 1;
        }
        at += 1;
    }
    assert!(read == COLUMNS.len() * RELATIONS.len(), "a row has a cell for each column");
    Row { scope_from, cells }
}

impl Row {
    pub fn of(operation: Operation) -> &'static Self {
        &MATRIX[operation as usize]
    }

    pub fn outcome(&self, kind: Kind, role: Role, relation: Relation) -> Outcome {
        let column = COLUMNS.iter().position(|column| *column == (kind, role));
        column.map_or(Outcome::NoSuchCase, |column| self.cells[column][relation as usize])
    }
}

impl Kind {
    pub fn of(home: Scope, is_provider: bool) -> Self {
        match (home, is_provider) {
            (Scope::Global, _) => Self::Platform,
            (Scope::Organization(_), true) => Self::Provider,
            (Scope::Organization(_), false) => Self::Managed,
        }
    }

    /// Whether there are callers with this role.
    pub fn has(self, role: Role) -> bool {
        COLUMNS.contains(&(self, role))
    }
}

impl Caller {
    fn relation(&self, scope: Scope) -> Relation {
        match scope {
            own if own == self.home => Relation::Own,
            Scope::Global => Relation::Global,
            Scope::Organization(_) => Relation::Other,
        }
    }

    /// What the table says to this caller.
    pub(super) fn outcome(&self, operation: Operation, scope: Scope) -> Outcome {
        let kind = Kind::of(self.home, self.is_provider);
        Row::of(operation).outcome(kind, self.role, self.relation(scope))
    }
}

/// The contract's sentences, so that a slip of the table is not taken for the rule.
#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Allowed, Forbidden, Hidden, NoSuchCase, ScopeForbidden};
    use Role::{Admin, User, Workflow};

    const KINDS: [Kind; 3] = [Kind::Platform, Kind::Provider, Kind::Managed];
    const ROLES: [Role; 3] = [Admin, User, Workflow];

    fn outcome(operation: Operation, kind: Kind, role: Role, relation: Relation) -> Outcome {
        Row::of(operation).outcome(kind, role, relation)
    }

    /// Every case that there is, with its outcome.
    fn cases(operation: Operation) -> Vec<(Kind, Role, Relation, Outcome)> {
        let all = COLUMNS.iter().flat_map(|(kind, role)| RELATIONS.map(|relation| (*kind, *role, relation)));
        let judged = all
            .map(|(kind, role, relation)| (kind, role, relation, outcome(operation, kind, role, relation)));
        judged.filter(|(.., outcome)| *outcome != NoSuchCase).collect()
    }

    const EDIT_AND_CONNECT: [Operation; 8] = [
        Operation::ConnectionsCreate,
        Operation::ConnectionsList,
        Operation::ConnectionsGet,
        Operation::ConnectionsUpdate,
        Operation::ConnectionsDelete,
        Operation::ConnectionsAuthorize,
        Operation::ConnectionsDisconnect,
        Operation::ConnectionsDiagnose,
    ];
    const USE: [Operation; 3] =
        [Operation::IntegrationsResolve, Operation::ConnectionsToken, Operation::ConnectionsRefresh];
    const KEYS: [Operation; 3] = [Operation::KeysCreate, Operation::KeysList, Operation::KeysRevoke];

    #[test]
    fn admins_may_do_everything_in_any_scope() {
        for operation in Operation::ALL {
            for (_, _, _, outcome) in cases(*operation).into_iter().filter(|(_, role, ..)| *role == Admin) {
                assert_eq!(outcome, Allowed, "{operation:?}");
            }
        }
    }

    #[test]
    fn there_are_no_managed_admins_and_nothing_is_allowed_to_one() {
        for operation in Operation::ALL {
            for relation in RELATIONS {
                assert_eq!(outcome(*operation, Kind::Managed, Admin, relation), NoSuchCase);
            }
        }
    }

    #[test]
    fn a_scope_of_others_is_for_provider_callers_only() {
        for operation in Operation::ALL {
            for (kind, role, relation, outcome) in cases(*operation) {
                let foreign = kind == Kind::Managed && relation != Relation::Own;
                if *operation == Operation::KeysRevoke {
                    assert_ne!(outcome, ScopeForbidden);
                    continue;
                }
                assert_eq!(
                    outcome == ScopeForbidden,
                    foreign,
                    "{operation:?} {kind:?} {role:?} {relation:?}"
                );
            }
        }
    }

    #[test]
    fn every_role_uses_what_its_lookup_reaches() {
        for operation in USE {
            for (kind, role, relation, outcome) in cases(operation) {
                let foreign = kind == Kind::Managed && relation != Relation::Own;
                let expected = if foreign { ScopeForbidden } else { Allowed };
                assert_eq!(outcome, expected, "{operation:?} {kind:?} {role:?} {relation:?}");
            }
        }
    }

    #[test]
    fn users_edit_and_connect_in_their_own_organization_and_workflows_nowhere() {
        for operation in EDIT_AND_CONNECT {
            for kind in KINDS {
                for relation in RELATIONS {
                    assert_ne!(
                        outcome(operation, kind, Workflow, relation),
                        Allowed,
                        "{operation:?} {kind:?}"
                    );
                    // The platform is no organization.
                    let own_organization = kind != Kind::Platform && relation == Relation::Own;
                    let allowed = outcome(operation, kind, User, relation) == Allowed;
                    assert_eq!(allowed, own_organization, "{operation:?} {kind:?} {relation:?}");
                }
            }
        }
    }

    #[test]
    fn provider_callers_write_mappings_managed_users_their_own_and_managed_workflows_none() {
        for role in ROLES {
            assert_eq!(outcome(Operation::MappingsPut, Kind::Provider, role, Relation::Other), Allowed);
            assert_eq!(outcome(Operation::MappingsDelete, Kind::Platform, role, Relation::Other), Allowed);
        }
        let managed = |operation, role| outcome(operation, Kind::Managed, role, Relation::Own);
        assert_eq!(managed(Operation::MappingsPut, User), Allowed);
        assert_eq!(managed(Operation::MappingsPut, Workflow), Forbidden);
        assert_eq!(managed(Operation::MappingsDelete, User), Forbidden);
        assert_eq!(managed(Operation::MappingsDelete, Workflow), Forbidden);
    }

    #[test]
    fn keys_are_the_admins_and_those_of_ones_own_organization_its_users() {
        for operation in KEYS {
            for kind in KINDS {
                assert_ne!(outcome(operation, kind, Workflow, Relation::Own), Allowed);
                assert_ne!(outcome(operation, kind, User, Relation::Global), Allowed);
                assert_ne!(outcome(operation, kind, User, Relation::Other), Allowed);
            }
            assert_eq!(outcome(operation, Kind::Managed, User, Relation::Own), Allowed);
            assert_eq!(outcome(operation, Kind::Provider, User, Relation::Own), Allowed);
        }
    }

    #[test]
    fn a_key_that_one_may_not_know_of_is_not_found() {
        for relation in [Relation::Global, Relation::Other] {
            assert_eq!(outcome(Operation::KeysRevoke, Kind::Managed, User, relation), Hidden);
            assert_eq!(outcome(Operation::KeysRevoke, Kind::Provider, User, relation), Hidden);
        }
    }

    #[test]
    fn integrations_and_organizations_are_made_by_admins_and_integrations_read_by_all() {
        use Operation as O;
        for operation in [
            O::IntegrationsCreate,
            O::IntegrationsUpdate,
            O::IntegrationsDelete,
            O::MappingsImport,
            O::OrganizationsCreate,
            O::OrganizationsList,
            O::OrganizationsDelete,
        ] {
            for (_, role, _, outcome) in cases(operation) {
                assert_eq!(outcome, if role == Admin { Allowed } else { Forbidden }, "{operation:?}");
            }
        }
        for operation in [O::IntegrationsList, O::IntegrationsGet, O::MappingsList] {
            assert!(cases(operation).iter().all(|(.., outcome)| *outcome == Allowed), "{operation:?}");
        }
    }

    #[test]
    fn a_cell_knows_the_cases_that_the_place_of_the_scope_makes_possible() {
        for operation in Operation::ALL {
            for (kind, role) in COLUMNS {
                for relation in RELATIONS {
                    let there_is = match (Row::of(*operation).scope_from, kind, relation) {
                        (ScopeFrom::NoCaller, ..) => false,
                        (ScopeFrom::Nothing, _, relation) => relation == Relation::Own,
                        // The path names an organization.
                        (ScopeFrom::Path, Kind::Platform, relation) => relation == Relation::Other,
                        (ScopeFrom::Path, _, relation) => relation != Relation::Global,
                        // The platform's own scope is the global one.
                        (_, Kind::Platform, relation) => relation != Relation::Global,
                        _ => true,
                    };
                    let found = outcome(*operation, kind, role, relation) != NoSuchCase;
                    assert_eq!(found, there_is, "{operation:?} {kind:?} {role:?} {relation:?}");
                }
            }
        }
    }
}
