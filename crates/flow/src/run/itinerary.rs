//! One run of a flow: one message, its variables, its context.

use std::sync::Arc;

use message::{Now, Value};

use super::{FlowContext, ItineraryId, Receipt, Source, Variables};

/// One run of a flow. Cloning makes a branch that changes on its own: message and variables are shared until written.
#[derive(Debug, Clone)]
pub struct Itinerary {
    pub message: Value,
    pub variables: Variables,
    flow: Arc<FlowContext>,
    source: Arc<Source>,
    id: ItineraryId,
    started: Now,
    branch: u32,
    attempt: u32,
    steps: u32,
    receipt: Option<Receipt>,
}

impl Itinerary {
    /// Begins an itinerary with the flow's initial variables. The worker gives it another `number` when it arrives.
    pub fn begin(now: Now, flow: &Arc<FlowContext>, source: Arc<Source>, number: u64, message: Value) -> Self {
        Self {
            message,
            variables: flow.variables.initial(),
            id: ItineraryId { run: flow.run, number },
            flow: Arc::clone(flow),
            source,
            started: now,
            branch: 0,
            attempt: 1,
            steps: 0,
            receipt: None,
        }
    }

    /// Has `receipt` resolved when this itinerary and all its branches have ended.
    #[must_use]
    pub fn with_receipt(mut self, receipt: Receipt) -> Self {
        self.receipt = Some(receipt);
        self
    }

    /// Lets go of the receipt: for what a module keeps beyond the end of the itinerary.
    #[must_use]
    pub fn without_receipt(mut self) -> Self {
        self.receipt = None;
        self
    }

    /// The same run with another message, for modules that make one message of many or many of one.
    #[must_use]
    pub fn with_message(&self, message: Value) -> Self {
        Self { message, ..self.clone() }
    }

    pub fn flow(&self) -> &Arc<FlowContext> {
        &self.flow
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    pub fn id(&self) -> ItineraryId {
        self.id
    }

    pub fn started(&self) -> Now {
        self.started
    }

    /// 0 for the trunk; each further arrow taken at a fork gets a number of its own.
    pub fn branch(&self) -> u32 {
        self.branch
    }

    /// 1 for the first try of the present module.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Where failures of this itinerary are told, if its source wants to know.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }

    /// Numbers the itineraries of one run as they arrive: those who begin them cannot know of each other.
    pub(crate) fn set_number(&mut self, number: u64) {
        self.id.number = number;
    }

    pub(crate) fn set_branch(&mut self, branch: u32) {
        self.branch = branch;
    }

    pub(crate) fn set_attempt(&mut self, attempt: u32) {
        self.attempt = attempt;
    }

    /// Counts a step and gives the number of steps that this itinerary has taken.
    pub(crate) fn take_step(&mut self) -> u32 {
        self.steps = self.steps.saturating_add(1);
        self.steps
    }
}
