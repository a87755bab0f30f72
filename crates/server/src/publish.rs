//! Telling the cluster this member's name and where its clients go, through the log.

use std::time::Duration;

use quorate_kv::{Command, PublishRequest};
use tokio::sync::watch;

use crate::client::Client;
use crate::member::MemberAttributes;
use crate::server::told_to_stop;

/// How long to wait after an attempt that did not succeed.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Publishes until it has succeeded or the server stops. What is known already is not repeated.
pub(crate) async fn announce(client: Client, mut stopped: watch::Receiver<bool>) {
    let config = client.config();
    let attributes = MemberAttributes {
        name: config.name.clone(),
        client_urls: config.advertise_client_urls.clone(),
    };
    let attributes = attributes.encode();
    let member = client.node().0;
    loop {
        let known = client.figures().await.ok();
        if known.is_some_and(|figures| figures.attributes.get(&member) == Some(&attributes)) {
            return;
        }
        let command = Command::Publish(PublishRequest { member, attributes: attributes.clone() });
        let attempt = async {
            let result = client.write(command).await;
            tokio::time::sleep(RETRY_INTERVAL).await;
            result
        };
        tokio::select! {
            result = attempt => if result.is_ok() { return },
            () = told_to_stop(&mut stopped) => return,
        }
    }
}
