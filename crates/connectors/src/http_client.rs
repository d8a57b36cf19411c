//! The HTTP client of the modules: pooled connections, TLS by rustls, an answer of bounded size within a bounded time.
//! Redirects are not followed: a flow says where it sends its data.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use message::{Bytes, limits};
use rustls::{ClientConfig, RootCertStore};

/// How long a connection that nobody uses is kept.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long it may take until a server accepts a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A client with connections of its own.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("{0}")]
    Failed(String),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

impl HttpClient {
    /// A client that keeps up to `idle_max` unused connections to each server. Without `tls` it trusts no certificate.
    pub(crate) fn new(idle_max: usize, tls: bool) -> Result<Self, String> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        let config = if tls { trusting_config()? } else { tls_config(RootCertStore::empty())? };
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(idle_max)
            .http1_max_buf_size(limits::HTTP_HEAD_BYTES_MAX)
            .build(connector);
        Ok(Self { client })
    }

    /// Sends a request and reads the whole answer, up to `bytes_max`, within `timeout`.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        timeout: Duration,
        bytes_max: usize,
    ) -> Result<HttpAnswer, HttpError> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| HttpError::Failed(reason(&error)))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, bytes_max).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    HttpError::TooLarge(bytes_max)
                } else {
                    HttpError::Failed(format!("the answer broke off: {}", reason(error.as_ref())))
                }
            })?;
            Ok(HttpAnswer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(HttpError::Timeout(timeout)))
    }
}

/// The innermost cause: what stands around it says only that the request failed.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Trusts the certificate authorities of the web and those that the machine's administrator added. Read once: it takes
/// milliseconds and a megabyte.
fn trusting_config() -> Result<ClientConfig, String> {
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    // A machine without certificates of its own, or with some that cannot be read, still has those of the web.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = tls_config(roots)?;
    Ok(CONFIG.get_or_init(|| config).clone())
}

fn tls_config(roots: RootCertStore) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
