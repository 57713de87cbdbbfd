//! A loopback AWS: EKS (REST-JSON), EC2, ELB, IAM and STS (query and XML), WAF and CloudWatch Logs (JSON), each with its
//! own way of saying no. What it answers is given by action, in the wire's own names.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// One answer of an action.
#[derive(Clone)]
pub enum Answer {
    /// A good one, by the wire's names. Lists become `item` (EC2) or `member` elements in XML.
    Good(Value),
    /// A refusal or a failure: status, code, message.
    Bad(u16, &'static str, &'static str),
    /// A page of something that is not AWS: status and HTML.
    Page(u16, &'static str),
    /// Half of a good one, then the connection ends.
    Truncated(Value),
    /// Several pages.
    Pages(Vec<Value>),
    /// This many failures first, then the good one.
    After(usize, (u16, &'static str), Value),
}

/// What one call was.
#[derive(Debug, Clone)]
pub struct Call {
    /// `ec2:DescribeSubnets`.
    pub action: String,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<String, Answer>,
    calls: Vec<Call>,
    delay: Duration,
    at_once: usize,
    most_at_once: usize,
}

/// The server.
pub struct Aws {
    port: u16,
    state: Arc<Mutex<State>>,
}

/// The services by the prefix of their path, the suffix of AWS_ENDPOINT_URL and their name in IAM.
const SERVICES: [(&str, &str, &str); 7] = [
    ("eks", "EKS", "eks"),
    ("ec2", "EC2", "ec2"),
    ("elb", "ELASTIC_LOAD_BALANCING_V2", "elasticloadbalancing"),
    ("iam", "IAM", "iam"),
    ("sts", "STS", "sts"),
    ("waf", "WAFV2", "wafv2"),
    ("logs", "CLOUDWATCH_LOGS", "logs"),
];

impl Aws {
    /// Starts it with the answers of a healthy world (see [`healthy`]).
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State { answers: healthy(), ..State::default() }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || {
                    let _ = serve(stream, &state);
                });
            }
        });
        Self { port, state }
    }

    /// Changes what an action answers.
    pub fn set(&self, action: &str, answer: Answer) -> &Self {
        self.state.lock().expect("lock").answers.insert(action.to_owned(), answer);
        self
    }

    /// Changes one place of a good answer.
    pub fn edit(&self, action: &str, pointer: &str, value: Value) -> &Self {
        let mut state = self.state.lock().expect("lock");
        let Some(Answer::Good(body)) = state.answers.get_mut(action) else { panic!("{action} has no good answer") };
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let place = body.pointer_mut(parent).unwrap_or_else(|| panic!("{action} has no {parent}"));
        match place {
            Value::Array(items) => items[key.parse::<usize>().expect("an index")] = value,
            place => place[key] = value,
        }
        drop(state);
        self
    }

    /// The action is denied, in its service's words.
    pub fn deny(&self, action: &str) -> &Self {
        let code = match action.split(':').next().unwrap_or_default() {
            "ec2" => "UnauthorizedOperation",
            "eks" | "wafv2" | "logs" => "AccessDeniedException",
            _ => "AccessDenied",
        };
        self.set(action, Answer::Bad(403, code, "User: x is not authorized to perform this"))
    }

    /// Every call takes this long.
    pub fn slow(&self, delay: Duration) -> &Self {
        self.state.lock().expect("lock").delay = delay;
        self
    }

    /// The calls so far, in their order.
    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().expect("lock").calls.clone()
    }

    /// How many calls were under way at the same time, at most.
    pub fn most_at_once(&self) -> usize {
        self.state.lock().expect("lock").most_at_once
    }

    /// The variables that send the SDK here, with credentials that are markers.
    pub fn variables(&self) -> Vec<(String, String)> {
        let mut variables: Vec<(String, String)> = SERVICES
            .iter()
            .map(|(prefix, name, _)| {
                (format!("AWS_ENDPOINT_URL_{name}"), format!("http://127.0.0.1:{}/{prefix}", self.port))
            })
            .collect();
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", "AKIACANARYKEYID00000"),
            ("AWS_SECRET_ACCESS_KEY", "canarySecretAccessKey0000000000000000000"),
            ("AWS_SESSION_TOKEN", "canarySessionToken00000000000000"),
        ] {
            variables.push((name.to_owned(), value.to_owned()));
        }
        variables
    }
}

