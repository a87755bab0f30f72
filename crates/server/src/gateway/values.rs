//! Finds the JSON objects in a stream of bytes, one after the other, as they arrive.
//!
//! It looks at braces, brackets and strings only: whether what lies between is JSON is for whoever
//! reads the object.

use bytes::{Bytes, BytesMut};

/// Why there is no further object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It does not begin with a brace.
    NotAnObject,
    /// It is longer than allowed.
    TooLong,
}

/// The bytes that have arrived, and how far they were looked at.
#[derive(Debug)]
pub(super) struct Values {
    bytes: BytesMut,
    bytes_max: usize,
    seen: usize,
    depth: usize,
    place: Place,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    InString,
    AfterBackslash,
}

impl Values {
    /// None yet, and each of at most so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        let bytes = BytesMut::new();
        Self { bytes, bytes_max, seen: 0, depth: 0, place: Place::Outside }
    }

    /// More bytes have arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether an object has begun and not ended.
    pub(super) fn is_within(&self) -> bool {
        self.depth > 0
    }

    /// The next object, if all of it is there.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        if self.depth == 0 {
            let blank = self.bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let _ = self.bytes.split_to(blank);
            match self.bytes.first() {
                None => return Ok(None),
                Some(b'{') => {}
                Some(_) => return Err(Broken::NotAnObject),
            }
        }
        while self.seen < self.bytes.len() {
            let byte = self.bytes[self.seen];
            self.seen += 1;
            if self.ends_with(byte) {
                let value = self.bytes.split_to(self.seen).freeze();
                self.seen = 0;
                return if self.bytes_max < value.len() {
                    Err(Broken::TooLong)
                } else {
                    Ok(Some(value))
                };
            }
        }
        if self.bytes_max < self.bytes.len() { Err(Broken::TooLong) } else { Ok(None) }
    }

    /// Whether the object ends with this byte.
    fn ends_with(&mut self, byte: u8) -> bool {
        match (self.place, byte) {
            (Place::InString, b'\\') => self.place = Place::AfterBackslash,
            (Place::InString, b'"') => self.place = Place::Outside,
            (Place::AfterBackslash, _) | (Place::Outside, b'"') => self.place = Place::InString,
            (Place::Outside, b'{' | b'[') => self.depth += 1,
            (Place::Outside, b'}' | b']') => {
                self.depth -= 1;
                return self.depth == 0;
            }
            (Place::InString | Place::Outside, _) => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = " {\"a\":[{}, \"}\\\"{\"]}\n{}{\"b\\\\\":\"\\\\\"} \n ";
    const OBJECTS: [&str; 3] = ["{\"a\":[{}, \"}\\\"{\"]}", "{}", "{\"b\\\\\":\"\\\\\"}"];

    fn all(values: &mut Values) -> Vec<Bytes> {
        std::iter::from_fn(|| values.next().expect("all are objects")).collect()
    }

    #[test]
    fn objects_are_found_however_they_arrive() {
        for length in 1..TEXT.len() {
            let mut values = Values::new(100);
            let mut found = Vec::new();
            for chunk in TEXT.as_bytes().chunks(length) {
                values.push(chunk);
                found.extend(all(&mut values));
            }
            assert_eq!(found, OBJECTS, "in chunks of {length}");
            assert!(!values.is_within());
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["[]", "}", "1", "\"a\"", "null", "\u{feff}{}", ",{}"] {
            let mut values = Values::new(100);
            values.push(text.as_bytes());
            assert_eq!(values.next(), Err(Broken::NotAnObject), "{text}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_ends() {
        let mut values = Values::new(5);
        values.push(b"{   }");
        assert_eq!(values.next().unwrap().unwrap(), "{   }");
        values.push(b"{    ");
        assert_eq!(values.next(), Ok(None));
        assert!(values.is_within());
        values.push(b" ");
        assert_eq!(values.next(), Err(Broken::TooLong));
        let mut values = Values::new(5);
        values.push(b"{    }");
        assert_eq!(values.next(), Err(Broken::TooLong));
    }
}
