//! Begins an itinerary for every message of a queue or a stream, and lets its end say what became of the message.

use std::sync::Arc;
use std::task::Context;

use bytestring::ByteString;
use message::{Now, Object, Publication, Value};

use super::mqtt_sub_broker::properties_value;
use super::payload::{self, PayloadFormat};
use crate::build::BuildContext;
use crate::module::Inbound;
use crate::run::{FlowContext, Itinerary, Receipt, Source};
use crate::services::ConsumerInbox;

/// A message that someone waits to hear the end of.
pub(super) trait Consumed {
    fn publication(&self) -> &Publication;
    /// What the message of the itinerary says beside payload, topic and properties.
    fn describe(&self, object: &mut Object);
    fn into_receipt(self) -> Receipt;
}

/// An inbound module over what is handed to it.
pub(super) struct Consumer<M> {
    inbox: Box<dyn ConsumerInbox<M>>,
    flow: Arc<FlowContext>,
    source: Arc<Source>,
    format: PayloadFormat,
    taken: Vec<M>,
}

impl<M: Consumed> Consumer<M> {
    pub(super) fn new(
        inbox: Box<dyn ConsumerInbox<M>>,
        address: String,
        format: PayloadFormat,
        context: &BuildContext<'_>,
    ) -> Self {
        let source = Source { module: context.module.clone(), address: ByteString::from(address) };
        Self { inbox, flow: Arc::clone(context.flow), source: Arc::new(source), format, taken: Vec::new() }
    }

    fn message(&self, taken: &M) -> Value {
        let publication = taken.publication();
        let (data, error) = match self.format.decode(&publication.payload) {
            Ok(data) => (data, None),
            Err(error) => (payload::as_found(&publication.payload), Some(error)),
        };
        let mut object = Object::with_capacity(7);
        object.insert("data", data);
        taken.describe(&mut object);
        object.insert("topic", Value::from(publication.topic.as_str()));
        let properties = publication.properties.as_deref();
        object.insert("properties", properties.map_or_else(|| Value::from(Object::new()), properties_value));
        if let Some(error) = error {
            let what = format!("the payload of `{}` is {error}", publication.topic);
            let result = [("success", Value::Bool(false)), ("message", Value::from(what))];
            object.insert("headwater", Value::Object(result.into_iter().collect()));
        }
        Value::Object(object)
    }
}

impl<M: Consumed> Inbound for Consumer<M> {
    fn poll_arrivals(&mut self, cx: &mut Context<'_>, now: Now, room: usize, arrivals: &mut Vec<Itinerary>) {
        let mut taken = std::mem::take(&mut self.taken);
        self.inbox.poll_take(cx, room, &mut taken);
        for message in taken.drain(..) {
            let begun = Itinerary::begin(now, &self.flow, Arc::clone(&self.source), 0, self.message(&message));
            arrivals.push(begun.with_receipt(message.into_receipt()));
        }
        self.taken = taken;
    }

    fn close(&mut self) {
        self.inbox.close();
    }

    fn is_drained(&self) -> bool {
        self.inbox.waiting() == 0
    }
}
