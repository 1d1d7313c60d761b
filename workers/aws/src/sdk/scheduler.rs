//! EventBridge Scheduler.

use async_trait::async_trait;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::types::{DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, ScheduleState, Target};

use super::fault::{nonsense, service_error};
use crate::ServiceError;
use crate::scheduler::{Scheduled, Scheduler};

/// What new schedules call, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleTarget {
    pub group: String,
    pub function_arn: String,
    pub role_arn: String,
    /// Where calls go that could not be made.
    pub dead_letter_queue_arn: String,
}

/// A group of schedules through the SDK.
#[derive(Debug, Clone)]
pub struct ScheduleGroup {
    scheduler: Client,
    target: ScheduleTarget,
}

impl ScheduleGroup {
    pub(super) fn new(scheduler: Client, target: ScheduleTarget) -> Self {
        Self { scheduler, target }
    }

    async fn read(
        &self,
        name: &str,
    ) -> Result<Option<aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput>, ServiceError> {
        match self.scheduler.get_schedule().group_name(&self.target.group).name(name).send().await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.as_service_error().is_some_and(|why| why.is_resource_not_found_exception()) => Ok(None),
            Err(error) => Err(service_error("GetSchedule", error)),
        }
    }
}

fn state(enabled: bool) -> ScheduleState {
    if enabled { ScheduleState::Enabled } else { ScheduleState::Disabled }
}

#[async_trait]
impl Scheduler for ScheduleGroup {
    async fn create(&self, schedule: &Scheduled) -> Result<bool, ServiceError> {
        const OPERATION: &str = "CreateSchedule";
        let ScheduleTarget { group, function_arn, role_arn, dead_letter_queue_arn } = &self.target;
        let incomplete = |_| nonsense(OPERATION, "all that a schedule needs");
        let target = Target::builder().arn(function_arn).role_arn(role_arn).input(&schedule.input);
        let dead_letters = DeadLetterConfig::builder().arn(dead_letter_queue_arn).build();
        let target = target.dead_letter_config(dead_letters).build().map_err(incomplete)?;
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().map_err(incomplete)?;
        let create = self.scheduler.create_schedule().group_name(group).name(&schedule.name);
        let create = create.schedule_expression(&schedule.expression).schedule_expression_timezone(&schedule.timezone);
        let create = create.set_description((!schedule.description.is_empty()).then(|| schedule.description.clone()));
        let create = create.state(state(schedule.enabled)).flexible_time_window(window).target(target);
        match create.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|why| why.is_conflict_exception()) => Ok(false),
            Err(error) => Err(service_error(OPERATION, error)),
        }
    }

    async fn get(&self, name: &str) -> Result<Option<Scheduled>, ServiceError> {
        let Some(found) = self.read(name).await? else { return Ok(None) };
        let missing = |what| nonsense("GetSchedule", what);
        Ok(Some(Scheduled {
            name: name.to_owned(),
            expression: found.schedule_expression.ok_or_else(|| missing("an expression"))?,
            timezone: found.schedule_expression_timezone.unwrap_or_else(|| "UTC".to_owned()),
            description: found.description.unwrap_or_default(),
            enabled: found.state != Some(ScheduleState::Disabled),
            input: found.target.and_then(|target| target.input).ok_or_else(|| missing("an input"))?,
        }))
    }

    async fn list(&self) -> Result<Vec<String>, ServiceError> {
        const OPERATION: &str = "ListSchedules";
        let mut names = Vec::new();
        let mut next = None;
        loop {
            let list = self.scheduler.list_schedules().group_name(&self.target.group).set_next_token(next).send().await;
            let page = match list {
                Ok(page) => page,
                // without the group there are no schedules
                Err(error) if error.as_service_error().is_some_and(|why| why.is_resource_not_found_exception()) => {
                    return Ok(Vec::new());
                }
                Err(error) => return Err(service_error(OPERATION, error)),
            };
            names.extend(page.schedules.into_iter().filter_map(|schedule| schedule.name));
            next = page.next_token;
            if next.is_none() {
                names.sort();
                return Ok(names);
            }
        }
    }

    async fn enable(&self, name: &str, enabled: bool) -> Result<bool, ServiceError> {
        let Some(found) = self.read(name).await? else { return Ok(false) };
        // an update replaces everything: what is not said is lost
        let update = self.scheduler.update_schedule().group_name(&self.target.group).name(name).state(state(enabled));
        let update = update
            .set_schedule_expression(found.schedule_expression)
            .set_schedule_expression_timezone(found.schedule_expression_timezone)
            .set_start_date(found.start_date)
            .set_end_date(found.end_date)
            .set_description(found.description.filter(|text| !text.is_empty()))
            .set_kms_key_arn(found.kms_key_arn)
            .set_target(found.target)
            .set_flexible_time_window(found.flexible_time_window)
            .set_action_after_completion(found.action_after_completion);
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|why| why.is_resource_not_found_exception()) => {
                Ok(false)
            }
            Err(error) => Err(service_error("UpdateSchedule", error)),
        }
    }

    async fn delete(&self, name: &str) -> Result<bool, ServiceError> {
        match self.scheduler.delete_schedule().group_name(&self.target.group).name(name).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|why| why.is_resource_not_found_exception()) => {
                Ok(false)
            }
            Err(error) => Err(service_error("DeleteSchedule", error)),
        }
    }
}
