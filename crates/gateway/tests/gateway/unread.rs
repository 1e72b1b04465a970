//! Queries that are refused before their body was read: their clients get the answer all the same.

use crate::{
    client::DEADLINE,
    house::{BODY_LIMIT, House, Plan},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

#[tokio::test]
async fn a_body_far_too_large_is_refused_by_an_answer_and_its_connection_goes_on() {
    let house = Plan::new(&[]).start().await;
    // More than a connection takes in before somebody reads.
    let large = json!({"messages": "x".repeat(6 << 20)});
    for _ in 0..10 {
        let answer = house.client.chat(&large).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (413, json!("request_too_large")));
        assert_eq!(answer.header("connection"), "");
        assert_eq!(house.client.get("/v1/models").await.status.as_u16(), 200);
    }
}

/// Sends this head, whose body never comes; answers with all that comes back until the gateway closes.
async fn only_a_head(house: &House, more: &str) -> String {
    let mut connection = TcpStream::connect(house.address).await.unwrap();
    let length = BODY_LIMIT + 1;
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n{more}\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, connection.read_to_string(&mut answer)).await.expect("an end").unwrap();
    answer
}

#[tokio::test]
async fn when_the_rest_does_not_come_the_answer_says_that_the_connection_closes() {
    let house = Plan::new(&[]).start().await;
    for more in ["", "expect: 100-continue\r\n"] {
        let answer = only_a_head(&house, more).await;
        // A client that waits to be told to go on is not told so.
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}
