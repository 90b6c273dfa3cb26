//! What callers asked and heard, and what ran where: written down while it happens, judged afterwards.
//!
//! Callers note the begin and the end of every call, command bodies their own. A call's number travels with its command, so
//! the two sides can be joined. Everything carries a [`Stamp`] of one shared [`Clock`].

mod clock;
mod note;
mod record;
mod value;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use registry_runtime::Context;

pub use clock::{Clock, Stamp};
pub use note::{Note, Whose};
pub use record::{Ask, Audit, CallId, CallRecord, Ending, Fate, Look, Records, RunId, RunRecord};
pub(crate) use value::Era;
pub use value::{Op, Outcome, Place, Ran, Reply};

/// The notes of one run, shared by all hosts that live in one process: handed to every node as state, as `Arc<History>`.
pub struct History {
    clock: Clock,
    book: Mutex<Book>,
}

struct Book {
    /// How many calls and runs were named so far.
    calls: u64,
    runs: u64,
    keeper: Keeper,
}

/// Where notes go.
enum Keeper {
    /// They are kept here.
    Here(Records),
    /// They are kept elsewhere, and told there one by one before what they are about goes on.
    Elsewhere(Teller),
}

/// Takes a note elsewhere.
pub type Teller = Box<dyn FnMut(Stamp, Note) + Send>;

impl History {
    /// Nothing yet, by that clock.
    pub fn new(clock: Clock) -> Arc<Self> {
        let book = Book { calls: 0, runs: 0, keeper: Keeper::Here(Records::default()) };
        Arc::new(Self { clock, book: Mutex::new(book) })
    }

