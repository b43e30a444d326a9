//! The other side: a provider that hands out refresh tokens in families, one family per sign-in.
//!
//! It knows nothing of leases and generations. What it remembers of a family is enough to say, for any token that is
//! presented, whether it was spent before.

use std::fmt;

/// A refresh token: the `index`-th of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token {
    pub(crate) family: u8,
    pub(crate) index: u8,
}

/// What a provider does with a refresh token that is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// A new token each time; a spent one that comes again ends the whole family.
    Strict,
    /// The same, but the token spent last is answered again with what it was answered before.
    Graceful,
    /// The same token for ever.
    Lasting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Nobody has signed in for it yet.
    Unborn,
    Good,
    /// A spent token came again.
    EndedByReuse,
    /// We asked for it.
    Revoked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Family {
    pub(crate) standing: Standing,
    /// The index of the one token that is good.
    pub(crate) newest: u8,
}

/// A family for the grant as it is at first, one for a later sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Provider {
    pub(crate) families: [Family; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    Tokens(Token),
    InvalidGrant,
    /// The client was turned away before the provider looked at the token.
    InvalidClient,
    /// A 5xx. It should mean that nothing was done, but may come from a gateway that does not know.
    ServerError,
}

impl Provider {
    pub(crate) fn new() -> Self {
        let family = |standing| Family { standing, newest: 0 };
        Self { families: [family(Standing::Good), family(Standing::Unborn)] }
    }

    pub(crate) fn sign_in(&mut self) -> Token {
        self.families[1].standing = Standing::Good;
        Token { family: 1, index: 0 }
    }

    /// Whether presenting the token now would be a reuse.
    pub(crate) fn is_spent(&self, token: Token) -> bool {
        let family = self.families[usize::from(token.family)];
        family.standing == Standing::Good && token.index < family.newest
    }

    pub(crate) fn is_good(&self, token: Token) -> bool {
        let family = self.families[usize::from(token.family)];
        family.standing == Standing::Good && token.index == family.newest
    }

    pub(crate) fn exchange(&mut self, manners: Manners, token: Token) -> Answer {
        let family = &mut self.families[usize::from(token.family)];
        if family.standing != Standing::Good {
            return Answer::InvalidGrant;
        }
        let answered_before = token.index + 1 == family.newest;
        if token.index == family.newest {
            family.newest += u8::from(manners != Manners::Lasting);
        } else if !(manners == Manners::Graceful && answered_before) {
            family.standing = Standing::EndedByReuse;
            return Answer::InvalidGrant;
        }
        Answer::Tokens(Token { family: token.family, index: family.newest })
    }

    /// The worst that RFC 7009 allows us to hope for: a spent token that is revoked takes nothing else with it.
    pub(crate) fn revoke(&mut self, token: Token) {
        if self.is_good(token) {
            self.families[usize::from(token.family)].standing = Standing::Revoked;
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = ["R", "S"][usize::from(self.family)];
        write!(f, "{family}{}", self.index)
    }
}
