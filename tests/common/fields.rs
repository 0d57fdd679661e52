//! Protocol buffers, as far as dnstap uses them, without their meaning.

/// The fields of a protocol buffer: number, and value or bytes.
#[derive(Debug)]
pub struct Fields(Vec<(u64, u64, Vec<u8>)>);

impl Fields {
    pub fn of(mut bytes: &[u8]) -> Fields {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..64).step_by(7) {
                let (byte, rest) = bytes.split_first().expect("a varint");
                *bytes = rest;
                value |= u64::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            value
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let (value, len) = match key & 7 {
                0 => (varint(&mut bytes), 0),
                2 => (0, varint(&mut bytes) as usize),
                5 => (0, 4),
                other => panic!("wire type {other}"),
            };
            let (text, rest) = bytes.split_at(len);
            bytes = rest;
            fields.push((key >> 3, value, text.to_vec()));
        }
        Fields(fields)
    }

    fn find(&self, number: u64) -> Option<&(u64, u64, Vec<u8>)> {
        self.0.iter().find(|field| field.0 == number)
    }

    pub fn value(&self, number: u64) -> Option<u64> {
        self.find(number).map(|field| field.1)
    }

    pub fn bytes(&self, number: u64) -> Option<&[u8]> {
        self.find(number).map(|field| field.2.as_slice())
    }

    pub fn inner(&self, number: u64) -> Fields {
        Fields::of(self.bytes(number).expect("a message within"))
    }
}
