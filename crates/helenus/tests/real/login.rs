//! A node that asks who is there (`PasswordAuthenticator`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use helenus::auth::{AuthFuture, AuthProvider, Authenticator, PlainTextAuth};
use helenus::{ConnectErrorKind, ContactPointError, Endpoint, SessionError};

use crate::beds::{HANDSHAKE, MAX_BACKOFF, login};
use crate::figures::{self, seconds};
use crate::waiting::{blocking, eventually, is_up, recovery};

/// A password that changes while the program runs.
#[derive(Debug, Default)]
struct Rotated {
    password: Mutex<String>,
    asked: AtomicUsize,
}

impl AuthProvider for Rotated {
    fn authenticator<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        class: &'a str,
    ) -> AuthFuture<'a, Box<dyn Authenticator>> {
        self.asked.fetch_add(1, Ordering::AcqRel);
        let password = self.password.lock().unwrap().clone();
        Box::pin(async move {
            PlainTextAuth::new("reader", password)
                .authenticator(endpoint, class)
                .await
        })
    }
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_19_a_wrong_password_is_an_error_that_names_the_node() {
    let bed = login().await;
    let address = bed.node(1).unwrap().cql_address();
    for (role, password) in [("cassandra", "guessed"), ("nobody", "guessed")] {
        let wrong = bed.driver().credentials(role, password);
        let error = wrong.build().unwrap().connect().await.unwrap_err();
        let SessionError::NoContactPoint(causes) = &error else {
            panic!("{error:?}")
        };
        assert!(
            matches!(&causes[..], [ContactPointError::Connect(cause)]
                if matches!(cause.kind, ConnectErrorKind::AuthenticationFailed(_))
                    && cause.endpoint.socket_address() == Some(address)),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("guessed"), "{error:?}");
    }
    let none = bed.driver().build().unwrap().connect().await.unwrap_err();
    assert!(none.to_string().contains("asks for authentication"), "{none}");
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_21_a_rotated_password_is_asked_for_again_and_the_old_one_is_tried_slowly() {
    let bed = login().await;
    let node = bed.node(1).unwrap();
    let address = node.cql_address();
    let superuser = bed.driver().credentials("cassandra", "cassandra");
    let superuser = superuser.build().unwrap().connect().await.unwrap();
    for text in [
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader WITH PASSWORD = 'first' AND LOGIN = true",
    ] {
        superuser.query(text, ()).await.unwrap();
    }

    let provider = Arc::new(Rotated::default());
    *provider.password.lock().unwrap() = "first".to_owned();
    let driver = bed
        .driver()
        .auth_provider(Some(Arc::clone(&provider) as Arc<dyn AuthProvider>));
    let session = driver.build().unwrap().connect().await.unwrap();
    superuser
        .query("ALTER ROLE reader WITH PASSWORD = 'second'", ())
        .await
        .unwrap();
    // Connections that are open stay so.
    session.query("SELECT key FROM system.local", ()).await.unwrap();

    // The old password is tried again and again, each time after a longer wait.
    let asked = provider.asked.load(Ordering::Acquire);
    blocking({
        let node = node.clone();
        move || {
            node.kill().unwrap();
            node.start().unwrap();
        }
    })
    .await;
    let begun = std::time::Instant::now();
    let tries = || provider.asked.load(Ordering::Acquire) - asked;
    eventually("the old password is tried", MAX_BACKOFF * 6, || {
        begun.elapsed() > MAX_BACKOFF * 5
    })
    .await;
    // A pool and a control connection, at least 85 % of the maximum apart once that is reached.
    let count = tries();
    assert!(
        (2..=2 * 16).contains(&count),
        "{count} tries in {:?}",
        begun.elapsed()
    );
    assert!(!is_up(&session, address));

    // The next try takes the new one.
    *provider.password.lock().unwrap() = "second".to_owned();
    let rotated = std::time::Instant::now();
    let limit = MAX_BACKOFF + HANDSHAKE + Duration::from_secs(2);
    eventually("the new password is tried", limit, || is_up(&session, address)).await;
    let back = rotated.elapsed();
    session.query("SELECT key FROM system.local", ()).await.unwrap();
    blocking({
        let node = node.clone();
        move || node.kill().unwrap()
    })
    .await;
    let watcher = recovery(&session, address);
    blocking(move || node.start().unwrap()).await;
    let restarted = watcher.await.unwrap();
    let remarks = format!(
        "{count} tries with the old one in {}; in {} after the rotation, {} after a restart",
        seconds(MAX_BACKOFF * 5),
        seconds(back),
        seconds(restarted)
    );
    figures::remark("21: rotated password", &remarks);
    session.close().await;
    superuser.close().await;
}