    /// The notes of a process that is one of several: they are told elsewhere, and calls and runs are named above `before`, which
    /// no other process may have reached.
    pub fn told_elsewhere(clock: Clock, before: u64, teller: Teller) -> Arc<Self> {
        let book = Book { calls: before, runs: before, keeper: Keeper::Elsewhere(teller) };
        Arc::new(Self { clock, book: Mutex::new(book) })
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A call begins; its number is to travel with the command.
    pub fn begin(&self, ask: Ask) -> CallId {
        let mut book = self.lock();
        book.calls += 1;
        let call = CallId(book.calls);
        book.keep(&self.clock, Note::Asked { call, ask });
        call
    }

    /// A call ends.
    pub fn end(&self, call: CallId, outcome: Outcome) {
        self.lock().keep(&self.clock, Note::Ended { call, outcome });
    }

    /// The body of a call's command begins to run on a host.
    pub fn run_begin(&self, host: &str, whose: Whose, epoch: u64, attempt: u32) -> RunId {
        let mut book = self.lock();
        book.runs += 1;
        let run = RunId(book.runs);
        book.keep(&self.clock, Note::RunBegan { run, whose, host: host.to_owned(), epoch, attempt });
        run
    }

    /// A run of a command's body ends. Only the first end counts.
    pub fn run_end(&self, run: RunId, ending: Ending) {
        self.lock().keep(&self.clock, Note::RunEnded { run, ending });
    }

    /// Notes that a command's body begins; the guard notes its end. For command bodies.
    ///
    /// # Panics
    ///
    /// When the node was not given an `Arc<History>` as state.
    pub fn running(cx: &Context, call: u64) -> Running {
        Self::running_for(cx, Whose::Call(CallId(call)))
    }

    /// The same for a command that carries the name of its effect, since a repetition under an idempotency key must ask for the
    /// very same: the run is noted as that of the first call with this effect, whichever of them it is.
    ///
    /// # Panics
    ///
    /// When the node was not given an `Arc<History>` as state.
    pub fn running_effect(cx: &Context, effect: u64) -> Running {
        Self::running_for(cx, Whose::Effect(effect))
    }

    fn running_for(cx: &Context, whose: Whose) -> Running {
        let history = Arc::clone(cx.state::<Arc<Self>>());
        let id = history.run_begin(cx.node().as_str(), whose, cx.epoch().get(), cx.attempt());
        Running { history, id, ending: Ending::Stopped }
    }

    /// Something happens to a host.
    pub fn host(&self, host: &str, fate: Fate) {
        self.lock().keep(&self.clock, Note::Fate { host: host.into(), fate });
    }

    /// An instance's slot.
    pub fn slot(&self, place: Place, slot: u32) {
        self.lock().keep(&self.clock, Note::Slot { place, slot });
    }

    /// A caller on a host looks at a number that only grows.
    pub fn look(&self, host: &Arc<str>, place: Place, knew: i64, saw: i64) {
        self.lock().keep(&self.clock, Note::Looked { host: Arc::clone(host), place, knew, saw });
    }

    /// An instance's last state, for which somebody began to look at that time.
    pub fn audit(&self, place: Place, since: Stamp, number: Option<i64>, effects: Vec<u64>) {
        self.lock().keep(&self.clock, Note::Audited { place, since, number, effects });
    }

    /// Everything so far, as far as it is kept here.
    pub fn records(&self) -> Records {
        match &self.lock().keeper {
            Keeper::Here(records) => records.clone(),
            Keeper::Elsewhere(_) => Records::default(),
        }
    }

    /// A command body that panics on purpose must not take the notes with it.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Stamps a note and puts it where notes go; under the lock, so that notes lie in the order of their stamps.
    fn keep(&mut self, clock: &Clock, note: Note) {
        let at = clock.stamp();
        match &mut self.keeper {
            Keeper::Here(records) => records.take(at, note),
            Keeper::Elsewhere(teller) => teller(at, note),
        }
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// A command's body while it runs. Dropped without a word it was stopped: cancelled, panicked, or its host is gone.
#[derive(Debug)]
pub struct Running {
    history: Arc<History>,
    id: RunId,
    ending: Ending,
}

impl Running {
    /// It returns its reply.
    pub fn returned(mut self) {
        self.ending = Ending::Returned;
    }

    /// It returns its own error.
    pub fn refused(mut self) {
        self.ending = Ending::Refused;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.history.run_end(self.id, self.ending);
    }
}

#[cfg(test)]
mod tests {
    use registry_runtime::Executed;
    use registry_runtime::testing::context;

    use super::*;

    fn ask(timeout_ms: u64) -> Ask {
        let place = Place { registry: "ledger", key: 3 };
        Ask { host: "n1".into(), client: 2, place, op: Op::Add(5), effect: None, timeout_ms }
    }

    #[test]
    fn both_sides_of_a_call_meet() {
        let history = History::new(Clock::new());
        history.clock().advance_to(1_200);
        let call = history.begin(ask(500));
        let cx = context().key(3).state(Arc::clone(&history));
        History::running(&cx, call.0).returned();
        drop(History::running(&cx, call.0));
        history.clock().advance_to(1_300);
        history.end(call, Outcome::Ok { reply: Reply::Number(5), ran: None });
        history.host("n1", Fate::Crashed);

        let records = history.records();
        assert_eq!(records.runs.iter().map(|run| run.call).collect::<Vec<_>>(), [call, call]);
        let endings: Vec<_> = records.runs.iter().map(|run| run.ended.unwrap().1).collect();
        assert_eq!(endings, [Ending::Returned, Ending::Stopped]);
        assert_eq!(records.calls[0].deadline_ms(), 1_700);
        let text = records.to_string();
        let expected = [
            "    1.200 #000001  call 1 (n1/2, ledger[3] add 5) begins, 500 ms",
            "    1.200 #000002  run 1 of call 1 (ledger[3] add 5 on test in epoch 0:0, attempt 1) begins",
            "    1.200 #000003  run 1 of call 1 (ledger[3] add 5 on test in epoch 0:0, attempt 1) Returned",
            "    1.200 #000004  run 2 of call 1 (ledger[3] add 5 on test in epoch 0:0, attempt 1) begins",
            "    1.200 #000005  run 2 of call 1 (ledger[3] add 5 on test in epoch 0:0, attempt 1) Stopped",
            "    1.300 #000006  call 1 (n1/2, ledger[3] add 5) ends ok: 5",
            "    1.300 #000007  n1 Crashed",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn impossible_notes_are_kept() {
        let history = History::new(Clock::new());
        history.end(CallId(9), Outcome::Dropped);
        history.run_begin("n1", Whose::Call(CallId(9)), 1, 1);
        assert_eq!(history.records().oddities.len(), 2);
    }

    #[test]
    fn frozen_time_is_what_lies_within_the_span() {
        let history = History::new(Clock::new());
        for (at_ms, fate) in [(100, Fate::Frozen), (200, Fate::Thawed), (300, Fate::Frozen)] {
            history.clock().advance_to(at_ms);
            history.host("n1", fate);
        }
        let records = history.records();
        for (from, until, expected) in [(0, 1000, 800), (150, 250, 50), (0, 100, 0), (350, 400, 50)] {
            assert_eq!(records.frozen_ms("n1", from, until), expected, "{from} to {until}");
        }
        assert_eq!(records.frozen_ms("n2", 0, 1000), 0);
    }

    #[test]
    fn outcomes_say_what_is_known() {
        use registry_runtime::{CommandError, Reason};
        let of = |error: CommandError<&str>| Outcome::of(Err::<(), _>(error), |()| (Reply::Done, None));
        let table = [
            (of(CommandError::Rejected("no")), Executed::Yes, Some(Reply::Refused)),
            (of(CommandError::NotFound), Executed::No, Some(Reply::Absent)),
            (of(CommandError::AlreadyExists), Executed::No, Some(Reply::Exists)),
            (of(CommandError::Unavailable { reason: Reason::Opening }), Executed::No, None),
            (of(CommandError::Panicked), Executed::Maybe, None),
            (Outcome::Dropped, Executed::Maybe, None),
        ];
        for (outcome, executed, says) in table {
            assert_eq!((outcome.executed(), outcome.reply()), (executed, says), "{outcome}");
        }
    }

    #[test]
    fn lists_differ_when_their_entries_or_their_order_do() {
        let lists = [vec![], vec![0], vec![1], vec![1, 2], vec![2, 1], vec![1, 2, 2]];
        let replies: std::collections::BTreeSet<_> = lists.iter().map(|entries| Reply::list(entries)).collect();
        assert_eq!(replies.len(), lists.len());
    }

    #[test]
    fn epochs_are_read_as_they_are_shown() {
        let epoch = (17 << 22) | 5;
        assert_eq!(Era(epoch).to_string(), "epoch 17:5");
        assert_eq!(Era::read("17:5"), Some(epoch));
        assert_eq!(Era::read(&epoch.to_string()), Some(epoch));
        assert_eq!(Era::read("x"), None);
    }
}
