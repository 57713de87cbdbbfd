//! `doctor -o html`: one page that a browser reads without a fault, that loads nothing, and that no name breaks out of.

use html5ever::tendril::TendrilSink as _;
use html5ever::{ParseOpts, parse_document};
use kaccess::evidence::Evidence;
use kaccess::render::html;
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use serde_json::{Value, json};

use super::{diagnosed, each_case, saved, text_of};
use crate::support::run::kaccess;

/// What stands in a page.
#[derive(Default)]
struct Page {
    /// Names of elements.
    elements: Vec<String>,
    /// Attributes, as element, name and value.
    attributes: Vec<(String, String, String)>,
    /// All text, styles left out.
    text: String,
    /// All styles.
    styles: String,
    errors: Vec<String>,
}

fn read(html: &str) -> Page {
    let dom = parse_document(RcDom::default(), ParseOpts::default()).one(html);
    let mut page = Page { errors: dom.errors.borrow().iter().map(ToString::to_string).collect(), ..Page::default() };
    walk(&dom.document, "", &mut page);
    page
}

fn walk(node: &Handle, above: &str, page: &mut Page) {
    let mut name = above.to_owned();
    match &node.data {
        NodeData::Element { name: own, attrs, .. } => {
            name = own.local.to_string();
            page.elements.push(name.clone());
            for attribute in attrs.borrow().iter() {
                let value = attribute.value.to_string();
                page.attributes.push((name.clone(), attribute.name.local.to_string(), value));
            }
        }
        NodeData::Text { contents } if above == "style" => page.styles.push_str(&contents.borrow()),
        NodeData::Text { contents } => page.text.push_str(&contents.borrow()),
        _ => {}
    }
    for child in node.children.borrow().iter() {
        walk(child, &name, page);
    }
}

/// Every element that a page of ours may hold.
const ELEMENTS: &[&str] = &[
    "html", "head", "meta", "title", "style", "body", "header", "main", "h1", "h2", "h3", "h4", "p", "span", "strong",
    "code", "pre", "time", "article", "details", "summary", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th",
    "td", "div", "svg", "g", "text", "rect", "path",
];
/// Every attribute: none of them loads or runs anything.
const ATTRIBUTES: &[&str] = &[
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "id",
    "datetime",
    "scope",
    "viewBox",
    "role",
    "x",
    "y",
    "width",
    "height",
    "rx",
    "d",
    "text-anchor",
];

fn check(html: &str, what: &str) -> Page {
    let page = read(html);
    assert!(page.errors.is_empty(), "{what}: {:?}", page.errors);
    for element in &page.elements {
        assert!(ELEMENTS.contains(&element.as_str()), "{what}: <{element}>");
    }
    for (element, name, value) in &page.attributes {
        assert!(ATTRIBUTES.contains(&name.as_str()), "{what}: <{element} {name}={value:?}>");
    }
    assert!(!page.styles.contains("url(") && !page.styles.contains("@import"), "{what}: the style loads something");
    assert!(page.styles.contains("prefers-color-scheme:dark") && page.styles.contains("@media print"));
    let policy = page.attributes.iter().find(|(_, name, _)| name == "content").map(|(.., value)| value.as_str());
    assert_eq!(policy, Some("default-src 'none'; style-src 'unsafe-inline'"), "{what}");
    page
}

