//! ML-KEM-768 (AWS-LC): check, encapsulate, generate, decapsulate.

use crate::{guard, slice, BAD_INPUT, NOMEM};
use aws_lc_sys as lc;
use std::ptr::null_mut;

const PUBLIC: usize = 1184;
const CIPHERTEXT: usize = 1088;
const SECRET: usize = 32;

pub struct Key(*mut lc::EVP_PKEY);
unsafe impl Send for Key {}
unsafe impl Sync for Key {}

impl Drop for Key {
    fn drop(&mut self) {
        unsafe { lc::EVP_PKEY_free(self.0) }
    }
}

struct Ctx(*mut lc::EVP_PKEY_CTX);

impl Drop for Ctx {
    fn drop(&mut self) {
        unsafe { lc::EVP_PKEY_CTX_free(self.0) }
    }
}

fn want(answer: i32, rc: i32) -> Result<(), i32> {
    if answer == 1 {
        return Ok(());
    }
    unsafe { lc::ERR_clear_error() };
    Err(rc)
}

fn key(p: *mut lc::EVP_PKEY, rc: i32) -> Result<Key, i32> {
    want(!p.is_null() as i32, rc)?;
    Ok(Key(p))
}

fn ctx(p: *mut lc::EVP_PKEY_CTX) -> Result<Ctx, i32> {
    want(!p.is_null() as i32, NOMEM)?;
    Ok(Ctx(p))
}

/// FIPS 203, 7.2: 1184 bytes and each of the 768 12-bit coefficients below q = 3329. AWS-LC tests it
/// at encapsulation as well; here a key is refused when it arrives.
fn public(bytes: &[u8]) -> Result<Key, i32> {
    if bytes.len() != PUBLIC {
        return Err(BAD_INPUT);
    }
    let below_q = bytes[..PUBLIC - 32].chunks_exact(3).all(|b| {
        let (a, b, c) = (b[0] as u32, b[1] as u32, b[2] as u32);
        (a | (b & 15) << 8) < 3329 && (b >> 4 | c << 4) < 3329
    });
    if !below_q {
        return Err(BAD_INPUT);
    }
    let p = unsafe {
        lc::EVP_PKEY_kem_new_raw_public_key(lc::NID_MLKEM768, bytes.as_ptr(), bytes.len())
    };
    key(p, BAD_INPUT)
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_mlkem768_check(p: *const u8, n: usize) -> i32 {
    guard(|| public(slice(p, n)).map(drop))
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_mlkem768_encapsulate(
    p: *const u8,
    n: usize,
    ct: *mut u8,
    ss: *mut u8,
) -> i32 {
    guard(|| {
        let k = public(slice(p, n))?;
        let c = ctx(lc::EVP_PKEY_CTX_new(k.0, null_mut()))?;
        let (mut ct_n, mut ss_n) = (CIPHERTEXT, SECRET);
        want(lc::EVP_PKEY_encapsulate(c.0, ct, &mut ct_n, ss, &mut ss_n), BAD_INPUT)?;
        want((ct_n == CIPHERTEXT && ss_n == SECRET) as i32, BAD_INPUT)
    })
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_mlkem768_generate(ret: *mut *mut Key, pub_out: *mut u8) -> i32 {
    guard(|| {
        let c = ctx(lc::EVP_PKEY_CTX_new_id(lc::EVP_PKEY_KEM, null_mut()))?;
        want(lc::EVP_PKEY_CTX_kem_set_params(c.0, lc::NID_MLKEM768), NOMEM)?;
        want(lc::EVP_PKEY_keygen_init(c.0), NOMEM)?;
        let mut p = null_mut();
        want(lc::EVP_PKEY_keygen(c.0, &mut p), NOMEM)?;
        let k = key(p, NOMEM)?;
        let mut n = PUBLIC;
        want(lc::EVP_PKEY_get_raw_public_key(k.0, pub_out, &mut n), NOMEM)?;
        *ret = Box::into_raw(Box::new(k));
        Ok(())
    })
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_mlkem768_decapsulate(
    k: *const Key,
    ct: *const u8,
    n: usize,
    ss: *mut u8,
) -> i32 {
    guard(|| {
        let ct = slice(ct, n);
        if ct.len() != CIPHERTEXT {
            return Err(BAD_INPUT);
        }
        let c = ctx(lc::EVP_PKEY_CTX_new((*k).0, null_mut()))?;
        let mut ss_n = SECRET;
        want(lc::EVP_PKEY_decapsulate(c.0, ss, &mut ss_n, ct.as_ptr(), ct.len()), BAD_INPUT)
    })
}

/// # Safety
/// `k` is null or comes from this library and is freed once.
#[no_mangle]
pub unsafe extern "C" fn vdr_mlkem768_free(k: *mut Key) {
    guard(|| {
        if !k.is_null() {
            drop(Box::from_raw(k));
        }
        Ok(())
    });
}
