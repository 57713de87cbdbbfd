use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::value::Value;
use super::{Fault, Place, compile};

fn recorded() -> Json {
    serde_json::from_str(include_str!("../../../testdata/cel/cases.json")).expect("recorded cases")
}

fn place(name: &str) -> Place {
    match name {
        "mapping" => Place::ClaimMapping,
        "claim-rule" => Place::ClaimValidation,
        "user-rule" => Place::UserValidation,
        other => panic!("no such place: {other}"),
    }
}

/// A value as tests/lab/cel writes it.
fn plain(value: &Value) -> Json {
    match value {
        Value::Null => json!({"null": true}),
        Value::Bool(value) => json!({ "bool": value }),
        Value::Int(value) => json!({"int": value.to_string()}),
        Value::Uint(value) => json!({"uint": value.to_string()}),
        Value::Double(value) => json!({"double": super::functions::numbers::shown_double(*value)}),
        Value::String(text) => json!({"string": &**text}),
        Value::Bytes(bytes) => {
            json!({"bytes": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()})
        }
        Value::Duration(span) => json!({"duration": span.to_string()}),
        Value::Timestamp(time) => json!({"timestamp": time.in_utc().shown()}),
        Value::List(items, _) => items.iter().map(plain).collect(),
        Value::Map(map) => {
            let mut entries: Vec<Json> =
                map.entries.iter().map(|(key, value)| json!([plain(key), plain(value)])).collect();
            entries.sort_by_key(ToString::to_string);
            json!({ "map": entries })
        }
        Value::Object(object) => json!({"object": object.type_name}),
        Value::Type(name) => json!({"type": &**name}),
        Value::Optional(inner) => json!({"optional": inner.as_ref().map(|inner| plain(inner))}),
        other => json!({"opaque": other.type_name()}),
    }
}

/// Go writes spans as `1h0m0s`, so they are compared as numbers.
fn spans_as_numbers(json: &Json) -> Json {
    match json {
        Json::Array(items) => items.iter().map(spans_as_numbers).collect(),
        Json::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let value = match (name.as_str(), value.as_str()) {
                    ("duration", Some(text)) => {
                        let span = crate::gotext::duration::parse(text).expect("a duration");
                        Json::from(span.to_string())
                    }
                    _ => spans_as_numbers(value),
                };
                (name.clone(), value)
            })
            .collect(),
        other => other.clone(),
    }
}

/// What this model leaves open on purpose, or says otherwise, and why. The key is the expression.
fn known() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("[?dyn('a')]", "the server's own compiler panics"),
        ("claims.transformList(k, v, k)", "keys and values are those of a lazy map's odd iterator"),
        ("double('0x1p4')", "Go's hexadecimal floating-point numbers"),
        ("double('1_000')", "Go's digits with underscores"),
    ])
}

#[test]
fn what_the_real_compiler_and_evaluator_said() {
    let recorded = recorded();
    let cases = recorded["cases"].as_array().expect("cases");
    let known = known();
    let (mut agree, mut left_open, mut faults) = (0, 0, Vec::new());
    for case in cases {
        let expression = case["expression"].as_str().expect("an expression");
        let at = place(case["place"].as_str().expect("a place"));
        let inputs = &recorded["inputs"][if at == Place::UserValidation { "users" } else { "claims" }];
        let before = faults.len();
        let mut open = 0;
        match (compile(expression, at), case.get("refused").and_then(Json::as_str)) {
            (Err(Fault::Undecided(what)), _) => {
                open += 1;
                faults.push(format!("{expression}\n  undecided: {what}\n  Go: {case}"));
            }
            (Err(Fault::Said(ours)), Some(theirs)) => {
                if ours != theirs {
                    faults.push(format!("{expression}\n  ours: {ours}\n  Go:   {theirs}"));
                }
            }
            (Err(Fault::Said(ours)), None) => {
                faults.push(format!("{expression}\n  ours: {ours}\n  Go takes it: {case}"))
            }
            (Ok(_), Some(theirs)) => faults.push(format!("{expression}\n  is taken\n  Go: {theirs}")),
            (Ok(_), None) if case.get("panics").is_some() => {
                faults.push(format!("{expression}\n  is taken\n  Go panics"))
            }
            (Ok(program), None) => {
                let results = case["results"].as_array().expect("results");
                for (index, (input, theirs)) in inputs.as_array().expect("inputs").iter().zip(results).enumerate() {
                    let varies = theirs.get("varies").and_then(Json::as_str);
                    let (outcome, cost) = program.evaluate_with_cost(input);
                    match outcome {
                        // Go answers one thing or another, by the order of its maps.
                        Err(Fault::Undecided(_)) if varies == Some("answer") => {}
                        Err(Fault::Undecided(what)) => {
                            open += 1;
                            faults.push(format!("{expression} [{index}]\n  undecided: {what}\n  Go: {theirs}"));
                        }
                        Err(Fault::Said(ours)) => {
                            if theirs["error"].as_str() != Some(&ours) {
                                faults.push(format!("{expression} [{index}]\n  ours: {ours}\n  Go:   {theirs}"));
                            }
                        }
                        Ok(value) => {
                            let ours = plain(&value);
                            if ours != spans_as_numbers(&theirs["value"]) {
                                faults.push(format!("{expression} [{index}]\n  ours: {ours}\n  Go:   {theirs}"));
                                continue;
                            }
                            let strings = value.string_list();
                            if at == Place::ClaimMapping
                                && strings.as_ref().map(|strings| json!(strings)).as_ref() != theirs.get("strings")
                            {
                                faults.push(format!(
                                    "{expression} [{index}]\n  ours as strings: {strings:?}\n  Go: {theirs}"
                                ));
                            }
                            if varies.is_none() && Some(cost) != theirs["cost"].as_u64().or(Some(0)) {
                                faults.push(format!("{expression} [{index}]\n  our cost: {cost}\n  Go: {theirs}"));
                            }
                        }
                    }
                }
            }
        }
        if known.contains_key(expression) {
            assert!(faults.len() > before, "{expression} agrees now: take it off the list");
            let wrong = faults[before..].iter().find(|fault| !fault.contains("\n  undecided: "));
            assert!(wrong.is_none(), "what is not known must be said to be: {wrong:?}");
            faults.truncate(before);
            left_open += 1;
        } else if faults.len() == before && open == 0 {
            agree += 1;
        }
    }
    assert!(faults.is_empty(), "{agree} of {} agree, {left_open} known\n{}", cases.len(), faults.join("\n"));
    assert_eq!(agree + left_open, cases.len());
}

