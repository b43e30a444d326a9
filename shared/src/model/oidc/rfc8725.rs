//! The forgeries, by the section of RFC 8725 (JSON Web Token Best Current Practices) that warns of them. Each is a good
//! token but for the one thing that its test says, and is refused for that thing.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use ring::hmac;
use serde_json::json;

use super::{
    tests::{
        AUDIENCE, By, ISSUER, PS256, RS256, RS512, claims, encode, judged, key_set, keys, now, policy,
        verify, with,
    },
    *,
};

/// Its secret would be published with it, and so it is no key at all.
fn symmetric() -> Value {
    json!({"kty": "oct", "kid": "rsa", "alg": "HS256", "k": encode(b"a secret that everyone can read.")})
}

fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().unwrap()
}

fn good() -> String {
    RS256.token(json!({}), json!({}))
}

fn with_keys(token: &str, set: Value) -> Result<Person, Refusal> {
    judged(&policy("at+jwt"), token, &key_set(&set))
}

#[track_caller]
fn refused(token: &str, refusal: Refusal) {
    assert!(verify(&good()).is_ok(), "the good one is good");
    assert_eq!(verify(token), Err(refusal), "{token}");
}

/// With these changes to its claims.
#[track_caller]
fn refused_with(changes: Value, refusal: Refusal) {
    refused(&RS256.token(json!({}), changes), refusal);
}

/// 2.1 and 3.1: perform algorithm verification.
mod algorithm_verification {
    use super::*;

    #[test]
    fn without_a_signature_nobody_is_let_in() {
        for none in ["none", "None", "NONE", "nOnE", "", "null"] {
            let header = json!({"alg": none, "typ": "at+jwt", "kid": "rsa"}).to_string();
            let message = format!("{}.{}", encode(header), encode(claims().to_string()));
            refused(&format!("{message}."), Refusal::Algorithm);
            refused(&format!("{message}.{}", encode(RS256.sign(&message))), Refusal::Algorithm);
        }
    }

    #[test]
    fn an_empty_signature_is_none() {
        for by in [RS256, By::P256, By::Ed25519] {
            let token = by.token(json!({}), json!({}));
            let [header, claims, _] = parts(&token);
            refused(&format!("{header}.{claims}."), Refusal::Signature);
            refused(&format!("{header}.{claims}.{}", encode([0])), Refusal::Signature);
        }
    }

