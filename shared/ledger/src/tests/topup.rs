//! Asking for credit against payment, and what becomes of the request.

use super::{account, actor, day, goodwill, policy, seal, time, usd, waiting};
use crate::{
    Account, Actor, Asked, Category, Change, EntryType, MAX_OPEN_LOTS, MAX_WAITING_TOPUPS, Origin, Payment,
    PaymentMode, Refusal, Role, Topup, TopupRequest, TopupStatus, approve, cancel, lapse, reject,
    request_topup,
};

fn alice() -> Actor {
    actor(Role::Customer, "alice")
}

fn staff() -> Actor {
    actor(Role::Admin, "key-1")
}

pub(super) fn request(amount: &str) -> TopupRequest {
    TopupRequest {
        amount: amount.parse().unwrap(),
        payment: Payment {
            mode: PaymentMode::Online,
            method: "stripe".parse().unwrap(),
            reference: Some("pi_123".parse().unwrap()),
        },
        reference: Some("cart-9".parse().unwrap()),
    }
}

fn ask(account: &Account, settings: &str, amount: &str) -> Result<(Account, Topup), Refusal> {
    let id = "USD-AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    request_topup(account, &policy(settings), &request(amount), id, alice(), day(2)).map(waiting)
}

/// An account of that balance for which such requests wait, the last of which is answered.
fn asked(balance: &str, pending: &[&str]) -> (Account, Topup) {
    let (mut account, mut last) = (account(&[(1, balance, None)]), None);
    for amount in pending {
        let (after, topup) = ask(&account, "{}", amount).unwrap();
        (account, last) = (after, Some(topup));
    }
    (account, last.unwrap())
}

/// Whether an account of 40.00 for which 30.00 wait may ask for `amount`.
#[track_caller]
fn check(settings: &str, amount: &str, expected: Result<(), Refusal>) {
    let (account, _) = asked("40.00", &["30.00"]);
    let answer = ask(&account, settings, amount);
    assert_eq!(answer.clone().map(|_| ()), expected, "{amount} under {settings}");
    if let Ok((after, topup)) = answer {
        let pending = usd("30.00").plus(usd(amount)).unwrap();
        assert_eq!(after.waiting(day(2)), Ok(pending));
        assert_eq!(after, Account { pending, lapses: after.lapses.clone(), ..account });
        assert_eq!((topup.amount, topup.status, topup.resolution), (usd(amount), TopupStatus::Pending, None));
    }
}

/// What an approval of 50.00 credits to an account of 40.00 for which 30.00 more wait.
#[track_caller]
fn check_approval(settings: &str, amount: Option<&str>, expected: Result<&str, Refusal>) {
    let (account, topup) = asked("40.00", &["30.00", "50.00"]);
    let amount = amount.map(|amount| amount.parse().unwrap());
    let approved = approve(&account, &policy(settings), &topup, amount, staff(), day(3));
    let credited = approved.map(|(Change { account, line }, topup)| {
        assert_eq!((topup.amount, topup.status), (usd("50.00"), TopupStatus::Approved));
        // What was asked for no longer waits, whatever was paid of it.
        assert_eq!(account.pending, usd("30.00"));
        assert_eq!(account.balance(), usd("40.00").plus(line.amount));
        line.amount
    });
    assert_eq!(credited, expected.map(usd), "{amount:?} under {settings}");
}

#[test]
fn a_request_waits_and_moves_nothing() {
    check("{}", "50.00", Ok(()));

    let (_, topup) = ask(&account(&[]), "{}", "50.00").unwrap();
    let TopupRequest { payment, reference, .. } = request("50.00");
    assert_eq!((topup.payment, topup.reference), (payment, reference));
    assert_eq!((topup.requested_by, topup.requested_at), (alice(), day(2)));
}

