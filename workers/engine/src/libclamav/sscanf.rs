//! `sscanf.c`, and that it is in the program: libclamav finds it there before libc's.

use std::ffi::{c_char, c_int};

unsafe extern "C" {
    fn sscanf(text: *const c_char, format: *const c_char, ...) -> c_int;
}

/// Without it, nothing here would ask for the symbol, and the linker would leave it out.
#[used]
static SSCANF: unsafe extern "C" fn(*const c_char, *const c_char, ...) -> c_int = sscanf;

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    type Sscanf = unsafe extern "C" fn(*const c_char, *const c_char, ...) -> c_int;

    /// libc's own.
    fn next() -> Sscanf {
        // SAFETY: a name with its zero; the symbol after ours is libc's function of that type.
        unsafe {
            let found = libc::dlsym(libc::RTLD_NEXT, c"sscanf".as_ptr());
            assert!(!found.is_null());
            std::mem::transmute::<*mut libc::c_void, Sscanf>(found)
        }
    }

    fn read(sscanf: Sscanf, text: &CString) -> (c_int, u32) {
        let mut number = 77_u32;
        // SAFETY: two strings with their zeros, and the one place that the format asks for.
        let count = unsafe { sscanf(text.as_ptr(), c"%u".as_ptr(), &raw mut number) };
        (count, number)
    }

    #[test]
    fn numbers_are_read_as_libc_reads_them() {
        assert_ne!(SSCANF as *const (), next() as *const (), "ours comes first");
        let mut texts: Vec<String> = ["", "0&1", "12|3", "007", "+5", "-5", " 9", "\t\n8", "x1", "(1", "0x1f", "9=3,2"]
            .map(str::to_owned)
            .into();
        for digits in 1..25 {
            texts.extend(["9", "1", "0", "4294967296"].map(|digit| digit.repeat(digits)));
            texts.push(format!("{}{}", "0".repeat(digits), "&1"));
        }
        // every short text over the bytes that matter
        let bytes = b"019+- &a\x7f";
        for length in 1..=4_u32 {
            for index in 0..bytes.len().pow(length) {
                let text = (0..length).map(|place| bytes[index / bytes.len().pow(place) % bytes.len()] as char);
                texts.push(text.collect());
            }
        }
        for text in texts {
            let text = CString::new(text).expect("no zero in it");
            assert_eq!(read(SSCANF, &text), read(next(), &text), "{text:?}");
        }
    }

    #[test]
    fn other_formats_are_libcs() {
        // The ones that libclamav has: of a jump in a pattern, of sizes in tar, and one with more conversions than registers.
        let (mut open, mut close, mut size) = (0_u8, 0_u8, 0_usize);
        let mut numbers = [0_u32; 8];
        // SAFETY: strings with their zeros, and as many places of the right sizes as the formats ask for.
        unsafe {
            assert_eq!(sscanf(c"{6}1f".as_ptr(), c"%c%zu%c".as_ptr(), &raw mut open, &raw mut size, &raw mut close), 3);
            assert_eq!(sscanf(c"004567".as_ptr(), c"%o".as_ptr(), &raw mut numbers[0]), 1);
            assert_eq!((open, size, close, numbers[0]), (b'{', 6, b'}', 0o4567));
            let [a, b, c, d, e, f, g, h] = numbers.each_mut().map(|number| number as *mut u32);
            assert_eq!(
                sscanf(c"1 2 3 4 5 6 7 8".as_ptr(), c"%u %u %u %u %u %u %u %u".as_ptr(), a, b, c, d, e, f, g, h),
                8
            );
        }
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
