use std::time::Duration;

use proptest::prelude::*;
use ring::signature::{self, UnparsedPublicKey};
use serde_json::json;

use super::*;

pub(crate) const RSA: &str = include_str!("../../../../tests/fixtures/rsa.key.pem");
pub(crate) const RSA_CERTIFICATE: &str = include_str!("../../../../tests/fixtures/rsa.crt.pem");
pub(crate) const P256: &str = include_str!("../../../../tests/fixtures/p256.key.pem");
pub(crate) const P256_CERTIFICATE: &str = include_str!("../../../../tests/fixtures/p256.crt.pem");

fn private(pem: &str) -> Result<PrivateKey, String> {
    PrivateKey::parse(&Secret::from(pem.to_owned()))
}

fn certificate(pem: &str) -> Certificate {
    Certificate::from_json(json!(pem)).unwrap()
}

/// Checks as a provider would, with the public key alone.
pub(crate) fn verifies(key: &PublicKey, algorithm: SigningAlgorithm, message: &[u8], signed: &[u8]) -> bool {
    let algorithm: &dyn signature::VerificationAlgorithm = match algorithm {
        SigningAlgorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        SigningAlgorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
        SigningAlgorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
    };
    let key = URL_SAFE_NO_PAD.decode(&key.key).unwrap();
    UnparsedPublicKey::new(algorithm, key).verify(message, signed).is_ok()
}

#[test]
fn keys_of_both_kinds_sign_by_their_algorithms_and_by_no_other() {
    for (pem, good) in
        [(RSA, vec![SigningAlgorithm::RS256, SigningAlgorithm::PS256]), (P256, vec![SigningAlgorithm::ES256])]
    {
        let key = private(pem).unwrap();
        assert!(good.contains(&key.public_key().kind.default_algorithm()));
        for algorithm in [SigningAlgorithm::RS256, SigningAlgorithm::PS256, SigningAlgorithm::ES256] {
            let signed = key.sign(algorithm, b"message");
            assert_eq!(signed.is_some(), good.contains(&algorithm), "{algorithm:?}");
            assert_eq!(algorithm.kind() == key.public_key().kind, good.contains(&algorithm));
            let Some(signed) = signed else { continue };
            assert!(verifies(&key.public_key(), algorithm, b"message", &signed), "{algorithm:?}");
            assert!(!verifies(&key.public_key(), algorithm, b"another", &signed), "{algorithm:?}");
        }
    }
}

#[test]
fn a_certificate_is_of_the_key_that_it_was_made_with_and_of_no_other() {
    let (rsa, p256) = (private(RSA).unwrap().public_key(), private(P256).unwrap().public_key());
    assert_eq!(certificate(RSA_CERTIFICATE).public_key(), Some(rsa.clone()));
    assert_eq!(certificate(P256_CERTIFICATE).public_key(), Some(p256.clone()));
    assert_ne!(rsa, p256);
}

/// As `openssl x509 -fingerprint` and `-enddate` have them.
#[test]
fn a_certificate_says_its_thumbprints_and_its_end() {
    let hex = |thumbprint: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(thumbprint).unwrap();
        bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>()
    };
    let certificate = certificate(RSA_CERTIFICATE);
    assert_eq!(hex(&certificate.sha1_thumbprint()), "BF19921FFBC18B844951766DC733E360542F9F73");
    assert_eq!(
        hex(&certificate.sha256_thumbprint()),
        "837EF41A4540A713ECB47320037DF9A396E5616D7A3EC18B5312615CF4F23C99"
    );
    assert_eq!(certificate.not_after().unwrap().to_string(), "2076-11-25T06:12:30.000Z");
    let utc_time = Certificate::from_json(json!(P256_CERTIFICATE)).unwrap().not_after().unwrap();
    assert_eq!(utc_time.to_string(), "2046-11-21T06:12:30.000Z");
}

