//! Objects and lists of the API server as JSON, each with the right that it needs.
//!
//! A list is read page by page, and what it may cost is bounded in pages, memory and time, whatever answers. One that was
//! not read to its end says so.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::apiserver::Api;
use super::rbac::budget::Budget;
use super::wire::Limits;
use crate::evidence::{Failure, FailureKind};

/// Most bytes of an object or a page.
const BODY: usize = 16 * 1024 * 1024;
/// Objects of one page.
const PAGE: usize = 500;
/// Most pages of one list. The largest clusters that Kubernetes is made for have 150,000 Pods: 300 pages.
const PAGES: usize = 1000;
/// Most memory of what is kept of all lists that share their bounds. 150,000 annotated Pods take 50 MB.
const HELD: usize = 64 * 1024 * 1024;
/// Most pages with a continuation that hold less than half of what was asked for: a real server fills them.
const SHORT: usize = 8;
/// Longest continuation, in bytes; a real one has some hundreds.
const TOKEN: usize = 4096;

/// A text as a part of a URL's path or query.
pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A GET of one object or list, with the right that it needs.
///
/// # Errors
/// As [`Api::decode`]; [`FailureKind::NotFound`] where the object is not there.
pub(super) async fn read(api: &Api, path: &str, right: &str) -> Result<Value, Failure> {
    read_within(api, path, right, BODY).await
}

async fn read_within(api: &Api, path: &str, right: &str, body_bytes: usize) -> Result<Value, Failure> {
    let limits = Limits { body_bytes, ..Limits::default() };
    let answer = api.get(path, limits).await?;
    api.decode(&answer).map_err(|failure| refused(failure, right))
}

/// A refusal with the right that it misses.
pub(super) fn refused(failure: Failure, right: &str) -> Failure {
    match failure.kind {
        FailureKind::Forbidden => failure.needs(right),
        // An object that is not there, where the API is.
        FailureKind::Unsupported => Failure { kind: FailureKind::NotFound, ..failure },
        _ => failure,
    }
}

/// The text that a pointer leads to.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// The objects of a list.
pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.get("items").and_then(Value::as_array).into_iter().flatten()
}

/// What lists may cost together.
pub(super) struct Bounds {
    /// Objects of one page.
    objects: usize,
    /// Most bytes of one page.
    bytes: usize,
    /// Memory that may still be taken by what is kept.
    held: Budget,
    /// How long they may take, and when that is over; absent where whoever asks sees to it.
    time: Option<(Duration, Instant)>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { objects: PAGE, bytes: BODY, held: Budget::new(HELD), time: None }
    }
}

impl Bounds {
    /// Pages of so many objects and bytes.
    pub(super) fn small(objects: usize, bytes: usize) -> Self {
        Self { objects, bytes, ..Self::default() }
    }

    /// No longer than `--timeout` allows, from now on.
    pub(super) fn within(limit: Duration) -> Self {
        let until = Instant::now().checked_add(limit);
        Self { time: until.map(|until| (limit, until)), ..Self::default() }
    }

    /// A page, if it comes in time.
    async fn in_time(&self, right: &str, page: impl Future<Output = Result<Value, Failure>>) -> Result<Value, Failure> {
        let Some((limit, until)) = self.time else { return page.await };
        let left = until.saturating_duration_since(Instant::now());
        tokio::time::timeout(left, page).await.unwrap_or_else(|_| {
            let text = format!("{right}: there was no answer within {} s (--timeout)", limit.as_secs_f64());
            Err(Failure::new(FailureKind::Timeout, text))
        })
    }
}

/// What was kept of a list.
pub(super) struct Listed<T> {
    /// In the server's order.
    pub(super) found: Vec<T>,
    /// Why the rest of the list is not there; absent where all was read.
    pub(super) ended: Option<Failure>,
}

/// What the pages of one list have shown so far.
#[derive(Debug, Default)]
struct Walk {
    objects: usize,
    short: usize,
    tokens: BTreeSet<String>,
}

