//! Few heaps for long runs.
//!
//! glibc gives each thread a heap of its own. A row is read by one thread, mapped by another and let go by a third, and
//! heaps that are half empty stay as they are: the longer a run, the more of them. With two for all threads a run is as
//! quick, and takes half the memory (`docs/performance.md`). Lists of a whole unit of work, several megabytes each, come
//! from the system and go back to it: glibc's own rule puts them into the heaps as soon as the first one was given back,
//! where small values that outlive them leave holes. glibc reads both numbers once, when a process begins, from its
//! environment.

/// Starts this command anew, with few heaps and all else as it is, unless somebody has settled their number. Comes back
/// where there is nothing to do, and where it cannot be done.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn few() {
    use std::{env, os::unix::process::CommandExt, process::Command};

    const NUMBER: &str = "MALLOC_ARENA_MAX";
    /// From so many bytes on memory comes from the system.
    const LARGE: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "1048576");
    if env::var_os(NUMBER).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut words = env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = words.next() {
        again.arg0(name);
    }
    // It takes the place of this process, its number and its open files included.
    if env::var_os(LARGE.0).is_none() {
        again.env(LARGE.0, LARGE.1);
    }
    let error = again.args(words).env(NUMBER, "2").exec();
    tracing::debug!(%error, "the command goes on with as many heaps as threads");
}

/// Other allocators share one heap.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn few() {}
