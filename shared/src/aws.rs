//! The AWS SDK's clients over the house's own HTTP client.
//!
//! Without `aws-config` and the SDK's default client a function starts several times faster and is a third smaller:
//! Lambda hands region, credentials and endpoints over in the environment, and `reqwest` with rustls is linked anyway.

use std::{env, fmt, sync::Arc, time::Duration};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, timeout::TimeoutConfig};
use aws_sdk_kms::operation::{
    decrypt::DecryptError, generate_data_key::GenerateDataKeyError, get_public_key::GetPublicKeyError,
    sign::SignError,
};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        interceptors::{
            Intercept,
            context::{Error, FinalizerInterceptorContextRef},
        },
        orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag, error::metadata::ProvideErrorMetadata};

use rustls::RootCertStore;

use crate::{
    emf::{self, FUNCTION},
    model::Timestamp,
    tls,
};

/// One attempt of a call; the SDK makes three. DynamoDB answers in milliseconds, so this much means a lost packet or a
/// table in trouble.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What every client of the SDK needs.
#[derive(Clone, Debug)]
pub struct Aws {
    http: SharedHttpClient,
    region: Region,
    credentials: Credentials,
    timeouts: TimeoutConfig,
}

/// Why a function can't start.
#[derive(thiserror::Error)]
pub enum StartError {
    #[error(
        "{0} is not set, so that nothing can be asked of AWS. Lambda sets it for every function, and so does the local \
         stack; whoever starts a function by hand has to."
    )]
    NotSet(&'static str),
    #[error("the HTTP client for AWS can't be made")]
    Client(#[source] reqwest::Error),
}

/// As in `Display`: this is how a process that ends with it prints it.
impl fmt::Debug for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A variable without which no request to AWS can be written or signed.
fn needed(name: &'static str) -> Result<String, StartError> {
    env::var(name).ok().filter(|value| !value.is_empty()).ok_or(StartError::NotSet(name))
}

/// The endpoint that the environment names for a service, as the SDKs agree to call it
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
fn endpoint(service: &str) -> Option<String> {
    let named = env::var(format!("AWS_ENDPOINT_URL_{service}")).or_else(|_| env::var("AWS_ENDPOINT_URL"));
    named.ok().filter(|url| !url.is_empty())
}

macro_rules! config {
    ($self:ident, $sdk:ident, $service:literal) => {{
        let mut config = $sdk::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region($self.region.clone())
            .credentials_provider($self.credentials.clone())
            .timeout_config($self.timeouts.clone())
            .http_client($self.http.clone());
        config.set_endpoint_url(endpoint($service));
        config
    }};
}

impl Aws {
    /// Region and credentials as Lambda sets them. The credentials of an instance outlive it, so that they need no
    /// refreshing. `roots` are those whose word is taken for who AWS is.
    pub fn from_environment(roots: Arc<RootCertStore>) -> Result<Self, StartError> {
        let (id, secret) = (needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
        // Temporary credentials, such as a function's, have one; others don't.
        let session_token = env::var("AWS_SESSION_TOKEN").ok().filter(|token| !token.is_empty());
        Ok(Self {
            http: SharedHttpClient::new(Client::new(roots).map_err(StartError::Client)?),
            region: Region::new(needed("AWS_REGION")?),
            credentials: Credentials::new(id, secret, session_token, None, "lambda environment"),
            timeouts: TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .build(),
        })
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::from_conf(config!(self, aws_sdk_dynamodb, "DYNAMODB").build())
    }

    pub fn kms(&self) -> aws_sdk_kms::Client {
        let config = config!(self, aws_sdk_kms, "KMS").interceptor(Throttles("KmsThrottles"));
        aws_sdk_kms::Client::from_conf(config.build())
    }

    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        let config = config!(self, aws_sdk_secretsmanager, "SECRETS_MANAGER");
        let config = config.interceptor(Throttles("SecretsManagerThrottles"));
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }
}

/// Counts, under this name, the attempts that a service turns away because the account has made too many calls; also
/// those after which the SDK has tried again and succeeded. DynamoDB counts its own, for each table; these two tell nobody.
#[derive(Debug)]
struct Throttles(&'static str);

impl Intercept for Throttles {
    fn name(&self) -> &'static str {
        self.0
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let error = context.output_or_error().and_then(Result::err);
        let code = error.and_then(OrchestratorError::as_operation_error).and_then(code);
        if let Some("ThrottlingException" | "LimitExceededException") = code {
            let (stack, function) = (env::var("BIFROST_STACK").unwrap_or_default(), emf::function());
            // An alarm asks about the whole stack, the dashboard which function it was.
            let (stack, function) = (("stack", stack.as_str()), (FUNCTION, function.as_str()));
            let sets: [&emf::Dimensions<'_>; 2] = [&[stack], &[stack, function]];
            emf::write([emf::line_by(&sets, &[(self.0, 1)], Timestamp::now())]);
        }
        Ok(())
    }
}

/// What the service calls an error, whichever of the operations that we use met it.
fn code(error: &Error) -> Option<&str> {
    macro_rules! first_of {
        ($($operation:ty),*) => {
            None$(.or_else(|| error.downcast_ref::<$operation>().and_then(ProvideErrorMetadata::code)))*
        };
    }
    first_of!(DecryptError, GenerateDataKeyError, SignError, GetPublicKeyError, GetSecretValueError)
}

/// `reqwest` as the SDK wants it.
#[derive(Clone, Debug)]
struct Client(reqwest::Client);

impl Client {
    fn new(roots: Arc<RootCertStore>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config(roots))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            // The SDK tries again, and knows what may be.
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()?;
        Ok(Self(client))
    }
}

impl HttpClient for Client {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Client {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            // Every operation we use sends its whole body from memory.
            let request = request.map(|body| body.bytes().map(<[u8]>::to_vec).unwrap_or_default());
            let request =
                reqwest::Request::try_from(request).map_err(|error| ConnectorError::user(error.into()))?;
            let response = client.execute(request).await.map_err(connector_error)?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.bytes().await.map_err(connector_error)?;
            let status =
                StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut answer = HttpResponse::new(status, SdkBody::from(body));
            for (name, value) in &headers {
                if let Ok(value) = value.to_str() {
                    answer.headers_mut().append(name.as_str().to_owned(), value.to_owned());
                }
            }
            Ok(answer)
        })
    }
}

/// Which of the SDK's kinds of failure it is decides whether the SDK tries again.
fn connector_error(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}
