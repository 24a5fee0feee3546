//! A container image made by hand: busybox, which serves the container's files on port 80.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::host::Host;

/// The name of the image.
pub(super) const NAME: &str = "docker.io/library/busybox:test";

/// Packs the image as `docker save` does. Returns the archive's path.
pub(super) fn archive(host: &Host) -> PathBuf {
    let folder = host.work_folder().join("image");
    fs::create_dir_all(folder.join("root/bin")).expect("make the image's root");
    fs::copy("/bin/busybox", folder.join("root/bin/busybox")).expect("copy busybox");
    let shown = folder.display();
    host.tool(
        "tar",
        format!("--create --file {shown}/layer.tar --directory {shown}/root ."),
    );
    let sum = host.tool("sha256sum", format!("{shown}/layer.tar"));
    let sum = sum.split(' ').next().unwrap_or_default();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": architecture, "os": "linux",
        "config": { "Entrypoint": ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{sum}")] },
    });
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"] }]);
    for (name, content) in [("config.json", config), ("manifest.json", manifest)] {
        fs::write(folder.join(name), content.to_string()).expect("write a part of the image");
    }
    let path = folder.join("image.tar");
    host.tool(
        "tar",
        format!(
            "--create --file {} --directory {shown} manifest.json config.json layer.tar",
            path.display()
        ),
    );
    path
}
