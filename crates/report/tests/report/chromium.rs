//! The page in Chromium. The test is skipped with a message if there is no browser.

use crate::support;
use cni_report::Report;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The browser on the path, if there is one.
fn browser() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}

fn open(browser: &Path, page: &Path, profile: &Path, arguments: &[&str]) -> Output {
    let common = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--v=0",
    ];
    let output = Command::new(browser)
        .args(common)
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output();
    output.expect("the browser starts")
}

#[test]
fn a_browser_shows_every_figure_and_complains_of_nothing() {
    let Some(browser) = browser() else {
        println!("skipped: no chromium, chromium-browser or google-chrome on PATH");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let models = vec![support::stochastic("CNI", 200), support::deterministic("adversarial", 200)];
    Report::new(models).unwrap().write(folder.path()).unwrap();
    let page = folder.path().join("report.html");
    let profile = folder.path().join("profile");

    let output = open(&browser, &page, &profile, &["--dump-dom"]);
    let log = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:?}");
    let dom = String::from_utf8_lossy(&output.stdout);
    let figures = std::fs::read_dir(folder.path().join("figures")).unwrap();
    let mut seen = 0;
    for path in figures
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "svg"))
    {
        let id = path.file_stem().unwrap().to_str().unwrap();
        assert!(dom.contains(&format!("id=\"figure-{id}\"")), "{id} is not in the page");
        seen += 1;
    }
    assert!(seen > 10, "{seen} figures");

    assert!(!dom.contains("<details open"), "all folds are closed");
    let link = PathBuf::from(format!("{}#check-draw-sweep", page.display()));
    let output = open(&browser, &link, &profile, &["--dump-dom"]);
    let dom = String::from_utf8_lossy(&output.stdout);
    assert_eq!(dom.matches("<details open").count(), 1, "a link to a folded check opens it");

    for (name, scheme) in [("light", "1"), ("dark", "0")] {
        for size in ["375,800", "1280,900"] {
            let picture = folder.path().join(format!("{name}-{size}.png"));
            let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
            let size = format!("--window-size={size}");
            let shot = format!("--screenshot={}", picture.display());
            open(&browser, &page, &profile, &[&scheme, &size, &shot]);
            let pixels = image::open(&picture).expect("a screenshot").to_rgb8();
            let colors: std::collections::HashSet<_> = pixels.pixels().collect();
            assert!(colors.len() > 20, "{}: {} colors", picture.display(), colors.len());
            let bright = pixels.get_pixel(2, 2).0[0] > 128;
            assert_eq!(bright, name == "light", "{}", picture.display());
        }
    }
}
