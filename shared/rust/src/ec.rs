//! ECDSA and ECDH on P-256, P-384 and P-521 (AWS-LC). Points are taken uncompressed and full width
//! only; scalars full width only; DER signatures in their one DER form only.

use crate::{guard, slice, wipe, BAD_INPUT, NOMEM, REFUSED};
use aws_lc_sys as lc;
use std::ptr::null_mut;

const MAX_FIELD: usize = 66;

struct Curve {
    nid: i32,
    field: usize,
    digest: i32,
}

fn curve(c: i32) -> Result<Curve, i32> {
    match c {
        0 => Ok(Curve { nid: lc::NID_X9_62_prime256v1, field: 32, digest: 0 }),
        1 => Ok(Curve { nid: lc::NID_secp384r1, field: 48, digest: 1 }),
        2 => Ok(Curve { nid: lc::NID_secp521r1, field: 66, digest: 2 }),
        _ => Err(BAD_INPUT),
    }
}

/// An AWS-LC object that is freed with its own function.
struct Owned<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    fn of(p: *mut T, free: unsafe extern "C" fn(*mut T)) -> Result<Owned<T>, i32> {
        if p.is_null() {
            Err(NOMEM)
        } else {
            Ok(Owned(p, free))
        }
    }
    /// For AWS-LC calls that take ownership.
    fn release(self) -> *mut T {
        let p = self.0;
        std::mem::forget(self);
        p
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        unsafe { (self.1)(self.0) }
    }
}

/// AWS-LC's answer 1 or the given code; what its error queue holds is of no use to anybody.
fn want(answer: i32, rc: i32) -> Result<(), i32> {
    if answer == 1 {
        return Ok(());
    }
    unsafe { lc::ERR_clear_error() };
    Err(rc)
}

/// A parsed pair. AWS-LC reads it only, so threads share it.
pub struct Key {
    key: Owned<lc::EC_KEY>,
    curve: Curve,
}
unsafe impl Send for Key {}
unsafe impl Sync for Key {}

fn empty_key(c: &Curve) -> Result<Owned<lc::EC_KEY>, i32> {
    Owned::of(unsafe { lc::EC_KEY_new_by_curve_name(c.nid) }, lc::EC_KEY_free)
}

/// On the curve, not infinity: AWS-LC checks the equation and the range of both coordinates.
fn point(c: &Curve, key: &Owned<lc::EC_KEY>, bytes: &[u8]) -> Result<Owned<lc::EC_POINT>, i32> {
    if bytes.len() != 1 + 2 * c.field || bytes[0] != 4 {
        return Err(BAD_INPUT);
    }
    unsafe {
        let group = lc::EC_KEY_get0_group(key.0);
        let p = Owned::of(lc::EC_POINT_new(group), lc::EC_POINT_free)?;
        let ok = lc::EC_POINT_oct2point(group, p.0, bytes.as_ptr(), bytes.len(), null_mut());
        want(ok, BAD_INPUT)?;
        Ok(p)
    }
}

fn public_key(c: &Curve, bytes: &[u8]) -> Result<Owned<lc::EC_KEY>, i32> {
    let key = empty_key(c)?;
    let p = point(c, &key, bytes)?;
    want(unsafe { lc::EC_KEY_set_public_key(key.0, p.0) }, BAD_INPUT)?;
    Ok(key)
}

fn number(bytes: &[u8]) -> Result<Owned<lc::BIGNUM>, i32> {
    let n = unsafe { lc::BN_bin2bn(bytes.as_ptr(), bytes.len(), null_mut()) };
    Owned::of(n, lc::BN_clear_free)
}

fn digest(kind: i32, bytes: &[u8]) -> Result<([u8; 64], usize), i32> {
    let mut out = [0u8; 64];
    let n = unsafe {
        match kind {
            0 => (lc::SHA256(bytes.as_ptr(), bytes.len(), out.as_mut_ptr()), 32).1,
            1 => (lc::SHA384(bytes.as_ptr(), bytes.len(), out.as_mut_ptr()), 48).1,
            2 => (lc::SHA512(bytes.as_ptr(), bytes.len(), out.as_mut_ptr()), 64).1,
            _ => return Err(BAD_INPUT),
        }
    };
    Ok((out, n))
}

fn pad(out: *mut u8, width: usize, n: *const lc::BIGNUM) -> Result<(), i32> {
    want(unsafe { lc::BN_bn2bin_padded(out, width, n) }, BAD_INPUT)
}

/// Writes 04|x|y of the key's public half.
unsafe fn write_point(
    key: &Owned<lc::EC_KEY>,
    c: &Curve,
    out: *mut u8,
    ret_n: *mut usize,
) -> Result<(), i32> {
    let n = 1 + 2 * c.field;
    let form = lc::point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED;
    let wrote = lc::EC_POINT_point2oct(
        lc::EC_KEY_get0_group(key.0),
        lc::EC_KEY_get0_public_key(key.0),
        form,
        out,
        n,
        null_mut(),
    );
    want((wrote == n) as i32, BAD_INPUT)?;
    *ret_n = n;
    Ok(())
}

unsafe fn agree(
    key: &Owned<lc::EC_KEY>,
    c: &Curve,
    peer: &[u8],
    z: *mut u8,
    ret_n: *mut usize,
) -> Result<(), i32> {
    let p = point(c, key, peer)?;
    let n = lc::ECDH_compute_key(z.cast(), c.field, p.0, key.0, None);
    want((n == c.field as i32) as i32, BAD_INPUT)?;
    *ret_n = c.field;
    Ok(())
}

