//! C ABI of a few crates, for the C side of Vidimus (vd_rust.h is the contract). It binds and
//! converts; it decides nothing. Every entry point runs inside `guard`, so a panic becomes a return
//! code. Pointers that come in are borrowed for the call; memory that goes out returns by `vdr_free`.

mod ec;
mod fault;
mod kem;
mod rego;
mod toml;

use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Once;

pub const OK: i32 = 0;
pub const BAD_INPUT: i32 = 1;
pub const REFUSED: i32 = 2;
pub const PANIC: i32 = 4;
pub const NOMEM: i32 = 5;
pub const TOO_LARGE: i32 = 8;

/// Bytes owned by the caller until `vdr_free`.
#[repr(C)]
pub struct Bytes {
    p: *mut u8,
    n: usize,
}

impl Bytes {
    pub fn of(v: Vec<u8>) -> Bytes {
        let b = Box::leak(v.into_boxed_slice());
        Bytes { p: b.as_mut_ptr(), n: b.len() }
    }

    pub fn none() -> Bytes {
        Bytes { p: std::ptr::null_mut(), n: 0 }
    }
}

/// # Safety
/// `b` comes from a call of this library and is freed once.
#[no_mangle]
pub unsafe extern "C" fn vdr_free(b: Bytes) {
    if !b.p.is_null() {
        wipe(b.p, b.n);
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(b.p, b.n)));
    }
}

/// Overwrites memory; not removable by the optimiser.
///
/// # Safety
/// `p` is writable for `n` bytes.
pub unsafe fn wipe(p: *mut u8, n: usize) {
    aws_lc_sys::OPENSSL_cleanse(p.cast(), n);
}

/// Runs an entry point. The panic hook is replaced once: its default prints to standard error, where
/// text of a stranger's input could end up.
pub fn guard(f: impl FnOnce() -> Result<(), i32>) -> i32 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| set_hook(Box::new(|_| {})));
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(())) => OK,
        Ok(Err(rc)) => rc,
        Err(_) => PANIC,
    }
}

/// The process has one thread, whose stack is large and whose death is expected.
pub static ALONE: AtomicBool = AtomicBool::new(false);

/// Runs `f` on a thread with a stack of its own size: callers may have small ones, parsers recurse.
pub fn on_stack<T: Send>(size: usize, f: impl FnOnce() -> T + Send) -> Result<T, i32> {
    if ALONE.load(Ordering::Relaxed) {
        return catch_unwind(AssertUnwindSafe(f)).map_err(|_| PANIC);
    }
    std::thread::scope(|s| {
        let thread = std::thread::Builder::new().stack_size(size).spawn_scoped(s, f);
        thread.map_err(|_| NOMEM)?.join().map_err(|_| PANIC)
    })
}

/// Borrowed input; a null pointer is the empty slice whatever the length says.
///
/// # Safety
/// `p` is null or readable for `n` bytes while the result lives.
pub unsafe fn slice<'a>(p: *const u8, n: usize) -> &'a [u8] {
    if p.is_null() || n == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(p, n)
    }
}
