//! Certificates that change while the proxy serves.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use foxbridge::server::TlsFiles;
use http_body_util::BodyExt;
use tokio::process::Command;

use super::{certificates::*, secured, whole_stream};
use crate::{
    events::Events,
    harness::{Bridge, within},
    process::Process,
};

/// A stream that goes on while something `happens`, and comes to its end all the same.
async fn while_streaming(bridge: &Bridge, authority: &Authority, happens: impl AsyncFnOnce()) {
    let caller = Caller::new(bridge.proxy.address, authority);
    let mut stream = caller.ask("words=9 stream=stall@3:4s", true).await;
    let first = within("a chunk", stream.frame()).await.unwrap().unwrap();
    happens().await;
    let rest = text_of(stream).await;
    let first = String::from_utf8(first.into_data().unwrap().to_vec()).unwrap();
    let chunks = Events::chunks(&whole_stream(first + &rest));
    assert!(chunks.len() > 3);
    // The connection is as good as before.
    caller.ask("words=3", false).await;
}

#[tokio::test]
async fn files_written_in_place_are_in_force_while_a_stream_goes_on() {
    let authority = Authority::new();
    let (old, new) = (authority.issue(), authority.issue());
    let folder = Folder::with(&old);
    let bridge = secured(&folder, |_| ()).await;
    let address = bridge.proxy.address;
    assert_eq!(shown(address, &authority).await, Some(old.der()));
    while_streaming(&bridge, &authority, async || {
        folder.put(&new);
        until_shown(address, &authority, &new).await;
    })
    .await;
}

/// What the kubelet does: a folder of its own for each version, and a link that is renamed over the one before.
fn publish(volume: &Path, version: &str, issued: &Issued) {
    let folder = volume.join(version);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("tls.crt"), &issued.certificate).unwrap();
    fs::write(folder.join("tls.key"), &issued.key).unwrap();
    symlink(version, volume.join("..data_tmp")).unwrap();
    let before = volume.join("..data").read_link();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    if let Ok(before) = before {
        fs::remove_dir_all(volume.join(before)).unwrap();
    }
}

#[tokio::test]
async fn a_swapped_link_is_followed_while_a_stream_goes_on() {
    let authority = Authority::new();
    let volume = tempfile::tempdir().unwrap();
    let volume = volume.path();
    let old = authority.issue();
    publish(volume, "..1", &old);
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), volume.join(name)).unwrap();
    }
    let bridge = Bridge::with(|config| {
        config.server.tls = Some(TlsFiles {
            certificate: volume.join("tls.crt"),
            key: volume.join("tls.key"),
            client_ca: None,
        });
    })
    .await;
    let address = bridge.proxy.address;
    assert_eq!(shown(address, &authority).await, Some(old.der()));
    while_streaming(&bridge, &authority, async || {
        for version in ["..2", "..3"] {
            let new = authority.issue();
            publish(volume, version, &new);
            until_shown(address, &authority, &new).await;
        }
    })
    .await;
}

#[tokio::test]
async fn authorities_of_clients_are_renewed_too() {
    let (authority, before, after) = (Authority::new(), Authority::new(), Authority::new());
    let folder = Folder::with(&authority.issue());
    fs::write(folder.path("clients.crt"), before.pem()).unwrap();
    let bridge = secured(&folder, |config| {
        let tls = config.server.tls.as_mut().unwrap();
        tls.client_ca = Some(folder.path("clients.crt"));
    })
    .await;
    let address = bridge.proxy.address;
    let (early, late) = (before.issue(), after.issue());
    let is_served = async |own: &Issued| {
        let caller = Caller::speaking(address, &authority, Some(own), USUAL);
        caller.try_to_ask("words=3", false).await.is_ok()
    };
    assert!(is_served(&early).await && !is_served(&late).await);
    fs::write(folder.path("clients.crt"), after.pem()).unwrap();
    within("the new authority counts", async {
        while !is_served(&late).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(!is_served(&early).await);
}

#[tokio::test]
async fn faulty_files_leave_the_old_ones_in_force_and_are_told() {
    let authority = Authority::new();
    let (old, other, new) = (authority.issue(), authority.issue(), authority.issue());
    let folder = Folder::with(&old);
    let bridge = Bridge::start().await;
    let [cert, key] = folder.settings();
    let process = Process::start(&bridge, &[&cert, &key, "admin.listen=127.0.0.1:0"]).await;
    for (faulty, told) in [
        ("no PEM at all", "the file has no certificate"),
        (&*other.certificate, "it is not the key of the certificate"),
    ] {
        fs::write(folder.path("tls.crt"), faulty).unwrap();
        let line = process.logs(&["\"ERROR\"", told]).await;
        assert!(
            line["message"].as_str().unwrap().contains("stays"),
            "{line}"
        );
        assert_eq!(shown(process.address, &authority).await, Some(old.der()));
        let ready = process.supervise("/readyz").await;
        let is_told = ready.text().contains("server.tls_*") && ready.text().contains(told);
        assert!(ready.status() == 200 && is_told, "{}", ready.text());
    }
    fs::remove_file(folder.path("tls.crt")).unwrap();
    process.logs(&["\"ERROR\"", "No such file"]).await;
    folder.put(&new);
    until_shown(process.address, &authority, &new).await;
    process.logs(&["\"INFO\"", "read again"]).await;
    within("all is in force", async {
        while process.supervise("/readyz").await.text() != "ok\n" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    process.terminate().await;
    let (status, log) = process.left().await;
    assert_eq!(status.code(), Some(0));
    assert!(!log.contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_hangup_has_them_read_and_ends_nothing() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.issue());
    let bridge = Bridge::start().await;
    let [cert, key] = folder.settings();
    for (settings, parts) in [
        (
            vec![cert.as_str(), key.as_str()],
            &["server.tls_*", "settings"][..],
        ),
        (vec![], &["settings"]),
    ] {
        let settings = [&["admin.listen=127.0.0.1:0"], &settings[..]].concat();
        let process = Process::start(&bridge, &settings).await;
        let id = process.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &id]).status().await;
        assert!(sent.unwrap().success());
        for part in parts {
            process.logs(&[&format!("{part}: read again")]).await;
        }
        let counted = process.supervise("/metrics").await;
        let count = format!(
            "foxbridge_config_reloads_total{{result=\"applied\"}} {}\n",
            parts.len()
        );
        assert!(counted.text().contains(&count), "{}", counted.text());
        process.terminate().await;
        assert_eq!(process.left().await.0.code(), Some(0));
    }
}