fn generate(c: &Curve) -> Result<Owned<lc::EC_KEY>, i32> {
    let key = empty_key(c)?;
    want(unsafe { lc::EC_KEY_generate_key(key.0) }, NOMEM)?;
    Ok(key)
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_ec_key_new(
    c: i32,
    d: *const u8,
    d_n: usize,
    pt: *const u8,
    pt_n: usize,
    ret: *mut *mut Key,
) -> i32 {
    guard(|| {
        let c = curve(c)?;
        let d = slice(d, d_n);
        if d.len() != c.field {
            return Err(BAD_INPUT);
        }
        let key = public_key(&c, slice(pt, pt_n))?;
        let d = number(d)?;
        want(lc::EC_KEY_set_private_key(key.0, d.0), BAD_INPUT)?;
        want(lc::EC_KEY_check_key(key.0), BAD_INPUT)?;
        *ret = Box::into_raw(Box::new(Key { key, curve: c }));
        Ok(())
    })
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_ec_key_generate(c: i32, ret: *mut *mut Key) -> i32 {
    guard(|| {
        let c = curve(c)?;
        let key = generate(&c)?;
        *ret = Box::into_raw(Box::new(Key { key, curve: c }));
        Ok(())
    })
}

/// # Safety
/// `k` is null or comes from this library and is freed once.
#[no_mangle]
pub unsafe extern "C" fn vdr_ec_key_free(k: *mut Key) {
    guard(|| {
        if !k.is_null() {
            drop(Box::from_raw(k));
        }
        Ok(())
    });
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_ec_key_export(
    k: *const Key,
    d: *mut u8,
    ret_d: *mut usize,
    pt: *mut u8,
    ret_pt: *mut usize,
) -> i32 {
    guard(|| {
        let k = &*k;
        write_point(&k.key, &k.curve, pt, ret_pt)?;
        pad(d, k.curve.field, lc::EC_KEY_get0_private_key(k.key.0))?;
        *ret_d = k.curve.field;
        Ok(())
    })
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_ec_point_check(c: i32, pt: *const u8, n: usize) -> i32 {
    guard(|| public_key(&curve(c)?, slice(pt, n)).map(drop))
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_ecdsa_sign(
    k: *const Key,
    msg: *const u8,
    n: usize,
    sig: *mut u8,
    ret_n: *mut usize,
) -> i32 {
    guard(|| {
        let k = &*k;
        let w = k.curve.field;
        let (h, h_n) = digest(k.curve.digest, slice(msg, n))?;
        let s = lc::ECDSA_do_sign(h.as_ptr(), h_n, k.key.0);
        let s = Owned::of(s, lc::ECDSA_SIG_free)?;
        pad(sig, w, lc::ECDSA_SIG_get0_r(s.0))?;
        pad(sig.add(w), w, lc::ECDSA_SIG_get0_s(s.0))?;
        *ret_n = 2 * w;
        Ok(())
    })
}

unsafe fn raw_signature(c: &Curve, sig: &[u8]) -> Result<Owned<lc::ECDSA_SIG>, i32> {
    if sig.len() != 2 * c.field {
        return Err(BAD_INPUT);
    }
    let s = Owned::of(lc::ECDSA_SIG_new(), lc::ECDSA_SIG_free)?;
    let (r_n, s_n) = (number(&sig[..c.field])?, number(&sig[c.field..])?);
    want(lc::ECDSA_SIG_set0(s.0, r_n.release(), s_n.release()), NOMEM)?;
    Ok(s)
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_ecdsa_verify(
    c: i32,
    dig: i32,
    form: i32,
    pt: *const u8,
    pt_n: usize,
    msg: *const u8,
    msg_n: usize,
    sig: *const u8,
    sig_n: usize,
) -> i32 {
    guard(|| {
        let c = curve(c)?;
        let key = public_key(&c, slice(pt, pt_n))?;
        let (h, h_n) = digest(dig, slice(msg, msg_n))?;
        let sig = slice(sig, sig_n);
        let answer = match form {
            0 => {
                let s = raw_signature(&c, sig)?;
                lc::ECDSA_do_verify(h.as_ptr(), h_n, s.0, key.0)
            }
            /* parsed as strict DER, encoded again and compared, all inside AWS-LC */
            1 => lc::ECDSA_verify(0, h.as_ptr(), h_n, sig.as_ptr(), sig.len(), key.0),
            _ => return Err(BAD_INPUT),
        };
        want(answer, REFUSED)
    })
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_ecdh(
    k: *const Key,
    pt: *const u8,
    pt_n: usize,
    z: *mut u8,
    ret_n: *mut usize,
) -> i32 {
    guard(|| agree(&(*k).key, &(*k).curve, slice(pt, pt_n), z, ret_n))
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_ecdh_ephemeral(
    c: i32,
    pt: *const u8,
    pt_n: usize,
    z: *mut u8,
    ret_z: *mut usize,
    ret_point: *mut u8,
    ret_point_n: *mut usize,
) -> i32 {
    guard(|| {
        let c = curve(c)?;
        let key = generate(&c)?;
        let mut secret = [0u8; MAX_FIELD];
        let mut n = 0usize;
        agree(&key, &c, slice(pt, pt_n), secret.as_mut_ptr(), &mut n)?;
        let done = write_point(&key, &c, ret_point, ret_point_n);
        if done.is_ok() {
            std::ptr::copy_nonoverlapping(secret.as_ptr(), z, n);
            *ret_z = n;
        }
        wipe(secret.as_mut_ptr(), secret.len());
        done
    })
}
