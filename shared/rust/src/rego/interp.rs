//! One evaluation by the interpreter, for the few policies that the VM's compiler does not take. It
//! cannot be suspended, so an unanswered lookup ends the attempt, and the answer starts it again: an
//! evaluation is a pure function of its documents and answers.

use super::fault::Failure;
use super::vm::timer;
use super::{on_stack, Budget, Policy, Step, BUDGET, CLOCK, LOOKUP};
use regorus::Value;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Address space, not memory: rules and functions call one another on this stack until time is up.
const STACK: usize = 1 << 30;
/// Recursion fills the stack at some 1.2 GiB a second of processor time, so time must be up before.
const LONGEST: Duration = Duration::from_millis(300);
/// Names that one evaluation may ask for; restarts are quadratic in them.
const LOOKUPS: usize = 1024;

#[derive(Default)]
struct Answers {
    known: Vec<(Arc<str>, Value)>,
    missing: Option<Arc<str>>,
}

impl Answers {
    fn find(&self, name: &str) -> Option<Value> {
        self.known.iter().find(|(n, _)| **n == *name).map(|(_, v)| v.clone())
    }

    fn ask(&mut self, params: Vec<Value>) -> anyhow::Result<Value> {
        let name = match params.first() {
            Some(Value::String(s)) => s.clone(),
            _ => anyhow::bail!("query_reference_value takes one string"),
        };
        if let Some(v) = self.find(&name) {
            return Ok(v);
        }
        self.missing = Some(name);
        anyhow::bail!("not answered yet")
    }
}

pub struct Run {
    policy: Arc<Policy>,
    entry: Arc<str>,
    input: Value,
    data: Value,
    now: Value,
    answers: Arc<Mutex<Answers>>,
    left: Duration,
}

impl Run {
    pub fn new(
        policy: Arc<Policy>,
        entry: &Arc<str>,
        input: Value,
        data: Value,
        now_ns: i64,
        b: &Budget,
    ) -> Run {
        Run {
            policy,
            entry: entry.clone(),
            input,
            data,
            now: Value::from(now_ns),
            answers: Arc::default(),
            left: Duration::from_millis(b.milliseconds).min(LONGEST),
        }
    }

    pub fn step(&mut self) -> Result<Step, Failure> {
        let begun = Instant::now();
        let result = on_stack(STACK, || self.attempt());
        self.left = self.left.saturating_sub(begun.elapsed());
        if let Some(name) = self.locked().missing.clone() {
            return Ok(Step::Lookup(name.to_string()));
        }
        match result? {
            Value::Undefined => Ok(Step::Undefined),
            v => Ok(Step::Value(v)),
        }
    }

    pub fn known(&self, name: &str) -> Option<Value> {
        self.locked().find(name)
    }

    /// An answer for this attempt or a later one.
    pub fn learn(&mut self, name: String, answer: Value) -> Result<(), Failure> {
        let mut a = self.locked();
        if a.known.len() >= LOOKUPS {
            return Err(Failure::plain(BUDGET, "too many reference values"));
        }
        a.missing = None;
        a.known.push((name.into(), answer));
        Ok(())
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn attempt(&self) -> Result<Value, Failure> {
        let fail = |e: anyhow::Error| Failure::of_interpreter(&e);
        let mut engine = self.policy.engine.clone();
        let now = self.now.clone();
        engine
            .add_extension(CLOCK.into(), 0, Box::new(move |_: Vec<Value>| Ok(now.clone())))
            .map_err(fail)?;
        if self.policy.lookups {
            let answers = self.answers.clone();
            let ask = move |params: Vec<Value>| {
                answers.lock().unwrap_or_else(|e| e.into_inner()).ask(params)
            };
            engine.add_extension(LOOKUP.into(), 1, Box::new(ask)).map_err(fail)?;
        }
        engine.set_execution_timer_config(timer(self.left, NonZeroU32::MIN));
        engine.set_input(self.input.clone());
        engine.add_data(self.data.clone()).map_err(fail)?;
        engine.eval_rule(self.entry.to_string()).map_err(fail)
    }
}
