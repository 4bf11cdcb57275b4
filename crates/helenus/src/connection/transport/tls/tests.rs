use helenus_testkit::tls_front::{TestAuthority, TlsFront, Validity};
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::tls::TlsOptions;

#[tokio::test]
async fn an_alert_is_read_though_the_socket_takes_no_more_bytes() {
    let authority = TestAuthority::new("authority");
    let identity = authority.server(&["127.0.0.1"], Validity::Now);
    let nowhere = "127.0.0.1:9".parse().unwrap();
    let front = TlsFront::start(nowhere, &identity, Some(&authority))
        .await
        .unwrap();
    let endpoint = Endpoint::new(front.address());
    let current = TlsOptions::new().authority_pem(authority.pem()).check().unwrap();
    let name = current.options().name_of(&endpoint).unwrap();
    let session = ClientConnection::new(current.config(), name).unwrap();
    let stream = TcpStream::connect(front.address()).await.unwrap();
    let session = shake_hands(&stream, session).await.unwrap();
    let tls = Arc::new(Tls {
        stream,
        session: Mutex::new(session),
    });
    let mut read = TlsRead::new(Arc::clone(&tls));
    let write = TlsWrite(Arc::clone(&tls));
    // The client believes that it is connected. The server misses its certificate, and goes while requests arrive.
    while tls.stream.peer_addr().is_ok() {
        write.try_write(b"a request").unwrap();
        tokio::task::yield_now().await;
    }
    write.try_write(b"another request").unwrap();
    assert!(tls.session().refused.is_some());
    let error = read.read_u8().await.unwrap_err();
    let told = TlsError::in_io(&error).unwrap();
    assert!(matches!(*told, TlsError::ClientCertificate { .. }), "{told}");
}
