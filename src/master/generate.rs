//! `$GENERATE`: the range, and the text of one step (BIND's directive).

/// Most records that one directive makes.
pub(super) const MAX_STEPS: u64 = 65_536;
/// Longest text that one step may make.
const MAX_TEXT_LEN: usize = 65_536;
/// Widest number.
const MAX_WIDTH: usize = 255;

/// `start-stop[/step]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u32,
    pub(super) stop: u32,
    pub(super) step: u32,
}

impl Range {
    /// `None` where the text is no range, or a range that goes backwards or nowhere.
    pub(super) fn parse(text: &[u8]) -> Option<Range> {
        let text = std::str::from_utf8(text).ok()?;
        let (range, step) = text.split_once('/').unwrap_or((text, "1"));
        let (start, stop) = range.split_once('-')?;
        let number = |text: &str| -> Option<u32> {
            let number: u32 = text.parse().ok()?;
            (text.as_bytes().first()?.is_ascii_digit() && number <= i32::MAX as u32)
                .then_some(number)
        };
        let range = Range { start: number(start)?, stop: number(stop)?, step: number(step)? };
        (range.start <= range.stop && range.step > 0).then_some(range)
    }

    /// Number of steps.
    pub(super) fn len(self) -> u64 {
        u64::from((self.stop - self.start) / self.step) + 1
    }

    /// The numbers of the range.
    pub(super) fn iter(self) -> impl Iterator<Item = u32> {
        (self.start..=self.stop).step_by(self.step as usize)
    }
}

/// Replaces `out` by a template's text for one number. `$` stands for the number,
/// `${offset,width,base}` for the number as told, `$$` for a dollar sign. The error says what is
/// wrong with the template.
pub(super) fn expand(template: &[u8], number: u32, out: &mut Vec<u8>) -> Result<(), &'static str> {
    out.clear();
    let mut rest = template;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'\\', [next, after @ ..]) => {
                out.extend_from_slice(&[b'\\', *next]);
                rest = after;
            }
            (b'$', [b'$', after @ ..]) => {
                out.push(b'$');
                rest = after;
            }
            (b'$', [b'{', after @ ..]) => {
                let end = memchr::memchr(b'}', after).ok_or("this `${` has no `}`")?;
                let format = Format::parse(&after[..end])
                    .ok_or("write ${offset,width,base}, the base one of d o x X n N")?;
                format.write(number, out)?;
                rest = &after[end + 1..];
            }
            (b'$', _) => out.extend_from_slice(number.to_string().as_bytes()),
            _ => out.push(byte),
        }
        if out.len() > MAX_TEXT_LEN {
            return Err("this makes a text that is too long");
        }
    }
    Ok(())
}

struct Format {
    offset: i64,
    width: usize,
    base: u8,
}

impl Format {
    fn parse(text: &[u8]) -> Option<Format> {
        let mut parts = std::str::from_utf8(text).ok()?.split(',');
        let offset: i32 = parts.next()?.parse().ok()?;
        let width: usize = parts.next().map_or(Some(0), |width| width.parse().ok())?;
        let base = match parts.next().map_or(&b"d"[..], str::as_bytes) {
            [base @ (b'd' | b'o' | b'x' | b'X' | b'n' | b'N')] => *base,
            _ => return None,
        };
        let good = parts.next().is_none() && width <= MAX_WIDTH;
        good.then_some(Format { offset: i64::from(offset), width, base })
    }

    fn write(&self, number: u32, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let value = u32::try_from(i64::from(number) + self.offset)
            .ok()
            .filter(|value| *value <= i32::MAX as u32)
            .ok_or("the offset makes a number below 0 or above 2147483647")?;
        let width = self.width;
        let text = match self.base {
            b'o' => format!("{value:0width$o}"),
            b'x' => format!("{value:0width$x}"),
            b'X' => format!("{value:0width$X}"),
            b'n' | b'N' => nibbles(value, width, self.base),
            _ => format!("{value:0width$}"),
        };
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Hexadecimal digits from the last to the first with dots between them; the width counts both.
fn nibbles(mut value: u32, mut width: usize, base: u8) -> String {
    let mut text = String::new();
    loop {
        // A value below 16 is a digit.
        let digit = char::from_digit(value & 15, 16).unwrap_or('0');
        text.push(if base == b'N' { digit.to_ascii_uppercase() } else { digit });
        value >>= 4;
        width = width.saturating_sub(1);
        if width > 0 || value != 0 {
            text.push('.');
            width = width.saturating_sub(1);
        }
        if width == 0 && value == 0 {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(template: &str, number: u32) -> Result<String, &'static str> {
        let mut out = Vec::new();
        expand(template.as_bytes(), number, &mut out)?;
        Ok(String::from_utf8(out).expect("templates of these tests are ASCII"))
    }

    #[test]
    fn numbers_are_written_as_told() {
        for (template, number, text) in [
            ("h$", 7, "h7"),
            ("$$$", 7, "$7"),
            (r"\$$", 7, r"\$7"),
            ("h${10}", 7, "h17"),
            ("h${-2,3}.x", 7, "h005.x"),
            ("${0,4,x}", 255, "00ff"),
            ("${0,0,X}", 255, "FF"),
            ("${0,3,o}", 8, "010"),
            ("${0,0,n}", 0x1f2, "2.f.1"),
            ("${0,8,N}", 0xf, "F.0.0.0."),
            ("${0,7,n}", 0xf, "f.0.0.0"),
        ] {
            assert_eq!(expanded(template, number).as_deref(), Ok(text), "{template}");
        }
    }

    #[test]
    fn templates_that_cannot_be_filled_are_refused() {
        for template in
            ["${", "${}", "${1,2,z}", "${1,2,d,4}", "${-8}", "${0,256}", "${2147483647}"]
        {
            assert!(expanded(template, 7).is_err(), "{template}");
        }
    }

    #[test]
    fn ranges_go_forwards() {
        let range = Range::parse(b"1-10/3").expect("is a range");
        assert_eq!(range.iter().collect::<Vec<_>>(), [1, 4, 7, 10]);
        assert_eq!(range.len(), 4);
        for text in ["2-1", "1-2/0", "-1-2", "1", "1-", "1-2/", "1-+2", "0-2147483648"] {
            assert_eq!(Range::parse(text.as_bytes()), None, "{text}");
        }
    }
}
