//! Frame Streams: frames with a length before them, and control frames at the ends of the stream.
//!
//! In a file, START begins and STOP ends. Over a socket there is a handshake: READY is answered with
//! ACCEPT before START, and STOP with FINISH. All numbers are big-endian.

use std::io::{self, Read};

/// What the frames hold.
const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";
/// The one field of control frames.
const FIELD_CONTENT_TYPE: u32 = 1;
/// Longest control frame that is read; one that names a few content types is far shorter.
const MAX_CONTROL: u32 = 4_096;

/// Control frames by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Accept = 1,
    Start = 2,
    Stop = 3,
    Ready = 4,
    Finish = 5,
}

/// Appends a data frame.
pub(super) fn put_data(buffer: &mut Vec<u8>, data: &[u8]) {
    // Messages of 64 KiB at most stand in it.
    buffer.extend((data.len() as u32).to_be_bytes());
    buffer.extend(data);
}

/// A control frame, with its escape.
pub(super) fn control(control: Control) -> Vec<u8> {
    let mut body = (control as u32).to_be_bytes().to_vec();
    if matches!(control, Control::Ready | Control::Accept | Control::Start) {
        body.extend(FIELD_CONTENT_TYPE.to_be_bytes());
        put_data(&mut body, CONTENT_TYPE);
    }
    let mut frame = 0_u32.to_be_bytes().to_vec();
    put_data(&mut frame, &body);
    frame
}

/// Reads a control frame, which must be the one expected, and, if it names content types, name ours.
pub(super) fn expect(reader: &mut impl Read, expected: Control) -> io::Result<()> {
    let unexpected = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let [escape, len] = [read_u32(reader)?, read_u32(reader)?];
    if escape != 0 || !(4..=MAX_CONTROL).contains(&len) {
        return Err(unexpected("the reader does not speak Frame Streams"));
    }
    let mut body = vec![0; len as usize];
    reader.read_exact(&mut body)?;
    let mut rest = body.as_slice();
    if read_u32(&mut rest)? != expected as u32 {
        return Err(unexpected("the reader sent another control frame than was expected"));
    }
    let mut is_ours = rest.is_empty();
    while !rest.is_empty() {
        let [field, len] = [read_u32(&mut rest)?, read_u32(&mut rest)?];
        let (value, after) = rest
            .split_at_checked(len as usize)
            .ok_or_else(|| unexpected("the reader sent a control frame that is cut off"))?;
        is_ours |= field == FIELD_CONTENT_TYPE && value == CONTENT_TYPE;
        rest = after;
    }
    if is_ours { Ok(()) } else { Err(unexpected("the reader does not take dnstap")) }
}

fn read_u32(reader: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}
