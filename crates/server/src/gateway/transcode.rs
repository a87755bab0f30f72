//! Messages from JSON and to it, by protobuf's JSON mapping with the names of the interface: 64-bit
//! integers as strings, bytes in base64, fields that are zero left out.

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Deserializer;
use tonic::Status;

/// The encoded message that the JSON at the beginning of these bytes stands for. Nothing at all
/// stands for an empty message; fields that are not known are ignored, and so are unknown names of
/// an enumeration's values, as in etcd 3.6.
pub(super) fn from_json(json: &[u8], input: &MessageDescriptor) -> Result<Bytes, Status> {
    if json.trim_ascii().is_empty() {
        return Ok(Bytes::new());
    }
    let mut json = Deserializer::from_slice(json);
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let message = DynamicMessage::deserialize_with_options(input.clone(), &mut json, &options);
    match message {
        Ok(message) => Ok(message.encode_to_vec().into()),
        Err(error) => {
            let name = input.name();
            Err(Status::invalid_argument(format!("the body is not the JSON of a {name}: {error}")))
        }
    }
}

/// The JSON of an encoded message.
pub(super) fn to_json(message: Bytes, output: &MessageDescriptor) -> Result<Vec<u8>, Status> {
    let message = DynamicMessage::decode(output.clone(), message)
        .map_err(|error| Status::internal(format!("an answer does not decode: {error}")))?;
    let mut json = serde_json::Serializer::new(Vec::new());
    let options = SerializeOptions::new().use_proto_field_name(true);
    message
        .serialize_with_options(&mut json, &options)
        .map_err(|error| Status::internal(format!("an answer has no JSON: {error}")))?;
    Ok(json.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_reflect::DescriptorPool;
    use quorate_etcdapi::{DESCRIPTORS, etcdserverpb as pb, mvccpb};

    fn descriptor(name: &str) -> MessageDescriptor {
        let pool = DescriptorPool::decode(DESCRIPTORS).expect("it was generated");
        pool.get_message_by_name(&format!("etcdserverpb.{name}")).expect("it is there")
    }

    fn read<T: Message + Default>(name: &str, json: &str) -> Result<T, Status> {
        let bytes = from_json(json.as_bytes(), &descriptor(name))?;
        Ok(T::decode(bytes).expect("it was encoded"))
    }

    fn range(json: &str) -> pb::RangeRequest {
        read("RangeRequest", json).unwrap_or_else(|status| panic!("{json}: {status}"))
    }

    #[test]
    fn every_spelling_of_a_field_is_read() {
        let expected = pb::RangeRequest {
            key: "\u{3ff}\u{3ff}".into(),
            limit: 7,
            sort_order: 2,
            keys_only: true,
            ..Default::default()
        };
        for json in [
            r#"{"key":"z7/Pvw==","limit":"7","sort_order":"DESCEND","keys_only":true}"#,
            r#"{"key":"z7_Pvw==","limit":7,"sortOrder":2,"keysOnly":true}"#,
            r#"{"key":"z7_Pvw","limit":7.0,"sortOrder":2,"keysOnly":true,"nothing":[{}],"x":null}"#,
            r#" {"key":"z7/Pvw==","range_end":null,"limit":"7","sort_order":2,"keys_only":true} x"#,
        ] {
            assert_eq!(range(json), expected, "{json}");
        }
        assert_eq!(range(r#"{"sort_order":"NOPE"}"#), pb::RangeRequest::default());
        assert_eq!(range(" "), pb::RangeRequest::default());
        assert_eq!(range("{}"), pb::RangeRequest::default());
    }

    #[test]
    fn names_of_initials_are_kept() {
        let grant: pb::LeaseGrantRequest =
            read("LeaseGrantRequest", r#"{"TTL":"60","ID":-5}"#).unwrap();
        assert_eq!((grant.ttl, grant.id), (60, -5));
        let member = pb::MemberAddRequest {
            peer_ur_ls: vec!["http://a:1".to_owned()],
            ..Default::default()
        };
        let json = to_json(member.encode_to_vec().into(), &descriptor("MemberAddRequest"));
        assert_eq!(json.unwrap(), br#"{"peerURLs":["http://a:1"]}"#);
    }

    #[test]
    fn what_is_no_such_message_is_refused_and_said() {
        for json in [
            "{",
            "[]",
            "null",
            "1",
            "\"\"",
            "{\"key\":",
            "{\"key\":\"!!\"}",
            "{\"key\":1}",
            "{\"key\":\"\\ud800\"}",
            "{\"limit\":\"1.5\"}",
            "{\"limit\":1.5}",
            "{\"limit\":1e300}",
            "{\"limit\":\"9223372036854775808\"}",
            "{\"limit\":9223372036854775808}",
            "{\"limit\":{}}",
            "{\"keys_only\":\"true\"}",
            "{\"sort_order\":2147483648}",
            "{'key':\"\"}",
            "{\"limit\":1,}",
            "{\"limit\":01}",
            "\u{feff}{}",
        ] {
            let refused = read::<pb::RangeRequest>("RangeRequest", json).expect_err(json);
            assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{json}");
            assert!(refused.message().contains("JSON of a RangeRequest"), "{json}: {refused}");
        }
        let invalid = from_json(b"{\"key\":\"\xff\"}", &descriptor("RangeRequest"));
        assert!(invalid.is_err());
    }

    #[test]
    fn deep_nesting_is_refused() {
        let (open, close) = (r#"{"success":[{"request_txn":"#, "}]}");
        let nested = |depth: usize| open.repeat(depth) + "{}" + &close.repeat(depth);
        assert!(read::<pb::TxnRequest>("TxnRequest", &nested(10)).is_ok());
        let refused = read::<pb::TxnRequest>("TxnRequest", &nested(100_000));
        assert!(refused.unwrap_err().message().contains("recursion limit exceeded"));
    }

    #[test]
    fn answers_have_the_names_of_the_interface_and_no_zeros() {
        let kv = mvccpb::KeyValue { key: "k".into(), mod_revision: -3, ..Default::default() };
        let events = vec![
            mvccpb::Event { kv: Some(kv), ..Default::default() },
            mvccpb::Event { r#type: 1, ..Default::default() },
        ];
        let header = pb::ResponseHeader { cluster_id: u64::MAX, ..Default::default() };
        let response =
            pb::WatchResponse { header: Some(header), created: true, events, ..Default::default() };
        let json = to_json(response.encode_to_vec().into(), &descriptor("WatchResponse"));
        assert_eq!(
            String::from_utf8(json.unwrap()).unwrap(),
            "{\"header\":{\"cluster_id\":\"18446744073709551615\"},\"created\":true,\"events\":\
             [{\"kv\":{\"key\":\"aw==\",\"mod_revision\":\"-3\"}},{\"type\":\"DELETE\"}]}"
        );
    }
}
