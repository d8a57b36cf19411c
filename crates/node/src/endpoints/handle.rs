//! One request to an endpoint, from its head to its answer.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flow::services::{HttpRequest, HttpResponse};
use hyper::body::{Body as _, Incoming};
use message::{Text, limits};

use super::answers::Answers;
use super::endpoint::{Endpoint, NotTaken};
use super::table::{EndpointTable, Found};
use crate::http::{Problem, check_host};

/// Seconds after which a caller may try again when the flow is full.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");
/// How often a request looks for its endpoint anew when versions are switched under it.
const LOOK_UPS_MAX: usize = 8;

type Answered = Pin<Box<dyn Future<Output = Response> + Send>>;

/// What answers the requests of the endpoints' listener. With `host_names`, only those who call the node by one of them
/// or by an address: where only this machine reaches the listener, a foreign page must not reach it through a browser.
pub(crate) fn handler(
    table: Arc<EndpointTable>,
    host_names: Option<Vec<String>>,
) -> impl Fn(SocketAddr, hyper::Request<Incoming>) -> Answered + Clone + Send + Sync + 'static {
    let host_names: Option<Arc<[String]>> = host_names.map(Arc::from);
    move |_, request| {
        let (table, host_names) = (Arc::clone(&table), host_names.clone());
        Box::pin(async move {
            if let Some(host_names) = host_names
                && let Err(problem) = check_host(request.headers(), &host_names, "listeners.endpoints.host_names")
            {
                return problem.into_response();
            }
            answer(&table, request).await.unwrap_or_else(|refusal| *refusal)
        })
    }
}

/// The answer to a request that no flow has answered; boxed, as it is large and rare.
type Refusal = Box<Response>;

fn refusal(problem: Problem) -> Refusal {
    Box::new(problem.into_response())
}

async fn answer(table: &EndpointTable, request: hyper::Request<Incoming>) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let path = decode_path(&head.uri).map_err(refusal)?;
    let endpoint = look_up(table, &path, &head.method)?;
    // Before the body is read: a flow that is full shall not cost the node the reading as well.
    if endpoint.is_full() {
        return Err(full(&endpoint));
    }
    let body = read_body(body).await.map_err(refusal)?;
    let (number, receiver) = table.answers.expect();
    let id = table.answers.id_of(number);
    let mut waiting = Waiting { answers: &table.answers, number, id: id.clone(), endpoint };
    let mut request = HttpRequest {
        id,
        verb: Text::new(head.method.as_str()),
        path: Text::from(path),
        headers: headers(&head.headers),
        query: query(head.uri.query().unwrap_or_default()),
        body,
    };
    for _ in 0..LOOK_UPS_MAX {
        request = match waiting.endpoint.push(request) {
            Ok(()) => {
                let timeout = waiting.endpoint.request.response_timeout;
                return match tokio::time::timeout(timeout, receiver).await {
                    Ok(Ok(response)) => Ok(response_of(response)),
                    Ok(Err(_)) => Err(gone(&waiting.endpoint)),
                    Err(_) => Err(late(&waiting.endpoint)),
                };
            }
            Err(NotTaken::Full) => return Err(full(&waiting.endpoint)),
            Err(NotTaken::Closed(request)) => *request,
        };
        waiting.endpoint = look_up(table, &request.path, &head.method)?;
    }
    Err(full(&waiting.endpoint))
}

/// A caller that waits. When it goes, by its answer, the timeout or because it hung up, nothing of it stays behind.
struct Waiting<'a> {
    answers: &'a Answers,
    number: u64,
    id: Text,
    endpoint: Arc<Endpoint>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.answers.forget(self.number);
        self.endpoint.take_back(&self.id);
    }
}

