//! A visitor: a headless Chromium, and what one does on a page.

use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{DOM, Emulation, Page, Runtime};
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a visitor waits for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The built page, by the variable `CNI_BROWSER_PAGE`, and a Chromium on the path. Without either a
/// test says so and passes.
pub fn page_and_browser() -> Option<(PathBuf, PathBuf)> {
    let Some(page) = std::env::var_os("CNI_BROWSER_PAGE") else {
        println!("skipped: CNI_BROWSER_PAGE names no page; tests/browser.sh builds one");
        return None;
    };
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let Some(browser) = places.into_iter().find(|place| place.is_file()) else {
        println!("skipped: no chromium, chromium-browser or google-chrome on PATH");
        return None;
    };
    Some((PathBuf::from(page), browser))
}

/// A page in a tab.
pub struct Visitor {
    tab: Arc<Tab>,
    complaints: Arc<Mutex<Vec<String>>>,
    _browser: Browser,
}

impl Visitor {
    /// Opens a page in a window of this width, with a script that runs before those of the page.
    pub fn open(browser: &Path, address: &str, width: u32, before: &str) -> Self {
        let options = LaunchOptions::default_builder()
            .path(Some(browser.to_path_buf()))
            .sandbox(false)
            .idle_browser_timeout(PATIENCE)
            .build()
            .expect("options");
        let browser = Browser::new(options).expect("the browser starts");
        let tab = browser.new_tab().expect("a tab");
        tab.set_default_timeout(PATIENCE);
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = complaints.clone();
        tab.enable_log().expect("a log");
        tab.enable_runtime().expect("a console");
        let listener = move |event: &Event| {
            let complaint = match event {
                Event::LogEntryAdded(of) => format!("{:?}", of.params.entry),
                Event::RuntimeExceptionThrown(of) => format!("{:?}", of.params.exception_details),
                Event::RuntimeConsoleAPICalled(of) => format!("{:?}", of.params.args),
                _ => return,
            };
            heard.lock().expect("no listener panics").push(complaint);
        };
        tab.add_event_listener(Arc::new(listener)).expect("a listener");
        tab.call_method(window(width, 900)).expect("a size");
        if !before.is_empty() {
            let script = Page::AddScriptToEvaluateOnNewDocument {
                source: before.to_string(),
                world_name: None,
                include_command_line_api: None,
                run_immediately: None,
            };
            tab.call_method(script).expect("a script");
        }
        // The event that ends a navigation is missed where the page is there before one waits, and
        // a new tab's own first page may end a navigation: so it is asked whether it is there.
        let there = format!("location.href === {address:?} && document.readyState === 'complete'");
        let arrived = || {
            let found = tab.evaluate(&there, false).ok().and_then(|found| found.value);
            found == Some(Value::Bool(true))
        };
        let open = (0..10).any(|_| {
            tab.navigate_to(address).expect("an address");
            (0..200).any(|_| {
                std::thread::sleep(Duration::from_millis(50));
                arrived()
            })
        });
        assert!(open, "{address} does not open");
        Self { tab, complaints, _browser: browser }
    }

    /// The value of an expression, whose promise is awaited.
    pub fn value(&self, expression: &str) -> Value {
        let evaluate = Runtime::Evaluate {
            expression: expression.to_string(),
            return_by_value: Some(true),
            await_promise: Some(true),
            object_group: None,
            include_command_line_api: None,
            silent: None,
            context_id: None,
            generate_preview: None,
            user_gesture: Some(true),
            throw_on_side_effect: None,
            timeout: None,
            disable_breaks: None,
            repl_mode: None,
            allow_unsafe_eval_blocked_by_csp: None,
            unique_context_id: None,
            serialization_options: None,
        };
        let found = self.tab.call_method(evaluate).expect("the page answers");
        assert!(found.exception_details.is_none(), "{expression}: {:?}", found.exception_details);
        found.result.value.unwrap_or(Value::Null)
    }

    /// Waits until an expression is true.
    pub fn wait(&self, expression: &str) {
        let began = Instant::now();
        while self.value(expression) != Value::Bool(true) {
            let state =
                "document.body.dataset.state + ': ' + document.body.innerText.slice(0, 600)";
            assert!(began.elapsed() < PATIENCE, "{expression} of {}", self.value(state));
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits until the page has nothing more to do.
    pub fn wait_until_ready(&self) {
        self.wait("document.body.dataset.state === 'ready'");
    }

    /// Clicks on the element of a selector.
    pub fn click(&self, selector: &str) {
        self.value(&format!("document.querySelector({selector:?}).click()"));
    }

    /// Sets a control to a value, as a user does.
    pub fn set(&self, id: &str, value: &str) {
        self.value(&format!(
            "(() => {{ const control = document.getElementById({id:?}); control.value = {value:?};
               for (const kind of ['input', 'change'])
                   control.dispatchEvent(new Event(kind, {{ bubbles: true }})); }})()"
        ));
    }

    /// Chooses a file.
    pub fn choose_file(&self, id: &str, file: &Path) {
        let element = self.tab.find_element(&format!("#{id}")).expect("the control is there");
        let files = DOM::SetFileInputFiles {
            files: vec![file.to_str().expect("the path is text").to_string()],
            node_id: None,
            backend_node_id: Some(element.backend_node_id),
            object_id: None,
        };
        self.tab.call_method(files).expect("the control takes a file");
    }

    /// What a screen reader is told at once.
    pub fn alert(&self) -> String {
        let text = self.value("document.querySelector('#alert p').innerText.trim()");
        text.as_str().expect("a text").to_string()
    }

    /// A number that the page has of an element.
    pub fn number(&self, selector: &str, name: &str) -> f64 {
        let value = self.value(&format!("document.querySelector({selector:?}).dataset[{name:?}]"));
        let text = value.as_str().unwrap_or_else(|| panic!("{selector} has no {name}"));
        text.parse().unwrap_or_else(|_| panic!("{selector}: {name}: {text}"))
    }

    /// A picture of the whole page, in a window of this width.
    pub fn picture(&self, width: u32) -> Vec<u8> {
        let height =
            self.value("document.documentElement.scrollHeight").as_u64().expect("a height");
        self.tab.call_method(window(width, height as u32)).expect("a size");
        let format = Page::CaptureScreenshotFormatOption::Png;
        let picture = self.tab.capture_screenshot(format, None, None, true).expect("a picture");
        self.tab.call_method(window(width, 900)).expect("a size");
        picture
    }

    /// What the console and the browser's log have said so far.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().expect("no listener panics").clone()
    }
}

/// A window of this size; a narrow one is that of a phone.
fn window(width: u32, height: u32) -> Emulation::SetDeviceMetricsOverride {
    Emulation::SetDeviceMetricsOverride {
        width,
        height,
        device_scale_factor: 1.0,
        mobile: width < 600,
        scale: None,
        screen_width: None,
        screen_height: None,
        position_x: None,
        position_y: None,
        dont_set_visible_size: None,
        screen_orientation: None,
        viewport: None,
        display_feature: None,
        device_posture: None,
    }
}

/// The text of a file that may be there, by the variable that names it.
pub fn text_of(variable: &str) -> Option<String> {
    let path = std::env::var_os(variable)?;
    let mut text = String::new();
    std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)).expect("a file");
    Some(text)
}
