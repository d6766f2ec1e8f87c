//! Messages of netlink: a header, a fixed part, and attributes that may hold attributes.
//!
//! INVARIANT: everything is padded to four bytes; a message that grew too long for its own length fields is
//! never sent (see [`Message::is_too_long`]).

/// Bytes of a message's header.
pub(super) const HEADER: usize = 16;

/// Bytes of the header of an attribute.
const ATTRIBUTE: usize = 4;

/// The bit that says that an attribute holds attributes.
const NESTED: u16 = 0x8000;

/// The bits of an attribute's kind that are not its number.
const FLAGS: u16 = 0xc000;

/// A message that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Message {
    /// An empty message. Requests and acknowledgements are marked by the socket that sends it; `flags` are
    /// those of the kind (`NLM_F_CREATE`, `NLM_F_EXCL`, ...).
    #[must_use]
    pub fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        Self {
            bytes,
            too_long: false,
        }
    }

    /// With bytes behind, padded: the fixed part of a kind (`struct ifinfomsg`, ...), as the kernel lays it
    /// out.
    #[must_use]
    pub fn bytes(mut self, fixed: &[u8]) -> Self {
        self.bytes.extend(fixed);
        self.pad();
        self
    }

    /// With an attribute.
    #[must_use]
    pub fn attr(mut self, kind: u16, payload: &[u8]) -> Self {
        let length = self.length(payload.len() + ATTRIBUTE);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(payload);
        self.pad();
        self
    }

    /// With an attribute that holds attributes.
    #[must_use]
    pub fn nested(self, kind: u16, inside: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        let mut written = inside(self.attr_header(kind | NESTED));
        let length = written.length(written.bytes.len() - start);
        if let Some(room) = written.bytes.get_mut(start..start + 2) {
            room.copy_from_slice(&length.to_ne_bytes());
        }
        written
    }

    /// With an attribute of no bytes: a flag.
    #[must_use]
    pub fn flag(self, kind: u16) -> Self {
        self.attr(kind, &[])
    }

    /// With a byte.
    #[must_use]
    pub fn u8(self, kind: u16, value: u8) -> Self {
        self.attr(kind, &[value])
    }

    /// With a number in the machine's byte order.
    #[must_use]
    pub fn u16(self, kind: u16, value: u16) -> Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// With a number in the machine's byte order.
    #[must_use]
    pub fn u32(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// With a number in the machine's byte order.
    #[must_use]
    pub fn u64(self, kind: u16, value: u64) -> Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// With a number in network byte order.
    #[must_use]
    pub fn be16(self, kind: u16, value: u16) -> Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// With a number in network byte order.
    #[must_use]
    pub fn be32(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// With a number in network byte order.
    #[must_use]
    pub fn be64(self, kind: u16, value: u64) -> Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// With a string and the zero that ends it.
    #[must_use]
    pub fn string(mut self, kind: u16, value: &str) -> Self {
        let length = self.length(value.len() + 1 + ATTRIBUTE);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
        self.pad();
        self
    }

    /// How many bytes it has so far, header included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is behind the header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() <= HEADER
    }

    /// Whether an attribute does not fit into the 65,535 bytes that its length can say.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.too_long || u32::try_from(self.bytes.len()).is_err()
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> u16 {
        self.bytes.get(4..6).and_then(number16).unwrap_or_default()
    }

    /// What stands behind the header.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// Writes it, with its length, more flags and a sequence number.
    pub(super) fn write(&self, to: &mut Vec<u8>, flags: u16, sequence: u32) {
        let own = self.bytes.get(6..8).and_then(number16).unwrap_or_default();
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        to.extend(length.to_ne_bytes());
        to.extend(self.kind().to_ne_bytes());
        to.extend((own | flags).to_ne_bytes());
        to.extend(sequence.to_ne_bytes());
        to.extend(0u32.to_ne_bytes());
        to.extend(self.payload());
    }

    fn attr_header(mut self, kind: u16) -> Self {
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        self
    }

    fn length(&mut self, length: usize) -> u16 {
        u16::try_from(length).unwrap_or_else(|_| {
            self.too_long = true;
            u16::MAX
        })
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// One attribute that was read: its number and what it holds.
pub type Attribute<'a> = (u16, &'a [u8]);

/// Reads attributes one after another; ends where they are cut off.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Of these bytes: what stands behind a fixed part, or the payload of a nested attribute.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The payload of the first attribute of a kind.
    #[must_use]
    pub fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.clone()
            .find(|(found, _): &Attribute<'a>| *found == kind)
            .map(|(_, payload)| payload)
    }

    /// The attributes inside of the first attribute of a kind; none if there is none.
    #[must_use]
    pub fn inside(&self, kind: u16) -> Self {
        Self::new(self.get(kind).unwrap_or_default())
    }

    /// A byte.
    #[must_use]
    pub fn u8(&self, kind: u16) -> Option<u8> {
        self.get(kind)?.first().copied()
    }

    /// A number in the machine's byte order.
    #[must_use]
    pub fn u32(&self, kind: u16) -> Option<u32> {
        self.get(kind)?
            .first_chunk()
            .copied()
            .map(u32::from_ne_bytes)
    }

    /// A number in network byte order.
    #[must_use]
    pub fn be16(&self, kind: u16) -> Option<u16> {
        self.get(kind)?
            .first_chunk()
            .copied()
            .map(u16::from_be_bytes)
    }

    /// A number in network byte order.
    #[must_use]
    pub fn be32(&self, kind: u16) -> Option<u32> {
        self.get(kind)?
            .first_chunk()
            .copied()
            .map(u32::from_be_bytes)
    }

    /// A number in network byte order.
    #[must_use]
    pub fn be64(&self, kind: u16) -> Option<u64> {
        self.get(kind)?
            .first_chunk()
            .copied()
            .map(u64::from_be_bytes)
    }

    /// A string up to its zero. What is not UTF-8 counts as absent: this program writes no such names.
    #[must_use]
    pub fn string(&self, kind: u16) -> Option<&'a str> {
        let bytes = self.get(kind)?;
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        std::str::from_utf8(bytes.get(..end)?).ok()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(number16(self.rest)?);
        let kind = number16(self.rest.get(2..)?)? & !FLAGS;
        let payload = self.rest.get(ATTRIBUTE..length)?;
        self.rest = self
            .rest
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some((kind, payload))
    }
}

