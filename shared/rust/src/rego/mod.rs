//! Rego: a policy is parsed and compiled once; an evaluation is a run that stops for each answer of
//! the host. The engine has a register VM (`vm`: fast, with budgets) and an interpreter (`interp`:
//! what Trustee runs, so what policies mean). `plain` says when the VM's value counts; for other
//! programs the VM goes ahead for its budgets and the interpreter decides. What the VM's compiler does
//! not know (`with`, some heads, unknown functions that may never be reached) is only interpreted.

mod abi;
mod cost;
mod defined;
mod documents;
mod fault;
mod forbidden;
mod interp;
mod json;
mod plain;
mod shape;
#[cfg(test)]
mod tests;
mod vm;

use fault::Failure;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::Program;
use regorus::{Engine, PolicyLengthConfig, Value};
use shape::Place;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};

pub const BUDGET: i32 = 3;
pub const EVAL: i32 = 6;
pub const COMPILE: i32 = 7;

const LOOKUP: &str = "query_reference_value";
const CLOCK: &str = "time.now_ns";
const FILE: &str = "policy";
/// The parser and the analyses recurse; callers may have small stacks.
const STACK: usize = 64 << 20;
/// Live bytes of all policies together. The VM has a budget per evaluation; this is what holds the
/// interpreter, between two built-ins. A process of its own sets a smaller one.
static MEMORY: AtomicU64 = AtomicU64::new(512 << 20);

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

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Budget {
    instructions: u64,
    milliseconds: u64,
    memory: u64,
    result: u64,
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
    PolicyLengthConfig {
        max_col: columns.unwrap_or(NonZeroU32::MAX),
        max_file_bytes: n,
        max_lines: n,
    }
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
    static LIMIT: Once = Once::new();
    LIMIT.call_once(|| regorus::set_global_memory_limit(Some(MEMORY.load(Ordering::Relaxed))));
    if let Some(at) = cost::too_much(text.as_bytes()) {
        let (line, column) = crate::toml::place(text.as_bytes(), at);
        return Err(Failure { rc: COMPILE, line, column, text: "nested too deeply".into() });
    }
    if let Some((at, name)) = forbidden::find(text.as_bytes()) {
        let (line, column) = crate::toml::place(text.as_bytes(), at);
        let text = format!("{name} is not for policies");
        return Err(Failure { rc: COMPILE, line, column, text });
    }
    let mut engine = Engine::new();
    engine.set_policy_length_config(lengths(text.len()));
    engine.set_gather_prints(true);
    engine.add_policy(FILE.into(), text.into()).map_err(|e| Failure::of_engine(COMPILE, &e))?;
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
fn on_stack<T: Send>(
    size: usize,
    f: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    crate::on_stack(size, f)
        .unwrap_or_else(|rc| Err(Failure::plain(rc, "the policy engine failed")))
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Policy>();
};
