//! SQS: at least once, and gone when deleted.

use std::time::Duration;

use crate::world::{until, worlds};

const POLL: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{{\"packet\":{n},\"key\":\"ü 🦀 \\u0001\"}}")).collect()
}

#[tokio::test]
async fn a_batch_arrives_whole_and_goes_when_it_is_deleted() {
    for world in worlds().await {
        let (name, _) = world.queue().await;
        let queue = world.queues().at(&world.queues().url(&name).await.expect("an answer").expect("a URL"));
        assert_eq!(queue.send(&bodies(10)).await, Ok(Vec::new()));
        let mut received = Vec::new();
        while received.len() < 10 {
            let some = queue.receive(10, POLL, MINUTE).await.expect("messages");
            assert!(!some.is_empty(), "only {} came", received.len());
            received.extend(some);
        }
        let mut texts: Vec<_> = received.iter().map(|message| message.body.clone()).collect();
        texts.sort();
        assert_eq!(texts, bodies(10));
        assert!(received.iter().all(|message| message.receive_count == 1));
        let depth = queue.depth().await.expect("a depth");
        assert_eq!((depth.visible, depth.in_flight), (0, 10));
        for message in &received {
            queue.delete(&message.receipt_handle).await.expect("deleted");
        }
        assert_eq!(queue.depth().await.expect("a depth").in_flight, 0);
        assert!(queue.receive(10, Duration::ZERO, MINUTE).await.expect("an answer").is_empty());
    }
}

#[tokio::test]
async fn a_message_comes_back_when_its_time_is_over_and_dies_in_the_end() {
    for world in worlds().await {
        let (name, dead) = world.queue().await;
        let at =
            async |name: &str| world.queues().at(&world.queues().url(name).await.expect("an answer").expect("a URL"));
        let (queue, dead) = (at(&name).await, at(&dead).await);
        queue.send(&bodies(1)).await.expect("sent");
        let first = queue.receive(1, POLL, MINUTE).await.expect("a message").remove(0);
        assert!(queue.receive(1, Duration::from_secs(1), MINUTE).await.expect("an answer").is_empty());
        queue.extend(&first.receipt_handle, Duration::ZERO).await.expect("given back");
        let second = queue.receive(1, POLL, Duration::from_secs(1)).await.expect("a message").remove(0);
        assert_eq!((second.receive_count, &second.body), (2, &first.body));
        assert_eq!(second.id, first.id);
        for message in [&first, &second] {
            let age = jiff::Timestamp::now().duration_since(message.sent_at.expect("it says when"));
            assert!(age.as_secs().abs() < 60, "{age:?}");
        }
        // its second is over without a word: the third receive buries it
        let buried = until("the dead letter", async || {
            assert!(queue.receive(1, Duration::ZERO, MINUTE).await.expect("an answer").is_empty());
            dead.receive(1, Duration::ZERO, MINUTE).await.expect("an answer").pop()
        });
        assert_eq!(buried.await.body, first.body);
    }
}

#[tokio::test]
async fn a_queue_that_is_deleted_is_not_found() {
    for world in worlds().await {
        assert_eq!(world.queues().url("lazaret-no-such-queue").await, Ok(None));
        let (name, _) = world.queue().await;
        let queue = world.queues().at(&world.queues().url(&name).await.expect("an answer").expect("a URL"));
        queue.delete_queue().await.expect("deleted");
        queue.delete_queue().await.expect("deleted already");
        assert_eq!(world.queues().url(&name).await, Ok(None));
        assert!(queue.send(&bodies(1)).await.expect_err("gone").not_found);
        assert!(queue.receive(1, Duration::ZERO, MINUTE).await.expect_err("gone").not_found);
        assert!(queue.depth().await.expect_err("gone").not_found);
    }
}
