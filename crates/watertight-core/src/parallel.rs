//! Work on all cores, with the same results in the same order as on one.
//!
//! INVARIANT: none of these is called while something is made that other threads may wait for: a
//! thread that waits here helps out with other work, and could come to wait for itself.

/// What a function makes of each item, in their order.
#[cfg(feature = "parallel")]
pub(crate) fn map<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    use rayon::prelude::*;
    // Threads cost more than they save on a handful.
    if items.len() < 64 {
        return items.iter().map(make).collect();
    }
    items.par_iter().with_min_len(16).map(make).collect()
}

#[cfg(not(feature = "parallel"))]
pub(crate) fn map<T, R>(items: &[T], make: impl Fn(&T) -> R) -> Vec<R> {
    items.iter().map(make).collect()
}

/// Two things at once.
#[cfg(feature = "parallel")]
pub(crate) fn both<A: Send, B: Send>(
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    rayon::join(a, b)
}

#[cfg(not(feature = "parallel"))]
pub(crate) fn both<A, B>(a: impl FnOnce() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}

/// As [`map`], for items that are much work each.
#[cfg(feature = "parallel")]
pub(crate) fn few<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    use rayon::prelude::*;
    if items.len() < 8 {
        return items.iter().map(make).collect();
    }
    items.par_iter().with_max_len(4).map(make).collect()
}

#[cfg(not(feature = "parallel"))]
pub(crate) fn few<T, R>(items: &[T], make: impl Fn(&T) -> R) -> Vec<R> {
    items.iter().map(make).collect()
}
