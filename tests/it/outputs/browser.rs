//! `doctor -o html` as a real browser draws it: nothing runs out at the side, and everything can be read, dark and light.

use std::fs;
use std::path::Path;
use std::process::Command;

use kaccess::render::html;
use serde_json::Value;

use super::saved;
use crate::support::lab;
use crate::support::run::scratch;

/// Looks at every text of a page: how wide the page is, how wide its window, and what stands out too little from what is
/// behind it (WCAG 2.2, contrast of at least 4.5). Runs in the browser; the page itself may run nothing.
const LOOK: &str = r#"<script>
document.querySelectorAll("details").forEach(one => one.open = true);
const rgb = text => (text.match(/[\d.]+/g) || []).map(Number);
const light = colour => {
    const [r, g, b] = colour.map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
    for (let at = element; at; at = at.parentElement) {
        const colour = rgb(getComputedStyle(at).backgroundColor);
        if (colour.length === 3 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
};
const pale = [];
let texts = 0;
document.querySelectorAll("body *").forEach(element => {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest("svg") || element.tagName === "SCRIPT") return;
    texts += 1;
    const [one, other] = [light(rgb(getComputedStyle(element).color).slice(0, 3)), light(behind(element).slice(0, 3))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) pale.push(contrast.toFixed(1) + " " + element.tagName + " " + element.textContent.trim().slice(0, 40));
});
const page = document.documentElement;
const seen = {wide: page.scrollWidth, window: page.clientWidth, texts, pale, back: getComputedStyle(document.body).backgroundColor};
document.body.replaceChildren();
page.setAttribute("data-seen", JSON.stringify(seen));
</script>"#;

/// A browser of Chromium's kind, where one is installed.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-headless-shell", "google-chrome"];
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        lab::skip("no Chromium is here");
    }
    found
}

fn run(browser: &str, home: &Path, arguments: &[&str], page: &Path) -> Vec<u8> {
    let look = || {
        Command::new(browser)
            .env("HOME", home)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                // In a container the memory for sharing is small.
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--disable-background-networking",
                "--proxy-server=127.0.0.1:9",
            ])
            .arg(format!("--user-data-dir={}", home.join("profile").display()))
            .args(arguments)
            .arg(format!("file://{}", page.display()))
            .output()
            .expect("a browser")
    };
    let mut output = look();
    // It is not the browser that is on trial: one that falls down is started again.
    for _ in 0..2 {
        if output.status.success() {
            break;
        }
        output = look();
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What the look at a page in a window of this width found.
fn looked_at(browser: &str, home: &Path, page: &Path, width: u32, scheme: u8) -> Value {
    let (window, scheme) =
        (format!("--window-size={width},900"), format!("--blink-settings=preferredColorScheme={scheme}"));
    let dom = run(browser, home, &["--dump-dom", &window, &scheme], page);
    let dom = String::from_utf8(dom).expect("UTF-8");
    let seen =
        dom.split("data-seen=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("{dom}"));
    serde_json::from_str(&seen.replace("&quot;", "\"").replace("&amp;", "&")).expect("JSON")
}

/// Cases with everything a page can hold: both ways, candidates, long names, manifests, and one without any finding.
const CASES: &[&str] =
    &["eks-allowlist-misses-interfaces", "eks-oidc", "eks-waf-two-paths-first", "admission-denied-quota"];

#[test]
fn a_browser_shows_all_of_it_and_legibly() {
    let Some(browser) = browser() else { return };
    let home = scratch("browser");
    for name in CASES {
        let case = saved(name);
        let mut page = Vec::new();
        html::doctor(&case.report, &case.evidence, false, None, &mut page).expect("a page");
        let whole = String::from_utf8(page).expect("UTF-8");
        let file = home.join(format!("{name}.html"));
        fs::write(&file, &whole).expect("a page");
        // The page forbids all scripts, ours too.
        let policy = whole.lines().find(|line| line.contains("Content-Security-Policy")).expect("a policy").to_owned();
        let watched = home.join(format!("{name}-watched.html"));
        fs::write(&watched, whole.replace(&policy, "").replace("</body>", &format!("{LOOK}</body>"))).expect("a page");
        let mut backs = Vec::new();
        for (width, scheme) in [(500, 1), (500, 0), (1280, 1), (1280, 0)] {
            let seen = looked_at(browser, &home, &watched, width, scheme);
            let count = |key: &str| seen[key].as_u64().unwrap_or_default();
            assert!(count("texts") > 15, "{name}: {seen}");
            assert!(count("wide") <= count("window"), "{name} at {width}: {seen}");
            assert_eq!(seen["pale"], serde_json::json!([]), "{name} at {width}, scheme {scheme}");
            backs.push(seen["back"].to_string());
        }
        assert_ne!(backs[0], backs[1], "{name}: dark and light are the same");
        // The picture of the page as it is, policy included: styles apply, so it is more than a white sheet.
        let picture = home.join("picture.png");
        run(browser, &home, &[&format!("--screenshot={}", picture.display()), "--window-size=1280,1600"], &file);
        let size = fs::metadata(&picture).expect("a picture").len();
        assert!(size > 30_000, "{name}: a picture of {size} bytes");
    }
}