impl Walk {
    /// Whether a page of so many objects, where so many were asked for, may be followed by what its continuation names.
    fn goes_on(&mut self, objects: usize, of: usize, token: &str) -> Result<(), &'static str> {
        self.objects += objects;
        self.short += usize::from(objects < of / 2);
        if token.len() > TOKEN {
            Err("the server's continuation is too long to be one")
        } else if !self.tokens.insert(token.to_owned()) {
            Err("the server's continuation leads in a circle")
        } else if self.short > SHORT {
            Err("the server gives only crumbs at a time, without an end")
        } else {
            Ok(())
        }
    }

    /// The failure that leaves only what was read until then.
    fn ended(&self, right: &str, kind: FailureKind, why: &str) -> Failure {
        Failure::new(kind, format!("what follows the first {} objects ({right}): {why}", self.objects))
    }
}

/// Walks a whole list page by page; what is kept is chosen while reading.
///
/// # Errors
/// As [`Api::decode`]; and where the list could not be read to its end.
pub(super) async fn paged<T: Serialize>(
    api: &Api,
    path: &str,
    right: &str,
    bounds: &Bounds,
    keep: impl FnMut(&Value) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    let Listed { found, ended } = pages(api, path, right, bounds, keep).await?;
    ended.map_or(Ok(found), Err)
}

/// The same, as far as the list can be read.
///
/// # Errors
/// As [`Api::decode`], of the first page: a failure after it leaves what was read.
pub(super) async fn pages<T: Serialize>(
    api: &Api,
    path: &str,
    right: &str,
    bounds: &Bounds,
    mut keep: impl FnMut(&Value) -> Option<T>,
) -> Result<Listed<T>, Failure> {
    let (mut found, mut walk, mut after) = (Vec::new(), Walk::default(), String::new());
    let joint = if path.contains('?') { '&' } else { '?' };
    for page in 0..PAGES {
        let asked = format!("{path}{joint}limit={}{after}", bounds.objects);
        let list = match bounds.in_time(right, read_within(api, &asked, right, bounds.bytes)).await {
            Ok(list) => list,
            Err(failure) if page > 0 => {
                let ended = walk.ended(right, failure.kind, &failure.detail);
                return Ok(Listed { found, ended: Some(ended) });
            }
            Err(failure) => return Err(failure),
        };
        for one in items(&list).filter_map(&mut keep) {
            let written = serde_json::to_vec(&one).map_or(0, |json| json.len());
            if bounds.held.pay(size_of::<T>() + written).is_err() {
                let why = format!("what is kept of it takes more than {} MiB of memory", HELD >> 20);
                return Ok(Listed { found, ended: Some(walk.ended(right, FailureKind::Limit, &why)) });
            }
            found.push(one);
        }
        let Some(token) = text(&list, "/metadata/continue").filter(|token| !token.is_empty()) else {
            return Ok(Listed { found, ended: None });
        };
        if let Err(odd) = walk.goes_on(items(&list).count(), bounds.objects, &token) {
            return Ok(Listed { found, ended: Some(walk.ended(right, FailureKind::Protocol, odd)) });
        }
        after = format!("&continue={}", encoded(&token));
    }
    let why = format!("the list has more than {PAGES} pages");
    Ok(Listed { found, ended: Some(walk.ended(right, FailureKind::Limit, &why)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_an_end_is_left() {
        fn pages(objects: usize, token: fn(usize) -> String) -> Option<(usize, usize, &'static str)> {
            let mut walk = Walk::default();
            let odd = (1..=PAGES).find_map(|page| Some((page, walk.goes_on(objects, PAGE, &token(page)).err()?)));
            odd.map(|(page, why)| (page, walk.objects, why))
        }
        // A real server's: full pages, each with a continuation of its own.
        assert_eq!(pages(PAGE, |page| format!("page-{page}")), None);
        assert_eq!(
            pages(PAGE, |_| "again".to_owned()),
            Some((2, 2 * PAGE, "the server's continuation leads in a circle"))
        );
        assert_eq!(
            pages(PAGE, |page| format!("page-{}", page % 3)),
            Some((4, 4 * PAGE, "the server's continuation leads in a circle"))
        );
        assert_eq!(
            pages(1, |page| format!("page-{page}")),
            Some((9, 9, "the server gives only crumbs at a time, without an end"))
        );
        assert_eq!(
            pages(PAGE, |_| "x".repeat(TOKEN + 1)),
            Some((1, PAGE, "the server's continuation is too long to be one"))
        );
    }
}
