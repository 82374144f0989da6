//! Places where a test may end the process, and safety mechanisms that a test may take away.
//!
//! Variables of the environment arm them, read once:
//!
//! | variable | what happens |
//! |---|---|
//! | `FILMGATE_CRASH_AT=point` or `=point=N` | the process ends at the first, or N-th, pass of that point |
//! | `FILMGATE_STOP_AT=point` or `=point=N` | there the process stops as by SIGSTOP, until somebody lets it go on |
//! | `FILMGATE_WITHOUT=mechanism,mechanism` | these mechanisms are not there |
//! | `FILMGATE_PANIC_ON=text` | a step of a task whose prompt holds that text panics |
//!
//! A build without debug assertions, thus every release, has none of this: the functions are empty.

mod names;
mod plan;

use std::io::Write as _;
use std::sync::OnceLock;

pub use names::{MECHANISMS, POINTS};
use plan::Plan;

/// The variable that names the point at which to crash.
pub const CRASH_AT: &str = "FILMGATE_CRASH_AT";
/// The variable that names the mechanisms to do without.
pub const WITHOUT: &str = "FILMGATE_WITHOUT";
/// The variable that names the point at which to stop.
pub const STOP_AT: &str = "FILMGATE_STOP_AT";
/// The variable with the text that makes a step panic.
pub const PANIC_ON: &str = "FILMGATE_PANIC_ON";

static PLAN: OnceLock<Result<Plan, String>> = OnceLock::new();

/// Whether the environment asks for what there is. To be called first in `main`.
///
/// # Errors
/// In words, if a name is unknown, so that a typo makes no test pass; and if anything is asked of a build that has no
/// failpoints.
pub fn check() -> Result<(), String> {
    if cfg!(debug_assertions) {
        return plan().map(drop);
    }
    match [CRASH_AT, STOP_AT, WITHOUT, PANIC_ON].into_iter().find(|name| std::env::var_os(name).is_some()) {
        Some(name) => Err(format!("{name}: this build has no failpoints")),
        None => Ok(()),
    }
}

/// Passes a point of [`POINTS`]. If the environment names it, the process ends here as by `kill -9`: nothing is flushed,
/// nothing is dropped.
///
/// # Panics
/// If there is no such point.
#[inline]
pub fn pass(point: &str) {
    if cfg!(debug_assertions) {
        assert!(names::is_known(POINTS, point), "{point} is not in the table of points");
        if plan().is_ok_and(|plan| plan.crashes_at(point)) {
            // A test tells this end from others by it; that nobody may read it is no reason to live on.
            let _nobody_reads = writeln!(std::io::stderr(), "failpoint: {point}");
            std::process::abort();
        }
        if plan().is_ok_and(|plan| plan.stops_at(point)) {
            stop();
        }
    }
}

/// Stops the whole process; returns when somebody lets it go on.
fn stop() {
    let id = std::process::id().to_string();
    let stopped = std::process::Command::new("kill").args(["-STOP", &id]).status();
    assert!(
        stopped.is_ok_and(|status| status.success()),
        "failpoint: {STOP_AT}: the process cannot be stopped"
    );
}

/// Whether a mechanism of [`MECHANISMS`] is taken away.
///
/// # Panics
/// If there is no such mechanism.
#[inline]
#[must_use]
pub fn removed(mechanism: &str) -> bool {
    if !cfg!(debug_assertions) {
        return false;
    }
    assert!(names::is_known(MECHANISMS, mechanism), "{mechanism} is not in the table of mechanisms");
    plan().is_ok_and(|plan| plan.is_without(mechanism))
}

/// Panics if `text` holds what the environment says; a poison task for whoever takes a step with it.
///
/// # Panics
/// That is what it is for.
#[inline]
pub fn panic_on(text: &str) {
    if cfg!(debug_assertions) {
        assert!(!plan().is_ok_and(|plan| plan.panics_on(text)), "failpoint: {PANIC_ON}");
    }
}

fn plan() -> Result<&'static Plan, String> {
    PLAN.get_or_init(|| Plan::read(|name| std::env::var(name).ok())).as_ref().map_err(Clone::clone)
}
