//! How a stream begins: two bytes that say what it carries.

use std::time::Duration;

use quinn::RecvStream;
use tokio::time::timeout;

use super::end::{StreamEnd, Violation};

/// How long the first two bytes of a stream may take once it is open: they travel in its first packet.
const TAG_TIME: Duration = Duration::from_secs(10);

/// What a stream carries; the byte after it numbers the lane or the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// The hello, on the first stream of a connection.
    Hello,
    /// A lane.
    Lane,
    /// A channel.
    Channel,
    /// One large request.
    SoloRequest,
    /// One large reply.
    SoloReply,
}

impl Tag {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Hello => 1,
            Self::Lane => 2,
            Self::Channel => 3,
            Self::SoloRequest => 4,
            Self::SoloReply => 5,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Hello, Self::Lane, Self::Channel, Self::SoloRequest, Self::SoloReply]
            .into_iter()
            .find(|tag| tag.byte() == byte)
    }
}

/// Reads how a stream begins.
pub(super) async fn read_tag(stream: &mut RecvStream) -> Result<(Tag, u8), StreamEnd> {
    let mut head = [0; 2];
    match timeout(TAG_TIME, stream.read_exact(&mut head)).await {
        Err(_) => return Err(StreamEnd::Abandoned),
        Ok(Err(quinn::ReadExactError::FinishedEarly(_))) => return Err(StreamEnd::Broken(Violation::Stream(head))),
        Ok(Err(quinn::ReadExactError::ReadError(error))) => return Err(error.into()),
        Ok(Ok(())) => {}
    }
    let [tag, number] = head;
    let tag = Tag::from_byte(tag).ok_or(StreamEnd::Broken(Violation::Stream(head)))?;
    Ok((tag, number))
}
