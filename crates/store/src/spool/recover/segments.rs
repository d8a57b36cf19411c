//! The files of a spool as they are found: which there are, which are sealed, and where reading them record by record has
//! to begin.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use message::DestinationId;

use super::replay::Replay;
use super::{Damage, OpenError, Recovery};
use crate::disk::{Disk, DiskFile};
use crate::log::{FileHeader, HEADER_BYTES, Header, SEGMENT_HEADER_BYTES, Segment, TRAILER_BYTES, Trailer, scan};
use crate::spool::destination::Extent;
use crate::spool::footer;
use crate::spool::record::KIND_SNAPSHOT;
use crate::spool::state::LOG_KIND;

/// Why a file could not be taken in.
pub(super) enum LoadError {
    Disk(io::Error),
    Open(OpenError),
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// The files of a folder.
pub(super) struct Files {
    /// In order of their bases.
    segments: Vec<Arc<Segment>>,
    /// Files that were replaced, and not removed in time.
    pub(super) leftovers: Vec<Arc<Segment>>,
}

/// A file with what its ends say.
struct Loaded {
    segment: Arc<Segment>,
    file: Arc<dyn DiskFile>,
    length: u64,
    /// The trailer and the extents of the footer; `None` for one that was not sealed, or whose footer is damaged.
    sealed: Option<(Trailer, Vec<(DestinationId, Extent)>)>,
    header_is_damaged: bool,
    begins_with_snapshot: bool,
}

impl Files {
    pub(super) fn list(disk: &dyn Disk, folder: &Path) -> io::Result<Self> {
        let mut latest: BTreeMap<u64, u32> = BTreeMap::new();
        let mut leftovers = Vec::new();
        for (base, generation) in disk.list(folder)?.iter().filter_map(|name| Segment::parse_name(name)) {
            let before = latest.insert(base, generation);
            if let Some(before) = before {
                latest.insert(base, generation.max(before));
                leftovers.push(Arc::new(Segment::new(LOG_KIND, base, generation.min(before), 0)));
            }
        }
        let segments = latest.into_iter().map(|(base, generation)| Segment::new(LOG_KIND, base, generation, 0));
        Ok(Self { segments: segments.map(Arc::new).collect(), leftovers })
    }

    /// Hands everything that the files hold to the replay.
    pub(super) fn replay(
        &self,
        disk: &dyn Disk,
        folder: &Path,
        replay: &mut Replay,
        recovery: &mut Recovery,
    ) -> Result<(), LoadError> {
        let mut files = Vec::new();
        for segment in &self.segments {
            let loaded = Loaded::load(disk, folder, segment)?;
            recovery.segments += 1;
            recovery.bytes += loaded.length;
            files.push(loaded);
        }
        let from = files.iter().rposition(|file| file.begins_with_snapshot);
        replay.state_is_whole = from.is_none_or(|from| from + 1 == files.len()) && (from.is_some() || files.is_empty());
        for (index, loaded) in files.iter().enumerate() {
            let after = files.get(index + 1).map(|next| next.segment.base);
            match &loaded.sealed {
                Some((trailer, extents)) => {
                    if from.is_none_or(|from| index >= from) {
                        loaded.replay_sealed(*trailer, replay, recovery)?;
                    }
                    replay.sealed(&loaded.segment, loaded.length, *trailer, extents);
                    loaded.report_header(recovery);
                }
                None => loaded.replay_open(from.is_none_or(|from| index >= from), after, replay, recovery)?,
            }
            if loaded.header_is_damaged {
                replay.repair_header(&loaded.segment);
            }
        }
        Ok(())
    }
}

impl Loaded {
    fn load(disk: &dyn Disk, folder: &Path, segment: &Arc<Segment>) -> Result<Self, LoadError> {
        let file = disk.open(&segment.path(folder))?;
        let length = file.length()?;
        let name = || segment.path(folder).display().to_string();
        let header_is_damaged = match FileHeader::decode(&file.read_up_to(0, SEGMENT_HEADER_BYTES)?) {
            FileHeader::Known { kind: LOG_KIND } => false,
            FileHeader::Known { .. } => return Err(LoadError::Open(OpenError::Foreign { file: name() })),
            FileHeader::Newer { format } => return Err(LoadError::Open(OpenError::Newer { file: name(), format })),
            FileHeader::Damaged => true,
        };
        let trailer_at = length.saturating_sub(TRAILER_BYTES as u64);
        let footer_at = Trailer::footer_start(&file.read_up_to(trailer_at, TRAILER_BYTES)?, length);
        let mut sealed = None;
        if let Some(footer_at) = footer_at {
            let end = file.read_up_to(footer_at, usize::try_from(length - footer_at).unwrap_or(usize::MAX))?;
            sealed = Trailer::decode(&end)
                .filter(|(_, trailer)| trailer.footer_at == footer_at)
                .and_then(|(footer, trailer)| Some((trailer, footer::decode(footer, segment.base)?)));
        }
        segment.set_on_disk(length);
        let begins_with_snapshot = begins_with_snapshot(&*file, segment)?;
        Ok(Self { segment: Arc::clone(segment), file, length, sealed, header_is_damaged, begins_with_snapshot })
    }

