//! The table of `docs/cost.md`: what a job costs, beside what others publish that they ask.

use lazaret_model::estimate::{Measured, crawl_seconds, estimate};
use lazaret_model::fleet::{FleetSettings, FleetWork};
use lazaret_model::units;

/// Objects in one bucket, all of one size.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub objects: u64,
    pub object_bytes: u64,
}

/// A million small ones, a million of the usual size, and a terabyte of large ones.
pub const LOADS: [Load; 3] = [
    Load { objects: 1_000_000, object_bytes: 4_096 },
    Load { objects: 1_000_000, object_bytes: 100_000 },
    Load { objects: 100_000, object_bytes: 10_000_000 },
];

impl Load {
    fn gigabytes(self) -> f64 {
        (self.objects * self.object_bytes) as f64 / 1e9
    }
}

/// What somebody publishes that they ask, in dollars.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    pub product: &'static str,
    pub a_gigabyte: f64,
    pub a_thousand_objects: f64,
    /// What else is billed, where, and when it was read.
    pub remarks: &'static str,
}

/// None of the vendors' own pages could be read from here: each remark says whose figure it is.
pub const PRICES: [Price; 4] = [
    Price {
        product: "Amazon GuardDuty Malware Protection for S3",
        a_gigabyte: 0.09,
        a_thousand_objects: 0.215,
        remarks: "us-east-1; a public document that quotes aws.amazon.com/guardduty/pricing as of 2026-09-28. 1,000 objects and 1 GB a month are free in the first year. New objects only",
    },
    Price {
        product: "Antivirus for Amazon S3 (Cloud Storage Security)",
        a_gigabyte: 0.80,
        a_thousand_objects: 0.0,
        remarks: "a comparison in a public repository, of 2024 by its other figures; tasks in the owner's account come on top. Its Marketplace listing could not be read",
    },
    Price {
        product: "Trend Vision One File Security",
        a_gigabyte: 0.0,
        a_thousand_objects: 13.0,
        remarks: "$0.013 a scan, or $1.155 a bucket and hour: docs.trendmicro.com, *trend-vision-one-fs-billing-pricing*, a stored copy read on 2026-11-23",
    },
    Price {
        product: "Microsoft Defender for Storage (Azure blobs)",
        a_gigabyte: 0.15,
        a_thousand_objects: 0.0,
        remarks: "and about $10 a storage account and month: a public decision record of 2026-10-14. It scans no S3",
    },
];

/// Dollars of a job over `load` for an hour, by `lazaret plan`'s own estimate.
pub fn ours(load: Load) -> f64 {
    // as the crawler packs them by default: 2,000 objects, 256 MiB
    let in_a_packet = (256 * 1024 * 1024 / load.object_bytes).clamp(1, 2_000);
    let packets = load.objects.div_ceil(in_a_packet);
    let bytes = load.objects * load.object_bytes;
    let list_requests = load.objects / 1_000 + 1;
    let work = FleetWork {
        objects: load.objects,
        bytes,
        packets,
        largest_bytes: load.object_bytes,
        largest_crawl: load.objects,
        scopes: 1,
        directories: load.objects / 1_000,
        elapsed_seconds: crawl_seconds(1, list_requests, list_requests),
    };
    let objects = load.objects;
    let measured = Measured { crawled: objects, objects, bytes, packets, work, list_requests, ..Measured::default() };
    estimate(&measured, 60, &FleetSettings::default()).dollars
}

pub fn table() -> String {
    let mut text = String::from("| |");
    for load in LOADS {
        let size = units::bytes(load.object_bytes);
        text.push_str(&format!(" {} of {size} ({:.0} GB) |", units::counted(load.objects, "object"), load.gigabytes()));
    }
    text.push_str(" price, and where it is from |\n|---|--:|--:|--:|---|\n| **Lazaret**, tags included |");
    for load in LOADS {
        text.push_str(&format!(" {} |", units::dollars(ours(load))));
    }
    text.push_str(" AWS's list prices, `workers/model/src/prices.rs`, by `lazaret plan`'s estimate |\n");
    for price in PRICES {
        text.push_str(&format!("| {} |", price.product));
        for load in LOADS {
            let dollars = load.gigabytes() * price.a_gigabyte + load.objects as f64 / 1e3 * price.a_thousand_objects;
            text.push_str(&format!(" {} |", units::dollars(dollars)));
        }
        let unit = match (price.a_gigabyte > 0.0, price.a_thousand_objects > 0.0) {
            (true, true) => format!("${} a GB and ${} a thousand objects", price.a_gigabyte, price.a_thousand_objects),
            (true, false) => format!("${} a GB", price.a_gigabyte),
            (false, _) => format!("${} a thousand objects", price.a_thousand_objects),
        };
        text.push_str(&format!(" {unit}; {} |\n", price.remarks));
    }
    text
}