    #[test]
    fn the_public_key_is_not_taken_for_a_shared_secret() {
        let pem = include_str!("../../../../tests/fixtures/rsa.pub.pem");
        let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let modulus = RS256.jwk()["n"].as_str().unwrap().to_owned();
        let secrets = [
            pem.as_bytes().to_vec(),
            pem.trim_end().as_bytes().to_vec(),
            STANDARD.decode(lines).unwrap(),
            modulus.clone().into_bytes(),
            RS256.jwk().to_string().into_bytes(),
        ];
        for (name, algorithm) in
            [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
        {
            for secret in &secrets {
                let header = json!({"alg": name, "typ": "at+jwt", "kid": "rsa"}).to_string();
                let message = format!("{}.{}", encode(header), encode(claims().to_string()));
                let signature = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
                refused(&format!("{message}.{}", encode(signature)), Refusal::Algorithm);
            }
        }
    }

    #[test]
    fn a_key_that_says_its_algorithm_is_used_with_no_other() {
        let only = |algorithm: &str| json!({"keys": [with(RS256.jwk(), json!({"alg": algorithm}))]});
        assert!(with_keys(&good(), only("RS256")).is_ok());
        assert_eq!(with_keys(&good(), only("PS256")), Err(Refusal::UnknownKey));
        assert_eq!(
            with_keys(&PS256.token(json!({"alg": "PS256"}), json!({})), only("RS256")),
            Err(Refusal::UnknownKey)
        );
        for unusable in ["ES256", "RSA-OAEP", "HS256", "none"] {
            assert_eq!(with_keys(&good(), only(unusable)), Err(Refusal::UnknownKey), "{unusable}");
        }
    }

    #[test]
    fn a_key_of_one_kind_is_not_used_with_an_algorithm_of_another() {
        for (by, algorithm) in [
            (RS256, "ES256"),
            (By::P256, "RS256"),
            (By::P256, "ES384"),
            (By::P384, "ES256"),
            (By::Ed25519, "ES256"),
        ] {
            refused(&by.token(json!({"alg": algorithm}), json!({})), Refusal::UnknownKey);
        }
        // The key is one for both, and the signature is by the one that the header does not name.
        refused(&PS256.token(json!({"alg": "RS256"}), json!({})), Refusal::Signature);
        refused(&RS256.token(json!({"alg": "PS256"}), json!({})), Refusal::Signature);
    }

    #[test]
    fn a_key_for_another_use_verifies_nothing() {
        let only = |changes: Value| json!({"keys": [with(RS256.jwk(), changes)]});
        for changes in [
            json!({"use": "enc"}),
            json!({"use": "SIG"}),
            json!({"use": ["sig"]}),
            json!({"use": 7}),
            json!({"key_ops": ["encrypt"]}),
            json!({"key_ops": []}),
            json!({"key_ops": "verify"}),
            json!({"kty": "rsa"}),
            json!({"kid": 7}),
            json!({"alg": ["RS256"]}),
            json!({"crv": "P-256"}),
        ] {
            assert_eq!(with_keys(&good(), only(changes.clone())), Err(Refusal::UnknownKey), "{changes}");
        }
        assert!(with_keys(&good(), only(json!({"use": null}))).is_ok());
        assert!(with_keys(&good(), only(json!({"key_ops": ["verify"]}))).is_ok());
    }

    #[test]
    fn an_algorithm_is_said_by_one_text_that_is_there() {
        for odd in [json!(null), json!(["RS256"]), json!(7), json!("rs256"), json!("RS256 ")] {
            let token = RS256.token(json!({"alg": odd}), json!({}));
            let refusal = if odd.is_string() || odd.is_null() { Refusal::Algorithm } else { Refusal::Header };
            refused(&token, refusal);
        }
    }
}

/// 2.2, 3.2 and 3.5: use appropriate algorithms, and keys with enough entropy.
mod appropriate_algorithms {
    use super::*;

    #[test]
    fn what_is_not_on_the_list_is_refused_however_good_the_signature() {
        refused(&RS512.token(json!({"alg": "RS512"}), json!({})), Refusal::Algorithm);
        for other in [
            "RS1",
            "RS384",
            "PS384",
            "PS512",
            "ES512",
            "ES256K",
            "Ed448",
            "HS256",
            "RSA1_5",
            "dir",
            "PBES2-HS256+A128KW",
        ] {
            refused(&RS256.token(json!({"alg": other}), json!({})), Refusal::Algorithm);
        }
    }

    /// Signed by `openssl dgst -sha256 -sign` with the key of 1024 bits that lies with `client_key`.
    #[test]
    fn a_weak_rsa_key_is_none() {
        let modulus = "5KyFGE-NniCZXMUb6WyL5MX0YdtLbJcrftCVOhfWewt1jRbcjsO0Gs4IXLfj8GZvDmFy4N4RMvObGV74cn6BgOqq-bPiuFjXGafFfDRnRdNyGgHJBknT25iq7eRaAmNTub28rZt3ahuDcruYq-jjqF_3yeWCsHzApCbjy-3eCCE";
        let weak = json!({"kty": "RSA", "kid": "weak", "n": modulus, "e": "AQAB"});
        let token = include_str!("rsa-1024.jwt").trim_end();
        assert_eq!(with_keys(token, json!({"keys": [weak]})), Err(Refusal::UnknownKey));
    }

    #[test]
    fn a_modulus_has_2048_bits_and_no_zeros_in_front() {
        let modulus = URL_SAFE.decode(format!("{}==", RS256.jwk()["n"].as_str().unwrap())).unwrap();
        let with_modulus =
            |modulus: &[u8]| json!({"keys": [with(RS256.jwk(), json!({"n": encode(modulus)}))]});
        assert!(with_keys(&good(), with_modulus(&modulus)).is_ok());
        let mut shorter = modulus.clone();
        shorter[0] &= 0x7f;
        for odd in
            [shorter, [vec![0], modulus.clone()].concat(), modulus[1..].to_vec(), vec![], vec![0xff; 1025]]
        {
            assert_eq!(
                with_keys(&good(), with_modulus(&odd)),
                Err(Refusal::UnknownKey),
                "{} bytes",
                odd.len()
            );
        }
    }

