//! The container runtime interface (CRI), version 1, as far as pods go: messages of
//! `k8s.io/cri-api/pkg/apis/runtime/v1/api.proto`, and a call.
//!
//! gRPC is a length, a message and two trailers over HTTP/2, which `curl` speaks: that is all a
//! test needs, and saves a gRPC library with its asynchronous runtime.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use prost::Message;

use crate::host::Host;

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) uid: String,
    #[prost(string, tag = "3")]
    pub(super) namespace: String,
    #[prost(uint32, tag = "4")]
    pub(super) attempt: u32,
}

/// A published port; its protocol, field 1, is TCP when left out.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PortMapping {
    #[prost(int32, tag = "2")]
    pub(super) container_port: i32,
    #[prost(int32, tag = "3")]
    pub(super) host_port: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodSandboxConfig {
    #[prost(message, optional, tag = "1")]
    pub(super) metadata: Option<PodSandboxMetadata>,
    #[prost(message, repeated, tag = "5")]
    pub(super) port_mappings: Vec<PortMapping>,
    #[prost(map = "string, string", tag = "7")]
    pub(super) annotations: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RunPodSandboxRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) config: Option<PodSandboxConfig>,
}

/// What tells nothing but which pod: a request, the answer to `RunPodSandbox`, an entry of a list.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PodSandboxId {
    #[prost(string, tag = "1")]
    pub(super) id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodSandboxStatusRequest {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(bool, tag = "2")]
    pub(super) verbose: bool,
}

/// No fields, or none of interest.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Nothing {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodIp {
    #[prost(string, tag = "1")]
    pub(super) ip: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodSandboxNetworkStatus {
    #[prost(string, tag = "1")]
    pub(super) ip: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) additional_ips: Vec<PodIp>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodSandboxStatus {
    #[prost(message, optional, tag = "5")]
    pub(super) network: Option<PodSandboxNetworkStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodSandboxStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<PodSandboxStatus>,
    #[prost(map = "string, string", tag = "2")]
    pub(super) info: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ListPodSandboxResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) items: Vec<PodSandboxId>,
}

/// Calls a method of the runtime service that listens at `socket`, and waits for its answer.
///
/// # Errors
/// What the runtime answered, or curl said.
pub(super) fn call<A: Message + Default>(
    host: &Host,
    socket: &Path,
    method: &str,
    request: &impl Message,
) -> Result<A, String> {
    const URL: &str = "http://localhost/runtime.v1.RuntimeService";
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let number = CALLS.fetch_add(1, Ordering::Relaxed);
    let folder = host.work_folder().join(format!("cri/{number}"));
    fs::create_dir_all(&folder).expect("make a folder for a call");
    let [question, answer, headers] = ["question", "answer", "headers"].map(|n| folder.join(n));
    let length = u32::try_from(request.encoded_len()).expect("requests are short");
    // Not compressed, length, message.
    let mut bytes = vec![0];
    bytes.extend(length.to_be_bytes());
    bytes.extend(request.encode_to_vec());
    fs::write(&question, bytes).expect("write a request");
    let words = format!(
        "curl --silent --show-error --max-time 60 --http2-prior-knowledge --unix-socket {} \
         --header content-type:application/grpc --header te:trailers --data-binary @{} \
         --dump-header {} --output {} {URL}/{method}",
        socket.display(),
        question.display(),
        headers.display(),
        answer.display(),
    );
    let outcome = host.exec(words);
    if !outcome.status.success() {
        return Err(outcome.stderr);
    }
    let headers = fs::read_to_string(&headers).expect("read headers");
    let field = |name| headers.lines().find_map(|line| line.strip_prefix(name));
    if field("grpc-status: ").map(str::trim) != Some("0") {
        return Err(field("grpc-message: ").unwrap_or(&headers).to_owned());
    }
    let bytes = fs::read(&answer).expect("read an answer");
    let message = bytes.get(5..).unwrap_or_default();
    A::decode(message).map_err(|error| error.to_string())
}
