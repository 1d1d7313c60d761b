//! Every metric of ours: its name and unit stand here and nowhere else. `docs/metrics.md` says what each is.

use super::Metric;

/// What agents tell.
pub mod agent {
    use super::Metric;

    /// Of the set in force; missing while there is none. Servers of the API tell it, too.
    pub const DEFINITIONS_AGE: Metric = Metric::seconds("DefinitionsAgeSeconds");
    /// Verdicts that were known already.
    pub const CACHE_HITS: Metric = Metric::count("VerdictCacheHits");
    /// Scans that the cache could not spare. Hits and misses are 0 where it is off.
    pub const CACHE_MISSES: Metric = Metric::count("VerdictCacheMisses");
    /// Verdicts on contents, the cache's among them.
    pub const SCANNED: Metric = Metric::count("ScannedObjects");
    /// New objects by their verdict. A metric each and no dimension: it costs the same, and goes into the one line with all others.
    pub const EVENTS: [(&str, Metric); 6] = [
        ("Clean", Metric::count("EventsClean")),
        ("Infected", Metric::count("EventsInfected")),
        ("InfectedAllowed", Metric::count("EventsInfectedAllowed")),
        ("Unscannable", Metric::count("EventsUnscannable")),
        ("Error", Metric::count("EventsError")),
        ("Skipped", Metric::count("EventsSkipped")),
    ];
    /// From the event's time to the end of its action, of each new object.
    pub const EVENT_LATENCY: Metric = Metric::milliseconds("EventLatencyMilliseconds");
    /// Of new objects that got a verdict, whether or not they were fetched for it.
    pub const EVENTS_BYTES: Metric = Metric::bytes("EventsBytes");
    /// Objects of jobs by their verdict, as they are recorded for the first time.
    pub const JOBS: [(&str, Metric); 7] = [
        ("Clean", Metric::count("JobsClean")),
        ("Infected", Metric::count("JobsInfected")),
        ("InfectedAllowed", Metric::count("JobsInfectedAllowed")),
        ("Unscannable", Metric::count("JobsUnscannable")),
        ("Error", Metric::count("JobsError")),
        ("Skipped", Metric::count("JobsSkipped")),
        ("Gone", Metric::count("JobsGone")),
    ];
    /// Of these objects.
    pub const JOBS_BYTES: Metric = Metric::bytes("JobsBytes");
    /// 1 from each agent of a job, a minute: as many samples as there are agents.
    pub const JOBS_AGENTS: Metric = Metric::count("JobsAgents");
}

/// What servers of the verdict API tell.
pub mod api {
    use super::Metric;

    /// Requests, by the class of their answer. 429s are among the second.
    pub const ANSWERS_2XX: Metric = Metric::count("ApiAnswers2xx");
    pub const ANSWERS_4XX: Metric = Metric::count("ApiAnswers4xx");
    pub const ANSWERS_5XX: Metric = Metric::count("ApiAnswers5xx");
    /// 429s, by what there was too much of.
    pub const REFUSED_QUEUE: Metric = Metric::count("ApiRefusedQueue");
    pub const REFUSED_RECEIVING: Metric = Metric::count("ApiRefusedReceiving");
    pub const REFUSED_ROOM: Metric = Metric::count("ApiRefusedRoom");
    pub const REFUSED_LOGINS: Metric = Metric::count("ApiRefusedLogins");
    /// Wrong names and passwords.
    pub const LOGINS_FAILED: Metric = Metric::count("ApiLoginsFailed");
    /// Files by their verdict.
    pub const CLEAN: Metric = Metric::count("ApiClean");
    pub const INFECTED: Metric = Metric::count("ApiInfected");
    pub const INFECTED_ALLOWED: Metric = Metric::count("ApiInfectedAllowed");
    pub const UNSCANNABLE: Metric = Metric::count("ApiUnscannable");
    pub const ERROR: Metric = Metric::count("ApiError");
    /// Of the files of all requests that got verdicts, as they came in.
    pub const BYTES: Metric = Metric::bytes("ApiBytes");
    /// The most requests at a time, since the line before, that waited for the engine or were in it.
    pub const QUEUE_DEPTH: Metric = Metric::count("ApiQueueDepth");
    /// Of each file, from the moment that it is all here to the engine.
    pub const QUEUE_WAIT: Metric = Metric::milliseconds("ApiQueueWaitMilliseconds");
    /// Of each file, in the engine, or until it was found that its verdict is known.
    pub const SCAN: Metric = Metric::milliseconds("ApiScanMilliseconds");
}

/// What the functions tell that look every few minutes.
pub mod watch {
    use super::Metric;

    /// How long the first has been in staging of those that wait for no person; 0 if there is none.
    pub const STAGING_WAIT: Metric = Metric::seconds("StagingWaitSeconds");
    pub const STAGING_WAITING: Metric = Metric::count("StagingWaitingObjects");
    pub const STAGING_UNVERSIONED: Metric = Metric::count("StagingUnversioned");
    pub const STAGING_UNREADABLE: Metric = Metric::count("StagingUnreadable");
    pub const STAGING_NOT_LOOKED_AT: Metric = Metric::count("StagingNotLookedAt");
    pub const POLICIES_MISSING: Metric = Metric::count("PoliciesMissing");
    /// Of the published set, whether or not an agent runs.
    pub const DEFINITIONS_IN_FORCE_AGE: Metric = Metric::seconds("DefinitionsInForceAgeSeconds");
    /// By a run of a schedule.
    pub const SCHEDULE_LEFT_OUT: Metric = Metric::count("ScheduleBucketsLeftOut");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    /// Rows whose first cells are `names` and a unit.
    fn documented() -> BTreeMap<String, String> {
        let page = include_str!("../../../../docs/metrics.md");
        let rows = page.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let (names, unit) = (format!("`{}", cells.next()?), cells.next()?.to_owned());
            Some((names, unit))
        });
        rows.flat_map(|(names, unit)| {
            let names: Vec<String> = names.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            names.into_iter().map(move |name| (name, unit.clone()))
        })
        .collect()
    }

    #[test]
    fn the_documentation_has_each_metric_with_its_unit_and_no_other() {
        // the constants of this file, as they are written
        let calls = include_str!("names.rs").split("#[cfg(test)]").next().expect("before the tests").split("Metric::");
        let told: BTreeMap<String, String> = calls
            .filter_map(|call| {
                let (unit, rest) = call.split_once("(\"")?;
                let unit = unit[..1].to_uppercase() + &unit[1..];
                Some((rest.split_once('"')?.0.to_owned(), unit))
            })
            .collect();
        assert!(told.len() > 45, "{told:?}");
        assert_eq!(told, documented());
    }
}
