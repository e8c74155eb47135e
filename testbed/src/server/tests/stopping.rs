//! A stop in good order.

use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::support::{NAME, Tls, get_once, get2, http2, read_to_end, start};

#[tokio::test]
async fn exchanges_under_way_are_finished() {
    let server = start().await;
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    slow.write_all(get_once("/slow").as_bytes()).await.unwrap();
    let mut slow2 = http2(TcpStream::connect(server.address()).await.unwrap()).await;
    let slow2 = slow2.send_request(get2("/slow"));
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    idle.read_u8().await.unwrap();
    let at = server.address();
    let (answer, answer2, ()) = tokio::join!(read_to_end(slow), slow2, async {
        // Both are under way by then: the server answered another one after it had them.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        server.stop().await;
    });
    assert!(answer.unwrap().ends_with("slow"));
    assert_eq!(answer2.unwrap().into_body().collect().await.unwrap().to_bytes(), "slow");
    assert!(read_to_end(idle).await.is_ok(), "an idle connection ends in good order");
    assert!(TcpStream::connect(at).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn who_has_not_begun_does_not_hold_up_the_end() {
    let tls = Tls::start(None).await;
    let silent = TcpStream::connect(tls.server.address()).await.unwrap();
    let idle = tls.connect(NAME, "h2").await.unwrap();
    let _idle = http2(idle).await;
    tls.server.stop().await;
    assert_eq!(read_to_end(silent).await.unwrap_or_default(), "");
}
