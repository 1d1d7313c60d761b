//! Who calls.

use aws_config::SdkConfig;
use aws_sdk_sts::Client;

/// The ARN of the caller, where AWS tells it: nobody needs a permission for that, and no endpoint that only resembles AWS has to know.
pub(super) async fn caller(config: &SdkConfig) -> Option<String> {
    let told = Client::new(config).get_caller_identity().send().await.ok()?;
    told.arn().map(str::to_owned)
}
