//! The I/O thread: one tokio runtime for the whole process, driven by a thread that never enters the interpreter.
//!
//! It is started with the first cluster. A child that `fork` makes has no such thread; it starts one of its own, and
//! leaves what it inherited alone.
//!
//! A program that runs one request at a time would pay for two changes of threads with each: to the I/O thread, and back.
//! So a thread that has waited for a number of requests in a row, with nothing else going on, is lent the runtime: it drives
//! it while it waits. Whatever else begins calls the I/O thread back, and so do a wait that takes long and a time without any.
//!
//! The I/O thread wakes other threads when it has handed out all answers that it has read ([`Alarm`]): a thread that wakes at the
//! first of them finds no more than that one, sends one request, and sleeps again.
//!
//! Invariant: while nobody drives the runtime, the I/O thread looks every [`LINGER`] whether somebody has done so lately.

use std::cell::Cell;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use helenus::Hold;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::wait::{CompletionQueue, LoopQueue, Sleeper};

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The runtime of this process, with the generation that started it.
static RUNTIME: Mutex<Option<(u64, &'static Io)>> = Mutex::new(None);

/// So many requests in a row, waited for one by one, lend the runtime to the thread that waits.
const IN_A_ROW: u32 = 32;

/// How long the I/O thread waits for the next look while the runtime is lent.
const LINGER: Duration = Duration::from_millis(2);

/// How long a request is held at most that is to leave together with others.
const HOLD_LIMIT: Duration = Duration::from_millis(1);

/// How long a thread waits until the I/O thread has stepped aside.
const STEP_ASIDE: Duration = Duration::from_millis(1);

/// The I/O thread drives the runtime, or is about to.
const OWN: u8 = 0;
/// The I/O thread has been asked to step aside.
const ASKED: u8 = 1;
/// Whoever waits may drive it.
const FREE: u8 = 2;
/// A thread that waits drives it.
const LENT: u8 = 3;

/// Says which process this is, counted in forks.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Note that this process is a child made by ``fork``. Registered with ``os.register_at_fork``.
#[pyfunction]
pub(crate) fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    helenus::forget_held();
}

/// The runtime of this process, started now if that has not been done.
pub(crate) fn io() -> PyResult<&'static Io> {
    let mut known = lock(&RUNTIME);
    let generation = generation();
    if let Some((started, io)) = &*known
        && *started == generation
    {
        return Ok(io);
    }
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("the I/O runtime cannot be started: {error}")))?;
    // For as long as the process lives. What is inherited belongs to a thread of the parent, and is left alone too.
    let io: &'static Io = Box::leak(Box::new(Io {
        runtime,
        state: AtomicU8::new(OWN),
        waiting: AtomicU32::new(0),
        in_a_row: AtomicU32::new(0),
        loans: AtomicU64::new(0),
        thread: OnceLock::new(),
        own_root: Mutex::default(),
        borrower: Mutex::default(),
        alarms: Mutex::default(),
        hold: Hold::new(),
    }));
    io.runtime.spawn(io.hold.watch(HOLD_LIMIT));
    io.runtime.spawn(poll_fn(|context| {
        let alarms = {
            let mut alarms = lock(&io.alarms);
            keep(&mut alarms.ringer, context.waker());
            std::mem::take(&mut alarms.waiting)
        };
        io.ring(alarms);
        Poll::<()>::Pending
    }));
    let started = thread::Builder::new()
        .name("helenus-io".to_owned())
        .spawn(move || io.run())
        .map_err(|error| PyRuntimeError::new_err(format!("the I/O thread cannot be started: {error}")))?;
    // Set nowhere else.
    let _ = io.thread.set(started.thread().clone());
    *known = Some((generation, io));
    Ok(io)
}