    #[test]
    fn an_exponent_of_one_signs_for_nobody() {
        // With it every message is its own signature.
        for exponent in [vec![1], vec![2], vec![0], vec![], vec![1, 0, 0]] {
            let set = json!({"keys": [with(RS256.jwk(), json!({"e": encode(exponent)}))]});
            assert!(with_keys(&good(), set).is_err());
        }
    }

    #[test]
    fn a_secret_that_the_issuer_publishes_is_no_key() {
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": "rsa"}).to_string();
        let message = format!("{}.{}", encode(header), encode(claims().to_string()));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, b"a secret that everyone can read.");
        let token = format!("{message}.{}", encode(hmac::sign(&secret, message.as_bytes())));
        assert_eq!(with_keys(&token, json!({"keys": [symmetric()]})), Err(Refusal::Algorithm));
        assert_eq!(with_keys(&good(), json!({"keys": [symmetric()]})), Err(Refusal::UnknownKey));
    }

    #[test]
    fn a_private_key_that_the_issuer_publishes_by_mistake_is_no_key() {
        for private in ["d", "p", "q"] {
            let published = with(RS256.jwk(), json!({private: "AQAB"}));
            assert_eq!(with_keys(&good(), json!({"keys": [published]})), Err(Refusal::UnknownKey));
        }
    }
}

/// 2.3 and 3.3: validate all cryptographic operations.
mod every_operation {
    use super::*;

    #[test]
    fn claims_of_one_token_do_not_go_with_the_signature_of_another() {
        let (one, other) = (good(), RS256.token(json!({}), json!({"bifrost_role": "admin"})));
        let ([header, _, signature], [_, claims, _]) = (parts(&one), parts(&other));
        refused(&format!("{header}.{claims}.{signature}"), Refusal::Signature);
    }

    #[test]
    fn a_header_of_one_token_does_not_go_with_the_signature_of_another() {
        let (one, other) = (good(), RS256.token(json!({"x": 1}), json!({})));
        let ([_, claims, signature], [header, ..]) = (parts(&one), parts(&other));
        refused(&format!("{header}.{claims}.{signature}"), Refusal::Signature);
    }

