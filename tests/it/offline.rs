//! The example that the README shows first works, and prints what a person
//! wants to read.

use crate::support::snapshot;

#[path = "../examples/offline.rs"]
#[expect(dead_code, reason = "main is the example's own")]
mod example;

#[tokio::test]
async fn the_offline_example() {
    let mut out = Vec::new();
    example::run(&mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(
        first.starts_with("The mock answers on http://127.0.0.1:"),
        "{first}"
    );
    snapshot("offline_example", rest);
}
