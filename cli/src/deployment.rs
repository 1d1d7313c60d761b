//! Which deployment a command speaks to: the flags, the environment, or the one of the caller's account by its name.

/// The name of the state machine in every deployment.
pub const STATE_MACHINE: &str = "lazaret-retro-job";
/// The cluster of its tasks.
pub const CLUSTER: &str = "lazaret";

/// The two names that everything else follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    pub state_machine_arn: String,
    pub results_bucket: String,
}

/// Why there is none to speak to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoDeployment {
    #[error(
        "no state machine `{STATE_MACHINE}` in this account and region: deploy Lazaret here, choose another AWS_REGION or \
         AWS_PROFILE, or set LAZARET_STATE_MACHINE_ARN"
    )]
    NotFound,
    #[error("`{0}` is not the ARN of a state machine (arn:aws:states:REGION:ACCOUNT:stateMachine:NAME)")]
    BadArn(String),
}

impl Deployment {
    /// The deployment of this state machine, with the results bucket of its account and region unless another is named.
    ///
    /// # Errors
    /// If this is not the ARN of a state machine.
    pub fn new(state_machine_arn: String, results_bucket: Option<String>) -> Result<Self, NoDeployment> {
        let parts: Vec<&str> = state_machine_arn.split(':').collect();
        let bucket = match parts.as_slice() {
            ["arn", _partition, "states", region, account, "stateMachine", _name] => {
                format!("lazaret-results-{account}-{region}")
            }
            _ => return Err(NoDeployment::BadArn(state_machine_arn)),
        };
        Ok(Self { state_machine_arn, results_bucket: results_bucket.unwrap_or(bucket) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:states:eu-central-1:123456789012:stateMachine:lazaret-retro-job";

    #[test]
    fn the_results_bucket_follows_from_the_arn_unless_it_is_named() {
        let bucket = |named: Option<&str>| {
            Deployment::new(ARN.into(), named.map(str::to_owned)).expect("a deployment").results_bucket
        };
        assert_eq!(bucket(None), "lazaret-results-123456789012-eu-central-1");
        assert_eq!(bucket(Some("mine")), "mine");
    }

    #[test]
    fn what_is_no_arn_of_a_state_machine_is_named() {
        for bad in ["", "lazaret-retro-job", "arn:aws:states:r:1:execution:lazaret-retro-job:x"] {
            assert_eq!(Deployment::new(bad.into(), None), Err(NoDeployment::BadArn(bad.into())));
        }
    }
}
