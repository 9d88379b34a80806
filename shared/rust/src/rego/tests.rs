//! The engine against the OPA suite: what it answers, and that the VM's value counts only where the
//! interpreter gives the same.

use super::*;
use crate::{guard, PANIC};
use std::path::PathBuf;

const BUDGET_OF_TESTS: Budget =
    Budget { instructions: 1_000_000, milliseconds: 2_000, memory: 64 << 20, result: 1 << 20 };

#[derive(Debug, PartialEq)]
enum Answer {
    Value(Value),
    Undefined,
    Failed,
    Absent,
}

fn answer(policy: &Arc<Policy>, trust_vm: bool, input: &Value, data: &Value) -> Answer {
    let (name, body) = &policy.entries[0];
    let (vm, trust) = match body {
        Body::Absent => return Answer::Absent,
        Body::Broken(_) => return Answer::Failed,
        Body::Vm(p, loops) if trust_vm => (Some(p), loops.iter().all(|l| l.is_fit(input, data))),
        _ => (None, false),
    };
    let b = &BUDGET_OF_TESTS;
    let vm =
        vm.map(|p| Box::new(vm::Run::new(p.clone(), input.clone(), data.clone(), 1, b).unwrap()));
    let interp = interp::Run::new(policy.clone(), name, input.clone(), data.clone(), 1, b);
    let mut run = Run { vm, interp, trust_vm: trust, asked: String::new(), max_result: 1 << 20 };
    match run.begin() {
        Ok(Step::Value(v)) => Answer::Value(v),
        Ok(Step::Undefined) => Answer::Undefined,
        Ok(Step::Lookup(_)) | Err(_) => Answer::Failed,
    }
}

/// As JSON says it, sets and lists in one order: the suite's results are JSON, and some are sorted.
fn plain_json(v: &Value) -> String {
    match v {
        Value::Array(a) => sorted(a.iter()),
        Value::Set(s) => sorted(s.iter()),
        Value::Object(o) => {
            let mut items: Vec<String> = o
                .iter()
                .map(|(k, v)| {
                    let key = match k {
                        Value::String(s) => s.to_string(),
                        k => json::write(k, 1 << 20).unwrap_or_default(),
                    };
                    format!("{key:?}:{}", plain_json(v))
                })
                .collect();
            items.sort();
            format!("{{{}}}", items.join(","))
        }
        Value::Number(n) => match n.as_f64() {
            Some(f) if f.abs() < 1e15 => format!("{f}"),
            _ => v.to_json_str().unwrap_or_default(),
        },
        v => v.to_json_str().unwrap_or_default(),
    }
}

fn sorted<'a>(items: impl Iterator<Item = &'a Value>) -> String {
    let mut items: Vec<String> = items.map(plain_json).collect();
    items.sort();
    format!("[{}]", items.join(","))
}

#[derive(Default)]
struct Count {
    cases: usize,
    /* notes of the cases that are answered otherwise than the suite wants */
    otherwise: Vec<String>,
    on_vm: usize,
}

/// One module and a query "data.path = variable" are what an entry point can say.
fn run_case(case: &Value, n: &mut Count) {
    let text = |k: &str| case[k].as_string().map(|s| s.to_string()).unwrap_or_default();
    let query = text("query");
    let Some((path, variable)) = query.split_once(" = ") else { return };
    let Ok(modules) = case["modules"].as_array() else { return };
    let plain = |s: &str| s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    if modules.len() != 1 || !path.starts_with("data.") || !plain(path) || !plain(variable) {
        return;
    }
    let module =
        modules.first().and_then(|m| m.as_string().ok()).map(|s| s.to_string()).unwrap_or_default();
    n.cases += 1;
    let fails = case["want_result"] == Value::Undefined;
    let Ok(policy) = compile(&module, vec![path.into()], false) else {
        if !fails {
            n.otherwise.push(text("note"));
        }
        return;
    };
    let policy = Arc::new(policy);
    let document = |k: &str| match &case[k] {
        Value::Undefined => Value::new_object(),
        v => v.clone(),
    };
    let (input, data) = (document("input"), document("data"));
    let got = answer(&policy, true, &input, &data);
    if matches!(policy.entries[0].1, Body::Vm(..)) {
        n.on_vm += 1;
        assert_eq!(
            got,
            answer(&policy, false, &input, &data),
            "{}: the VM differs\n{module}",
            text("note")
        );
    }
    let want = case["want_result"].as_array().ok().map(|r| r.first().map(|o| o[variable].clone()));
    let as_expected = match (&got, want) {
        (Answer::Failed, None) => true,
        (Answer::Undefined, Some(None)) => true,
        (Answer::Value(v), Some(Some(w))) => plain_json(v) == plain_json(&w),
        _ => false,
    };
    if !as_expected {
        n.otherwise.push(text("note"));
    }
}

#[test]
fn the_opa_suite_is_answered_and_the_vm_never_differs() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/opa-rego");
    let known = std::fs::read_to_string(dir.join("known-differences.txt")).unwrap();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut all = Count::default();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        let suite = Value::from_json_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        for case in suite["cases"].as_array().unwrap().iter() {
            run_case(case, &mut all);
        }
    }
    all.otherwise.sort();
    let known: Vec<&str> = known.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    println!(
        "opa: {} cases, {} as expected, {} decided by the VM",
        all.cases,
        all.cases - all.otherwise.len(),
        all.on_vm
    );
    /* told here: the panic hook of the library says nothing */
    for n in all.otherwise.iter().filter(|n| !known.contains(&n.as_str())) {
        println!("not as expected: {n}");
    }
    for n in known.iter().filter(|n| !all.otherwise.iter().any(|o| o == *n)) {
        println!("as expected now, take it off the list: {n}");
    }
    assert_eq!(all.otherwise, known);
    assert_eq!(all.cases, 1264);
    assert!(all.on_vm >= 170);
}

#[test]
fn a_panic_is_a_code() {
    assert_eq!(guard(|| panic!("never printed")), PANIC);
    let f = on_stack(1 << 20, || -> Result<(), Failure> { panic!("never printed") }).unwrap_err();
    assert_eq!(f.rc, PANIC);
}
