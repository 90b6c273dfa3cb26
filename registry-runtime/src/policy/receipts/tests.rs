//! What is known of whom, for how long, and in how much room.

use super::room::{EXPIRED_BYTES, RECEIPT_BYTES, SESSION_BYTES};
use super::session::{EXPIRED_MAX, QUEUE_KEPT};
use super::*;

pub(super) const LEFT: Duration = Duration::from_secs(5);
pub(super) const WINDOW: Duration = Duration::from_secs(600);

pub(super) fn at(seconds: u64) -> Moment {
    Moment::from_origin(Duration::from_secs(seconds))
}

pub(super) fn ask(session: u64, sequence: u64, mark: u64) -> Ask {
    Ask { id: CommandId { session, sequence }, mark: Mark::new(mark), name: None, content: None }
}

pub(super) fn named(sequence: u64, name: u128, content: u64) -> Ask {
    Ask { name: Some(IdempotencyName { name, content }), ..ask(9, sequence, sequence) }
}

pub(super) fn done(reply: u8) -> Told {
    Told::Done(Bytes::copy_from_slice(&[reply]))
}

fn remember(receipts: &mut Receipts, ask: &Ask, reply: u8, now: Moment) {
    assert_eq!(receipts.look(ask), Known::New);
    receipts.remember(ask, done(reply), LEFT, WINDOW, now);
}

#[test]
fn a_retry_gets_the_first_reply_until_the_mark_passes() {
    let mut receipts = Receipts::default();
    remember(&mut receipts, &ask(1, 1, 1), 10, at(0));
    remember(&mut receipts, &ask(1, 3, 1), 30, at(0));
    remember(&mut receipts, &ask(2, 1, 1), 20, at(0));
    assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Told(done(10)));
    assert_eq!(receipts.look(&ask(1, 3, 3)), Known::Told(done(30)));
    assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Expired, "number 3 said that it is closed");
    assert_eq!(receipts.look(&ask(1, 5, 4)), Known::New);
    assert_eq!(receipts.look(&ask(1, 3, 3)), Known::Expired);
    assert_eq!(receipts.look(&ask(2, 1, 1)), Known::Told(done(20)), "sessions are apart");
    // Of session 1 nothing is kept but itself.
    assert_eq!(receipts.room.taken(), 2 * SESSION_BYTES + RECEIPT_BYTES + 1);
}

#[test]
fn what_lies_between_the_mark_and_the_present_is_found_in_any_order() {
    let mut receipts = Receipts::default();
    for sequence in [4, 2, 7, 3] {
        remember(&mut receipts, &ask(1, sequence, 1), sequence as u8, at(0));
    }
    for sequence in 1..=8 {
        let known = if [2, 3, 4, 7].contains(&sequence) { Known::Told(done(sequence as u8)) } else { Known::New };
        assert_eq!(receipts.look(&ask(1, sequence, 1)), known, "{sequence}");
    }
}

#[test]
fn time_forgets_the_oldest_first_and_then_the_session() {
    let mut receipts = Receipts::default();
    remember(&mut receipts, &ask(1, 1, 1), 10, at(0));
    remember(&mut receipts, &ask(1, 2, 1), 20, at(30));
    receipts.forget_due(at(64));
    assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Told(done(10)), "5 s and a grace of 60 are not over");
    receipts.forget_due(at(65));
    assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Expired);
    assert_eq!(receipts.look(&ask(1, 2, 1)), Known::Told(done(20)));
    receipts.forget_due(at(95));
    assert!(receipts.is_empty());
    assert_eq!(receipts.room.taken(), 0);
}

/// Calls have timeouts of their own, so a receipt may be over before those of lower numbers.
#[test]
fn a_receipt_that_is_kept_for_long_keeps_no_other() {
    let keep = |receipts: &mut Receipts, number: u64, left: u64, now: Moment| {
        receipts.remember(&ask(1, number, 1), done(0), Duration::from_secs(left), WINDOW, now);
    };
    let mut owner = Receipts::default();
    keep(&mut owner, 2, 3600, at(0));
    (3..1000).for_each(|number| keep(&mut owner, number, 5, at(1)));
    keep(&mut owner, 1000, 1, at(2));
    let mut backup = Receipts::default();
    owner.save(at(2)).into_iter().for_each(|saved| backup.restore(saved, at(2)));
    for receipts in [&mut owner, &mut backup] {
        let kept = |receipts: &mut Receipts| receipts.sessions.get_mut(1).unwrap().receipts().len();
        receipts.forget_due(at(62));
        assert_eq!(kept(receipts), 999);
        assert_eq!(receipts.soonest, at(63), "the next");
        receipts.forget_due(at(63));
        assert_eq!(kept(receipts), 998, "the last is over first");
        receipts.forget_due(at(66));
        assert_eq!(kept(receipts), 1);
        assert_eq!(receipts.look(&ask(1, 2, 1)), Known::Told(done(0)));
        assert_eq!(receipts.look(&ask(1, 3, 1)), Known::Expired);
        assert_eq!(receipts.room.taken(), SESSION_BYTES + 998 * EXPIRED_BYTES + RECEIPT_BYTES + 1);
        receipts.forget_due(at(3660));
        assert!(receipts.is_empty() && receipts.room.taken() == 0);
    }
}

