//! A static server.

use std::path::Path;
use tiny_http::{Header, Response, Server};

/// Fault of a server: what it does with a file in place of serving it.
#[derive(Clone, Copy)]
pub enum Fault {
    /// Serve its first half.
    Cut,
    /// Answer with a status, such as 404.
    Status(u16),
}

/// Serves a folder to this machine alone, for as long as the process runs, with a fault for each
/// file whose path ends in a name of `faults`. Returns the address.
pub fn serve(folder: &Path, faults: &[(&'static str, Fault)]) -> String {
    let server = Server::http("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/", server.server_addr());
    let (folder, faults) = (folder.to_path_buf(), faults.to_vec());
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            let name = match request.url().trim_start_matches('/') {
                "" => "index.html",
                name => name,
            };
            let fault =
                faults.iter().find(|(file, _)| name.ends_with(file)).map(|(_, fault)| *fault);
            // The answer may be to a visitor who has left.
            let _ = match (fault, std::fs::read(folder.join(name))) {
                (Some(Fault::Status(status)), _) => request.respond(Response::empty(status)),
                (fault, Ok(mut bytes)) => {
                    if let Some(Fault::Cut) = fault {
                        bytes.truncate(bytes.len() / 2);
                    }
                    let header = Header::from_bytes("Content-Type", mime(name)).expect("is ASCII");
                    request.respond(Response::from_data(bytes).with_header(header))
                }
                (_, Err(_)) => request.respond(Response::empty(404)),
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
