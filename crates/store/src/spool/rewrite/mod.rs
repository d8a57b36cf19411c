//! Gives the disk back what is dead beside what still waits: a sealed segment that is mostly dead is written anew without
//! the dead, and small neighbours become one, so that one absent session does not keep the disk full.
//!
//! The new file is written under another name and gets its own only when all of it is on the disk, and with it every
//! acknowledgement by which something was left out. Until then, and again after any failure, the old files count. It is
//! done in steps, none of which holds the spool's lock or the disk for long.

mod choose;
mod copy;
mod survey;
mod swap;

use std::io;

use message::limits;

use self::choose::Source;
use self::copy::Copy;
use self::survey::{Survey, survey};
use super::Spool;
use super::options::DropReason;
use crate::disk::is_unopened;
use crate::log::{CommitPoint, HasTail, is_full};

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteStep {
    /// Nothing is worth being written anew for now.
    Idle,
    /// There is more to do.
    Worked,
    /// There is more to do when this point is reached.
    Waits(CommitPoint),
    /// So many segments became one, which has so many bytes fewer.
    Rewritten { segments: usize, bytes_freed: u64 },
}

/// Why a segment was not written anew. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    #[error("the disk has {free_bytes} bytes left, {needed_bytes} are needed to write segment {segment} anew")]
    NoRoom { segment: u64, needed_bytes: u64, free_bytes: u64 },
    #[error("segment {segment} of the spool cannot be written anew: {error}; look at the disk")]
    Disk { segment: u64, error: io::Error },
}

/// Writes segments of one spool anew, one after the other. Of several for one spool only one finds something to do.
#[derive(Debug)]
pub struct Rewriter {
    spool: Spool,
    job: Option<Job>,
}

/// Segments that are being written anew.
#[derive(Debug)]
struct Job {
    sources: Vec<Source>,
    survey: Survey,
    /// When it is reached, what is left out will never be asked for again.
    point: CommitPoint,
    copy: Copy,
}

impl Spool {
    /// One who gives the disk back what is dead.
    pub fn rewriter(&self) -> Rewriter {
        Rewriter { spool: self.clone(), job: None }
    }
}

impl Rewriter {
    /// Does a small piece of work.
    pub fn step(&mut self) -> Result<RewriteStep, RewriteError> {
        let Some(mut job) = self.job.take() else { return self.begin() };
        let segment = job.sources.first().map_or(0, |source| source.segment.base);
        match self.go_on(&mut job) {
            Ok(step @ RewriteStep::Rewritten { .. }) => Ok(step),
            Ok(step) => {
                self.job = Some(job);
                Ok(step)
            }
            Err(error) => {
                self.give_up(&job.sources, &job.copy, &error);
                Err(RewriteError::Disk { segment, error })
            }
        }
    }

    fn begin(&mut self) -> Result<RewriteStep, RewriteError> {
        let log = &self.spool.log;
        if log.marks.is_poisoned() {
            return Ok(RewriteStep::Idle);
        }
        let Some(sources) = log.lock().choose() else { return Ok(RewriteStep::Idle) };
        let Some(segment) = sources.first().map(|source| source.segment.base) else { return Ok(RewriteStep::Idle) };
        let survey = match survey(log, &sources) {
            Ok(Some(survey)) => survey,
            Ok(None) => {
                log.lock().leave_for_now(&sources);
                return Ok(RewriteStep::Worked);
            }
            Err(error) => {
                log.lock().leave_for_good(&sources);
                return Err(RewriteError::Disk { segment, error });
            }
        };
        let needed_bytes = survey.bytes.saturating_add(limits::LOG_DISK_RESERVE_LEAST_BYTES);
        let free_bytes = log.disk.free_bytes(&log.folder).unwrap_or(u64::MAX);
        if free_bytes < needed_bytes {
            log.lock().release(&sources);
            return Err(RewriteError::NoRoom { segment, needed_bytes, free_bytes });
        }
        let copy = Copy::new(log, &sources);
        let point = self.let_go(&survey);
        self.job = Some(Job { sources, survey, point, copy });
        Ok(RewriteStep::Worked)
    }

    /// Takes out what is damaged. The point is reached when all that is left out is out for good.
    fn let_go(&self, survey: &Survey) -> CommitPoint {
        let log = &self.spool.log;
        let mut state = log.lock();
        for (destination, ordinal) in &survey.damaged {
            state.settle(*destination, Some(DropReason::Damaged), &mut vec![*ordinal]);
        }
        let until = state.tail.next();
        let point = CommitPoint::at(until, crate::Durability::Fsync);
        if !log.marks.reached(point) {
            state.tail().want_sync();
        }
        log.unlock(state);
        point
    }

    fn go_on(&self, job: &mut Job) -> io::Result<RewriteStep> {
        let log = &self.spool.log;
        if log.marks.is_poisoned() {
            return Err(io::Error::other("the spool takes no more"));
        }
        if !job.copy.is_at_end(&job.survey) {
            job.copy.copy_some(log, &job.sources, &job.survey)?;
            return Ok(RewriteStep::Worked);
        }
        if !log.marks.reached(job.point) {
            return Ok(RewriteStep::Waits(job.point));
        }
        let written = job.copy.finish(log, &job.survey)?;
        let bytes_before: u64 = job.sources.iter().map(|source| source.bytes).sum();
        let bytes_freed = bytes_before.saturating_sub(written.bytes);
        let mut state = log.lock();
        state.swap(&job.sources, written);
        state.rewritten.0 += job.sources.len() as u64;
        state.rewritten.1 += bytes_freed;
        log.unlock(state);
        Ok(RewriteStep::Rewritten { segments: job.sources.len(), bytes_freed })
    }

    fn give_up(&self, sources: &[Source], copy: &Copy, error: &io::Error) {
        let log = &self.spool.log;
        copy.remove(log);
        let mut state = log.lock();
        if is_full(error) || is_unopened(error) {
            state.release(sources);
        } else {
            state.leave_for_good(sources);
        }
        log.unlock(state);
    }
}

impl Drop for Rewriter {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            job.copy.remove(&self.spool.log);
            let mut state = self.spool.log.lock();
            state.release(&job.sources);
            self.spool.log.unlock(state);
        }
    }
}
