//! Flows: one draft each, numbered immutable versions, and which version is deployed and running. The text of a flow
//! is kept as it was written; what it means is not known here.
//!
//! Records, all with version and check (see `record.rs`):
//! draft: format (1 byte: 0 TOML, 1 JSON), time of change (8 bytes), author, text.
//! version: format, time of making (8 bytes), author, note, text.
//! marks: last version number given (LEB128), deployed version (LEB128, 0 for none), running (1 byte).

use std::collections::BTreeMap;
use std::sync::Arc;

use message::{FlowId, Timestamp, limits};

use super::committer::{ApplyError, Committer};
use super::read::{ReadError, ReadFault};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::schema::{Transaction, nested_end, nested_key, split_nested};
use super::written::{WriteError, Written};

/// Flows, by id.
#[derive(Debug, Clone)]
pub struct FlowTable {
    pub(super) committer: Arc<Committer>,
}

/// How the text of a flow is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowFormat {
    Toml,
    Json,
}

/// What a person works on and has not deployed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowDraft {
    pub format: FlowFormat,
    pub text: String,
    pub changed: Timestamp,
    pub author: String,
}

/// One immutable version of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowVersion {
    pub format: FlowFormat,
    pub text: String,
    pub created: Timestamp,
    pub author: String,
    pub note: String,
}

/// A version as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSummary {
    /// From 1 on; never given twice while the flow exists.
    pub number: u64,
    pub created: Timestamp,
    pub author: String,
    pub note: String,
}

/// Which version of a flow the node shall run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowMarks {
    /// `None` when no version is deployed.
    pub deployed: Option<u64>,
    /// Whether the deployed version shall run, also after a restart of the node.
    pub running: bool,
}

impl FlowTable {
    pub fn draft(&self, flow: &FlowId) -> Result<Option<FlowDraft>, ReadError> {
        let key = flow.as_str().as_bytes();
        self.committer.shared.read(
            || format!("the draft of flow `{flow}`"),
            |snapshot| match snapshot.flow_drafts.get(key)? {
                Some(record) => Ok(Some(FlowDraft::decode(key, record.value())?)),
                None => Ok(None),
            },
        )
    }

    pub fn put_draft(&self, flow: &FlowId, draft: &FlowDraft) -> Written<()> {
        if let Err(error) = check_text(&draft.text) {
            return Written::refused(error);
        }
        let key = flow.as_str().to_owned();
        let record = draft.encode(key.as_bytes());
        self.committer.shared.write(record.len(), move |transaction| {
            transaction.flow_drafts.insert(key.as_bytes(), &*record)?;
            Ok(())
        })
    }

    /// Says whether there was a draft.
    pub fn remove_draft(&self, flow: &FlowId) -> Written<bool> {
        let key = flow.as_str().to_owned();
        self.committer
            .shared
            .write(key.len(), move |transaction| Ok(transaction.flow_drafts.remove(key.as_bytes())?.is_some()))
    }

    /// Keeps a new version and gives its number. The oldest ones beyond [`limits::FLOW_VERSIONS_KEPT`] go, but never
    /// the deployed one.
    pub fn add_version(&self, flow: &FlowId, version: FlowVersion) -> Written<u64> {
        if let Err(error) = check_text(&version.text) {
            return Written::refused(error);
        }
        let flow = flow.as_str().to_owned();
        self.committer.shared.write(version.text.len(), move |transaction| {
            let mut marks = transaction.marks(&flow)?;
            marks.last = marks.last.saturating_add(1);
            let key = version_key(&flow, marks.last);
            transaction.flow_versions.insert(&*key, &*version.encode(&key))?;
            transaction.forget_old_versions(&flow, marks.marks.deployed)?;
            transaction.put_marks(&flow, marks)?;
            Ok(marks.last)
        })
    }

