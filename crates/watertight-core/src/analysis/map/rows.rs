//! All sources in turn, worked on by every core and handed out in order.

use std::sync::{Mutex, PoisonError};

use super::ReachMap;
use super::source::{Scratch, SourceRow};

/// So many sources are worked on together: what is ready and not yet taken stays small.
const TOGETHER: u32 = 64;

/// Fewer sources than this are not worth a thread.
#[cfg(feature = "parallel")]
const FEW: u32 = 32;

/// What workers keep from one source to the next.
#[derive(Debug, Default)]
pub(in crate::analysis) struct Kept(Mutex<Vec<Scratch>>);

impl Kept {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Scratch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, map: &ReachMap<'_, '_>, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let kept = self.lock().pop();
        let mut scratch = kept.unwrap_or_else(|| Scratch::new(map));
        let done = work(&mut scratch);
        self.lock().push(scratch);
        done
    }
}

impl ReachMap<'_, '_> {
    /// What one source reaches.
    pub(in crate::analysis) fn of_source(&self, source: u32, kept: &Kept) -> SourceRow {
        self.with_rows(kept, |row| row(source))
    }

    /// Lets `work` ask what sources reach, with what one worker keeps between them.
    pub(in crate::analysis) fn with_rows<T>(
        &self,
        kept: &Kept,
        work: impl FnOnce(&mut dyn FnMut(u32) -> SourceRow) -> T,
    ) -> T {
        kept.with(self, |scratch| {
            work(&mut |source| self.row(source, scratch))
        })
    }

    /// Every source with what it reaches, in order. `make` works on a row on any thread, `take` gets
    /// what it made on this one.
    ///
    /// # Errors
    /// The first error of `take`; no row is made for nothing behind it, but for a few.
    pub fn each<T: Send, E>(
        &self,
        make: impl Fn(SourceRow) -> T + Sync,
        mut take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let kept = Kept::default();
        let one = |source: u32| {
            let row = match self.service {
                Some(service) => self.to_service(service, source),
                None => kept.with(self, |scratch| self.row(source, scratch)),
            };
            make(row)
        };
        let count = u32::try_from(self.sources().all().len()).unwrap_or(u32::MAX);
        let starts = (0..count).step_by(TOGETHER as usize);
        let chunks = starts.map(|start| start..start.saturating_add(TOGETHER).min(count));
        #[cfg(feature = "parallel")]
        if count >= FEW {
            return in_background(chunks, &one, take);
        }
        for made in chunks.flatten().map(one) {
            take(made)?;
        }
        Ok(())
    }

    /// All rows at once.
    #[must_use]
    pub fn rows(&self) -> Vec<SourceRow> {
        let mut rows = Vec::new();
        let done: Result<(), std::convert::Infallible> = self.each(
            |row| row,
            |row| {
                rows.push(row);
                Ok(())
            },
        );
        match done {
            Ok(()) => rows,
            Err(never) => match never {},
        }
    }
}

/// While what is ready is taken, what comes next is made.
#[cfg(feature = "parallel")]
fn in_background<T: Send, E>(
    chunks: impl Iterator<Item = std::ops::Range<u32>> + Send,
    one: &(impl Fn(u32) -> T + Sync),
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    use rayon::prelude::*;
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<Vec<T>>(2);
        scope.spawn(move || {
            for chunk in chunks {
                let made: Vec<T> = chunk.into_par_iter().with_max_len(4).map(one).collect();
                if sender.send(made).is_err() {
                    // Nobody takes them any more.
                    break;
                }
            }
        });
        for made in receiver {
            for made in made {
                take(made)?;
            }
        }
        Ok(())
    })
}
