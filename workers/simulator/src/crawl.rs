//! When the last page of the last scope is listed.

use lazaret_model::estimate::PAGE_KEYS;
use lazaret_model::fleet::CRAWLERS_AT_ONCE;

use crate::cloud::Cloud;
use crate::random::Random;
use crate::scenario::Bucket;

/// *Check input* and the two queues, in seconds.
const OPENING: (f64, f64) = (2.0, 6.0);

/// Pages of one scope.
pub fn pages(bucket: &Bucket) -> u64 {
    (bucket.objects / bucket.scopes) / PAGE_KEYS + 1
}

/// From the begin of the job to the end of *Crawl buckets*, in seconds: a Map takes the next scope when one ends.
pub fn seconds(bucket: &Bucket, cloud: &Cloud, random: &mut Random) -> f64 {
    let mut places = vec![0.0_f64; CRAWLERS_AT_ONCE.min(bucket.scopes) as usize];
    for _ in 0..bucket.scopes {
        let listing = random.log_normal_sum(pages(bucket), cloud.page.median_seconds, cloud.page.sigma);
        let next = places.iter_mut().min_by(|a, b| a.total_cmp(b)).expect("at least one scope");
        *next += cloud.crawler_startup.draw(random) + listing;
    }
    random.between(OPENING.0, OPENING.1) + places.into_iter().fold(0.0, f64::max)
}