fn look_up(table: &EndpointTable, path: &str, method: &Method) -> Result<Arc<Endpoint>, Refusal> {
    match table.find(path.strip_prefix('/').unwrap_or(path), method.as_str()) {
        Found::Endpoint(endpoint) => Ok(endpoint),
        Found::OtherVerbs(verbs) => {
            let detail = format!("`{}` does not take {method}; it takes {verbs}", shown(path));
            let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response();
            if let Ok(verbs) = HeaderValue::try_from(verbs) {
                response.headers_mut().insert(ALLOW, verbs);
            }
            Err(Box::new(response))
        }
        Found::Nothing => {
            let detail = format!("no running flow listens at `{}`", shown(path));
            Err(refusal(Problem::not_found(detail)))
        }
    }
}

fn shown(path: &str) -> String {
    path.chars().take(200).collect()
}

fn full(endpoint: &Endpoint) -> Refusal {
    unavailable(format!("flow `{}` has as many requests waiting as it takes; try again later", endpoint.flow))
}

fn gone(endpoint: &Endpoint) -> Refusal {
    unavailable(format!("flow `{}` stopped before it took the request; try again later", endpoint.flow))
}

fn unavailable(detail: String) -> Refusal {
    let mut response = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
    response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
    Box::new(response)
}

fn late(endpoint: &Endpoint) -> Refusal {
    let seconds = endpoint.request.response_timeout.as_secs_f64();
    let detail = format!("flow `{}` gave no answer within {seconds} s", endpoint.flow);
    refusal(Problem::new(StatusCode::GATEWAY_TIMEOUT, detail))
}

/// The path with its `%` signs resolved.
fn decode_path(uri: &Uri) -> Result<String, Problem> {
    percent_encoding::percent_decode_str(uri.path())
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Problem::bad_request("the path is not UTF-8 once its `%` signs are resolved"))
}

async fn read_body(mut body: Incoming) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body is larger than {} bytes: send less at once", limits::HTTP_BODY_BYTES_MAX);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    if body.size_hint().lower() > limits::HTTP_BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let collect = async {
        let mut first = Bytes::new();
        let mut all: Vec<u8> = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(|error| Problem::bad_request(format!("the body cannot be read: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if first.len() + all.len() + data.len() > limits::HTTP_BODY_BYTES_MAX {
                return Err(too_large());
            }
            // Most bodies come in one piece and need no copy.
            if first.is_empty() && all.is_empty() {
                first = data;
            } else {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&data);
            }
        }
        Ok(if all.is_empty() { first } else { Bytes::from(all) })
    };
    tokio::time::timeout(limits::HTTP_BODY_DEADLINE, collect).await.unwrap_or_else(|_| {
        let seconds = limits::HTTP_BODY_DEADLINE.as_secs();
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {seconds} s")))
    })
}

/// Names in lower case; a name that occurs twice has its values joined by `, `. Values that are no UTF-8 lose those bytes.
fn headers(fields: &axum::http::HeaderMap) -> Vec<(Text, Text)> {
    let mut headers = Vec::with_capacity(fields.keys_len());
    for name in fields.keys() {
        let values: Vec<_> =
            fields.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.push((Text::new(name.as_str()), Text::from(values.join(", "))));
    }
    headers
}

/// The parts of a query; a name that occurs twice keeps the last value, at the place of the first.
fn query(text: &str) -> Vec<(Text, Text)> {
    let pairs: indexmap::IndexMap<Text, Text> =
        form_urlencoded::parse(text.as_bytes()).map(|(name, value)| (Text::from(name), Text::from(value))).collect();
    pairs.into_iter().collect()
}

/// A flow's answer as HTTP. How it is framed is the connection's to say, not the flow's.
fn response_of(answer: HttpResponse) -> Response {
    let Some(status) = StatusCode::from_u16(answer.status).ok().filter(|status| !status.is_informational()) else {
        let detail = format!("the flow answered with status {}, which ends no request", answer.status);
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response();
    };
    let bodyless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let mut response = Response::new(if bodyless { Body::empty() } else { Body::from(answer.body) });
    *response.status_mut() = status;
    for (name, value) in &answer.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) else {
            let detail = format!("the flow's answer has a header that cannot be sent: `{}`", shown(name));
            return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response();
        };
        if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
