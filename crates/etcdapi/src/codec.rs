//! Messages as bytes, for the generated clients and servers.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

/// What is taken for a message before its length is known, in bytes: small requests and answers fit
/// with their keys and values. The library's own 8 KiB each way cost more than the rest of a small
/// request, and a key that is kept keeps all of the buffer that it came in.
const BUFFER_BYTES: usize = 512;

/// How much of a stream's messages is gathered before it goes out, in bytes; the library's own.
const GATHERED_BYTES: usize = 32 * 1024;

fn buffers() -> BufferSettings {
    BufferSettings::new(BUFFER_BYTES, GATHERED_BYTES)
}

/// Messages of one type out, and of another in.
#[derive(Clone, Debug)]
pub(crate) struct MessageCodec<T, U> {
    types: PhantomData<(T, U)>,
}

impl<T, U> Default for MessageCodec<T, U> {
    fn default() -> Self {
        Self { types: PhantomData }
    }
}

impl<T, U> Codec for MessageCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = MessageEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> MessageEncoder<T> {
        MessageEncoder { message: PhantomData }
    }

    fn decoder(&mut self) -> ProstDecoder<U> {
        ProstDecoder::new(buffers())
    }
}

/// Writes messages, each into room of its length.
#[derive(Clone, Debug)]
pub(crate) struct MessageEncoder<T> {
    message: PhantomData<T>,
}

impl<T: Message> Encoder for MessageEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(message.encoded_len());
        message.encode(out).expect("there is room");
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}