    pub fn version(&self, flow: &FlowId, number: u64) -> Result<Option<FlowVersion>, ReadError> {
        let key = version_key(flow.as_str(), number);
        self.committer.shared.read(
            || format!("version {number} of flow `{flow}`"),
            |snapshot| match snapshot.flow_versions.get(&*key)? {
                Some(record) => Ok(Some(FlowVersion::decode(&key, record.value())?)),
                None => Ok(None),
            },
        )
    }

    /// The versions that are kept, the oldest first.
    pub fn versions(&self, flow: &FlowId) -> Result<Vec<VersionSummary>, ReadError> {
        let (first, end) = (nested_key(flow.as_str(), b""), nested_end(flow.as_str()));
        self.committer.shared.read(
            || format!("the versions of flow `{flow}`"),
            |snapshot| {
                let mut versions = Vec::new();
                for entry in snapshot.flow_versions.range(&*first..&*end)? {
                    let (key, record) = entry?;
                    let number = version_number(key.value()).ok_or(RecordError::Content("a key without number"))?;
                    let FlowVersion { created, author, note, .. } = FlowVersion::decode(key.value(), record.value())?;
                    versions.push(VersionSummary { number, created, author, note });
                }
                Ok(versions)
            },
        )
    }

    /// Says which version shall run. The version must be kept.
    pub fn set_marks(&self, flow: &FlowId, new: FlowMarks) -> Written<()> {
        let flow = flow.as_str().to_owned();
        self.committer.shared.write(flow.len(), move |transaction| {
            if let Some(number) = new.deployed
                && redb::ReadableTable::get(&transaction.flow_versions, &*version_key(&flow, number))?.is_none()
            {
                return Err(ApplyError::Refused(format!("flow `{flow}` has no version {number}")));
            }
            let marks = transaction.marks(&flow)?;
            transaction.put_marks(&flow, MarksRecord { marks: new, ..marks })
        })
    }

    /// Every flow that has a draft or a version, with its marks, in the order of the ids.
    pub fn flows(&self) -> Result<BTreeMap<FlowId, FlowMarks>, ReadError> {
        self.committer.shared.read(
            || "the list of flows".to_owned(),
            |snapshot| {
                let id = |key: &[u8]| {
                    let id = std::str::from_utf8(key).ok().and_then(|id| FlowId::parse(id).ok());
                    id.ok_or(RecordError::Content("a name that is no flow id"))
                };
                let mut flows = BTreeMap::new();
                for entry in snapshot.flow_drafts.range::<&[u8]>(..)? {
                    flows.insert(id(entry?.0.value())?, FlowMarks::default());
                }
                for entry in snapshot.flow_marks.range::<&[u8]>(..)? {
                    let (key, record) = entry?;
                    flows.insert(id(key.value())?, MarksRecord::decode(key.value(), record.value())?.marks);
                }
                Ok::<_, ReadFault>(flows)
            },
        )
    }