#[test]
fn a_call_that_waits_is_not_taken_for_one_that_time_has_forgotten() {
    let mut receipts = Receipts::default();
    // Number 1 stands in line all the while.
    remember(&mut receipts, &ask(1, 2, 1), 20, at(0));
    remember(&mut receipts, &ask(1, 3, 1), 30, at(30));
    receipts.forget_due(at(65));
    assert_eq!(receipts.look(&ask(1, 2, 1)), Known::Expired);
    assert_eq!(receipts.look(&ask(1, 3, 1)), Known::Told(done(30)));
    remember(&mut receipts, &ask(1, 1, 1), 10, at(65));
    assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Told(done(10)));
    assert_eq!(receipts.look(&ask(1, 4, 4)), Known::New);
    assert_eq!(receipts.look(&ask(1, 2, 1)), Known::Expired, "the mark says so now");
}

#[test]
fn the_numbers_that_time_has_forgotten_are_bounded() {
    let mut receipts = Receipts::default();
    let last = EXPIRED_MAX as u64 + 2;
    // The lowest is open for longer than all others.
    for number in (3..=last).chain([2]) {
        receipts.remember(&ask(1, number, 1), done(0), LEFT, WINDOW, at(number / 3000));
    }
    // The session goes on.
    receipts.remember(&ask(1, last + 1, 1), done(0), LEFT, WINDOW, at(60));
    receipts.forget_due(at(100));
    let session = receipts.sessions.get_mut(1).unwrap();
    assert_eq!((session.receipts().len(), session.expired.len(), session.forgotten), (1, EXPIRED_MAX, 2));
    assert!((2..=last).all(|number| session.has_expired(number)) && !session.has_expired(last + 1));
    assert_eq!(receipts.room.taken(), SESSION_BYTES + EXPIRED_MAX * EXPIRED_BYTES + RECEIPT_BYTES + 1);
    receipts.forget_due(at(125));
    assert!(receipts.is_empty() && receipts.room.taken() == 0);
}

#[test]
fn an_id_that_was_derived_twice_answers_for_one_command() {
    let mut receipts = Receipts::default();
    let derived = |content| Ask { mark: Mark::NOTHING, content: Some(content), ..ask(1, 1, 1) };
    remember(&mut receipts, &derived(5), 10, at(0));
    assert_eq!(receipts.look(&derived(5)), Known::Told(done(10)));
    assert_eq!(receipts.look(&derived(6)), Known::Reused);
}

#[test]
fn a_name_is_remembered_for_its_window_and_means_one_command() {
    let mut receipts = Receipts::default();
    remember(&mut receipts, &named(1, 77, 5), 10, at(0));
    assert_eq!(receipts.look(&named(2, 77, 5)), Known::Told(done(10)));
    assert_eq!(receipts.look(&named(2, 77, 6)), Known::Reused);
    assert_eq!(receipts.look(&named(2, 78, 6)), Known::New);
    receipts.forget_due(at(599));
    assert_eq!(receipts.look(&named(3, 77, 5)), Known::Told(done(10)));
    receipts.forget_due(at(600));
    assert_eq!(receipts.look(&named(3, 77, 6)), Known::New);
    assert!(receipts.is_empty());
}

#[test]
fn a_name_binds_only_what_took_effect() {
    let mut receipts = Receipts::default();
    let ask = named(1, 77, 5);
    receipts.remember(&ask, Told::NotFound, LEFT, WINDOW, at(0));
    assert_eq!(receipts.look(&ask), Known::Told(Told::NotFound));
    assert_eq!(receipts.look(&named(2, 77, 5)), Known::New);
}

/// A reply that fills a share.
fn filling(share: Share) -> Told {
    Told::Done(Bytes::from(vec![0; share.bytes_max()]))
}

fn derived(session: u64) -> Ask {
    Ask { mark: Mark::NOTHING, content: Some(5), ..ask(session, 1, 1) }
}