#[test]
fn the_use_of_email_claims_is_seen_by_syntax() {
    let uses = |expression: &str| {
        let program = compile(expression, Place::ClaimMapping).expect("an expression");
        (program.uses_email, program.uses_email_verified)
    };
    assert_eq!(uses("claims.email"), (true, false));
    assert_eq!(uses("claims.?email.orValue('')"), (true, false));
    assert_eq!(uses("claims['email']"), (false, false));
    assert_eq!(uses("claims.sub + claims.email.lowerAscii()"), (true, false));
    assert_eq!(uses("claims.email_verified == true ? claims.email : claims.sub"), (true, true));
    assert_eq!(uses("has(claims.email_verified) ? 'a' : 'b'"), (false, true));
    assert_eq!(uses("[1].map(claims, dyn(claims))"), (false, false));
    assert_eq!(uses("dyn(claims.list).map(x, claims.email + x)"), (true, false));
    assert_eq!(uses("{'a': claims.email}"), (true, false));
    assert_eq!(uses("claims.x.email"), (false, false));
    assert_eq!(uses("'claims.email'"), (false, false));
}

#[test]
fn what_is_too_long_or_too_deep_is_left_open() {
    for expression in [
        "x".repeat(30_000),
        format!("{}1{}", "(".repeat(200), ")".repeat(200)),
        "[".repeat(5_000),
        "!".repeat(19_000),
        "-".repeat(19_000),
        format!("claims{}", ".a".repeat(9_000)),
        format!("1{}", " + 1".repeat(4_000)),
        format!("1{}", "+1".repeat(9_900)),
        format!("1{}", "+1".repeat(900)),
        format!("true{}", " && true".repeat(2_000)),
        format!("claims.a{}", ".map(x, x)".repeat(500)),
        "1 ? ".repeat(3_000),
        "a.?".repeat(3_000),
    ] {
        // What matters is that it comes back at all.
        if let Ok(program) = compile(&expression, Place::ClaimMapping) {
            let _ = program.evaluate(&json!({"a": [1]}));
        }
    }
}

/// A small generator of numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

#[test]
fn arbitrary_text_neither_panics_nor_hangs() {
    const PIECES: [&str; 64] = [
        "claims",
        "user",
        ".",
        ".?",
        "[",
        "]",
        "[?",
        "(",
        ")",
        "{",
        "}",
        ",",
        ":",
        "?",
        " ",
        "\n",
        "'",
        "\"",
        "'a'",
        "\\",
        "1",
        "1u",
        "2.5",
        "-",
        "+",
        "*",
        "/",
        "%",
        "!",
        "&&",
        "||",
        "==",
        "<",
        "in",
        "has(",
        "map(",
        "all(x, ",
        "x",
        "g",
        "groups",
        "sub",
        ".size()",
        ".orValue(",
        "optional.of(",
        "dyn(",
        "string(",
        "int(",
        "é",
        "😀",
        "\u{0}",
        "\t",
        "//",
        "null",
        "true",
        "@",
        "#",
        "`",
        "r'",
        "b'",
        "\"\"\"",
        "0x",
        "e9",
        ".format([",
        ".matches('(",
    ];
    let known: Vec<String> = recorded()["cases"]
        .as_array()
        .expect("cases")
        .iter()
        .map(|case| case["expression"].as_str().expect("an expression").to_owned())
        .filter(|expression| !expression.contains("lists.range"))
        .collect();
    let claims = json!({"sub": "u", "groups": ["a", "b"], "num": 1, "nested": {"x": [1, null]}});
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for round in 0..1_500 {
        let mut text = String::new();
        if round % 2 == 0 {
            for _ in 0..dice.roll(14) {
                text.push_str(PIECES[dice.roll(PIECES.len())]);
            }
        } else {
            // A good expression with some characters gone, doubled or replaced.
            text = known[dice.roll(known.len())].clone();
            for _ in 0..=dice.roll(3) {
                let characters: Vec<char> = text.chars().collect();
                let at = dice.roll(characters.len() + 1);
                let piece = if dice.roll(2) == 0 { "" } else { PIECES[dice.roll(PIECES.len())] };
                let skip = at + dice.roll(3);
                text = characters[..at].iter().collect::<String>() + piece;
                text.extend(characters.iter().skip(skip));
            }
        }
        for at in [Place::ClaimMapping, Place::UserValidation] {
            match compile(&text, at) {
                Ok(program) => {
                    let outcome = program.evaluate(&claims);
                    assert_ne!(outcome.err(), Some(Fault::Undecided("the parser failed".to_owned())), "{text:?}");
                }
                Err(Fault::Undecided(what)) if what == "the parser failed" => panic!("a panic on {text:?}"),
                Err(Fault::Undecided(what)) if what == "the expression takes too long" => panic!("a hang on {text:?}"),
                Err(_) => {}
            }
        }
    }
}
