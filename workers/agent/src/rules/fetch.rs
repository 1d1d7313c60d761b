//! The owner's rules, from the results bucket into a directory.

use std::path::Path;

use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::layout::RULES_PREFIX;

use crate::retry;

/// Of one rules file. Yara-forge's largest set has 12 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Files of rules; YARA-X compiles some 400 rules in 0.2 s.
const MAX_FILES: usize = 10_000;

#[derive(Debug, thiserror::Error)]
pub enum FetchRulesError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("`{key}` has {bytes} bytes, and a file of rules may have {MAX_FILE_BYTES}")]
    TooLarge { key: String, bytes: u64 },
    #[error("more than {MAX_FILES} files of rules")]
    TooMany,
    #[error("`{0}` lies in a folder of its own, and folders of rules are not read")]
    Folder(String),
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

/// Puts every `*.yar` and `*.yara` below `settings/rules/` into `directory`; how many.
pub(super) async fn fetch(
    store: &dyn ObjectStore,
    results_bucket: &str,
    directory: &Path,
) -> Result<usize, FetchRulesError> {
    let mut count = 0;
    let mut next: Option<String> = None;
    loop {
        let page = retry::store(|| store.list_page(results_bucket, RULES_PREFIX, next.as_deref())).await?;
        for object in page.objects {
            let Some(name) = rules_file(&object.key)? else { continue };
            if object.size > MAX_FILE_BYTES {
                return Err(FetchRulesError::TooLarge { key: shown(&object.key), bytes: object.size });
            }
            if count == MAX_FILES {
                return Err(FetchRulesError::TooMany);
            }
            // Gone since the list: then it is no rule any more.
            let Some(stored) = retry::store(|| store.get(results_bucket, &object.key)).await? else { continue };
            tokio::fs::write(directory.join(name), &stored.bytes).await?;
            count += 1;
        }
        next = page.next;
        if next.is_none() {
            return Ok(count);
        }
    }
}

/// The file's name, if the key is one of rules.
fn rules_file(key: &str) -> Result<Option<&str>, FetchRulesError> {
    let name = key.strip_prefix(RULES_PREFIX).unwrap_or_default();
    let file = name.rsplit('/').next().unwrap_or(name);
    match (is_rules(file), file == name) {
        (false, _) => Ok(None),
        (true, true) => Ok(Some(name)),
        (true, false) => Err(FetchRulesError::Folder(shown(key))),
    }
}

/// Whether the engine takes a file of this name.
pub(super) fn is_rules(name: &str) -> bool {
    !name.starts_with('.') && [".yar", ".yara"].iter().any(|end| name.ends_with(end))
}

fn shown(key: &str) -> String {
    key.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lazaret_aws::fake::FakeStore;
    use lazaret_aws::objects::PutCondition;

    use super::*;

    #[tokio::test]
    async fn rules_are_fetched_and_other_things_left() {
        let store = FakeStore::new().with_bucket("results");
        for key in
            ["settings/rules/a.yar", "settings/rules/b.yara", "settings/rules/readme.md", "settings/policies.json"]
        {
            let put = store.put("results", key, Bytes::from(key.to_owned()), "text/plain", PutCondition::Always);
            put.await.expect("stored");
        }
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(fetch(&store, "results", directory.path()).await.expect("fetched"), 2);
        let content = std::fs::read_to_string(directory.path().join("b.yara")).expect("there");
        assert_eq!(content, "settings/rules/b.yara");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        assert!(matches!(rules_file("settings/rules/../../x.yar"), Err(FetchRulesError::Folder(_))));
        assert!(matches!(rules_file("settings/rules/more/x.yar"), Err(FetchRulesError::Folder(_))));
        assert_eq!(rules_file("settings/rules/.hidden.yar").expect("left alone"), None);
        assert_eq!(rules_file("settings/rules/x.yar").expect("rules"), Some("x.yar"));
    }
}
