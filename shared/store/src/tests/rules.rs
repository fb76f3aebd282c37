//! Which versions of a document of rules are missing, and what is written for them.

use crate::rules::History;

fn history(version: u64, lines: &[u64]) -> History {
    History { version, lines: lines.iter().copied().collect() }
}

fn untold(history: &History, named: u64) -> Vec<String> {
    history.untold("it", named).into_iter().map(|finding| finding.detail).collect()
}

/// The version that it gets, and those whose lines are lost.
fn mending(history: &History, named: u64) -> Option<(Option<u64>, Vec<u64>)> {
    let mending = history.mending("it", named)?;
    Some((
        mending.restored.map(|(version, _)| version),
        mending.lost.into_iter().map(|(version, _)| version).collect(),
    ))
}

#[test]
fn a_history_that_is_whole_lacks_nothing() {
    for (version, lines, named) in
        [(0, &[][..], 0), (1, &[1], 0), (3, &[1, 2, 3], 3), (3, &[1, 2, 3], 1), (2, &[1, 2, 3], 2)]
    {
        let history = history(version, lines);
        assert_eq!(history.behind("it", named), None, "{history:?}");
        assert_eq!(untold(&history, named), Vec::<String>::new(), "{history:?}");
        assert_eq!(mending(&history, named), Some((None, vec![])), "{history:?}");
    }
}

#[test]
fn each_run_of_versions_that_nothing_tells_of_is_named_once() {
    let told = |first: u64, last: u64| format!("nothing tells what versions {first} to {last} of it changed");
    assert_eq!(untold(&history(7, &[3, 4]), 0), [told(1, 2), told(5, 7)]);
    assert_eq!(untold(&history(3, &[1, 2, 3]), 5), [told(4, 5)]);
    assert_eq!(untold(&history(0, &[]), 2), [told(1, 2)]);
    assert_eq!(mending(&history(7, &[3, 4]), 0), Some((None, vec![1, 2, 5, 6, 7])));
}

#[test]
fn a_document_that_is_behind_comes_above_all_that_there_were() {
    let behind = history(2, &[1, 2]).behind("it", 3).unwrap();
    assert_eq!(behind.detail, "version 2 of it is there, and entries were decided by version 3");
    assert_eq!(mending(&history(2, &[1, 2]), 3), Some((Some(4), vec![3])));
    // A line of a version that nobody was decided by is one that there was.
    assert_eq!(mending(&history(2, &[1, 2, 3, 5]), 3), Some((Some(6), vec![4])));
    assert_eq!(mending(&history(0, &[]), 2), Some((Some(3), vec![1, 2])));
}

#[test]
fn a_version_that_was_forged_is_told_of_and_not_filled_up_to() {
    for named in [5_000, u64::MAX - 1, u64::MAX] {
        let history = history(2, &[1, 2]);
        assert!(history.behind("it", named).is_some());
        assert_eq!(
            untold(&history, named),
            [format!("nothing tells what versions 3 to {named} of it changed")]
        );
        assert_eq!(mending(&history, named), None);
    }
    assert_eq!(mending(&history(u64::MAX, &[u64::MAX]), u64::MAX), None);
    assert_eq!(untold(&history(1, &[1, u64::MAX]), 1), Vec::<String>::new());
}
