//! Flows as those who append to a stream.

use std::sync::Arc;

use flow::services::{Answer, ServiceError, Streams};
use message::{Now, Publication, StreamName};

use super::NodeStream;
use crate::destinations::Destinations;

impl Destinations {
    fn stream_of_flow(&self, stream: &StreamName) -> Result<Arc<NodeStream>, ServiceError> {
        self.stream(stream).ok_or_else(|| {
            ServiceError(format!("there is no stream `{stream}`: make it with `headwater stream create {stream}`"))
        })
    }
}

impl Streams for Destinations {
    fn append(
        &self,
        now: Now,
        stream: &StreamName,
        publication: Publication,
    ) -> Result<Answer<Result<(), ServiceError>>, ServiceError> {
        let stream = self.stream_of_flow(stream)?;
        let appended = stream.append(now, &publication).map_err(|error| ServiceError(error.to_string()))?;
        Ok(Box::pin(async move { appended.await.map_err(|error| ServiceError(error.to_string())) }))
    }
}
