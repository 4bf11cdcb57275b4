//! Authentication: how a client proves who it is when a server answers STARTUP with AUTHENTICATE.
//!
//! Native protocol v3, v4 and v5 §4.2.3: SASL. The server names an authenticator; the client answers with AUTH_RESPONSE,
//! and once more for each AUTH_CHALLENGE, until AUTH_SUCCESS or ERROR arrives.
//! Invariant: secrets never show in `Debug`, in errors or in logs.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::connection::Endpoint;

/// What an authenticator answers with: a future, for credentials may have to be fetched.
pub type AuthFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, AuthError>> + Send + 'a>>;

/// Makes an [`Authenticator`] for each connection whose server asks for authentication.
///
/// It is asked again for each connection, so credentials may change while the driver runs.
pub trait AuthProvider: fmt::Debug + Send + Sync {
    /// An authenticator for a connection to `endpoint`, whose server named the class `class`.
    fn authenticator<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        class: &'a str,
    ) -> AuthFuture<'a, Box<dyn Authenticator>>;

    /// Whether who reads the tokens on their way learns the secret. The driver warns, once, when such tokens travel
    /// without TLS.
    fn reveals_secrets(&self) -> bool {
        false
    }
}

/// The client's side of one authentication.
pub trait Authenticator: Send {
    /// The token of the first AUTH_RESPONSE; `None` sends a null token.
    fn initial_response(&mut self) -> AuthFuture<'_, Option<Vec<u8>>>;

    /// The token that answers an AUTH_CHALLENGE.
    fn evaluate_challenge<'a>(&'a mut self, challenge: Option<&'a [u8]>) -> AuthFuture<'a, Option<Vec<u8>>>;

    /// The server accepted; `token` is what came with AUTH_SUCCESS. An error closes the connection.
    fn on_success<'a>(&'a mut self, token: Option<&'a [u8]>) -> AuthFuture<'a, ()> {
        let _ = token;
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Why an [`AuthProvider`] could not go on.
#[derive(Clone)]
pub struct AuthError {
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl AuthError {
    /// An error that says this. Keep secrets out of it.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// An error that says this, and was caused by another one.
    pub fn with_source(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            message: message.into(),
            source: Some(Arc::from(source.into())),
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthError")
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl std::error::Error for AuthError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// User name and password, for `PasswordAuthenticator` and its like: SASL PLAIN (RFC 4616).
///
/// ```
/// use helenus::auth::PlainTextAuth;
///
/// let auth = PlainTextAuth::new("cassandra", "secret");
/// assert_eq!(format!("{auth:?}"), r#"PlainTextAuth { username: "cassandra", .. }"#);
/// ```
#[derive(Clone)]
pub struct PlainTextAuth {
    username: String,
    password: String,
    authorization_id: String,
}

impl PlainTextAuth {
    /// Authenticates as this user.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
            authorization_id: String::new(),
        }
    }

    /// Runs requests as another user, where the server knows proxy authentication (DSE). By default as the same.
    #[must_use]
    pub fn with_authorization_id(mut self, id: impl Into<String>) -> Self {
        self.authorization_id = id.into();
        self
    }

    /// `[authorization id] NUL authentication id NUL password` (RFC 4616 §2).
    fn token(&self) -> Vec<u8> {
        let parts = [&self.authorization_id, &self.username, &self.password];
        parts.map(|part| part.as_bytes()).join(&0)
    }
}

impl fmt::Debug for PlainTextAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainTextAuth")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl AuthProvider for PlainTextAuth {
    fn authenticator<'a>(
        &'a self,
        _endpoint: &'a Endpoint,
        class: &'a str,
    ) -> AuthFuture<'a, Box<dyn Authenticator>> {
        let authenticator = PlainTextAuthenticator {
            token: self.token(),
            dse: class == DSE_AUTHENTICATOR,
        };
        Box::pin(std::future::ready(Ok(Box::new(authenticator) as _)))
    }

    fn reveals_secrets(&self) -> bool {
        true
    }
}

/// This one wants the mechanism named first, and asks for the token by a challenge.
const DSE_AUTHENTICATOR: &str = "com.datastax.bdp.cassandra.auth.DseAuthenticator";
const DSE_MECHANISM: &[u8] = b"PLAIN";
const DSE_CHALLENGE: &[u8] = b"PLAIN-START";

struct PlainTextAuthenticator {
    token: Vec<u8>,
    dse: bool,
}

impl Authenticator for PlainTextAuthenticator {
    fn initial_response(&mut self) -> AuthFuture<'_, Option<Vec<u8>>> {
        let token = match self.dse {
            true => DSE_MECHANISM.to_vec(),
            false => self.token.clone(),
        };
        Box::pin(std::future::ready(Ok(Some(token))))
    }

    fn evaluate_challenge<'a>(&'a mut self, challenge: Option<&'a [u8]>) -> AuthFuture<'a, Option<Vec<u8>>> {
        let answer = match (self.dse, challenge) {
            (true, Some(DSE_CHALLENGE)) => Ok(Some(self.token.clone())),
            _ => Err(AuthError::new(
                "the server sent a challenge that user name and password cannot answer",
            )),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn authenticator(auth: &PlainTextAuth, class: &str) -> Box<dyn Authenticator> {
        let endpoint = Endpoint::from(std::net::SocketAddr::from(([127, 0, 0, 1], 9042)));
        auth.authenticator(&endpoint, class)
            .now_or_never()
            .unwrap()
            .unwrap()
    }

    #[test]
    fn plain_text_token_is_that_of_rfc_4616() {
        let auth = PlainTextAuth::new("tim", "tanstaaftanstaaf");
        let mut authenticator = authenticator(&auth, "org.apache.cassandra.auth.PasswordAuthenticator");
        let token = authenticator.initial_response().now_or_never().unwrap().unwrap();
        assert_eq!(token.as_deref(), Some(&b"\0tim\0tanstaaftanstaaf"[..]));
        let answer = authenticator
            .evaluate_challenge(Some(b"what?"))
            .now_or_never()
            .unwrap();
        assert!(answer.is_err());
    }

    #[test]
    fn dse_is_told_the_mechanism_first() {
        let auth = PlainTextAuth::new("tim", "pw").with_authorization_id("ursel");
        let mut authenticator = authenticator(&auth, DSE_AUTHENTICATOR);
        let token = authenticator.initial_response().now_or_never().unwrap().unwrap();
        assert_eq!(token.as_deref(), Some(&b"PLAIN"[..]));
        let token = authenticator.evaluate_challenge(Some(b"PLAIN-START"));
        assert_eq!(
            token.now_or_never().unwrap().unwrap().as_deref(),
            Some(&b"ursel\0tim\0pw"[..])
        );
    }
}
