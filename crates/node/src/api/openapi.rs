//! The OpenAPI 3.1 document of the API, published as `docs/openapi.json`.

use axum::Json;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::http::Problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Headwater",
        description = "The API of one Headwater node. Every error is a problem document (RFC 9457). \
                       The token stands in the node's data directory, in the file `admin-token`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Problem)),
    security(("token" = [])),
    tags(
        (name = "flows", description = "Drafts, versions, deploying, starting and stopping."),
        (name = "modules", description = "What flows are made of."),
        (name = "queues", description = "Queues: each message goes to one consumer."),
        (name = "streams", description = "Streams: everyone reads the messages, from anywhere, as often as they like."),
        (name = "stores", description = "Persistent key/value stores."),
        (name = "node", description = "The node itself."),
    ),
)]
struct Document;

/// The document as JSON.
pub fn openapi_json() -> Value {
    let (_, mut document) = OpenApiRouter::<super::ApiState>::with_openapi(Document::openapi())
        .merge(super::open_routes())
        .merge(super::figure_routes())
        .merge(super::guarded_routes())
        .split_for_parts();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
    let mut document = serde_json::to_value(&document).unwrap_or_default();
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas.extend(flow_schemas());
    }
    document
}

/// The schema of flows, as the model's own doc comments say it, and those that it refers to.
fn flow_schemas() -> impl Iterator<Item = (String, Value)> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    generator.subschema_for::<flow::model::Flow>();
    generator.take_definitions(true).into_iter()
}

pub(super) async fn document() -> Json<Value> {
    Json(openapi_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_document_is_up_to_date() {
        crate::published::check("docs/openapi.json", &format!("{:#}\n", openapi_json()));
    }
}