/// A message that the kernel sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The kind.
    pub kind: u16,
    /// The flags.
    pub flags: u16,
    /// What stands behind the header.
    pub payload: Vec<u8>,
}

impl Reply {
    /// The fixed part: the first bytes, fewer if it is cut off.
    #[must_use]
    pub fn fixed(&self, length: usize) -> &[u8] {
        self.payload.get(..length).unwrap_or(&self.payload)
    }

    /// The attributes behind a fixed part of a length.
    #[must_use]
    pub fn attributes(&self, fixed: usize) -> Attributes<'_> {
        Attributes::new(
            self.payload
                .get(fixed.next_multiple_of(4)..)
                .unwrap_or_default(),
        )
    }
}

/// A message in what was received: its header taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) payload: &'a [u8],
}

/// Takes the first message off; none at the end and where a message is cut off.
pub(super) fn receive<'a>(bytes: &mut &'a [u8]) -> Option<Received<'a>> {
    let length = usize::try_from(number32(bytes)?).ok()?;
    let received = Received {
        kind: number16(bytes.get(4..)?)?,
        flags: number16(bytes.get(6..)?)?,
        sequence: number32(bytes.get(8..)?)?,
        payload: bytes.get(HEADER..length)?,
    };
    *bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some(received)
}

fn number16(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().copied().map(u16::from_ne_bytes)
}

pub(super) fn number32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_as_they_were_written() {
        let message = Message::new(7, 0)
            .bytes(&[1, 2, 3])
            .u8(1, 9)
            .nested(2, |inner| {
                inner.be16(3, 80).string(4, "lo").nested(5, |empty| empty)
            })
            .u32(6, 77)
            .be64(8, 1 << 40);
        assert_eq!(message.kind(), 7);
        assert_eq!(message.len() % 4, 0);
        let mut bytes = Vec::new();
        message.write(&mut bytes, 5, 42);
        let mut rest = bytes.as_slice();
        let received = receive(&mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!(
            (received.kind, received.flags, received.sequence),
            (7, 5, 42)
        );
        let reply = Reply {
            kind: 7,
            flags: 5,
            payload: received.payload.to_vec(),
        };
        assert_eq!(reply.fixed(3), [1, 2, 3]);
        let attributes = reply.attributes(3);
        assert_eq!(attributes.u8(1), Some(9));
        assert_eq!(attributes.inside(2).be16(3), Some(80));
        assert_eq!(attributes.inside(2).string(4), Some("lo"));
        assert_eq!(attributes.inside(2).get(5), Some(&[][..]));
        assert_eq!(attributes.u32(6), Some(77));
        assert_eq!(attributes.be64(8), Some(1 << 40));
        assert_eq!(attributes.count(), 4);
    }

    #[test]
    fn what_is_cut_off_is_not_read() {
        let message = Message::new(1, 0).u32(1, 1).u32(2, 2);
        let payload = message.payload();
        for cut in 0..payload.len() {
            let whole = Attributes::new(&payload[..cut]).count();
            assert_eq!(whole, cut / 8, "{cut} bytes");
        }
        let mut bytes = Vec::new();
        message.write(&mut bytes, 0, 0);
        for cut in 0..bytes.len() {
            assert!(receive(&mut &bytes[..cut]).is_none());
        }
        // A length below that of the header ends the walk instead of going on for ever.
        assert_eq!(Attributes::new(&[0, 0, 1, 0, 8, 0, 1, 0]).count(), 0);
        assert!(receive(&mut [0u8; 32].as_slice()).is_none());
    }

    #[test]
    fn an_attribute_too_long_for_its_length_is_noticed() {
        assert!(!Message::new(0, 0).attr(1, &[0; 65_531]).is_too_long());
        assert!(Message::new(0, 0).attr(1, &[0; 65_532]).is_too_long());
        let half = [0; 40_000];
        assert!(
            Message::new(0, 0)
                .nested(1, |inner| inner.attr(2, &half).attr(3, &half))
                .is_too_long()
        );
    }
}
