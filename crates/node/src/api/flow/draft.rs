//! Drafts: what a person works on and has not deployed yet.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::flow_id;
use super::text::FlowBody;
use crate::api::{ApiState, FlowProblem};
use crate::http::Problem;
use crate::library::Precondition;

/// What is wrong with a flow.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Checked {
    /// Whether the flow can be deployed.
    runnable: bool,
    problems: Vec<FlowProblem>,
}

/// Saves the draft of a flow: JSON as the schema Flow describes it, or a flow file. It may still be wrong, but must be readable as the flow of this id. JSON is written into
/// the TOML that is there, whose comments stay.
#[utoipa::path(
    put, path = "/api/v1/flows/{id}", tag = "flows",
    params(
        ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The ETag of the draft that shall be replaced, or `*`."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is no draft."),
    ),
    request_body(content(
        (serde_json::Value = "application/json"),
        (String = "application/toml"),
    )),
    responses(
        (status = 200, description = "The draft is saved.", body = Checked, headers(("ETag" = String))),
        (status = 201, description = "The draft is saved; the flow is new.", body = Checked, headers(("ETag" = String))),
        (status = 412, description = "Someone else has changed the draft.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The text is no flow, or not the one of this id.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    FlowBody(text): FlowBody,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Checked>), Problem> {
    let id = flow_id(&id)?;
    let saved = api.library.save_draft(&id, text, "api", &precondition(&headers)?).await?;
    let status = if saved.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(ETAG, format!("\"{}\"", saved.tag.as_str()))], Json(checked(&saved.problems))))
}

/// Finds what is wrong with a flow (JSON as the schema Flow describes it, or a flow file), without keeping it. The node's other flows are looked at, too.
#[utoipa::path(
    post, path = "/api/v1/flows/{id}/check", tag = "flows",
    params(("id" = String, Path)),
    request_body(content(
        (serde_json::Value = "application/json"),
        (String = "application/toml"),
    )),
    responses((status = 200, body = Checked)),
)]
pub(super) async fn check(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    FlowBody(text): FlowBody,
) -> Result<Json<Checked>, Problem> {
    let id = flow_id(&id)?;
    let examined = api.library.examine(&text, Some(&id));
    Ok(Json(Checked { runnable: examined.is_runnable(), problems: FlowProblem::list(&examined.problems) }))
}

fn checked(problems: &[flow::check::Problem]) -> Checked {
    Checked { runnable: !problems.iter().any(flow::check::Problem::is_error), problems: FlowProblem::list(problems) }
}

fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    match (text(&IF_MATCH), text(&IF_NONE_MATCH)) {
        (None, None) => Ok(Precondition::None),
        (Some("*"), None) => Ok(Precondition::Exists),
        (None, Some("*")) => Ok(Precondition::Absent),
        (Some(tags), None) => tags.split(',').map(entity_tag).collect::<Result<_, _>>().map(Precondition::OneOf),
        (None, Some(_)) => Err(Problem::bad_request("`If-None-Match` takes `*` alone here")),
        (Some(_), Some(_)) => Err(Problem::bad_request("send `If-Match` or `If-None-Match`, not both")),
    }
}

/// A strong entity tag without its quotes; `If-Match` compares no weak ones.
fn entity_tag(text: &str) -> Result<String, Problem> {
    let tag = text.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let wrong =
        || Problem::bad_request(format!("`{}` is no entity tag: send the ETag as it came, in quotes", text.trim()));
    tag.map(str::to_owned).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn preconditions_are_read_from_the_header() {
        let of = |name: HeaderName, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            precondition(&headers).ok()
        };
        let one_of = |tags: &[&str]| Some(Precondition::OneOf(tags.iter().map(|tag| (*tag).to_owned()).collect()));
        assert_eq!(precondition(&HeaderMap::new()).ok(), Some(Precondition::None));
        assert_eq!(of(IF_MATCH, "*"), Some(Precondition::Exists));
        assert_eq!(of(IF_NONE_MATCH, "*"), Some(Precondition::Absent));
        assert_eq!(of(IF_MATCH, "\"a\""), one_of(&["a"]));
        assert_eq!(of(IF_MATCH, "\"a\", \"b\""), one_of(&["a", "b"]));
        for (name, value) in [(IF_MATCH, "a"), (IF_MATCH, "W/\"a\""), (IF_MATCH, ""), (IF_NONE_MATCH, "\"a\"")] {
            assert_eq!(of(name, value), None, "{value}");
        }
    }
}