    #[test]
    fn a_nested_token_is_none() {
        let nested =
            RS256.signed(br#"{"alg":"RS256","typ":"at+jwt","kid":"rsa","cty":"JWT"}"#, good().as_bytes());
        refused(&nested, Refusal::Header);
        let unsaid = RS256.signed(br#"{"alg":"RS256","typ":"at+jwt","kid":"rsa"}"#, good().as_bytes());
        refused(&unsaid, Refusal::NoClaims);
    }

    #[test]
    fn an_encrypted_token_is_none() {
        let header = encode(br#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"}"#);
        refused(&format!("{header}.AAAA.AAAA.AAAA.AAAA"), Refusal::NoJws);
        refused(&RS256.token(json!({"enc": "A256GCM"}), json!({})), Refusal::Header);
    }

    #[test]
    fn what_a_token_demands_to_be_understood_is_not() {
        for critical in [json!(["exp"]), json!([]), json!(["b64"]), json!("exp")] {
            refused(&RS256.token(json!({"crit": critical}), json!({})), Refusal::Header);
        }
        refused(&RS256.token(json!({"b64": false}), json!({})), Refusal::Header);
    }

    #[test]
    fn what_a_token_only_mentions_does_not_matter() {
        let token = RS256
            .token(json!({"x5t": "abc", "nonce": "n"}), json!({"amr": ["pwd"], "nbf": now().unix_seconds()}));
        assert!(verify(&token).is_ok());
    }
}

/// 2.5 and 3.4: validate cryptographic inputs.
mod cryptographic_inputs {
    use super::*;

    /// The order of the curve P-256.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];

    fn p256_with(signature: impl AsRef<[u8]>) -> String {
        let token = By::P256.token(json!({}), json!({}));
        let [header, claims, _] = parts(&token);
        format!("{header}.{claims}.{}", encode(signature))
    }

    #[test]
    fn a_point_beside_the_curve_is_no_key() {
        let token = By::P256.token(json!({}), json!({}));
        let jwk = By::P256.jwk();
        for changes in [
            json!({"y": jwk["x"]}),
            json!({"x": encode([0; 32]), "y": encode([0; 32])}),
            json!({"x": encode([0xff; 32])}),
        ] {
            let set = json!({"keys": [with(jwk.clone(), changes)]});
            assert_eq!(with_keys(&token, set), Err(Refusal::Signature));
        }
    }

    #[test]
    fn a_coordinate_has_its_full_length() {
        let token = By::P256.token(json!({}), json!({}));
        for odd in [encode([7; 31]), encode([7; 33]), encode([7; 48]), String::new(), "====".to_owned()] {
            let set = json!({"keys": [with(By::P256.jwk(), json!({"x": odd}))]});
            assert_eq!(with_keys(&token, set), Err(Refusal::UnknownKey));
        }
    }

    #[test]
    fn a_key_on_another_curve_than_it_says_verifies_nothing() {
        let [p256, p384] = [By::P256.jwk(), By::P384.jwk()];
        let set = json!({"keys": [with(p256, json!({"crv": "P-384"})), with(p384, json!({"crv": "P-256", "alg": null}))]});
        for token in [By::P256.token(json!({}), json!({})), By::P384.token(json!({}), json!({}))] {
            assert_eq!(with_keys(&token, set.clone()), Err(Refusal::UnknownKey));
        }
    }

    /// "Psychic signatures" (CVE-2022-21449): zeros that verify everything.
    #[test]
    fn a_signature_of_zeros_or_of_the_curves_order_is_none() {
        let zero = [0; 32];
        for (r, s) in [(zero, zero), (ORDER, ORDER), (zero, ORDER), (ORDER, zero)] {
            refused(&p256_with([r, s].concat()), Refusal::Signature);
        }
        refused(
            &By::Ed25519
                .token(json!({}), json!({}))
                .rsplit_once('.')
                .map(|(message, _)| format!("{message}.{}", encode([0; 64])))
                .unwrap(),
            Refusal::Signature,
        );
    }

    #[test]
    fn an_ecdsa_signature_has_one_form_and_der_is_not_it() {
        let token = By::P256.token(json!({}), json!({}));
        let signature = By::P256.sign(token.rsplit_once('.').unwrap().0);
        let integer = |number: &[u8]| {
            let number = [vec![0], number.to_vec()].concat();
            [vec![2, number.len() as u8], number].concat()
        };
        let numbers = [integer(&signature[..32]), integer(&signature[32..])].concat();
        let der = [vec![0x30, numbers.len() as u8], numbers].concat();
        assert!(verify(&p256_with(&signature)).is_ok());
        refused(&p256_with(der), Refusal::Signature);
        refused(&p256_with([&signature[..], &[0]].concat()), Refusal::Signature);
        refused(&p256_with(&signature[..63]), Refusal::Signature);
        refused(&p256_with([&[0], &signature[..32], &[0], &signature[32..]].concat()), Refusal::Signature);
    }

    /// (r, n - s) is good whenever (r, s) is. JWS allows both, and nothing here tells tokens apart by their signatures: it
    /// is the same person with the same rights, for the same time.
    #[test]
    fn the_other_half_of_a_malleable_signature_shows_the_same_person() {
        let token = By::P256.token(json!({}), json!({}));
        let mut signature = By::P256.sign(token.rsplit_once('.').unwrap().0);
        let mut borrow = 0_i16;
        for index in (0..32).rev() {
            let difference = i16::from(ORDER[index]) - i16::from(signature[32 + index]) - borrow;
            borrow = i16::from(difference < 0);
            signature[32 + index] = difference.rem_euclid(256) as u8;
        }
        assert_eq!(verify(&p256_with(signature)), verify(&token));
    }
}

/// 2.4 and 3.6: avoid compression.
mod compression {
    use super::*;

    #[test]
    fn a_compressed_token_is_none() {
        refused(&RS256.token(json!({"zip": "DEF"}), json!({})), Refusal::Header);
    }

    #[test]
    fn a_token_has_its_limit() {
        let token = RS256.token(json!({}), json!({"padding": "x".repeat(8 * 1024)}));
        refused(&token, Refusal::TooLarge);
        assert!(verify(&RS256.token(json!({}), json!({"groups": vec!["g"; 500]}))).is_ok());
    }
}

/// 2.6 and 3.7: multiplicity of JSON encodings, and UTF-8.
mod encodings {
    use super::*;

    #[test]
    fn a_member_that_stands_twice_makes_the_token_none() {
        let header = br#"{"alg":"RS256","typ":"at+jwt","kid":"rsa","kid":"p256"}"#;
        refused(&RS256.signed(header, claims().to_string().as_bytes()), Refusal::NoJws);
        let header = br#"{"alg":"RS256","typ":"at+jwt","kid":"rsa"}"#;
        let claims = claims().to_string();
        for member in [
            format!(r#""aud":"{AUDIENCE}""#),
            r#""bifrost_role":"admin""#.to_owned(),
            r#""bifrost_organization_id":"platform""#.to_owned(),
            r#""bifrost_organization_\u0069d":"platform""#.to_owned(),
        ] {
            for twice in [
                claims.replacen('{', &format!("{{{member},"), 1),
                claims.replace('}', &format!(",{member}}}")),
            ] {
                refused(&RS256.signed(header, twice.as_bytes()), Refusal::NoClaims);
            }
        }
    }

    #[test]
    fn depth_has_an_end() {
        let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
        let header = format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"rsa","x":{deep}}}"#);
        refused(&RS256.signed(header.as_bytes(), claims().to_string().as_bytes()), Refusal::NoJws);
        let claims = claims().to_string().replace('}', &format!(r#","x":{deep}}}"#));
        refused(
            &RS256.signed(br#"{"alg":"RS256","typ":"at+jwt","kid":"rsa"}"#, claims.as_bytes()),
            Refusal::NoClaims,
        );
    }

    #[test]
    fn there_is_one_spelling_of_a_token() {
        let token = good();
        let [header, claims, signature] = parts(&token);
        for other in [
            format!("{header}=.{claims}.{signature}"),
            format!("{header}.{claims}=.{signature}"),
            format!("{header}.{claims}.{signature}=="),
            format!("{header}.{claims}.{signature}\n"),
            format!(" {header}.{claims}.{signature}"),
            format!("{header}.{claims}.\u{200b}{signature}"),
            format!("{header}.{claims}.{signature}."),
            format!(".{header}.{claims}.{signature}"),
            format!("{header}.{claims}"),
            format!("{header}..{signature}"),
            format!("{}.{claims}.{signature}", header.replace('I', "%49")),
        ] {
            assert!(verify(&other).is_err(), "{other}");
        }
        // The last letter of 256 bytes has four bits that say nothing.
        let last = signature.chars().last().unwrap();
        for sibling in
            ["A", "B", "Q", "R", "g", "h", "w", "x"].into_iter().filter(|letter| !letter.starts_with(last))
        {
            let other = format!("{header}.{claims}.{}{sibling}", &signature[..signature.len() - 1]);
            assert!(verify(&other).is_err(), "{sibling} for {last}");
        }
    }

    #[test]
    fn the_other_alphabet_of_base64_is_not_read() {
        let token = RS256.token(json!({"x": "???>>>~~~"}), json!({}));
        let other = token.replace('-', "+").replace('_', "/");
        assert_ne!(token, other);
        assert!(verify(&token).is_ok());
        refused(&other, Refusal::NoJws);
    }

    #[test]
    fn a_signature_is_over_the_bytes_that_came_and_not_over_what_they_mean() {
        let token = good();
        let [header, claims, signature] = parts(&token);
        let spaced = format!(
            " {}",
            String::from_utf8(
                URL_SAFE.decode(format!("{claims}{}", &"==="[..(4 - claims.len() % 4) % 4])).unwrap()
            )
            .unwrap()
        );
        refused(&format!("{header}.{}.{signature}", encode(spaced)), Refusal::Signature);
    }

    #[test]
    fn the_json_forms_of_jws_are_not_read() {
        let token = good();
        let [header, claims, signature] = parts(&token);
        let flattened = json!({"protected": header, "payload": claims, "signature": signature}).to_string();
        refused(&flattened, Refusal::NoJws);
        let general =
            json!({"payload": claims, "signatures": [{"protected": header, "signature": signature}]})
                .to_string();
        refused(&general, Refusal::NoJws);
        refused(&encode(flattened), Refusal::NoJws);
    }

    #[test]
    fn what_is_not_utf_8_is_not_read() {
        let header = br#"{"alg":"RS256","typ":"at+jwt","kid":"rsa"}"#;
        let claims = claims().to_string().replace("auth0|ada", "auth0|\u{e4}");
        let latin1: Vec<u8> = claims.chars().map(|c| c as u8).collect();
        refused(&RS256.signed(header, &latin1), Refusal::NoClaims);
        let utf16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_be_bytes).collect();
        refused(&RS256.signed(header, &utf16), Refusal::NoClaims);
        refused(&RS256.signed(header, format!("\u{feff}{claims}").as_bytes()), Refusal::NoClaims);
    }
}

/// 2.7 and 3.8: validate issuer and subject.
mod issuer_and_subject {
    use super::*;

    #[test]
    fn the_issuer_is_this_one_letter_by_letter() {
        for other in [
            json!(null),
            json!(""),
            json!("https://login.example"),
            json!("https://login.example/tenant/"),
            json!("https://login.example/tenant/other"),
            json!("https://login.example/tenant2"),
            json!("https://login.example/tenan"),
            json!("https://LOGIN.example/tenant"),
            json!("http://login.example/tenant"),
            json!("https://login.example:443/tenant"),
            json!("https://login.example/tenant#"),
            json!("https://evil.example/https://login.example/tenant"),
            json!("https://login.example.evil.example/tenant"),
            json!("https://login.example@evil.example/tenant"),
            json!(" https://login.example/tenant"),
            json!("https://login.example/tenant\0"),
            json!([ISSUER]),
            json!({"": ISSUER}),
        ] {
            refused_with(json!({"iss": other}), Refusal::Issuer);
        }
    }

    #[test]
    fn a_token_of_another_issuer_is_refused_even_if_its_key_has_the_same_name() {
        let others = json!({"keys": [with(By::P256.jwk(), json!({"kid": "rsa"}))]});
        let replayed = By::P256.token(json!({"kid": "rsa"}), json!({}));
        assert!(with_keys(&replayed, others).is_ok(), "over there it is good");
        refused(&replayed, Refusal::UnknownKey);
    }

    #[test]
    fn a_subject_is_there_and_can_be_told_from_others() {
        for odd in [
            json!(null),
            json!(""),
            json!(7),
            json!(["ada"]),
            json!("a".repeat(256)),
            json!("ada\n"),
            json!("\u{430}da"),
            json!("ada\0"),
        ] {
            refused_with(json!({"sub": odd}), Refusal::Subject);
        }
        assert!(verify(&RS256.token(json!({}), json!({"sub": "a".repeat(255)}))).is_ok());
    }
}

/// 3.9: use and validate audience.
mod audience {
    use super::*;

    #[test]
    fn a_token_for_others_is_not_for_us() {
        for other in [
            json!(null),
            json!(""),
            json!("https://other.example"),
            json!("https://bifrost.example/"),
            json!("https://bifrost.exampl"),
            json!("https://bifrost.example.evil.example"),
            json!("HTTPS://BIFROST.EXAMPLE"),
            json!("*"),
            json!([]),
            json!(["https://other.example"]),
            json!([[AUDIENCE]]),
            json!([AUDIENCE, 7]),
            json!({AUDIENCE: true}),
            json!(7),
            json!("https://other.example https://bifrost.example"),
            json!(["https://bifrost.example/"]),
        ] {
            refused_with(json!({"aud": other}), Refusal::Audience);
        }
    }

    #[test]
    fn a_token_for_several_is_for_us_too() {
        for audience in [json!([AUDIENCE]), json!(["https://login.example/userinfo", AUDIENCE])] {
            assert!(verify(&RS256.token(json!({}), json!({"aud": audience}))).is_ok());
        }
    }
}

/// 2.9 and 3.10: do not trust received claims.
mod received_claims {
    use super::*;

    #[test]
    fn a_key_id_is_compared_and_used_for_nothing_else() {
        for injected in [
            "../../../../dev/null",
            "rsa' OR '1'='1",
            "rsa; DROP TABLE keys",
            "https://evil.example/jwks.json",
            "/etc/passwd",
            "rsa\0",
            "RSA",
            "",
            "rsa ",
            "*",
            "0",
            "p384",
        ] {
            refused(&RS256.token(json!({"kid": injected}), json!({})), Refusal::UnknownKey);
        }
        for odd in [json!(7), json!(["rsa"]), json!({"$ne": ""}), json!(true)] {
            refused(&RS256.token(json!({"kid": odd}), json!({})), Refusal::Header);
        }
    }

    #[test]
    fn a_key_that_comes_with_the_token_verifies_nothing() {
        refused(&RS256.token(json!({"jwk": RS256.jwk()}), json!({})), Refusal::Header);
        let brought = By::P256
            .token(json!({"kid": "mine", "jwk": with(By::P256.jwk(), json!({"kid": "mine"}))}), json!({}));
        refused(&brought, Refusal::Header);
        refused(&RS256.token(json!({"x5c": ["MIIB"]}), json!({})), Refusal::Header);
    }

    #[test]
    fn nobody_is_asked_for_a_key_where_the_token_says() {
        for (name, url) in [
            ("jku", "https://evil.example/jwks.json"),
            ("jku", "http://169.254.169.254/latest/meta-data"),
            ("x5u", "https://evil.example/cert.pem"),
            ("jku", "https://login.example/tenant@evil.example/jwks"),
        ] {
            refused(&RS256.token(json!({name: url}), json!({})), Refusal::Header);
        }
    }

    #[test]
    fn the_key_that_a_token_names_is_the_one_that_must_have_signed_it() {
        let others = json!({"keys": [with(RS256.jwk(), json!({"kid": "other"})), with(By::P256.jwk(), json!({"kid": "rsa"}))]});
        assert_eq!(with_keys(&good(), others), Err(Refusal::UnknownKey));
        refused(&By::P256.token(json!({"kid": "p384"}), json!({})), Refusal::UnknownKey);
    }

    #[test]
    fn a_name_that_two_keys_share_names_neither() {
        let same = with(RS256.jwk(), json!({"n": encode([0xff; 256])}));
        assert_eq!(with_keys(&good(), json!({"keys": [RS256.jwk(), same]})), Err(Refusal::UnknownKey));
        let other_kind = with(By::P256.jwk(), json!({"kid": "rsa"}));
        assert!(with_keys(&good(), json!({"keys": [RS256.jwk(), other_kind]})).is_ok());
    }

    #[test]
    fn a_token_that_names_no_key_is_verified_only_where_there_is_no_choice() {
        let nameless = RS256.token(json!({"kid": null}), json!({}));
        assert!(with_keys(&nameless, keys()).is_ok());
        let another = with(RS256.jwk(), json!({"kid": "next"}));
        assert_eq!(with_keys(&nameless, json!({"keys": [RS256.jwk(), another]})), Err(Refusal::UnknownKey));
    }
}

/// 2.8, 3.11 and 3.12: use explicit typing, and mutually exclusive rules for different kinds of JWTs.
mod kinds {
    use super::*;

    fn as_jwt(token: &str) -> Result<Person, Refusal> {
        judged(&policy("JWT"), token, &key_set(&keys()))
    }

    #[test]
    fn an_id_token_is_no_access_token() {
        let id_token = json!({"aud": "client-7", "azp": "client-7", "nonce": "n", "at_hash": "h"});
        for typ in [json!("JWT"), json!(null)] {
            refused(&RS256.token(json!({"typ": typ}), id_token.clone()), Refusal::Type);
            // Where tokens without a kind of their own are taken, it is for someone else.
            assert_eq!(as_jwt(&RS256.token(json!({"typ": typ}), id_token.clone())), Err(Refusal::Audience));
        }
    }

    #[test]
    fn an_access_token_is_no_id_token() {
        assert_eq!(as_jwt(&good()), Err(Refusal::Type));
        assert!(as_jwt(&RS256.token(json!({"typ": "JWT"}), json!({}))).is_ok());
        assert!(as_jwt(&RS256.token(json!({"typ": null}), json!({}))).is_ok());
    }

    #[test]
    fn a_token_for_another_purpose_is_no_sign_in() {
        for typ in [
            "logout+jwt",
            "secevent+jwt",
            "dpop+jwt",
            "oauth-authz-req+jwt",
            "token-introspection+jwt",
            "JOSE",
            "vc+sd-jwt",
            "at",
            "",
            "at+jwt;x",
            "application/",
            "application/application/at+jwt",
            "JWT",
        ] {
            refused(&RS256.token(json!({"typ": typ}), json!({})), Refusal::Type);
            assert!(
                typ == "JWT" || as_jwt(&RS256.token(json!({"typ": typ}), json!({}))) == Err(Refusal::Type),
                "{typ}"
            );
        }
        refused(&RS256.token(json!({"typ": ["at+jwt"]}), json!({})), Refusal::Header);
    }

    #[test]
    fn a_logout_token_without_a_kind_is_still_one() {
        let event = json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}});
        assert_eq!(as_jwt(&RS256.token(json!({"typ": null}), event)), Err(Refusal::OtherUse));
    }

    #[test]
    fn a_token_that_is_bound_to_a_key_is_not_for_a_bearer() {
        refused_with(json!({"cnf": {"jkt": "thumbprint"}}), Refusal::OtherUse);
    }

    #[test]
    fn a_kind_is_a_media_type_and_so_without_case() {
        for typ in ["AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert!(verify(&RS256.token(json!({"typ": typ}), json!({}))).is_ok(), "{typ}");
        }
    }
}

/// RFC 7519 sections 4.1.4 to 4.1.6; RFC 8725 takes them for granted.
mod times {
    use super::*;