    fn damage(&self, at: u64, bytes: u64, records: u64, what: &'static str) -> Damage {
        Damage { file: self.segment.file_name(), at, bytes, records, what }
    }

    fn report_header(&self, recovery: &mut Recovery) {
        if self.header_is_damaged {
            recovery.damage.push(self.damage(0, SEGMENT_HEADER_BYTES as u64, 0, "the header of a segment"));
        }
    }

    /// Reads the records of a sealed segment for what they say about the state. Where its messages are, its footer says.
    fn replay_sealed(&self, trailer: Trailer, replay: &mut Replay, recovery: &mut Recovery) -> io::Result<()> {
        let bytes = self.file.read_up_to(0, usize::try_from(trailer.footer_at).unwrap_or(usize::MAX))?;
        let scanned = scan(&bytes, SEGMENT_HEADER_BYTES, self.segment.base, self.segment.seed, |found| {
            replay.record(found, None);
        });
        if (scanned.records, scanned.checksum) == (trailer.records, trailer.checksum) {
            // What is missing was missing when it was sealed, and was told then.
            return Ok(());
        }
        for hole in &scanned.holes {
            let records = (hole.next - hole.first).min(hole.bytes as u64 / HEADER_BYTES as u64 + 1);
            recovery.damage.push(self.damage(hole.at as u64, hole.bytes as u64, records, "records"));
        }
        if (scanned.end as u64) < trailer.footer_at {
            let records = trailer.next.saturating_sub(scanned.next);
            let bytes = trailer.footer_at - scanned.end as u64;
            recovery.damage.push(self.damage(scanned.end as u64, bytes, records, "records"));
        }
        Ok(())
    }

    /// Reads a segment without a footer. `after` is the base of the next segment: then this one was sealed once.
    fn replay_open(
        &self,
        with_state: bool,
        after: Option<u64>,
        replay: &mut Replay,
        recovery: &mut Recovery,
    ) -> io::Result<()> {
        let bytes = self.file.read_up_to(0, usize::try_from(self.length).unwrap_or(usize::MAX))?;
        let mut index = super::replay::Index::default();
        let scanned =
            scan(&bytes, SEGMENT_HEADER_BYTES.min(bytes.len()), self.segment.base, self.segment.seed, |found| {
                if with_state {
                    replay.record(found, Some(&mut index));
                } else {
                    index.record(found);
                }
            });
        let synced = if after.is_some() { u64::MAX } else { scanned.synced };
        // Nobody was promised anything of a file of which nothing was synced.
        if synced > self.segment.base {
            self.report_header(recovery);
        }
        let mut damaged = false;
        for hole in &scanned.holes {
            let missing = (hole.next - hole.first).min(hole.bytes as u64 / HEADER_BYTES as u64 + 1);
            let lost = missing.min(synced.saturating_sub(hole.first));
            recovery.torn_records += missing - lost;
            if lost > 0 {
                damaged = true;
                recovery.damage.push(self.damage(hole.at as u64, hole.bytes as u64, lost, "records"));
            }
        }
        let rest = self.length.saturating_sub(scanned.end as u64);
        match after {
            Some(base) => {
                damaged = true;
                let records = base.saturating_sub(scanned.next);
                recovery.damage.push(self.damage(scanned.end as u64, rest, records, "the footer of a segment"));
            }
            // A footer that was being written when the power went looks no different.
            None => recovery.cut_bytes += rest,
        }
        replay.open(&self.segment, scanned, index, rest, damaged);
        Ok(())
    }
}

/// Whether the first record is a whole snapshot.
fn begins_with_snapshot(file: &dyn DiskFile, segment: &Segment) -> io::Result<bool> {
    let at = SEGMENT_HEADER_BYTES as u64;
    let Some(header) = Header::decode(&file.read_up_to(at, HEADER_BYTES)?) else { return Ok(false) };
    if header.kind != KIND_SNAPSHOT || !header.is_plausible() || u64::from(header.length) > segment.on_disk() {
        return Ok(false);
    }
    Ok(Header::check(&file.read_up_to(at, header.length as usize)?, segment.seed).is_some())
}
