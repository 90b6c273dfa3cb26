//! The small parts of headers: fixed numbers in little endian, and variable ones of seven bits a byte.

use super::frame::BadFrame;

/// Takes parts off the front of bytes that a peer wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Takes that many bytes.
    #[inline]
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], BadFrame> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(BadFrame::Short)?;
        self.0 = rest;
        Ok(head)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], BadFrame> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(BadFrame::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, BadFrame> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline]
    pub(super) fn fixed_u16(&mut self) -> Result<u16, BadFrame> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(super) fn fixed_u32(&mut self) -> Result<u32, BadFrame> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(super) fn fixed_u64(&mut self) -> Result<u64, BadFrame> {
        self.array().map(u64::from_le_bytes)
    }

    /// Takes a number of one to ten bytes; refuses one that does not fit into 64 bits.
    #[inline]
    pub(super) fn variable(&mut self) -> Result<u64, BadFrame> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            let placed = part << shift;
            if placed >> shift != part {
                return Err(BadFrame::Number);
            }
            number |= placed;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(BadFrame::Number)
    }
}

/// Appends a number of one to ten bytes.
#[inline]
pub(super) fn put_variable(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_numbers_travel() {
        for number in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_variable(&mut bytes, number);
            let mut parts = Parts::of(&bytes);
            assert_eq!(parts.variable(), Ok(number));
            assert!(parts.rest().is_empty());
        }
    }

    #[test]
    fn numbers_over_64_bits_are_refused() {
        let [mut over, endless] = [[0xff; 10], [0xff; 10]];
        over[9] = 0x02;
        assert_eq!(Parts::of(&over).variable(), Err(BadFrame::Number));
        assert_eq!(Parts::of(&endless).variable(), Err(BadFrame::Number));
        assert_eq!(Parts::of(&[0x80]).variable(), Err(BadFrame::Short));
    }
}
