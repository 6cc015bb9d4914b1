//! A static server.

use std::path::Path;
use tiny_http::{Header, Response, Server};

/// Serves a folder to this machine alone, for as long as the process runs; files named in `broken`
/// are served as their first half. Returns the address.
pub fn serve(folder: &Path, broken: &'static [&'static str]) -> String {
    let server = Server::http("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/", server.server_addr());
    let folder = folder.to_path_buf();
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            let name = match request.url().trim_start_matches('/') {
                "" => "index.html",
                name => name,
            };
            // The answer may be to a visitor who has left.
            let _ = match std::fs::read(folder.join(name)) {
                Ok(mut bytes) => {
                    if broken.iter().any(|broken| name.ends_with(broken)) {
                        bytes.truncate(bytes.len() / 2);
                    }
                    let header = Header::from_bytes("Content-Type", mime(name)).expect("is ASCII");
                    request.respond(Response::from_data(bytes).with_header(header))
                }
                Err(_) => request.respond(Response::empty(404)),
            };
        }
    });
    address
}

fn mime(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}
