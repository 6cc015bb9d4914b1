use super::cifar::{CIFAR10, CIFAR100, Layout};
use crate::{DataError, hex};
use flate2::read::GzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use md5::{Digest, Md5};
use std::error::Error;
use std::fs;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::{TempDir, tempfile_in};

/// A server that is silent for this long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fetches the CIFAR-10 binaries (170 MB) into `dir/cifar-10-batches-bin`, unless `dir` has them
/// already.
///
/// Returns the directory that holds the files. The archive is checked against its published MD5
/// digest and unpacked aside; the files appear all at once, and a failure leaves nothing behind.
///
/// # Errors
///
/// No connection, a broken download, another file than the published one, a directory that cannot
/// be written, or that holds a part of the files already.
pub fn download_cifar10(dir: impl AsRef<Path>) -> Result<PathBuf, DataError> {
    let url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
    install(&CIFAR10, dir.as_ref(), url, "c32a1d4ab5d03f1284b67883e8d87530")
}

/// Fetches the CIFAR-100 binaries (169 MB) into `dir/cifar-100-binary`. Otherwise as
/// [`download_cifar10`].
///
/// # Errors
///
/// As [`download_cifar10`].
pub fn download_cifar100(dir: impl AsRef<Path>) -> Result<PathBuf, DataError> {
    let url = "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz";
    install(&CIFAR100, dir.as_ref(), url, "03b5dce01913d631647c71ecec9e9cb8")
}

fn install(layout: &Layout, dir: &Path, url: &str, md5: &str) -> Result<PathBuf, DataError> {
    let target = dir.join(layout.folder);
    match layout.complete(dir) {
        Ok(place) => return Ok(place),
        // A part of the data is the user's own: to be completed or removed by the user.
        Err(error) if target.exists() => return Err(error),
        Err(_) => {}
    }
    fs::create_dir_all(dir).map_err(DataError::io(dir))?;
    // Beside the target, for a rename cannot cross file systems; both are gone when dropped.
    let mut archive = tempfile_in(dir).map_err(DataError::io(dir))?;
    let unpacked = TempDir::new_in(dir).map_err(DataError::io(dir))?;

    let got = fetch(url, &mut archive)
        .map_err(|reason| DataError::Download { url: url.into(), reason })?;
    if got != md5 {
        return Err(DataError::Checksum { url: url.into(), got, wanted: md5.into() });
    }
    archive
        .rewind()
        .and_then(|()| tar::Archive::new(GzDecoder::new(BufReader::new(archive))).unpack(&unpacked))
        .and_then(|()| fs::rename(unpacked.path().join(layout.folder), &target))
        .map_err(DataError::io(&target))?;
    Ok(target)
}

/// Writes what is at `url` to `file`, and returns its MD5 digest.
fn fetch(url: &str, file: &mut impl Write) -> Result<String, Box<dyn Error + Send + Sync>> {
    let body = ureq::get(url)
        .config()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build()
        .call()?
        .into_body();
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}")?;
    let progress = ProgressBar::no_length().with_style(style).with_message(url.to_string());
    if let Some(length) = body.content_length() {
        progress.set_length(length);
    }
    let mut hashed = Hashed { inner: progress.wrap_read(body.into_reader()), hash: Md5::new() };
    io::copy(&mut hashed, file)?;
    progress.finish_and_clear();
    Ok(hex(&hashed.hash.finalize()))
}

/// Hashes what passes through.
struct Hashed<R> {
    inner: R,
    hash: Md5,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Split, cifar100};
    use flate2::{Compression, write::GzEncoder};
    use std::net::TcpListener;
    use std::thread;
    use tempfile::tempdir;

    /// A CIFAR-100 of one image a split, as published.
    fn archive(folder: &str) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (file, label) in [("train.bin", 1), ("test.bin", 2)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(3074);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("{folder}/{file}"), &[label; 3074][..]).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn md5(bytes: &[u8]) -> String {
        hex(&Md5::digest(bytes))
    }

    /// Answers one request with `status` and `body`, announced as `length` bytes; returns the
    /// address.
    fn serve(status: &'static str, body: Vec<u8>, length: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/archive.tar.gz", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
            while !request.ends_with(b"\r\n\r\n") {
                let count = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..count]);
            }
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(&[head.into_bytes(), body].concat()).unwrap();
        });
        url
    }

    fn entries(dir: &Path) -> usize {
        fs::read_dir(dir).map_or(0, Iterator::count)
    }

    #[test]
    fn a_good_archive_is_unpacked_and_readable_and_not_fetched_again() {
        let dir = tempdir().unwrap();
        let dir = dir.path().join("data");
        let body = archive("cifar-100-binary");
        let (length, digest) = (body.len(), md5(&body));
        let url = serve("200 OK", body, length);
        // The second time nobody answers at the address.
        for _ in 0..2 {
            let place = install(&CIFAR100, &dir, &url, &digest).unwrap();
            assert_eq!((place, entries(&dir)), (dir.join("cifar-100-binary"), 1));
        }
        assert_eq!(cifar100(&dir, Split::Train).unwrap().label(0).unwrap(), 1);
        assert_eq!(cifar100(&dir, Split::Test).unwrap().label(0).unwrap(), 2);
    }

    #[test]
    fn an_incomplete_directory_is_left_alone_and_what_it_lacks_is_named() {
        let dir = tempdir().unwrap();
        let place = dir.path().join("cifar-100-binary");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("train.bin"), "kept").unwrap();
        let error = install(&CIFAR100, dir.path(), "http://nowhere.invalid", "").unwrap_err();
        assert!(error.to_string().ends_with("cifar-100-binary/test.bin"), "{error}");
        assert_eq!((entries(dir.path()), entries(&place)), (1, 1));
    }

    #[test]
    fn a_failed_download_says_why_and_leaves_nothing_behind() {
        let good = archive("cifar-100-binary");
        let (length, digest) = (good.len(), md5(&good));
        let half = good[..length / 2].to_vec();
        let misplaced = archive("elsewhere");
        let refused = |url: String, digest: &str| {
            let dir = tempdir().unwrap();
            let error = install(&CIFAR100, dir.path(), &url, digest).unwrap_err();
            assert_eq!(entries(dir.path()), 0, "{error}");
            error
        };
        let error = refused(serve("200 OK", half.clone(), length), &digest);
        assert!(matches!(error, DataError::Download { .. }), "{error}");
        let error = refused(serve("404 Not Found", Vec::new(), 0), &digest).to_string();
        assert!(error.contains("127.0.0.1") && error.contains("404"), "{error}");
        let error = refused(serve("200 OK", good, length), &"0".repeat(32)).to_string();
        assert!(error.contains(&digest) && error.contains(&"0".repeat(32)), "{error}");
        // A damaged archive of the right digest, and one without the directory.
        let error = refused(serve("200 OK", half.clone(), half.len()), &md5(&half));
        assert!(matches!(error, DataError::Io { .. }), "{error}");
        let (length, digest) = (misplaced.len(), md5(&misplaced));
        let error = refused(serve("200 OK", misplaced, length), &digest).to_string();
        assert!(error.contains("cifar-100-binary"), "{error}");
    }
}
