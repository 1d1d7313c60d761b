//! S3: uploads in parts are listed while they are open.

use jiff::{SignedDuration, Timestamp};

use crate::world::worlds;

#[tokio::test]
async fn an_upload_is_listed_from_its_beginning_to_its_end_whatever_its_key() {
    for world in worlds().await {
        let (bucket, uploads) = (world.bucket(false).await, world.uploads());
        assert!(uploads.open(&bucket, "", 10).await.expect("a list").is_empty());
        let keys = ["in/a b+c%20", "in/\u{1f980}", "out/plain"];
        let mut ids = Vec::new();
        for key in keys {
            ids.push(world.begin_upload(&bucket, key).await);
        }
        let open = uploads.open(&bucket, "", 10).await.expect("a list");
        assert_eq!(open.iter().map(|upload| upload.key.as_str()).collect::<Vec<_>>(), keys);
        assert_eq!(open.iter().map(|upload| upload.upload_id.clone()).collect::<Vec<_>>(), ids);
        let young = |at: Timestamp| Timestamp::now().duration_since(at).abs() < SignedDuration::from_mins(5);
        assert!(open.iter().all(|upload| young(upload.initiated)), "{open:?}");
        assert_eq!(uploads.open(&bucket, "in/", 10).await.expect("a list").len(), 2);
        assert_eq!(uploads.open(&bucket, "", 2).await.expect("a list").len(), 2, "no more than was asked for");

        world.abort_upload(&bucket, keys[0], &ids[0]).await;
        let open = uploads.open(&bucket, "in/", 10).await.expect("a list");
        assert_eq!(open.iter().map(|upload| upload.key.as_str()).collect::<Vec<_>>(), [keys[1]]);
    }
}

#[tokio::test]
async fn more_than_a_page_is_listed_to_its_end() {
    for world in worlds().await {
        let (bucket, uploads) = (world.bucket(false).await, world.uploads());
        for number in 0..1_003 {
            world.begin_upload(&bucket, &format!("{:04}", number / 2)).await;
        }
        let open = uploads.open(&bucket, "", 5_000).await.expect("a list");
        let mut ids: Vec<_> = open.iter().map(|upload| &upload.upload_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((open.len(), ids.len()), (1_003, 1_003));
    }
}
