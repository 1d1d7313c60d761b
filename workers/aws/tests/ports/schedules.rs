//! EventBridge Scheduler: a schedule keeps what it was made with, whether it is on or off.

use lazaret_aws::scheduler::Scheduled;

use crate::world::worlds;

fn schedule(name: &str) -> Scheduled {
    Scheduled {
        name: name.to_owned(),
        expression: "cron(0 4 * * ? *)".into(),
        timezone: "Europe/Berlin".into(),
        description: "each night".into(),
        enabled: true,
        input: r#"{"due":"<aws.scheduler.scheduled-time>"}"#.into(),
    }
}

#[tokio::test]
async fn a_schedule_is_made_once_switched_off_and_on_and_deleted() {
    for world in worlds().await {
        let scheduler = world.scheduler().await;
        assert_eq!(scheduler.list().await.expect("a list"), Vec::<String>::new());
        assert_eq!(scheduler.get("nightly").await, Ok(None));
        assert_eq!(scheduler.create(&schedule("nightly")).await, Ok(true));
        assert_eq!(scheduler.create(&schedule("nightly")).await, Ok(false));
        assert_eq!(scheduler.create(&Scheduled { description: String::new(), ..schedule("archive") }).await, Ok(true));
        assert_eq!(scheduler.list().await.expect("a list"), ["archive", "nightly"]);

        let made = scheduler.get("nightly").await.expect("an answer").expect("a schedule");
        assert_eq!(made, schedule("nightly"));
        assert_eq!(scheduler.enable("nightly", false).await, Ok(true));
        let off = scheduler.get("nightly").await.expect("an answer").expect("a schedule");
        assert_eq!(off, Scheduled { enabled: false, ..schedule("nightly") }, "all else stays");
        assert_eq!(scheduler.enable("nightly", true).await, Ok(true));
        assert_eq!(scheduler.get("nightly").await, Ok(Some(schedule("nightly"))));

        assert_eq!(scheduler.delete("nightly").await, Ok(true));
        assert_eq!(scheduler.delete("nightly").await, Ok(false));
        assert_eq!(scheduler.enable("nightly", true).await, Ok(false));
        assert_eq!(scheduler.list().await.expect("a list"), ["archive"]);
    }
}
