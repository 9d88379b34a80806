//! Rego: a policy is parsed and compiled once; an evaluation is a run that stops for each answer of
//! the host. The engine has a register VM (`vm`: fast, with budgets) and an interpreter (`interp`:
//! what Trustee runs, so what policies mean). `plain` says when the VM's value counts; for other
//! programs the VM goes ahead for its budgets and the interpreter decides. What the VM's compiler does
//! not know (`with`, some heads, unknown functions that may never be reached) is only interpreted.

mod cost;
mod defined;
mod fault;
mod interp;
mod json;
mod plain;
mod shape;
mod vm;

use crate::fault::{fill, Fault};
use crate::{guard, slice, Bytes, BAD_INPUT, NOMEM, PANIC};
use fault::Failure;
use shape::Place;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::Program;
use regorus::{Engine, PolicyLengthConfig, Value};
use std::ffi::{c_char, CStr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

pub const BUDGET: i32 = 3;
pub const EVAL: i32 = 6;
pub const COMPILE: i32 = 7;

const LOOKUP: &str = "query_reference_value";
const CLOCK: &str = "time.now_ns";
const FILE: &str = "policy";
/// The parser and the analyses recurse; callers may have small stacks.
const STACK: usize = 64 << 20;

/// What there is for one entry point.
enum Body {
    Absent,
    /// The VM's value counts, if what stands at these places can be looped over.
    Vm(Arc<Program>, Vec<Place>),
    /// The VM runs ahead for its budgets, the interpreter's value counts.
    Guarded(Arc<Program>),
    Interpreted,
    /// Accepted when it was set, as Trustee does; each evaluation fails.
    Broken(Failure),
}

pub struct Policy {
    entries: Vec<(Arc<str>, Body)>,
    engine: Engine,
    lookups: bool,
}

/// Counted by hand across the C ABI: runs hold a reference, so a policy may go while one is running.
pub struct Rego(Arc<Policy>);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Budget {
    instructions: u64,
    milliseconds: u64,
    memory: u64,
    result: u64,
}

#[repr(C)]
pub struct Query {
    input: *const u8,
    input_n: usize,
    data: *const u8,
    data_n: usize,
    now_ns: i64,
    budget: Budget,
}

/// Where a run stands after a step.
pub enum Step {
    Value(Value),
    Undefined,
    Lookup(String),
}

pub struct Run {
    /// Until it has ended or handed over.
    vm: Option<Box<vm::Run>>,
    interp: interp::Run,
    trust_vm: bool,
    asked: String,
    max_result: usize,
}

impl Run {
    fn begin(&mut self) -> Result<Step, Failure> {
        match &mut self.vm {
            Some(vm) => {
                let step = vm.start();
                self.settle(step)
            }
            None => self.interpret(),
        }
    }

    fn answer(&mut self, v: Value) -> Result<Step, Failure> {
        self.interp.learn(std::mem::take(&mut self.asked), v.clone())?;
        match &mut self.vm {
            Some(vm) => {
                let step = vm.resume(v);
                self.settle(step)
            }
            None => self.interpret(),
        }
    }

    /// A budget ends the run, a value that counts too; anything else the interpreter decides. A name
    /// is asked once: its answer stays the same for the whole evaluation.
    fn settle(&mut self, mut step: Result<Step, Failure>) -> Result<Step, Failure> {
        loop {
            match step {
                Ok(Step::Lookup(name)) => match (self.interp.known(&name), &mut self.vm) {
                    (Some(v), Some(vm)) => step = vm.resume(v),
                    _ => {
                        self.asked.clone_from(&name);
                        return Ok(Step::Lookup(name));
                    }
                },
                Ok(Step::Value(v)) if self.trust_vm => return Ok(Step::Value(v)),
                Err(f) if f.rc == BUDGET => return Err(f),
                _ => {
                    self.vm = None;
                    return self.interpret();
                }
            }
        }
    }

    fn interpret(&mut self) -> Result<Step, Failure> {
        let step = self.interp.step()?;
        if let Step::Lookup(name) = &step {
            self.asked.clone_from(name);
        }
        Ok(step)
    }
}

fn lengths(n: usize) -> PolicyLengthConfig {
    let n = NonZeroUsize::new(n.max(1)).unwrap_or(NonZeroUsize::MIN);
    let columns = u32::try_from(n.get()).ok().and_then(NonZeroU32::new);
    PolicyLengthConfig { max_col: columns.unwrap_or(NonZeroU32::MAX), max_file_bytes: n, max_lines: n }
}

fn body(engine: &mut Engine, entry: &str, lookups: bool) -> Body {
    let policy = match engine.compile_with_entrypoint(&entry.into()) {
        Ok(p) => p,
        /* the engine's only mark of a rule that is not there */
        Err(e) if e.to_string() == "not a valid rule path" => return Body::Absent,
        Err(e) => return Body::Broken(Failure::of_engine(EVAL, &e)),
    };
    let hosts: &[(&str, usize)] = &[(CLOCK, 0), (LOOKUP, 1)];
    let hosts = if lookups { hosts } else { &hosts[..1] };
    match Compiler::compile_from_policy_with_host_await(&policy, &[entry], hosts) {
        Ok(program) => match plain::examine(&program) {
            Some(loops) => Body::Vm(program, loops),
            None if plain::host_calls(&program) => Body::Guarded(program),
            None => Body::Interpreted,
        },
        Err(e) if e.to_string().contains("ecurs") => Body::Broken(Failure::of_compiler(EVAL, &e)),
        Err(_) => Body::Interpreted,
    }
}

fn compile(text: &str, entries: Vec<String>, lookups: bool) -> Result<Policy, Failure> {
    if let Some(at) = cost::too_much(text.as_bytes()) {
        let (line, column) = crate::toml::place(text.as_bytes(), at);
        return Err(Failure { rc: COMPILE, line, column, text: "nested too deeply".into() });
    }
    let mut engine = Engine::new();
    engine.set_policy_length_config(lengths(text.len()));
    engine.set_gather_prints(true);
    engine
        .add_policy(FILE.into(), text.into())
        .map_err(|e| Failure::of_engine(COMPILE, &e))?;
    let entries = entries
        .into_iter()
        .map(|e| {
            let b = body(&mut engine, &e, lookups);
            (e.into(), b)
        })
        .collect();
    Ok(Policy { entries, engine, lookups })
}

/// Runs `f` on a thread with a stack of its own size; a panic comes back as a failure.
fn on_stack<T: Send>(size: usize, f: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    std::thread::scope(|s| {
        std::thread::Builder::new()
            .stack_size(size)
            .spawn_scoped(s, f)
            .map_err(|_| Failure::plain(NOMEM, "no thread for the policy"))?
            .join()
            .unwrap_or_else(|_| Err(Failure::plain(PANIC, "the policy engine failed")))
    })
}

unsafe fn refuse(out: *mut Fault, f: Failure) -> i32 {
    fill(out, f.line, f.column, &f.text);
    f.rc
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_rego_compile(
    p: *const u8,
    n: usize,
    entries: *const *const c_char,
    entries_n: usize,
    lookups: i32,
    ret: *mut *mut Rego,
    out: *mut Fault,
) -> i32 {
    guard(|| {
        let names = (0..entries_n)
            .map(|i| CStr::from_ptr(*entries.add(i)).to_str().map(String::from))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| BAD_INPUT)?;
        let bytes = slice(p, n);
        let policy = std::str::from_utf8(bytes)
            .map_err(|e| {
                let (line, column) = crate::toml::place(bytes, e.valid_up_to());
                Failure { rc: COMPILE, line, column, text: "not UTF-8".into() }
            })
            .and_then(|text| on_stack(STACK, || compile(text, names, lookups != 0)))
            .map_err(|f| refuse(out, f))?;
        *ret = Box::into_raw(Box::new(Rego(Arc::new(policy))));
        Ok(())
    })
}

/// # Safety
/// `r` is null or comes from `vdr_rego_compile` and is freed once.
#[no_mangle]
pub unsafe extern "C" fn vdr_rego_free(r: *mut Rego) {
    guard(|| {
        if !r.is_null() {
            /* syntax trees are freed by recursion */
            let policy = Box::from_raw(r);
            let _ = on_stack(STACK, || {
                drop(policy);
                Ok(())
            });
        }
        Ok(())
    });
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_rego_entry(r: *const Rego, entry: usize, out: *mut Fault) -> i32 {
    let mut state = -1;
    guard(|| {
        let policy: &Policy = &(*r).0;
        state = match policy.entries.get(entry) {
            None => return Err(BAD_INPUT),
            Some((_, Body::Absent)) => 0,
            Some((_, Body::Vm(..))) => 1,
            Some((_, Body::Guarded(_) | Body::Interpreted)) => 2,
            Some((_, Body::Broken(f))) => {
                fill(out, f.line, f.column, &f.text);
                3
            }
        };
        Ok(())
    });
    state
}

fn document(bytes: &[u8], what: &str) -> Result<Value, Failure> {
    if bytes.is_empty() {
        return Ok(Value::new_object());
    }
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|s| Value::from_json_str(s).ok())
        .ok_or_else(|| Failure::plain(BAD_INPUT, &format!("the {what} document is not JSON")))
}

unsafe fn start(r: &Rego, entry: usize, q: &Query) -> Result<(Run, Step), Failure> {
    let input = document(slice(q.input, q.input_n), "input")?;
    let data = document(slice(q.data, q.data_n), "data")?;
    let max_result = usize::try_from(q.budget.result).unwrap_or(usize::MAX);
    let (name, vm, trust_vm) = match r.0.entries.get(entry) {
        Some((name, Body::Vm(p, loops))) => (name, Some(p), loops.iter().all(|l| l.is_fit(&input, &data))),
        Some((name, Body::Guarded(p))) => (name, Some(p), false),
        Some((name, Body::Interpreted)) => (name, None, false),
        Some((_, Body::Broken(f))) => return Err(f.clone()),
        Some((_, Body::Absent)) | None => return Err(Failure::plain(BAD_INPUT, "no such rule")),
    };
    let vm = match vm {
        Some(p) => Some(Box::new(vm::Run::new(p.clone(), input.clone(), data.clone(), q.now_ns, &q.budget)?)),
        None => None,
    };
    let interp = interp::Run::new(r.0.clone(), name, input, data, q.now_ns, &q.budget);
    let mut run = Run { vm, interp, trust_vm, asked: String::new(), max_result };
    let step = run.begin()?;
    Ok((run, step))
}

/// Tells C where the run stands: 0 value (its JSON), 1 undefined, 2 lookup (the name).
unsafe fn report(step: Step, max: usize, ret_step: *mut i32, ret: *mut Bytes) -> Result<(), Failure> {
    let (code, text) = match step {
        Step::Value(v) => {
            let text = json::write(&v, max).ok_or_else(|| {
                Failure::plain(BUDGET, "the result is too large or nested too deeply")
            })?;
            (0, text)
        }
        Step::Undefined => (1, String::new()),
        Step::Lookup(name) => (2, name),
    };
    *ret_step = code;
    *ret = if text.is_empty() { Bytes::none() } else { Bytes::of(text.into_bytes()) };
    Ok(())
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_rego_start(
    r: *const Rego,
    entry: usize,
    q: *const Query,
    ret: *mut *mut Run,
    ret_step: *mut i32,
    ret_bytes: *mut Bytes,
    out: *mut Fault,
) -> i32 {
    guard(|| {
        let (run, step) = start(&*r, entry, &*q).map_err(|f| refuse(out, f))?;
        report(step, run.max_result, ret_step, ret_bytes).map_err(|f| refuse(out, f))?;
        *ret = Box::into_raw(Box::new(run));
        Ok(())
    })
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_rego_resume(
    run: *mut Run,
    answer: *const u8,
    n: usize,
    ret_step: *mut i32,
    ret_bytes: *mut Bytes,
    out: *mut Fault,
) -> i32 {
    guard(|| {
        let run = &mut *run;
        let bytes = slice(answer, n);
        let value = if bytes.is_empty() { Ok(Value::Null) } else { document(bytes, "answer") };
        let step = value
            .and_then(|v| run.answer(v))
            .map_err(|f| refuse(out, f))?;
        report(step, run.max_result, ret_step, ret_bytes).map_err(|f| refuse(out, f))
    })
}

/// # Safety
/// `run` is null or comes from `vdr_rego_start` and is ended once.
#[no_mangle]
pub unsafe extern "C" fn vdr_rego_end(run: *mut Run) {
    guard(|| {
        if !run.is_null() {
            drop(Box::from_raw(run));
        }
        Ok(())
    });
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Policy>();
};