/// Every run against it may call what docs/deploy/iam-policy.json allows, and nothing else.
impl Drop for Aws {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let allowed = allowed();
        let beyond: Vec<String> =
            self.calls().into_iter().map(|call| call.action).filter(|action| !allowed.contains(action)).collect();
        assert!(beyond.is_empty(), "docs/deploy/iam-policy.json does not allow {beyond:?}");
    }
}

/// The actions of docs/deploy/iam-policy.json, and the one that needs no permission: to learn who one is.
pub fn allowed() -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(include_str!("../../../docs/deploy/iam-policy.json")).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().expect("actions"));
    let actions = actions.map(|action| action.as_str().expect("an action").to_owned());
    actions.chain(["sts:GetCallerIdentity".to_owned()]).collect()
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let request = Request { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() };
        if !answer(&mut stream, &request, state)? {
            return Ok(());
        }
    }
}

/// The action a request asks for.
fn action(request: &Request) -> (usize, String) {
    let (service, rest) =
        request.path.trim_start_matches('/').split_once('/').unwrap_or((request.path.trim_start_matches('/'), ""));
    let index = SERVICES.iter().position(|(prefix, ..)| *prefix == service).expect("a service");
    let name = match service {
        "eks" => eks_action(&request.method, rest),
        "waf" | "logs" => request
            .headers
            .get("x-amz-target")
            .and_then(|target| target.rsplit('.').next())
            .unwrap_or_default()
            .to_owned(),
        _ => form(&request.body, "Action").unwrap_or_default(),
    };
    (index, format!("{}:{name}", SERVICES[index].2))
}

fn form(body: &str, key: &str) -> Option<String> {
    url::form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
}

fn eks_action(method: &str, rest: &str) -> String {
    let path = rest.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["clusters"]) => "ListClusters",
        ("GET", ["clusters", _]) => "DescribeCluster",
        ("GET", ["clusters", _, "identity-provider-configs"]) => "ListIdentityProviderConfigs",
        ("POST", ["clusters", _, "identity-provider-configs", "describe"]) => "DescribeIdentityProviderConfig",
        ("GET", ["clusters", _, "updates"]) => "ListUpdates",
        ("GET", ["clusters", _, "updates", _]) => "DescribeUpdate",
        ("GET", ["clusters", _, "access-entries"]) => "ListAccessEntries",
        ("GET", ["clusters", _, "access-entries", _]) => "DescribeAccessEntry",
        ("GET", ["clusters", _, "access-entries", _, "access-policies"]) => "ListAssociatedAccessPolicies",
        ("GET", ["clusters", _, "pod-identity-associations"]) => "ListPodIdentityAssociations",
        ("GET", ["clusters", _, "pod-identity-associations", _]) => "DescribePodIdentityAssociation",
        ("GET", ["clusters", _, "addons", _]) => "DescribeAddon",
        _ => panic!("EKS is asked {method} {rest}"),
    }
    .to_owned()
}

/// The token of the page that a request asks for.
fn page(request: &Request) -> usize {
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let body = serde_json::from_str::<Value>(&request.body).unwrap_or_default();
    let token = ["nextToken", "NextToken", "NextMarker", "Marker", "nextMarker"].iter().find_map(|name| {
        form(query, name).or_else(|| form(&request.body, name)).or_else(|| Some(body.get(name)?.as_str()?.to_owned()))
    });
    token.and_then(|token| token.strip_prefix("page-")?.parse().ok()).unwrap_or(0)
}

