//! One question to an API server, asked again while that can help.
//!
//! Servers that are busy say when to come back (429, `Retry-After`), connections break in the middle of
//! an answer, and proxies in between say 502. All of that is tried again, a bounded number of times;
//! what is left is a [`Refusal`] that tells apart "you may not", "there is no such thing", "your place in
//! the list is gone" and "it did not work".

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use kube::client::Body;
use serde::Deserialize;

use crate::connect::{Connection, explain_transport, is_about_certificates};

/// Plain JSON.
pub(crate) const JSON: &str = "application/json";

/// So often a question is asked, whatever goes wrong.
const ATTEMPTS: u32 = 4;

/// So often it is asked of a server that says it is busy.
const BUSY_ATTEMPTS: u32 = 8;

/// A server that wants to be left alone for longer is asked earlier.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401: the server does not know who asks.
    Unauthorized(String),
    /// 403: who asks may not.
    Forbidden(String),
    /// 404: there is no such resource or object.
    NotFound(String),
    /// 410: the place in the list, or the moment, is too long ago; with a token to go on from there.
    Expired(Option<String>),
    /// Everything else, when asking again did not help.
    Failed(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unauthorized(message)
            | Self::Forbidden(message)
            | Self::NotFound(message)
            | Self::Failed(message) => f.write_str(message),
            Self::Expired(_) => f.write_str("what was asked about is too long ago"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The parts of a `Status` that matter.
#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
    #[serde(default)]
    metadata: StatusMeta,
}

#[derive(Default, Deserialize)]
struct StatusMeta {
    #[serde(rename = "continue")]
    next: Option<String>,
}

/// What one attempt came to.
enum Attempt {
    Answer(Bytes),
    Refused(Refusal),
    /// Worth trying again, after so long if the server says so.
    Again {
        why: String,
        wait: Option<Duration>,
        busy: bool,
    },
}

impl Connection {
    /// The answer to a GET.
    ///
    /// # Errors
    /// When there is none after a few attempts.
    pub async fn get(&self, path: &str) -> Result<Bytes, Refusal> {
        let read = |bytes: Bytes| Ok(bytes);
        self.get_as(path, JSON, read).await
    }

    /// What `read` makes of the answer to a GET; an answer that it cannot read is asked for again.
    pub(crate) async fn get_as<T>(
        &self,
        path: &str,
        accept: &str,
        mut read: impl FnMut(Bytes) -> Result<T, String>,
    ) -> Result<T, Refusal> {
        let (mut attempts, mut busy_attempts) = (0, 0);
        loop {
            let (why, wait, busy) = match self.attempt(path, accept).await {
                Attempt::Answer(bytes) => match read(bytes) {
                    Ok(read) => return Ok(read),
                    Err(why) => (why, None, false),
                },
                Attempt::Refused(refusal) => return Err(refusal),
                Attempt::Again { why, wait, busy } => (why, wait, busy),
            };
            let (counter, most) = if busy {
                (&mut busy_attempts, BUSY_ATTEMPTS)
            } else {
                (&mut attempts, ATTEMPTS)
            };
            *counter += 1;
            if *counter >= most {
                return Err(Refusal::Failed(why));
            }
            let own = Duration::from_millis(100 << *counter);
            tokio::time::sleep(wait.unwrap_or(own).min(LONGEST_WAIT)).await;
        }
    }

    async fn attempt(&self, path: &str, accept: &str) -> Attempt {
        let again = |why: String| Attempt::Again {
            why,
            wait: None,
            busy: false,
        };
        let request = Request::get(path)
            .header(header::ACCEPT, accept)
            .body(Body::empty());
        let request = match request {
            Ok(request) => request,
            Err(error) => return Attempt::Refused(Refusal::Failed(error.to_string())),
        };
        let asked = async {
            let response = self.client.send(request).await?;
            let (head, body) = response.into_parts();
            // An answer that breaks off is an error here, also when its length is not announced.
            let bytes = body.collect_bytes().await?;
            Ok::<_, kube::Error>((head, bytes))
        };
        let (head, bytes) = match tokio::time::timeout(self.timeout, asked).await {
            Err(_) => {
                let seconds = self.timeout.as_secs_f64();
                return again(format!(
                    "{} did not answer within {seconds} s; --request-timeout waits longer",
                    self.server
                ));
            }
            Ok(Err(kube::Error::Auth(error))) => {
                return Attempt::Refused(Refusal::Unauthorized(error.to_string()));
            }
            Ok(Err(error)) => {
                let why = explain_transport(self, &error);
                return match is_about_certificates(&error) {
                    true => Attempt::Refused(Refusal::Failed(why)),
                    false => again(why),
                };
            }
            Ok(Ok(answer)) => answer,
        };
        if head.status.is_success() {
            return Attempt::Answer(bytes);
        }
        refused(head.status, &head.headers, &bytes)
    }
}

/// What an answer that is no success says.
fn refused(status: StatusCode, headers: &http::HeaderMap, bytes: &[u8]) -> Attempt {
    // Proxies and unknown paths answer in plain text.
    let told: Status = serde_json::from_slice(bytes).unwrap_or_default();
    let message = if told.message.is_empty() {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().next().unwrap_or_default().trim();
        let line: String = line.chars().take(200).collect();
        if line.is_empty() || line.starts_with('<') {
            status.to_string()
        } else {
            format!("{line} ({})", status.as_u16())
        }
    } else {
        told.message
    };
    if status == StatusCode::BAD_REQUEST && message.contains("HTTP request to an HTTPS server") {
        let why = format!("{message}; write the address of the server with https://");
        return Attempt::Refused(Refusal::Failed(why));
    }
    Attempt::Refused(match status {
        StatusCode::UNAUTHORIZED => Refusal::Unauthorized(message),
        StatusCode::FORBIDDEN => Refusal::Forbidden(message),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Refusal::NotFound(message),
        StatusCode::GONE => Refusal::Expired(told.metadata.next.filter(|next| !next.is_empty())),
        status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            let wait = headers.get(header::RETRY_AFTER);
            let seconds = wait.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            return Attempt::Again {
                why: message,
                wait: seconds.map(Duration::from_secs),
                busy: status == StatusCode::TOO_MANY_REQUESTS,
            };
        }
        _ => Refusal::Failed(message),
    })
}
