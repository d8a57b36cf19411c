//! Saving and removing drafts, guarded by tags: who saves over a draft must have seen it.

use flow::check::Problem;
use message::FlowId;
use store::table::FlowDraft;

use super::{ChangeError, Examined, FlowLibrary, FlowText};
use crate::clock;

/// Names one state of a draft; an entity tag of HTTP without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DraftTag(String);

impl DraftTag {
    pub(crate) fn of(draft: &FlowDraft) -> Self {
        Self(format!("{:x}", draft.changed.as_micros()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What must hold for a draft to be saved (RFC 9110, sections 13.1.1 and 13.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Precondition {
    #[default]
    None,
    /// There is a draft.
    Exists,
    /// There is no draft.
    Absent,
    /// The draft has one of these tags.
    OneOf(Vec<String>),
}

impl Precondition {
    fn holds(&self, draft: Option<&FlowDraft>) -> bool {
        match self {
            Self::None => true,
            Self::Exists => draft.is_some(),
            Self::Absent => draft.is_none(),
            Self::OneOf(tags) => draft.is_some_and(|draft| tags.iter().any(|tag| tag == DraftTag::of(draft).as_str())),
        }
    }
}

/// A draft that was saved.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) tag: DraftTag,
    /// The flow is new.
    pub(crate) is_new: bool,
    /// What keeps the draft from running, or is hardly meant.
    pub(crate) problems: Vec<Problem>,
}

impl FlowLibrary {
    /// Saves a draft. It may still be wrong, but must be readable as the flow of this id.
    pub(crate) async fn save_draft(
        &self,
        id: &FlowId,
        text: FlowText,
        author: &str,
        precondition: &Precondition,
    ) -> Result<Saved, ChangeError> {
        let _changing = self.changing.lock().await;
        let before = self.table.draft(id)?;
        if !precondition.holds(before.as_ref()) {
            let tag = before.as_ref().map_or_else(
                || "there is none".to_owned(),
                |draft| format!("its ETag is \"{}\"", DraftTag::of(draft).as_str()),
            );
            return Err(ChangeError::Changed { flow: id.clone(), tag });
        }
        let Examined { flow, problems } = self.examine(&text, Some(id));
        let Some(flow) = flow else { return Err(ChangeError::Wrong(id.clone(), problems)) };
        let before_text = before.as_ref().map(|draft| FlowText { format: draft.format, text: draft.text.clone() });
        let text = text.kept(&flow, before_text.as_ref());
        if let Some(before) = &before
            && before_text.as_ref() == Some(&text)
        {
            return Ok(Saved { tag: DraftTag::of(before), is_new: false, problems });
        }
        // Later than the one before, also when the calendar was set back: the tag is made of it.
        let earliest = before.as_ref().map(|draft| draft.changed.saturating_add(std::time::Duration::from_micros(1)));
        let changed = earliest.map_or(clock::now().wall, |earliest| earliest.max(clock::now().wall));
        let draft = FlowDraft { format: text.format, text: text.text, changed, author: author.to_owned() };
        self.table.put_draft(id, &draft).await?;
        Ok(Saved { tag: DraftTag::of(&draft), is_new: before.is_none(), problems })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Timestamp;
    use store::table::FlowFormat;

    #[test]
    fn a_draft_is_saved_over_only_by_who_has_seen_it() {
        let changed = Timestamp::from_millis(1_000);
        let draft = FlowDraft { format: FlowFormat::Toml, text: String::new(), changed, author: String::new() };
        let seen = DraftTag::of(&draft).as_str().to_owned();
        let one_of = |tag: &str| Precondition::OneOf(vec!["other".to_owned(), tag.to_owned()]);
        for (precondition, with, without) in [
            (Precondition::None, true, true),
            (Precondition::Exists, true, false),
            (Precondition::Absent, false, true),
            (one_of(&seen), true, false),
            (one_of("stale"), false, false),
        ] {
            assert_eq!(precondition.holds(Some(&draft)), with, "{precondition:?}");
            assert_eq!(precondition.holds(None), without, "{precondition:?}");
        }
    }
}
