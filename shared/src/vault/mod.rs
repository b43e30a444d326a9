//! Sealing: secrets are encrypted with AES-256-GCM under a data key of their scope, which KMS wraps.
//!
//! The associated data of each value names format version, data key version, item keys and attribute, each with its
//! length before it: a ciphertext moved to another tenant, item or attribute does not open. Which data keys there are,
//! and what is in memory of them, is the business of `keys`.

mod keys;

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce},
    rand::{SecureRandom, SystemRandom},
};
use uuid::Uuid;

use crate::{
    model::{Code, DataKeyVersion, Problem, Sealed, Secret},
    store::ItemKey,
};
pub use keys::{DataKey, Vault};

/// The first byte of every sealed value. Behind it: data key version (16 bytes), nonce (12), ciphertext and tag.
const FORMAT: u8 = 1;
const VERSION_LEN: usize = 16;
const HEADER_LEN: usize = 1 + VERSION_LEN + NONCE_LEN;

impl DataKey {
    /// Seals a secret for one attribute of one item.
    pub fn seal(&self, item: &ItemKey, attribute: &str, secret: &Secret) -> Result<Sealed, Problem> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Problem::internal("no randomness"))?;
        let mut sealed = Vec::with_capacity(HEADER_LEN + secret.expose().len() + AES_256_GCM.tag_len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(self.version().uuid().as_bytes());
        sealed.extend_from_slice(&nonce);
        let mut text = zeroize::Zeroizing::new(secret.expose().as_bytes().to_vec());
        let aad = Aad::from(associated_data(self.version(), item, attribute));
        let tag = self
            .cipher()?
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .map_err(|_| Problem::internal("sealing failed"))?;
        sealed.extend_from_slice(&text);
        sealed.extend_from_slice(tag.as_ref());
        Ok(Sealed::from_bytes(sealed))
    }

    /// Opens what [`DataKey::seal`] made for this very item and attribute.
    pub fn open(&self, item: &ItemKey, attribute: &str, sealed: &Sealed) -> Result<Secret, Problem> {
        let unopenable = || {
            let cause = format!("{item} {attribute}: does not open under data key {}", self.version());
            Problem::new(Code::SecretUnavailable, "A stored secret does not open.").caused_by(cause)
        };
        let (head, text) = sealed.as_bytes().split_at_checked(HEADER_LEN).ok_or_else(unopenable)?;
        let nonce = Nonce::try_assume_unique_for_key(&head[1 + VERSION_LEN..]).map_err(|_| unopenable())?;
        let aad = Aad::from(associated_data(self.version(), item, attribute));
        let mut text = zeroize::Zeroizing::new(text.to_vec());
        let text = self.cipher()?.open_in_place(nonce, aad, &mut text).map_err(|_| unopenable())?;
        let text = std::str::from_utf8(text).map_err(|_| unopenable())?;
        Ok(text.to_owned().into())
    }

    /// Whether a value was sealed under this very key.
    pub fn sealed(&self, value: &Sealed) -> bool {
        version_of(value) == Some(self.version())
    }

    fn cipher(&self) -> Result<LessSafeKey, Problem> {
        let key = ring::aead::UnboundKey::new(&AES_256_GCM, self.plain());
        Ok(LessSafeKey::new(key.map_err(|_| Problem::internal("a data key of the wrong length"))?))
    }
}

/// Which data key a value was sealed under; `None` if it is nothing that we sealed.
fn version_of(sealed: &Sealed) -> Option<DataKeyVersion> {
    let bytes = sealed.as_bytes();
    let version = bytes.get(1..1 + VERSION_LEN).filter(|_| bytes[0] == FORMAT)?;
    Uuid::from_slice(version).ok().map(DataKeyVersion::from)
}

/// What a value is bound to. Lengths go before the parts, so that no two places have the same bytes.
fn associated_data(version: DataKeyVersion, item: &ItemKey, attribute: &str) -> Vec<u8> {
    let version = version.uuid();
    let parts: [&[u8]; 5] =
        [&[FORMAT], version.as_bytes(), item.pk.as_bytes(), item.sk.as_bytes(), attribute.as_bytes()];
    let mut data = Vec::new();
    for part in parts {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Name, OrganizationId, Scope};

    fn place() -> ItemKey {
        let name = Name::parse("HaloPSA").unwrap().folded();
        ItemKey::connection(Scope::Organization(OrganizationId::new()), &name)
    }

    fn key() -> DataKey {
        DataKey::for_tests(DataKeyVersion::new(), [7; 32])
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_own_item_and_attribute_and_under_its_own_key() {
        let (key, item) = (key(), place());
        let sealed = key.seal(&item, "client_secret", &"s3cret".to_owned().into()).unwrap();
        assert_eq!(key.open(&item, "client_secret", &sealed).unwrap().expose(), "s3cret");
        assert!(key.open(&item, "access_token", &sealed).is_err());
        assert!(key.open(&place(), "client_secret", &sealed).is_err());
        let other = DataKey::for_tests(DataKeyVersion::new(), [7; 32]);
        assert!(other.open(&item, "client_secret", &sealed).is_err(), "the version is bound too");
    }

    #[test]
    fn a_boundary_between_item_keys_can_not_be_shifted() {
        let version = DataKeyVersion::new();
        let item = |pk: &str, sk: &str| ItemKey { pk: pk.into(), sk: sk.into() };
        let one = associated_data(version, &item("ORG#1", "2GRANT"), "a");
        let other = associated_data(version, &item("ORG#12", "GRANT"), "a");
        assert_ne!(one, other);
    }

    proptest! {
        #[test]
        fn a_value_with_one_bit_changed_does_not_open(text in ".{0,80}", position in 0_usize..1000, bit in 0_u8..8) {
            let (key, item) = (key(), place());
            let sealed = key.seal(&item, "a", &text.into()).unwrap();
            let mut bytes = sealed.as_bytes().to_vec();
            let position = position % bytes.len();
            bytes[position] ^= 1 << bit;
            let opened = key.open(&item, "a", &Sealed::from_bytes(bytes.clone()));
            let version_was_hit = version_of(&Sealed::from_bytes(bytes)) != version_of(&sealed);
            prop_assert!(opened.is_err() || version_was_hit);
        }
    }
}