/// The runtime, and who drives it.
pub(crate) struct Io {
    runtime: Runtime,
    state: AtomicU8,
    /// Threads that wait for a request.
    waiting: AtomicU32,
    /// Requests that were waited for one by one, since something else went on.
    in_a_row: AtomicU32,
    /// How often the runtime was lent.
    loans: AtomicU64,
    thread: OnceLock<Thread>,
    /// Wakes the I/O thread while it drives the runtime.
    own_root: Mutex<Option<Waker>>,
    /// The thread that drives the runtime instead, or did so last.
    borrower: Mutex<Option<Arc<Sleeper>>>,
    alarms: Mutex<Alarms>,
    /// Requests of callbacks and coroutines that leave together.
    hold: Hold,
}

/// Whom the I/O thread is to wake when it has handed out what it has read.
#[derive(Default)]
struct Alarms {
    waiting: Vec<Alarm>,
    /// Wakes the task that wakes them: it comes behind the task that is polled now.
    ringer: Option<Waker>,
}

/// Something that sleeps outside of the runtime, and has something to do.
pub(crate) enum Alarm {
    Drain(Arc<CompletionQueue>),
    EventLoop(Arc<LoopQueue>),
    Thread(Thread),
}

thread_local! {
    /// What this thread drives as its I/O thread.
    static DRIVES: Cell<Option<&'static Io>> = const { Cell::new(None) };
}

impl Alarm {
    /// Wakes it: now, or on the I/O thread after all answers at hand.
    pub(crate) fn ring_in_turn(self) {
        match DRIVES.get() {
            Some(io) => io.ring_later(self),
            None => self.ring(),
        }
    }

    fn ring(self) {
        match self {
            Self::Drain(queue) => queue.ring(),
            Self::EventLoop(queue) => queue.ring(),
            Self::Thread(thread) => thread.unpark(),
        }
    }
}

impl Io {
    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Requests that this thread submits leave together from here on, until what is returned is dropped, but no later than
    /// [`HOLD_LIMIT`].
    pub(crate) fn hold(&'static self) -> Holding {
        self.hold.begin();
        Holding {
            io: self,
            generation: generation(),
            thread: PhantomData,
        }
    }