#[test]
fn what_is_no_key_for_signing_is_refused_with_what_helps() {
    let other_label = |label: &str| P256.replace("PRIVATE KEY", label);
    for (pem, helps) in [
        (other_label("EC PRIVATE KEY"), "openssl pkey"),
        (other_label("RSA PRIVATE KEY"), "openssl pkey"),
        (other_label("ENCRYPTED PRIVATE KEY"), "openssl pkey"),
        (other_label("PUBLIC KEY"), "must be a private key"),
        (RSA_CERTIFICATE.to_owned(), "must be a private key"),
        (format!("{P256}{P256_CERTIFICATE}"), "must be one PEM text"),
        ("s3cret".to_owned(), "must be one PEM text"),
        (include_str!("rsa-1024.pem").to_owned(), "less than 2048 bits"),
        (include_str!("p384.pem").to_owned(), "P-256"),
        ("-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----".to_owned(), "openssl genpkey"),
    ] {
        let message = private(&pem).unwrap_err();
        assert!(message.contains(helps), "{message}");
        assert!(!message.contains("s3cret"));
    }
    for pem in [P256, "s3cret", "-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----"] {
        assert!(Certificate::from_json(json!(pem)).is_err());
    }
}

#[test]
fn only_the_arn_of_a_key_names_one() {
    let good = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for good in [good, &good.replace("arn:aws", "arn:aws-us-gov"), &good.replace("key/", "key/mrk-")] {
        assert!(check_key_arn(good).is_ok(), "{good}");
    }
    for bad in [
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        &good.replace(":key/", ":alias/"),
        &good.replace(":kms:", ":s3:"),
        &good.replace("111122223333", "1"),
        &good.replace("eu-central-1", ""),
        &format!("{good}:x"),
        &format!("{good}/../x"),
        &good.replace("arn:aws:", "arn:other:"),
    ] {
        assert!(check_key_arn(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_year_of_a_utc_time_is_of_this_century_or_the_last() {
    let validity = |tag: u8, time: &str| {
        let mut der = vec![tag, time.len() as u8];
        der.extend_from_slice(time.as_bytes());
        [der.clone(), der].concat()
    };
    let at = |tag, time| not_after(&validity(tag, time)).map(|time| time.to_string());
    assert_eq!(at(UTC_TIME, "491231235959Z").as_deref(), Some("2049-12-31T23:59:59.000Z"));
    assert_eq!(at(UTC_TIME, "991231235959Z").as_deref(), Some("1999-12-31T23:59:59.000Z"));
    assert_eq!(at(GENERALIZED_TIME, "20501231235959Z").as_deref(), Some("2050-12-31T23:59:59.000Z"));
    assert_eq!(at(UTC_TIME, "20501231235959Z"), None);
    assert_eq!(at(UTC_TIME, "49123123595é"), None);
    assert!(not_after(&[]).is_none());
    assert!(certificate(RSA_CERTIFICATE).not_after().unwrap() > Timestamp::now() + Duration::from_secs(3600));
}

/// A number as DER writes it: no zeros ahead, but for one that keeps it from being negative.
fn integer(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len() - 1);
    let number = &number[first..];
    let padded = if number[0] >= 0x80 { [&[0], number].concat() } else { number.to_vec() };
    [&[INTEGER, padded.len() as u8], padded.as_slice()].concat()
}

proptest! {
    #[test]
    fn a_signature_in_der_becomes_two_numbers_of_32_bytes(
        mut r: [u8; 32], mut s: [u8; 32], zeros in 0_usize..32,
    ) {
        r[..zeros].fill(0);
        s[..31 - zeros].fill(0);
        let numbers = [integer(&r), integer(&s)].concat();
        let der = [&[SEQUENCE, numbers.len() as u8], numbers.as_slice()].concat();
        prop_assert_eq!(p256_signature_of_der(&der), Some([r, s].concat()));
    }

    #[test]
    fn bytes_that_are_no_der_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = p256_signature_of_der(&bytes);
        prop_assert!(PublicKey::from_spki(&bytes).is_none());
        prop_assert!(Parts::of(&bytes).is_none());
        let _ = not_after(&bytes);
    }

    #[test]
    fn a_certificate_with_a_byte_changed_is_read_or_refused(position in 0_usize..10_000, byte: u8) {
        let mut der = certificate(P256_CERTIFICATE).der();
        let position = position % der.len();
        der[position] = byte;
        let _ = Parts::of(&der);
    }
}
