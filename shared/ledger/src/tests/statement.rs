//! That a statement is refused where its lines do not lead from one balance to the other.

use super::{account, day, seal, usd};
use crate::{Money, OutOfRange, Statement, Unstated};

#[test]
fn entries_that_do_not_follow_from_the_balance_before_are_no_statement() {
    let before = account(&[(1, "5.00", None)]);
    let grant = super::goodwill("7.00");
    let change =
        crate::grant(&before, &crate::Policy::default(), &grant, crate::Role::Store, day(2)).unwrap();
    let (_, entry) = seal(change, day(2));
    let stated = Statement::new(usd("5.00"), vec![entry.clone()]).unwrap();
    assert_eq!(
        (stated.closing, stated.came_in, stated.lines),
        (usd("12.00"), usd("7.00"), vec![entry.clone()])
    );
    let nothing = Statement::new(usd("5.00"), vec![]).unwrap();
    assert_eq!((nothing.opening, nothing.closing), (usd("5.00"), usd("5.00")));
    for opening in ["4.99", "0.00"] {
        let refused = Statement::new(usd(opening), vec![entry.clone()]);
        assert_eq!(refused, Err(Unstated::Balance(entry.id())), "{opening}");
    }
    // As when one is missing between them.
    assert_eq!(
        Statement::new(usd("5.00"), vec![entry.clone(), entry.clone()]),
        Err(Unstated::Balance(entry.id()))
    );
    let most = Money::from_minor(i64::MAX, entry.currency());
    assert_eq!(Statement::new(most, vec![entry]), Err(Unstated::OutOfRange(OutOfRange)));
}