    /// Removes draft, versions and marks; says whether there was anything.
    pub fn remove(&self, flow: &FlowId) -> Written<bool> {
        let flow = flow.as_str().to_owned();
        self.committer.shared.write(flow.len(), move |transaction| {
            let draft = transaction.flow_drafts.remove(flow.as_bytes())?.is_some();
            let marks = transaction.flow_marks.remove(flow.as_bytes())?.is_some();
            let (first, end) = (nested_key(&flow, b""), nested_end(&flow));
            transaction.flow_versions.retain_in(&*first..&*end, |_, _| false)?;
            Ok(draft || marks)
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct MarksRecord {
    last: u64,
    marks: FlowMarks,
}

impl Transaction<'_> {
    fn marks(&self, flow: &str) -> Result<MarksRecord, ApplyError> {
        let Some(record) = redb::ReadableTable::get(&self.flow_marks, flow.as_bytes())? else {
            return Ok(MarksRecord::default());
        };
        MarksRecord::decode(flow.as_bytes(), record.value()).map_err(|error| {
            ApplyError::Refused(format!("the marks of flow `{flow}` are damaged: {error}; remove the flow"))
        })
    }

    fn put_marks(&mut self, flow: &str, record: MarksRecord) -> Result<(), ApplyError> {
        self.flow_marks.insert(flow.as_bytes(), &*record.encode(flow.as_bytes()))?;
        Ok(())
    }

    fn forget_old_versions(&mut self, flow: &str, deployed: Option<u64>) -> Result<(), ApplyError> {
        let (first, end) = (nested_key(flow, b""), nested_end(flow));
        let kept: Vec<Vec<u8>> = redb::ReadableTable::range(&self.flow_versions, &*first..&*end)?
            .map(|entry| entry.map(|(key, _)| key.value().to_vec()))
            .collect::<Result<_, _>>()?;
        let surplus = kept.len().saturating_sub(limits::FLOW_VERSIONS_KEPT);
        let old = kept.iter().filter(|key| deployed.is_none() || version_number(key) != deployed).take(surplus);
        for key in old {
            self.flow_versions.remove(&**key)?;
        }
        Ok(())
    }
}

fn check_text(text: &str) -> Result<(), WriteError> {
    if text.len() > limits::FLOW_FILE_BYTES_MAX {
        let what = format!("the flow has {} bytes: at most {} are allowed", text.len(), limits::FLOW_FILE_BYTES_MAX);
        return Err(WriteError::Refused(what));
    }
    Ok(())
}

fn version_key(flow: &str, number: u64) -> Vec<u8> {
    nested_key(flow, &number.to_be_bytes())
}

fn version_number(key: &[u8]) -> Option<u64> {
    let (_, number) = split_nested(key)?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}

impl FlowFormat {
    fn number(self) -> u8 {
        match self {
            Self::Toml => 0,
            Self::Json => 1,
        }
    }

    fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        match reader.u8()? {
            0 => Ok(Self::Toml),
            1 => Ok(Self::Json),
            _ => Err(RecordError::Content("a text in an unknown format")),
        }
    }
}

impl FlowDraft {
    fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut writer = RecordWriter::new();
        writer.u8(self.format.number());
        writer.i64(self.changed.as_micros());
        writer.text(&self.author);
        writer.text(&self.text);
        writer.finish(key)
    }

    fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = RecordReader::open(key, record)?;
        let format = FlowFormat::read(&mut reader)?;
        let changed = Timestamp::from_micros(reader.i64()?);
        let author = reader.text()?.to_owned();
        let text = reader.text()?.to_owned();
        reader.end()?;
        Ok(Self { format, text, changed, author })
    }
}

impl FlowVersion {
    fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut writer = RecordWriter::new();
        writer.u8(self.format.number());
        writer.i64(self.created.as_micros());
        writer.text(&self.author);
        writer.text(&self.note);
        writer.text(&self.text);
        writer.finish(key)
    }

    fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = RecordReader::open(key, record)?;
        let format = FlowFormat::read(&mut reader)?;
        let created = Timestamp::from_micros(reader.i64()?);
        let author = reader.text()?.to_owned();
        let note = reader.text()?.to_owned();
        let text = reader.text()?.to_owned();
        reader.end()?;
        Ok(Self { format, text, created, author, note })
    }
}

impl MarksRecord {
    fn encode(self, key: &[u8]) -> Vec<u8> {
        let mut writer = RecordWriter::new();
        writer.varint(self.last);
        writer.varint(self.marks.deployed.unwrap_or(0));
        writer.u8(u8::from(self.marks.running));
        writer.finish(key)
    }

    fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = RecordReader::open(key, record)?;
        let last = reader.varint()?;
        let deployed = Some(reader.varint()?).filter(|number| *number != 0);
        let running = reader.u8()? != 0;
        reader.end()?;
        Ok(Self { last, marks: FlowMarks { deployed, running } })
    }
}