fn page_of(evidence: Evidence) -> String {
    let (evidence, report) = diagnosed(evidence);
    let mut out = Vec::new();
    html::doctor(&report, &evidence, false, None, &mut out).expect("a page");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn every_case_is_a_page_without_a_fault_that_says_what_the_report_says() {
    each_case(|case| {
        let mut out = Vec::new();
        html::doctor(&case.report, &case.evidence, false, None, &mut out).expect("a page");
        let page = check(&String::from_utf8(out).expect("UTF-8"), &case.name);
        assert!(page.text.contains(&case.report.verdict.word().to_uppercase()), "{}", case.name);
        for finding in &case.report.findings {
            assert!(page.text.contains(finding.code), "{}: {} is missing", case.name, finding.code);
        }
        let shown = case.report.findings.iter().filter(|finding| finding.explained_by.is_none());
        for step in shown.flat_map(|finding| &finding.fix) {
            if let Some(command) = &step.command {
                assert!(page.text.contains(command.trim_end()), "{}: not to be copied: {command}", case.name);
            }
        }
        let count = |name: &str| page.elements.iter().filter(|element| *element == name).count();
        let roots = case.report.findings.iter().filter(|finding| finding.explained_by.is_none()).count();
        assert_eq!(count("article"), roots, "{}", case.name);
        assert!(count("details") >= roots, "{}: evidence is folded", case.name);
        assert!(count("svg") >= 1, "{}: no way is drawn", case.name);
    });
}

#[test]
fn the_failing_hop_is_marked_on_both_ways() {
    let demo = text_of(&kaccess(&["doctor", "--demo", "-o", "html"]), 1);
    let page = check(&demo, "the demo");
    assert!(
        page.text.contains("From you to the API server") && page.text.contains("From the control plane to the issuer")
    );
    assert!(page.text.contains('\u{2715}'), "a cross at the hop that fails");
    let marked =
        page.attributes.iter().any(|(element, name, value)| element == "rect" && name == "class" && value == "fail");
    assert!(marked, "its box is another");
    // The waterfall has a bar for each probe that was made.
    let case = saved("first-incident");
    let made = case.report.checks.iter().filter(|check| matches!(check.status.word(), "pass" | "fail")).count();
    let bars = page.attributes.iter().filter(|(_, name, value)| name == "class" && value.starts_with("bar ")).count();
    assert_eq!(bars, made);
}

/// Whatever stands in a name, it stays text.
#[test]
fn no_name_breaks_out_of_the_page() {
    const HOSTILE: &str = "</title></style></pre><script>alert(1)</script><img src=x onerror='alert(1)'>\"'&amp;--><svg/onload=1>\u{1b}[31m\u{202e}";
    // Every text of the evidence that a report may repeat, at once; what selects a way through the rules stays.
    fn poison(value: &mut Value, key: &str) {
        let told = [
            "context",
            "username",
            "groups",
            "origin",
            "detail",
            "text",
            "subject",
            "issuer",
            "body",
            "error",
            "name",
            "arn",
            "commonNames",
            "organizations",
            "stderr",
            "reason",
            "host",
            "address",
            "addresses",
            "resource",
        ];
        match value {
            Value::String(text) if told.contains(&key) => text.push_str(HOSTILE),
            Value::Array(list) => list.iter_mut().for_each(|one| poison(one, key)),
            Value::Object(map) => map.iter_mut().for_each(|(key, value)| poison(value, key)),
            _ => {}
        }
    }
    let mut poisoned = 0;
    each_case(|case| {
        let text = std::fs::read_to_string(case.folder.join("evidence.json")).expect("evidence");
        let mut raw: Value = serde_json::from_str(&text).expect("JSON");
        poison(&mut raw, "");
        if let Some(claims) = raw.pointer_mut("/credential/seen/token/claims").and_then(Value::as_object_mut) {
            claims.insert(HOSTILE.to_owned(), json!(HOSTILE));
        }
        // Some texts are words of a fixed list; such evidence is refused before it is shown.
        let Ok(evidence) = serde_json::from_value::<Evidence>(raw) else { return };
        poisoned += 1;
        let html = page_of(evidence);
        let page = check(&html, &case.name);
        assert!(page.text.contains("<script>alert(1)</script>"), "{}: it is shown as it is", case.name);
        assert!(!html.contains('\u{1b}') && !html.contains('\u{202e}'), "{}: what deceives the eye", case.name);
    });
    assert!(poisoned > 400, "only {poisoned}");
}
