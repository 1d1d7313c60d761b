//! Calls of a service that speaks JSON 1.1 and has no SDK crate here: signed as the SDK signs, and tried as often.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use hyper::{Method, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::{Fault, chain};
use crate::backoff::Backoff;
use crate::web::{self, Web};

const CONTENT_TYPE: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
/// A page of 60 users, each with all attributes that there can be.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// As often as the SDK tries.
const RETRIES: Backoff =
    Backoff { attempts: super::ATTEMPTS, first: Duration::from_millis(200), cap: Duration::from_secs(5) };

/// A service. Its clients are made with the first call.
#[derive(Debug)]
pub(super) struct SignedService {
    config: SdkConfig,
    /// In signatures and in host names, `cognito-idp`.
    name: &'static str,
    /// What stands before an operation in `X-Amz-Target`.
    target: &'static str,
    web: OnceLock<Web>,
}

impl SignedService {
    pub fn new(config: SdkConfig, name: &'static str, target: &'static str) -> Self {
        Self { config, name, target, web: OnceLock::new() }
    }

    /// The answer of `operation`, in that region or in the environment's. `secret` is left out of whatever a failure quotes.
    pub async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        region: Option<&str>,
        input: &Value,
        secret: &str,
    ) -> Result<T, Fault> {
        let region = region.or(self.config.region().map(Region::as_ref));
        let region = region.ok_or_else(|| Fault::local("there is no region: set AWS_REGION".to_owned()))?;
        let body = Bytes::from(input.to_string());
        RETRIES.run(Fault::retryable, async || self.attempt(operation, region, body.clone(), secret).await).await
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        region: &str,
        body: Bytes,
        secret: &str,
    ) -> Result<T, Fault> {
        let request = self.signed(operation, region, body).await.map_err(Fault::local)?;
        let web = self.web().map_err(|error| Fault::local(format!("no client: {error}")))?;
        let answer = web.send(request).await.map_err(|error| Fault::broken(error.to_string()))?;
        if !answer.status.is_success() {
            return Err(Fault::of_json(answer.status.as_u16(), &answer.body).without(secret));
        }
        serde_json::from_slice(&answer.body).map_err(|_| Fault::local("an answer of another form".to_owned()))
    }

    fn web(&self) -> std::io::Result<&Web> {
        if let Some(web) = self.web.get() {
            return Ok(web);
        }
        let web = Web::new()?.taking_answers_of(ANSWER_BYTES_MAX);
        Ok(self.web.get_or_init(|| web))
    }

    /// Fails with why that can't be asked.
    async fn signed(&self, operation: &str, region: &str, body: Bytes) -> Result<Request<Bytes>, String> {
        let url = match self.config.endpoint_url() {
            Some(url) => format!("{}/", url.trim_end_matches('/')),
            None => endpoint(self.name, region),
        };
        let mut request = web::request(Method::POST, &url, &[CONTENT_TYPE], body).map_err(|error| error.to_string())?;
        let target = format!("{}.{operation}", self.target).parse().map_err(|_| "a header".to_owned())?;
        request.headers_mut().insert("x-amz-target", target);

        let provider = self.config.credentials_provider().ok_or("there are no credentials")?;
        let credentials = provider.provide_credentials().await;
        let identity = credentials.map_err(|error| format!("there are no credentials: {}", chain(&error)))?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(self.name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build();
        let params = params.map_err(|error| chain(&error))?.into();
        let instructions = {
            let headers = request.headers().iter();
            let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
            let signable = SignableRequest::new("POST", url.as_str(), headers, SignableBody::Bytes(request.body()));
            let signed = signable.and_then(|signable| sign(signable, &params));
            signed.map_err(|error| chain(&error))?.into_parts().0
        };
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

/// AWS's own address of a service.
fn endpoint(name: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{name}.{region}.{suffix}/")
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use serde_json::json;

    use super::*;

    fn config() -> SdkConfig {
        let credentials = Credentials::new("AKID", "secret key", Some("session".into()), None, "test");
        let provider = SharedCredentialsProvider::new(credentials);
        SdkConfig::builder().region(Region::new("eu-west-1")).credentials_provider(provider).build()
    }

    fn service(config: SdkConfig) -> SignedService {
        SignedService::new(config, "cognito-idp", "AWSCognitoIdentityProviderService")
    }

    #[tokio::test]
    async fn a_call_is_signed_for_its_region_and_service_and_names_its_operation() {
        let service = service(config());
        let request = service.signed("ListUserPools", "eu-north-1", Bytes::from_static(b"{}")).await.expect("signed");
        assert_eq!(request.uri(), "https://cognito-idp.eu-north-1.amazonaws.com/");
        let header = |name: &str| request.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("x-amz-target"), "AWSCognitoIdentityProviderService.ListUserPools");
        assert_eq!(header("x-amz-security-token"), "session");
        let authorization = header("authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"), "{authorization}");
        assert!(authorization.contains("/eu-north-1/cognito-idp/aws4_request"), "{authorization}");
        assert!(authorization.contains("content-type;host;x-amz-date"), "{authorization}");
        assert_eq!(endpoint("cognito-idp", "cn-north-1"), "https://cognito-idp.cn-north-1.amazonaws.com.cn/");
    }

    #[tokio::test]
    async fn what_is_missing_here_is_said_and_not_tried_again() {
        let nowhere = SignedService::new(SdkConfig::builder().build(), "cognito-idp", "T");
        let fault = nowhere.call::<Value>("ListUserPools", None, &json!({}), "").await.expect_err("no region");
        assert!(fault.message().contains("AWS_REGION") && !fault.retryable(), "{fault:?}");
        let fault = nowhere.call::<Value>("ListUserPools", Some("eu-west-1"), &json!({}), "").await;
        let fault = fault.expect_err("no credentials");
        assert!(fault.message().contains("no credentials") && !fault.retryable(), "{fault:?}");
    }
}