    /// Calls the I/O thread back: there is something to do for which no thread waits, or more than one does.
    pub(crate) fn call_back(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
        if self.state.load(Ordering::Acquire) != OWN
            && self.state.swap(OWN, Ordering::AcqRel) != OWN
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// This thread begins to wait for a request.
    pub(crate) fn begin_wait(&'static self) -> Wait {
        if self.waiting.fetch_add(1, Ordering::AcqRel) == 0 {
            self.in_a_row.fetch_add(1, Ordering::Relaxed);
        } else {
            self.call_back();
        }
        Wait(self)
    }

    fn ring_later(&self, alarm: Alarm) {
        let mut alarms = lock(&self.alarms);
        alarms.waiting.push(alarm);
        if alarms.waiting.len() == 1 {
            let ringer = alarms.ringer.clone();
            drop(alarms);
            if let Some(ringer) = ringer {
                ringer.wake();
            }
        }
    }

    fn ring(&self, mut alarms: Vec<Alarm>) {
        for alarm in alarms.drain(..) {
            alarm.ring();
        }
        // Its memory serves again.
        let mut kept = lock(&self.alarms);
        if kept.waiting.capacity() == 0 {
            kept.waiting = alarms;
        }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// The body of the I/O thread.
    fn run(&'static self) {
        DRIVES.set(Some(self));
        loop {
            self.runtime.block_on(poll_fn(|context| {
                keep(&mut lock(&self.own_root), context.waker());
                if self.state.load(Ordering::Acquire) == ASKED {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }));
            // The task that does this may not get its turn any more.
            let alarms = std::mem::take(&mut lock(&self.alarms).waiting);
            self.ring(alarms);
            if self.change(ASKED, FREE) {
                if let Some(borrower) = &*lock(&self.borrower) {
                    borrower.unpark();
                }
                self.stand_by();
            }
        }
    }

    /// Returns when the I/O thread is to drive the runtime again.
    fn stand_by(&self) {
        let mut seen = self.loans.load(Ordering::Relaxed);
        loop {
            thread::park_timeout(LINGER);
            let loans = self.loans.load(Ordering::Relaxed);
            let unchanged = std::mem::replace(&mut seen, loans) == loans;
            match self.state.load(Ordering::Acquire) {
                FREE if unchanged => {
                    if self.change(FREE, OWN) {
                        self.in_a_row.store(0, Ordering::Relaxed);
                        return;
                    }
                }
                // One wait takes so long that the thread shall look after signals instead.
                LENT if unchanged => {
                    if self.change(LENT, OWN) {
                        self.in_a_row.store(0, Ordering::Relaxed);
                        if let Some(borrower) = &*lock(&self.borrower) {
                            borrower.wake_root();
                        }
                        return;
                    }
                }
                FREE | LENT => {}
                _ => return,
            }
        }
    }
}

/// This thread holds what it submits, for as long as this lives.
pub(crate) struct Holding {
    io: &'static Io,
    /// A child that was forked meanwhile has nothing to send.
    generation: u64,
    /// It stays on its thread.
    thread: PhantomData<*const ()>,
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.generation == generation() {
            self.io.hold.end();
        }
    }
}

/// A thread waits, for as long as this lives.
pub(crate) struct Wait(&'static Io);

impl Wait {
    /// Borrows the runtime, if there is nothing else going on.
    pub(crate) fn borrow(&self, sleeper: &Arc<Sleeper>) -> Option<Loan<'_>> {
        let io = self.0;
        match io.state.load(Ordering::Acquire) {
            FREE => {}
            OWN if io.in_a_row.load(Ordering::Relaxed) >= IN_A_ROW => self.ask(sleeper),
            OWN => return None,
            _ => {
                io.call_back();
                return None;
            }
        }
        if !io.change(FREE, LENT) {
            return None;
        }
        io.loans.fetch_add(1, Ordering::Relaxed);
        let before = {
            let mut borrower = lock(&io.borrower);
            match &*borrower {
                Some(known) if Arc::ptr_eq(known, sleeper) => None,
                _ => borrower.replace(sleeper.clone()),
            }
        };
        drop(before);
        Some(Loan(self))
    }

    /// Asks the I/O thread to step aside, and waits until it has.
    fn ask(&self, sleeper: &Arc<Sleeper>) {
        let io = self.0;
        let before = lock(&io.borrower).replace(sleeper.clone());
        drop(before);
        if !io.change(OWN, ASKED) {
            return;
        }
        if let Some(root) = &*lock(&io.own_root) {
            root.wake_by_ref();
        }
        while io.state.load(Ordering::Acquire) == ASKED {
            thread::park_timeout(STEP_ASIDE);
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The runtime, lent to this thread.
pub(crate) struct Loan<'w>(&'w Wait);

impl Loan<'_> {
    /// Drives the runtime until `sleeper`, which is that of this thread, is woken. Returns `false` when the loan is over
    /// before that.
    pub(crate) fn drive(&self, sleeper: &Sleeper) -> bool {
        let io = self.0.0;
        if io.state.load(Ordering::Acquire) != LENT {
            return false;
        }
        helenus::release_held();
        sleeper.driving(true);
        let woken = io.runtime.block_on(poll_fn(|context| {
            sleeper.keep_root(context.waker());
            if sleeper.is_woken() {
                Poll::Ready(true)
            } else if io.state.load(Ordering::Acquire) != LENT {
                Poll::Ready(false)
            } else {
                Poll::Pending
            }
        }));
        sleeper.driving(false);
        woken
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        // Otherwise the I/O thread was called back in the meantime.
        self.0.0.change(LENT, FREE);
    }
}

/// Puts `waker` into `place`, unless one that wakes the same is there.
pub(crate) fn keep(place: &mut Option<Waker>, waker: &Waker) {
    if !place.as_ref().is_some_and(|known| known.will_wake(waker)) {
        *place = Some(waker.clone());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