/// Sends the answer; false where the connection ends with it.
fn answer(stream: &mut TcpStream, request: &Request, state: &Mutex<State>) -> std::io::Result<bool> {
    let (service, action) = action(request);
    let (answer, delay) = {
        let mut state = state.lock().expect("lock");
        state.calls.push(Call { action: action.clone() });
        state.at_once += 1;
        state.most_at_once = state.most_at_once.max(state.at_once);
        // A thing that is named in the request may have an answer of its own.
        let special = state.answers.keys().find(|key| {
            let Some((of, name)) = key.split_once(' ') else { return false };
            of == action
                && (request.path.contains(&encoded(name))
                    || request.body.contains(name)
                    || request.body.contains(&encoded(name)))
        });
        let key = special.cloned().unwrap_or_else(|| action.clone());
        let answer = match state.answers.get_mut(&key) {
            Some(Answer::After(left, (status, code), good)) => {
                if *left == 0 {
                    Answer::Good(good.clone())
                } else {
                    *left -= 1;
                    Answer::Bad(*status, code, "slow down")
                }
            }
            Some(other) => other.clone(),
            None => Answer::Bad(400, "InvalidAction", "the loopback AWS has no answer"),
        };
        (answer, state.delay)
    };
    std::thread::sleep(delay);
    state.lock().expect("lock").at_once -= 1;
    let (prefix, name) = (SERVICES[service].0, action.split_once(':').map_or("", |(_, name)| name));
    let (status, headers, body, cut) = match answer {
        Answer::Bad(status, code, message) => {
            let (headers, body) = refusal(prefix, code, message);
            (status, headers, body, false)
        }
        Answer::Page(status, html) => (status, "Content-Type: text/html".to_owned(), html.to_owned(), false),
        Answer::Good(value) => (200, kind(prefix).to_owned(), written(prefix, name, &value), false),
        Answer::Truncated(value) => (200, kind(prefix).to_owned(), written(prefix, name, &value), true),
        Answer::Pages(pages) => {
            let index = page(request);
            let mut value = pages[index].clone();
            if index + 1 < pages.len() {
                let token = match (prefix, name) {
                    ("elb", _) => "NextMarker",
                    _ => "nextToken",
                };
                value[token] = json!(format!("page-{}", index + 1));
            }
            (200, kind(prefix).to_owned(), written(prefix, name, &value), false)
        }
        Answer::After(..) => unreachable!("chosen above"),
    };
    let sent = if cut { &body[..body.len() / 2] } else { body.as_str() };
    write!(stream, "HTTP/1.1 {status} X\r\n{headers}\r\nContent-Length: {}\r\n\r\n{sent}", body.len())?;
    stream.flush()?;
    Ok(!cut)
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn kind(prefix: &str) -> &'static str {
    match prefix {
        "eks" => "Content-Type: application/json",
        "waf" | "logs" => "Content-Type: application/x-amz-json-1.1",
        _ => "Content-Type: text/xml",
    }
}

fn refusal(prefix: &str, code: &str, message: &str) -> (String, String) {
    match prefix {
        "eks" => (
            format!("Content-Type: application/json\r\nx-amzn-ErrorType: {code}"),
            json!({ "message": message }).to_string(),
        ),
        "waf" | "logs" => (kind(prefix).to_owned(), json!({ "__type": code, "message": message }).to_string()),
        "ec2" => (
            kind(prefix).to_owned(),
            format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>r</RequestID></Response>"
            ),
        ),
        _ => (
            kind(prefix).to_owned(),
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            ),
        ),
    }
}

fn written(prefix: &str, name: &str, value: &Value) -> String {
    match prefix {
        "eks" | "waf" | "logs" => value.to_string(),
        "ec2" => format!(
            "<{name}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId>{}</{name}Response>",
            inner(value, "item")
        ),
        _ => format!(
            "<{name}Response><{name}Result>{}</{name}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{name}Response>",
            inner(value, "member")
        ),
    }
}

/// The XML inside an element.
fn inner(value: &Value, member: &str) -> String {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("<{name}>{}</{name}>", inner(value, member))).collect()
        }
        Value::Array(items) => {
            items.iter().map(|item| format!("<{member}>{}</{member}>", inner(item, member))).collect()
        }
        Value::String(text) => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A cluster with egress through the customer's network, an OIDC issuer behind an internal application load balancer that
/// lets the cluster's security group in, and a caller with an access entry.
pub fn healthy() -> BTreeMap<String, Answer> {
    // Synthetic, by the services' published models: no AWS account stands behind it.
    let world: BTreeMap<String, Value> = serde_json::from_str(include_str!("aws.json")).expect("JSON");
    world.into_iter().map(|(action, body)| (action, Answer::Good(body))).collect()
}