#[test]
fn an_approval_credits_what_was_asked_for() {
    let (account, topup) = asked("40.00", &["50.00"]);
    let fifteen = policy(r#"{"expiry_days": {"paid": 15}}"#);

    let (change, approved) = approve(&account, &fifteen, &topup, None, staff(), day(3)).unwrap();

    assert_eq!(change.account.pending, usd("0"));
    assert_eq!(change.account.lifetime.topped_up, usd("50.00"));
    assert_eq!(change.account.lifetime.granted, usd("40.00"));
    let lot = &change.account.lots[1];
    let origin = Origin {
        category: Category::Paid,
        source: Role::Customer,
        granted_at: day(3),
        expires_at: Some(day(19)),
    };
    assert_eq!((&lot.origin, lot.remaining), (&origin, usd("50.00")));
    assert_eq!((change.line.kind, &change.line.topup), (EntryType::Topup, &Some(topup.id)));
    assert_eq!((&change.line.payment, &change.line.reference), (&Some(topup.payment), &topup.reference));
    let resolution = approved.resolution.unwrap();
    let (_, entry) = seal(change, day(3));
    assert_eq!((entry.amount, entry.balance_after), (usd("50.00"), usd("90.00")));
    assert_eq!(resolution.credited, Some((usd("50.00"), entry.id())));
    assert_eq!((resolution.by, resolution.at, resolution.reason), (staff(), day(3), None));
}

#[test]
fn an_approval_credits_what_was_paid_and_never_more_than_was_asked_for() {
    let invalid = |message: &str| Refusal::Invalid { field: "amount".into(), message: message.into() };
    check_approval("{}", None, Ok("50.00"));
    check_approval("{}", Some("50"), Ok("50.00"));
    check_approval("{}", Some("12.34"), Ok("12.34"));
    check_approval("{}", Some("50.01"), Err(invalid("must be at most 50.00, as was requested")));
    check_approval("{}", Some("0"), Err(invalid("must be more than zero")));
    check_approval("{}", Some("1.001"), Err(invalid("must have at most 2 decimals, as USD has")));
}

#[test]
fn a_request_is_resolved_once_and_only_once() {
    let (account, topup) = asked("40.00", &["50.00"]);
    let reason: crate::Note = "no money came".parse().unwrap();
    let (change, approved) = approve(&account, &policy("{}"), &topup, None, staff(), day(3)).unwrap();
    let (after_rejection, rejected) = reject(&account, &topup, reason.clone(), staff(), day(3)).unwrap();
    let (after_cancel, cancelled) = cancel(&account, &topup, alice(), day(3)).unwrap();

    let ends = [
        (change.account, approved, TopupStatus::Approved),
        (after_rejection, rejected, TopupStatus::Rejected),
        (after_cancel, cancelled, TopupStatus::Cancelled),
    ];
    for (account, resolved, status) in ends {
        assert_eq!(resolved.as_requested(), topup);
        let refusal = Refusal::TopupNotPending { status };
        assert_eq!(approve(&account, &policy("{}"), &resolved, None, staff(), day(4)).unwrap_err(), refusal);
        assert_eq!(reject(&account, &resolved, reason.clone(), staff(), day(4)).unwrap_err(), refusal);
        assert_eq!(cancel(&account, &resolved, alice(), day(4)).unwrap_err(), refusal);
    }
}

#[test]
fn a_request_that_is_rejected_or_cancelled_credits_nothing() {
    let (account, topup) = asked("40.00", &["30.00", "50.00"]);
    let lapses = account.lapses.iter().copied().filter(|(_, amount)| *amount == usd("30.00")).collect();
    let no_longer_waiting = Account { pending: usd("30.00"), lapses, ..account.clone() };

    let (after, rejected) =
        reject(&account, &topup, "no money came".parse().unwrap(), staff(), day(3)).unwrap();
    assert_eq!((after, rejected.status), (no_longer_waiting.clone(), TopupStatus::Rejected));
    let resolution = rejected.resolution.unwrap();
    assert_eq!((resolution.by, resolution.at, resolution.credited), (staff(), day(3), None));
    assert_eq!(resolution.reason.as_ref().map(crate::Note::as_str), Some("no money came"));

    let (after, cancelled) = cancel(&account, &topup, alice(), day(3)).unwrap();
    assert_eq!((after, cancelled.status), (no_longer_waiting, TopupStatus::Cancelled));
    let resolution = cancelled.resolution.unwrap();
    assert_eq!((resolution.by, resolution.credited, resolution.reason), (alice(), None, None));
}

#[test]
fn whoever_asked_cannot_approve() {
    let (account, topup) = asked("40.00", &["50.00"]);
    let by = |requested_by: Actor, approver: Actor| {
        let topup = Topup { requested_by, ..topup.clone() };
        approve(&account, &policy("{}"), &topup, None, approver, day(3)).map(|_| ())
    };
    assert_eq!(by(staff(), staff()), Err(Refusal::SelfApproval));
    // The same subject in another role is the same person.
    assert_eq!(by(actor(Role::Customer, "jane"), actor(Role::Admin, "jane")), Err(Refusal::SelfApproval));
    assert_eq!(by(staff(), actor(Role::Admin, "key-2")), Ok(()));
    assert_eq!(by(alice(), staff()), Ok(()));
}

#[test]
fn only_the_methods_that_the_policy_names_are_taken() {
    let by = |allowed: &str| Err(Refusal::PaymentMethodNotAllowed { allowed: allowed.into() });
    check("{}", "50.00", Ok(()));
    check(r#"{"topup_methods": ["cash", "stripe"]}"#, "50.00", Ok(()));
    check(r#"{"topup_methods": ["cash", "transfer"]}"#, "50.00", by("cash, transfer"));
    check(r#"{"topup_methods": ["Stripe"]}"#, "50.00", by("Stripe"));
    check(r#"{"topup_methods": []}"#, "50.00", by(""));
}

#[test]
fn limits_include_the_amount_that_they_name() {
    let minimum = r#"{"topup_min": {"USD": "10.00"}}"#;
    check(minimum, "10.00", Ok(()));
    check(minimum, "9.99", Err(Refusal::TopupBelowMinimum { minimum: usd("10.00") }));
    let maximum = r#"{"topup_max": {"USD": "100.00"}}"#;
    check(maximum, "100.00", Ok(()));
    check(maximum, "100.01", Err(Refusal::TopupAboveMaximum { maximum: usd("100.00") }));
    // 40.00 are there and 30.00 wait.
    let limit = r#"{"topup_limit": {"USD": "100.00"}}"#;
    check(limit, "30.00", Ok(()));
    check(limit, "30.01", Err(Refusal::TopupLimitExceeded { limit: usd("100.00") }));
    let balance = r#"{"balance_limit": {"USD": "100.00"}}"#;
    check(balance, "60.00", Ok(()));
    check(balance, "60.01", Err(Refusal::BalanceLimitExceeded { limit: usd("100.00") }));
    let elsewhere = r#"{"topup_min": {"EUR": "99"}, "topup_max": {"EUR": "1"}, "topup_limit": {"EUR": "1"}}"#;
    check(elsewhere, "50.00", Ok(()));
}

#[test]
fn limits_are_checked_again_at_approval() {
    // 40.00 are there, 50.00 are approved, and 30.00 more still wait.
    let limit = r#"{"topup_limit": {"USD": "120.00"}}"#;
    check_approval(limit, None, Ok("50.00"));
    let tighter = r#"{"topup_limit": {"USD": "119.99"}}"#;
    check_approval(tighter, None, Err(Refusal::TopupLimitExceeded { limit: usd("119.99") }));
    check_approval(tighter, Some("49.99"), Ok("49.99"));
    check_approval(r#"{"balance_limit": {"USD": "90.00"}}"#, None, Ok("50.00"));
    let tighter = r#"{"balance_limit": {"USD": "89.99"}}"#;
    check_approval(tighter, None, Err(Refusal::BalanceLimitExceeded { limit: usd("89.99") }));
    let tighter = r#"{"topup_max": {"USD": "49.99"}}"#;
    check_approval(tighter, None, Err(Refusal::TopupAboveMaximum { maximum: usd("49.99") }));
    let tighter = r#"{"topup_min": {"USD": "50.01"}}"#;
    check_approval(tighter, None, Err(Refusal::TopupBelowMinimum { minimum: usd("50.01") }));
    let cash = r#"{"topup_methods": ["cash"]}"#;
    check_approval(cash, None, Err(Refusal::PaymentMethodNotAllowed { allowed: "cash".into() }));
}

#[test]
fn two_faults_of_a_request_always_give_the_same_answer() {
    let limits = |methods: &str, minimum, maximum, limit| {
        format!(
            r#"{{"topup_methods": {methods}, "topup_min": {minimum}, "topup_max": {maximum}, "topup_limit": {limit},
                "balance_limit": {{"USD": "50"}}}}"#
        )
    };
    let (none, above, below) = ("null", r#"{"USD": "90"}"#, r#"{"USD": "10"}"#);
    let (ten, fifty, ninety) = (usd("10"), usd("50"), usd("90"));
    let nothing = Refusal::Invalid { field: "amount".into(), message: "must be more than zero".into() };
    let not_allowed = Refusal::PaymentMethodNotAllowed { allowed: String::new() };
    check(&limits("[]", above, below, below), "0", Err(nothing));
    check(&limits("[]", above, below, below), "20", Err(not_allowed));
    check(&limits(none, above, below, below), "20", Err(Refusal::TopupBelowMinimum { minimum: ninety }));
    check(&limits(none, none, below, below), "20", Err(Refusal::TopupAboveMaximum { maximum: ten }));
    check(&limits(none, none, none, below), "20", Err(Refusal::TopupLimitExceeded { limit: ten }));
    check(&limits(none, none, none, none), "20", Err(Refusal::BalanceLimitExceeded { limit: fifty }));
}

#[test]
fn two_faults_of_an_approval_always_give_the_same_answer() {
    let (account, topup) = ask(&account(&[(1, "1.00", None); MAX_OPEN_LOTS]), "{}", "50.00").unwrap();
    let cancelled = Topup { status: TopupStatus::Cancelled, ..topup.clone() };
    let limit = r#"{"topup_methods": ["cash"], "balance_limit": {"USD": "1"}}"#;
    let too_much = Some("50.01".parse().unwrap());
    let check = |settings, topup, amount, by, expected| {
        assert_eq!(approve(&account, &policy(settings), topup, amount, by, day(3)).unwrap_err(), expected);
    };
    let message = "must be at most 50.00, as was requested".into();
    check(limit, &cancelled, too_much, alice(), Refusal::TopupNotPending { status: TopupStatus::Cancelled });
    check(limit, &topup, too_much, alice(), Refusal::SelfApproval);
    check(limit, &topup, too_much, staff(), Refusal::Invalid { field: "amount".into(), message });
    check(limit, &topup, None, staff(), Refusal::PaymentMethodNotAllowed { allowed: "cash".into() });
    let (limit, exceeded) =
        (r#"{"balance_limit": {"USD": "1"}}"#, Refusal::BalanceLimitExceeded { limit: usd("1") });
    check(limit, &topup, None, staff(), exceeded);
    check("{}", &topup, None, staff(), Refusal::TooManyLots);
}

#[test]
fn a_requests_id_is_its_currency_and_22_characters() {
    let id: crate::TopupId = "USD-3q2-7w_AAAAAAAAAAAAAAA".parse().unwrap();
    assert_eq!((id.currency, id.digest()), (crate::Currency::USD, "3q2-7w_AAAAAAAAAAAAAAA"));
    for bad in [
        "",
        "USD",
        "USD-",
        "3q2-7w_AAAAAAAAAAAAAAA",
        "USD-3q2-7w_AAAAAAAAAAAAAA",
        "USD-3q2+7w_AAAAAAAAAAAAAAA",
    ] {
        assert!(bad.parse::<crate::TopupId>().is_err(), "{bad}");
    }
}

/// Whether a request for `amount` waits.
#[track_caller]
fn check_waits(approval: &str, amount: &str, expected: bool) {
    let rules = policy(&format!(r#"{{"topup_approval": {approval}}}"#));
    let id = "USD-AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let before = account(&[(1, "40.00", None)]);
    match request_topup(&before, &rules, &request(amount), id, alice(), day(2)).unwrap() {
        Asked::Waits(account, topup) => {
            assert!(expected, "{amount} under {approval} waits");
            assert_eq!((account.pending, topup.status), (usd(amount), TopupStatus::Pending));
        }
        Asked::Credited(change, topup) => {
            assert!(!expected, "{amount} under {approval} is credited");
            let (account, entry) = seal(*change, day(2));
            assert_eq!((account.pending, account.lifetime.topped_up), (usd("0"), usd(amount)));
            assert_eq!(
                (entry.kind, entry.amount, &entry.topup),
                (EntryType::Topup, usd(amount), &Some(topup.id.clone()))
            );
            assert_eq!((entry.category, entry.source), (Some(Category::Paid), Some(Role::Customer)));
            let resolution = topup.resolution.clone().unwrap();
            assert_eq!((topup.status, resolution.by), (TopupStatus::Approved, Actor::policy()));
            assert_eq!(resolution.credited, Some((usd(amount), entry.id())));
            // It is answered as approved, then and whenever it is asked for again.
            assert_eq!(topup.as_requested(), topup);
        }
    }
}

#[test]
fn the_policy_says_which_requests_wait() {
    check_waits(r#""manual""#, "0.01", true);
    check_waits(r#""automatic""#, "1000000", false);
    check_waits(r#"{"manual_above": {"USD": "100.00"}}"#, "100.00", false);
    check_waits(r#"{"manual_above": {"USD": "100.00"}}"#, "100.01", true);
    check_waits(r#"{"manual_above": {"USD": "0"}}"#, "0.01", true);
    check_waits(r#"{"manual_above": {"EUR": "100.00"}}"#, "1.00", true);
}

#[test]
fn what_is_credited_at_once_keeps_the_limits() {
    let limited = policy(r#"{"topup_approval": "automatic", "balance_limit": {"USD": "89.99"}}"#);
    let id = "USD-AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let asked =
        request_topup(&account(&[(1, "40.00", None)]), &limited, &request("50.00"), id, alice(), day(2));
    assert_eq!(asked, Err(Refusal::BalanceLimitExceeded { limit: usd("89.99") }));
}

#[test]
fn a_request_that_nobody_decided_on_lapses() {
    let (account, _) = asked("40.00", &["30.00"]);
    let (account, topup) = ask(&account, r#"{"topup_pending_days": 7}"#, "50.00").unwrap();
    let last = time("2026-01-08T23:59:59.999Z");
    let lapsed = Err(Refusal::TopupNotPending { status: TopupStatus::Lapsed });
    let no = || "no".parse().unwrap();
    for (at, expected) in [(last, Ok(())), (day(9), lapsed.clone()), (day(30), lapsed)] {
        let decided = approve(&account, &policy("{}"), &topup, None, staff(), at).map(|_| ());
        assert_eq!(decided, expected, "at {at}");
        assert_eq!(reject(&account, &topup, no(), staff(), at).map(|_| ()), expected, "at {at}");
        assert_eq!(cancel(&account, &topup, alice(), at).map(|_| ()), expected, "at {at}");
    }

    // It counts until then and no longer, whether or not that is booked.
    assert_eq!([last, day(9)].map(|at| account.waiting(at)), [Ok(usd("80.00")), Ok(usd("30.00"))]);
    assert_eq!(lapse(&account, &topup, last), Ok(None));
    // Whenever it is booked, it lapsed when it did.
    let (after, booked) = lapse(&account, &topup, day(20)).unwrap().unwrap();
    assert_eq!((after.pending, booked.status), (usd("30.00"), TopupStatus::Lapsed));
    assert_eq!(booked, topup.at(day(9)));
    assert_eq!(booked.resolution.as_ref().map(|resolution| resolution.at), Some(day(9)));
    assert_eq!(booked.as_requested(), topup);
    assert_eq!(lapse(&after, &booked, day(21)), Ok(None));
    // What was decided in time does not lapse.
    let (_, approved) = approve(&account, &policy("{}"), &topup, None, staff(), last).unwrap();
    assert_eq!(lapse(&account, &approved, day(30)), Ok(None));
}

#[test]
fn an_account_tells_who_brought_its_credit() {
    let (account, topup) = asked("40.00", &["50.00"]);
    let (change, _) = approve(&account, &policy("{}"), &topup, None, staff(), day(3)).unwrap();
    let (account, _) = seal(change, day(3));
    let change = crate::grant(&account, &policy("{}"), &goodwill("7.00"), Role::Admin, day(4)).unwrap();
    let brought = change.account.lifetime;
    // The shop's software granted 40.00 of it.
    assert_eq!((brought.granted, brought.topped_up), (usd("47.00"), usd("50.00")));
    assert_eq!((brought.by_admin, brought.by_customer), (usd("7.00"), usd("50.00")));
}

#[test]
fn fifty_requests_wait_and_those_that_lapsed_wait_no_more() {
    let id = || "USD-AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let asked_at = |account: &Account, at| {
        request_topup(account, &policy("{}"), &request("1.00"), id(), alice(), at).map(waiting)
    };
    let (mut full, mut lapses_at) = (account(&[]), None);
    for _ in 0..MAX_WAITING_TOPUPS {
        let (after, topup) = asked_at(&full, day(2)).unwrap();
        (full, lapses_at) = (after, topup.lapses_at);
    }
    let lapses_at = lapses_at.unwrap();
    let before = lapses_at.checked_sub(jiff::SignedDuration::from_millis(1)).unwrap();
    for early in [day(2), before] {
        assert_eq!(asked_at(&full, early).map(|_| ()), Err(Refusal::TooManyTopups));
    }
    assert!(asked_at(&full, lapses_at).is_ok());
}
