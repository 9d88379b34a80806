//! The C functions of vd_rust.h for policies, and the two structs that C fills.

use super::documents::document;
use super::fault::Failure;
use super::{
    compile, interp, json, on_stack, vm, Body, Budget, Policy, Run, Step, BUDGET, COMPILE, MEMORY,
    STACK,
};
use crate::fault::{fill, Fault};
use crate::{guard, slice, Bytes, BAD_INPUT};
use regorus::Value;
use std::ffi::{c_char, CStr};
use std::sync::atomic::Ordering;
use std::sync::Arc;

extern "C" {
    /// The engine's allocator: gives back what parsing used and freed.
    fn mi_collect(force: bool);
    fn mi_option_set(option: i32, value: i64);
}
/// mi_option_disallow_arena_alloc: memory comes from the system in pieces that it can count, not out
/// of one reservation of a gigabyte. Its number in the mimalloc that Cargo.lock names.
const NO_ARENAS: i32 = 27;

/// Runs hold the policy too, so it may be freed while one is running.
pub struct Rego(Arc<Policy>);

#[repr(C)]
pub struct Query {
    input: *const u8,
    input_n: usize,
    data: *const u8,
    data_n: usize,
    now_ns: i64,
    budget: Budget,
}

/// From here on nothing starts a thread, and memory is asked for as it is needed.
#[no_mangle]
pub extern "C" fn vdr_rego_alone() {
    unsafe { mi_option_set(NO_ARENAS, 1) };
    crate::ALONE.store(true, Ordering::Relaxed);
}

#[no_mangle]
pub extern "C" fn vdr_rego_memory(bytes: u64) {
    MEMORY.store(bytes, Ordering::Relaxed);
    regorus::set_global_memory_limit(Some(bytes));
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
            .and_then(|text| {
                on_stack(STACK, || {
                    let policy = compile(text, names, lookups != 0);
                    mi_collect(true);
                    policy
                })
            })
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

unsafe fn start(r: &Rego, entry: usize, q: &Query) -> Result<(Run, Step), Failure> {
    let input = document(slice(q.input, q.input_n), "input")?;
    let data = document(slice(q.data, q.data_n), "data")?;
    let max_result = usize::try_from(q.budget.result).unwrap_or(usize::MAX);
    let (name, vm, trust_vm) = match r.0.entries.get(entry) {
        Some((name, Body::Vm(p, loops))) => {
            (name, Some(p), loops.iter().all(|l| l.is_fit(&input, &data)))
        }
        Some((name, Body::Guarded(p))) => (name, Some(p), false),
        Some((name, Body::Interpreted)) => (name, None, false),
        Some((_, Body::Broken(f))) => return Err(f.clone()),
        Some((_, Body::Absent)) | None => return Err(Failure::plain(BAD_INPUT, "no such rule")),
    };
    let vm = match vm {
        Some(p) => Some(Box::new(vm::Run::new(
            p.clone(),
            input.clone(),
            data.clone(),
            q.now_ns,
            &q.budget,
        )?)),
        None => None,
    };
    let interp = interp::Run::new(r.0.clone(), name, input, data, q.now_ns, &q.budget);
    let mut run = Run { vm, interp, trust_vm, asked: String::new(), max_result };
    let step = run.begin()?;
    Ok((run, step))
}

/// Tells C where the run stands: 0 value (its JSON), 1 undefined, 2 lookup (the name).
unsafe fn report(
    step: Step,
    max: usize,
    ret_step: *mut i32,
    ret: *mut Bytes,
) -> Result<(), Failure> {
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
        let step = value.and_then(|v| run.answer(v)).map_err(|f| refuse(out, f))?;
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
