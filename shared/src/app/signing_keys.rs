//! Clients' private keys that never leave KMS: asked to sign, and who they are.
//!
//! Which keys may be asked, the functions' policy says: those with the tag [`KEY_TAG`]. What can be told without asking is
//! checked here each time, because a rule may have become stricter since a connection was written, and an item may have
//! been tampered with.

use aws_sdk_kms::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};

use crate::model::{
    Code, Problem,
    client_key::{KEY_TAG, PublicKey, SigningAlgorithm, check_key_arn, p256_signature_of_der},
};

/// What KMS signs at most, in bytes.
const LONGEST_MESSAGE: usize = 4096;

/// The keys of this stack's account and region.
#[derive(Debug)]
pub(super) struct SigningKeys {
    client: aws_sdk_kms::Client,
    /// What their ARNs begin with.
    place: String,
}

impl SigningKeys {
    /// `sealing_key` is the ARN of a key that is certainly ours.
    pub(super) fn new(client: aws_sdk_kms::Client, sealing_key: &str) -> Self {
        let place = sealing_key.rsplit_once('/').map_or_else(String::new, |(place, _)| format!("{place}/"));
        Self { client, place }
    }

    /// Whether the key may be used at all; a message to follow the field's name.
    fn check(&self, arn: &str) -> Result<(), String> {
        check_key_arn(arn)?;
        match !self.place.is_empty() && arn.starts_with(&self.place) {
            true => Ok(()),
            false => Err(format!("must be a key of this stack's own account and region: {}...", self.place)),
        }
    }

    /// Who the key is, for the connection that is to name it. That KMS tells is also the proof that it may be used.
    pub(super) async fn public_key(&self, arn: &str) -> Result<PublicKey, Problem> {
        let invalid = |message: String| Problem::invalid("client_key_arn", message);
        self.check(arn).map_err(invalid)?;
        let answer =
            self.client.get_public_key().key_id(arn).send().await.map_err(|error| match refusal(&error) {
                Some(why) => invalid(format!("can't be used: {why}")).caused_by(error),
                None => Problem::unavailable(error),
            })?;
        let key = answer.public_key.and_then(|key| PublicKey::from_spki(key.as_ref()));
        let can_sign = !answer.signing_algorithms.unwrap_or_default().is_empty();
        key.filter(|_| can_sign).ok_or_else(|| {
            invalid("must be a key for signing (SIGN_VERIFY) of the spec RSA_2048, RSA_3072, RSA_4096 or ECC_NIST_P256".to_owned())
        })
    }

    /// The signature as JWS has it. KMS hashes the message itself: there is nothing secret in one, and no digest of the
    /// wrong kind can be signed.
    pub(super) async fn sign(
        &self,
        arn: &str,
        algorithm: SigningAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, Problem> {
        self.check(arn).map_err(|message| unusable(format!("The connection's client_key_arn {message}.")))?;
        if message.len() > LONGEST_MESSAGE {
            let detail = "The connection's client_id and client_assertion_audience are too long for a KMS key to sign.";
            return Err(unusable(detail.to_owned()));
        }
        let sent = self
            .client
            .sign()
            .key_id(arn)
            .message_type(MessageType::Raw)
            .message(Blob::new(message))
            .signing_algorithm(match algorithm {
                SigningAlgorithm::RS256 => SigningAlgorithmSpec::RsassaPkcs1V15Sha256,
                SigningAlgorithm::PS256 => SigningAlgorithmSpec::RsassaPssSha256,
                SigningAlgorithm::ES256 => SigningAlgorithmSpec::EcdsaSha256,
            })
            .send()
            .await;
        let answer = sent.map_err(|error| match refusal(&error) {
            // The key's ARN is for the log: whoever asks for a token need not know it.
            Some(_) => unusable("The connection's KMS key can't sign.".to_owned()).caused_by(error),
            None => Problem::unavailable(error),
        })?;
        let signature = answer.signature.map(Blob::into_inner);
        let signature = match algorithm {
            SigningAlgorithm::ES256 => signature.and_then(|der| p256_signature_of_der(&der)),
            SigningAlgorithm::RS256 | SigningAlgorithm::PS256 => signature,
        };
        signature.ok_or_else(|| Problem::internal("KMS gave something that is no signature"))
    }
}

/// Why KMS will not do it, if trying again would not help.
fn refusal<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<String> {
    let (tag, value) = KEY_TAG;
    Some(match error.as_service_error()?.code()? {
        "AccessDeniedException" => {
            format!(
                "it must carry the tag {tag} = {value} (a new tag counts after five minutes at most), and its key policy must \
             let IAM decide"
            )
        }
        "NotFoundException" => "there is no such key".to_owned(),
        "DisabledException" | "KMSInvalidStateException" => {
            "it is disabled, or about to be deleted".to_owned()
        }
        "InvalidKeyUsageException" | "UnsupportedOperationException" => "it is no key for signing".to_owned(),
        _ => return None,
    })
}

pub(super) fn unusable(detail: String) -> Problem {
    let (tag, value) = KEY_TAG;
    Problem::new(Code::SecretUnavailable, detail).fix(format!(
        "Check that the key of client_key_arn exists, is enabled, and carries the tag {tag} = {value}; or set another one."
    ))
}
