//! Which deployment a command speaks to: the flags, the environment, or the one of the caller's account by its name.

use lazaret_aws::sdk::ScheduleTarget;
use lazaret_protection::TopicArn;

/// The name of the state machine in every deployment.
pub const STATE_MACHINE: &str = "lazaret-retro-job";
/// The queue that events wait in, of the stack of the same name.
pub const EVENTS_QUEUE: &str = "lazaret-events";
/// Where events go that were received too often.
pub const EVENTS_DEAD_LETTER_QUEUE: &str = "lazaret-events-dead";
/// The user pool of the verdict API, of the stack `LazaretApi`.
pub const USER_POOL: &str = "lazaret";
/// The cluster of its tasks.
pub const CLUSTER: &str = "lazaret";

/// The group of EventBridge Scheduler that schedules are in.
pub const SCHEDULE_GROUP: &str = "lazaret";

/// The names that everything else follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    pub state_machine_arn: String,
    pub results_bucket: String,
    pub quarantine_bucket: String,
    pub events_topic_arn: String,
}

/// What was named on the command line or in the environment.
#[derive(Debug, Clone, Default)]
pub struct Named {
    pub results_bucket: Option<String>,
    pub quarantine_bucket: Option<String>,
    pub events_topic_arn: Option<String>,
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
    /// The deployment of this state machine, with the buckets and the topic of its account and region unless others are named.
    ///
    /// # Errors
    /// If this is not the ARN of a state machine.
    pub fn new(state_machine_arn: String, named: Named) -> Result<Self, NoDeployment> {
        let parts: Vec<&str> = state_machine_arn.split(':').collect();
        let topic = match parts.as_slice() {
            ["arn", partition, "states", region, account, "stateMachine", _name] => {
                TopicArn::of_deployment(partition, region, account)
            }
            _ => return Err(NoDeployment::BadArn(state_machine_arn)),
        };
        let results = || format!("lazaret-results-{}-{}", topic.account, topic.region);
        Ok(Self {
            state_machine_arn,
            results_bucket: named.results_bucket.unwrap_or_else(results),
            quarantine_bucket: named.quarantine_bucket.unwrap_or_else(|| topic.quarantine_bucket()),
            events_topic_arn: named.events_topic_arn.unwrap_or_else(|| topic.to_string()),
        })
    }

    /// What schedules call, and as whom: of the account and region of the state machine.
    pub fn schedule_target(&self) -> ScheduleTarget {
        let mut parts = self.state_machine_arn.split(':').skip(1);
        let partition = parts.next().unwrap_or_default();
        let mut parts = parts.skip(1);
        let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        ScheduleTarget {
            group: SCHEDULE_GROUP.to_owned(),
            function_arn: format!("arn:{partition}:lambda:{region}:{account}:function:lazaret-start-scheduled"),
            role_arn: format!("arn:{partition}:iam::{account}:role/lazaret-scheduler-{region}"),
            dead_letter_queue_arn: format!("arn:{partition}:sqs:{region}:{account}:lazaret-schedules-dead"),
        }
    }

    /// For commands that need no deployment, or nothing of it but the results bucket.
    pub fn of_bucket(results_bucket: String) -> Self {
        let nothing = String::new;
        Self { state_machine_arn: nothing(), results_bucket, quarantine_bucket: nothing(), events_topic_arn: nothing() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:states:eu-central-1:123456789012:stateMachine:lazaret-retro-job";

    #[test]
    fn buckets_and_topic_follow_from_the_arn_unless_they_are_named() {
        let of = |named| Deployment::new(ARN.into(), named).expect("a deployment");
        let deployment = of(Named::default());
        assert_eq!(deployment.results_bucket, "lazaret-results-123456789012-eu-central-1");
        assert_eq!(deployment.quarantine_bucket, "lazaret-quarantine-123456789012-eu-central-1");
        assert_eq!(deployment.events_topic_arn, "arn:aws:sns:eu-central-1:123456789012:lazaret-events");
        let target = deployment.schedule_target();
        assert_eq!(target.function_arn, "arn:aws:lambda:eu-central-1:123456789012:function:lazaret-start-scheduled");
        assert_eq!(target.role_arn, "arn:aws:iam::123456789012:role/lazaret-scheduler-eu-central-1");
        assert_eq!(target.dead_letter_queue_arn, "arn:aws:sqs:eu-central-1:123456789012:lazaret-schedules-dead");
        let mine = |text: &str| Some(text.to_owned());
        let named = Named { results_bucket: mine("r"), quarantine_bucket: mine("q"), events_topic_arn: mine("t") };
        let Deployment { results_bucket, quarantine_bucket, events_topic_arn, .. } = of(named);
        assert_eq!([results_bucket, quarantine_bucket, events_topic_arn], ["r", "q", "t"]);
    }

    #[test]
    fn what_is_no_arn_of_a_state_machine_is_named() {
        for bad in ["", "lazaret-retro-job", "arn:aws:states:r:1:execution:lazaret-retro-job:x"] {
            assert_eq!(Deployment::new(bad.into(), Named::default()), Err(NoDeployment::BadArn(bad.into())));
        }
    }
}