#[test]
fn a_full_registry_refuses_what_is_new_and_keeps_what_it_has() {
    let budget = Arc::default();
    let [mut slot, mut other] = [(); 2].map(|()| Receipts::new(&budget));
    let large = filling(Share::Called);
    slot.remember(&ask(1, 1, 1), large.clone(), LEFT, WINDOW, at(0));
    assert_eq!([slot.look(&ask(2, 1, 1)), other.look(&ask(2, 1, 1))], [Known::Full, Known::Full]);
    assert_eq!(slot.look(&derived(3)), Known::New, "a call inside a command has room of its own");
    assert_eq!(slot.look(&ask(1, 1, 1)), Known::Told(large.clone()));
    assert_eq!(slot.look(&ask(1, 2, 2)), Known::New, "the mark has made room");

    slot.remember(&ask(1, 2, 2), large, LEFT, WINDOW, at(0));
    assert_eq!(other.look(&ask(2, 1, 1)), Known::Full);
    slot.clear();
    assert_eq!(other.look(&ask(2, 1, 1)), Known::New, "a slot that begins anew gives back what it took");
}

#[test]
fn names_refuse_names_alone() {
    let mut receipts = Receipts::default();
    receipts.remember(&named(1, 77, 5), filling(Share::Named), LEFT, WINDOW, at(0));
    assert_eq!(receipts.look(&named(2, 78, 6)), Known::Full, "its mark has let go of the receipt, not of the name");
    assert_eq!(receipts.look(&ask(9, 3, 3)), Known::New);
    assert_eq!(receipts.look(&derived(3)), Known::New);
    assert!(matches!(receipts.look(&named(4, 77, 5)), Known::Told(_)), "what is there is told");
    receipts.forget_due(at(600));
    assert_eq!(receipts.look(&named(5, 78, 6)), Known::New);
}

#[test]
fn calls_inside_commands_refuse_one_another_alone() {
    let mut receipts = Receipts::default();
    receipts.remember(&derived(1), filling(Share::Derived), LEFT, WINDOW, at(0));
    assert_eq!(receipts.look(&derived(2)), Known::Full);
    assert_eq!(receipts.look(&ask(3, 1, 1)), Known::New);
    assert_eq!(receipts.look(&named(1, 77, 5)), Known::New);
}

#[test]
fn a_burst_is_not_paid_for_ever() {
    let mut receipts = Receipts::default();
    (1..1000).for_each(|number| remember(&mut receipts, &ask(1, number, 1), 0, at(0)));
    assert_eq!(receipts.look(&ask(1, 1000, 1000)), Known::New);
    assert!(receipts.sessions.get_mut(1).unwrap().room_for_receipts() <= QUEUE_KEPT);
}

#[test]
fn who_says_beside_its_calls_how_far_it_is_leaves_no_room_behind() {
    let mut receipts = Receipts::default();
    (1..=4).for_each(|number| remember(&mut receipts, &ask(1, number, 1), 0, at(0)));
    receipts.pass(&BTreeMap::from([(1, Mark::new(4))]));
    assert!(receipts.len() == 1 && receipts.sessions.get_mut(1).unwrap().room_for_receipts() > 0);
    receipts.pass(&BTreeMap::from([(1, Mark::new(5))]));
    assert_eq!(receipts.sessions.get_mut(1).unwrap().room_for_receipts(), 0);
    assert_eq!(receipts.look(&ask(1, 4, 4)), Known::Expired);
}

/// A backup that began to remember a name later than its owner, and hears of its next use before its own time for the first is over.
#[test]
fn a_name_that_is_used_anew_is_remembered_from_then_on() {
    let mut backup = Receipts::default();
    backup.remember(&named(1, 77, 5), done(10), LEFT, WINDOW, at(4));
    backup.remember(&named(2, 77, 6), done(20), LEFT, WINDOW, at(601));
    backup.forget_due(at(605));
    assert_eq!(backup.look(&named(3, 77, 6)), Known::Told(done(20)));
    backup.forget_due(at(1_300));
    assert!(backup.named.is_empty());
}

/// Whether anything is due is one number, which everything that comes in has to bring down again.
#[test]
fn what_comes_in_while_nothing_is_due_is_forgotten_in_its_time() {
    let idle = || {
        let mut receipts = Receipts::default();
        receipts.forget_due(at(1));
        assert_eq!(receipts.soonest, Moment::FOREVER);
        receipts
    };
    // A short window: the name is over before its session.
    let name = named(1, 77, 5);
    let window = Duration::from_secs(10);
    let mut owner = idle();
    owner.remember(&name, done(10), LEFT, window, at(1));
    let (mut of_names, mut of_sessions) = (idle(), idle());
    for saved in owner.save(at(1)) {
        let into = if matches!(saved, Saved::Named { .. }) { &mut of_names } else { &mut of_sessions };
        into.restore(saved, at(1));
    }
    for receipts in [&mut owner, &mut of_names] {
        receipts.forget_due(at(10));
        assert!(!receipts.named.is_empty());
        receipts.forget_due(at(11));
        assert!(receipts.named.is_empty());
    }
    for receipts in [&mut owner, &mut of_sessions] {
        receipts.forget_due(at(65));
        assert!(!receipts.sessions.is_empty());
        receipts.forget_due(at(66));
        assert!(receipts.is_empty() && receipts.soonest == Moment::FOREVER);
    }
}