    fn at(offset: i64) -> Value {
        json!(now().unix_seconds() + offset)
    }

    #[test]
    fn what_is_over_is_over() {
        refused_with(json!({"exp": at(0)}), Refusal::Expired);
        refused_with(json!({"exp": at(-1)}), Refusal::Expired);
        refused_with(json!({"exp": 0}), Refusal::Expired);
        assert!(verify(&RS256.token(json!({}), json!({"exp": at(1)}))).is_ok());
    }

    #[test]
    fn what_is_not_good_yet_is_not_unless_by_the_difference_of_two_clocks() {
        refused_with(json!({"nbf": at(31)}), Refusal::NotYet);
        refused_with(json!({"iat": at(31)}), Refusal::NotYet);
        assert!(verify(&RS256.token(json!({}), json!({"nbf": at(30), "iat": at(30)}))).is_ok());
    }

    #[test]
    fn a_token_that_does_not_say_until_when_or_since_when_is_refused() {
        refused_with(json!({"exp": null}), Refusal::Times);
        refused_with(json!({"iat": null}), Refusal::Times);
    }

    #[test]
    fn a_time_is_a_number_that_can_be_one() {
        for odd in [
            json!("1900000000"),
            json!(true),
            json!([1_900_000_000]),
            json!(-1),
            json!(1e300),
            json!(253_402_300_800_i64),
            json!({}),
        ] {
            for name in ["exp", "iat", "nbf"] {
                refused_with(json!({name: odd}), Refusal::Times);
            }
        }
        let null = claims().to_string().replace('}', ",\"nbf\":null}");
        refused(
            &RS256.signed(br#"{"alg":"RS256","typ":"at+jwt","kid":"rsa"}"#, null.as_bytes()),
            Refusal::Times,
        );
        assert!(verify(&RS256.token(json!({}), json!({"iat": now().unix_seconds() as f64 - 0.5}))).is_ok());
    }

    #[test]
    fn a_token_that_is_good_for_days_or_never_was_is_refused() {
        refused_with(json!({"iat": at(-3600), "exp": at(82_801)}), Refusal::Lifetime);
        refused_with(json!({"iat": 0}), Refusal::Lifetime);
        refused_with(json!({"iat": at(20), "exp": at(20)}), Refusal::Lifetime);
        assert!(verify(&RS256.token(json!({}), json!({"iat": at(-3600), "exp": at(82_800)}))).is_ok());
    }
}
